#!/usr/bin/env python3
# timeout: 600
"""Compares `llm-tokenize --train bpe` with Hugging Face's BpeTrainer.

Texts: ../shared/data/corpus, or the system's documentation where that is absent.
What is learned must be as good (bytes per token of other text) and load in
`tokenizers` with the ids that llm-tokenize gives.
"""
import json
import os
import pathlib
import subprocess
import tempfile

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

import _texts
from _texts import BIN, corpus_texts, diag, fixtures, ok, random_texts, system_texts


def write_lines(path, texts):
    path.write_text("".join(json.dumps({"text": t}) + "\n" for t in texts))
    return path


# ---- ours and theirs ----------------------------------------------------------

def tool(*arguments):
    p = subprocess.run([str(BIN / "llm-tokenize"), "-q"] + [str(a) for a in arguments], stdout=subprocess.PIPE)
    if p.returncode:
        diag("llm-tokenize %s: status %d" % (" ".join(map(str, arguments)), p.returncode))
    return p.stdout


def encode(file, texts, folder):
    source = write_lines(folder / "encode.jsonl", texts)
    out = tool("-t", file, "--format", "jsonl", "--ids", "--special", "none", source)
    return [[int(i) for i in line.split()] for line in out.decode().splitlines()]


def compare(what, file, texts, folder):
    peer = Tokenizer.from_file(str(file))
    texts = [t for t in texts if t]
    ours = encode(file, texts, folder)
    theirs = [e.ids for e in peer.encode_batch(texts, add_special_tokens=False)]
    wrong = [i for i, (a, b) in enumerate(zip(ours, theirs)) if a != b]
    for i in wrong[:3]:
        diag("%s: %r: %r, expected %r" % (what, texts[i][:60], ours[i][:12], theirs[i][:12]))
    ok(len(ours) == len(texts) and not wrong, "%s: %d of %d texts differ, %.1f MB" % (
        what, len(wrong), len(texts), sum(len(t.encode()) for t in texts) / 1e6))


def bytes_per_token(tokenizer, texts):
    return sum(len(t.encode()) for t in texts) / sum(len(e.ids) for e in tokenizer.encode_batch(texts))


def byte_level_peer(texts, size):
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(fixtures.LLAMA3), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    t.decoder = decoders.ByteLevel()
    t.train_from_iterator(texts, trainers.BpeTrainer(
        vocab_size=size, min_frequency=2, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    return t


# ---- tests --------------------------------------------------------------------

def merges(tokenizer):
    return [tuple(m) for m in json.loads(tokenizer.to_str())["model"]["merges"]]


def byte_level(texts, held_out, folder, size=4000):
    forwards, backwards = (write_lines(folder / n, t) for n, t in (("f.jsonl", texts), ("b.jsonl", texts[::-1])))
    file, other = folder / "byte-level.json", folder / "other.json"
    tool("--train", "bpe", "--vocab-size", size + 1, "--threads", 1, "-o", file, forwards)
    tool("--train", "bpe", "--vocab-size", size + 1, "--threads", 3, "-o", other, backwards)
    ok(file.read_bytes() == other.read_bytes(), "the same bytes for 1 and 3 threads and any order")
    ours, peer = Tokenizer.from_file(str(file)), byte_level_peer(texts, size)
    ok(ours.get_vocab_size() == size + 1 and ours.token_to_id("<|endoftext|>") == size,
       "loads with %d tokens, the special one last" % ours.get_vocab_size())
    a, b = merges(ours), merges(peer)
    x, y = bytes_per_token(ours, held_out), bytes_per_token(peer, held_out)
    ok(abs(x / y - 1) <= 0.005, "%.4f bytes per token on other text, the peer's %.4f; %d of %d merges the same" % (
        x, y, len(set(a) & set(b)), len(b)))
    compare("byte-level", file, held_out + random_texts(2000, 5), folder)


def main():
    folder = pathlib.Path(tempfile.mkdtemp(dir=".")).resolve()
    limit = int(os.environ.get("LLM_PEER_MB", 2)) * 1000000
    texts = corpus_texts("ja", limit) + corpus_texts("en", limit) or system_texts()
    byte_level(texts[::2], texts[1::2][:60], folder)
    print("1..%d" % _texts.count)


main()
