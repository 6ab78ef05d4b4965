#!/usr/bin/env python3
# timeout: 600
"""Compares `llm-tokenize --train unigram` with SentencePiece's trainer.

Texts: ../shared/data/corpus, or the system's documentation where that is absent.
What is learned must be as good (bytes per token of other text), and every file that
an option makes must load in `tokenizers` with the ids that llm-tokenize gives.
"""
import json
import os
import pathlib
import tempfile

import sentencepiece
from tokenizers import Tokenizer

import _texts
from _texts import HARD, corpus_texts, ok, random_texts, same_ids, system_texts, tool, write_lines


def train(file, lines, size, *options):
    tool("--train", "unigram", "--vocab-size", size, "-o", file, *options, lines)
    return Tokenizer.from_file(str(file))


def quality(texts, held_out, folder, size=8000):
    """Lines, which are what SentencePiece learns from."""
    texts, held_out = ([line for t in some for line in t.split("\n") if line] for some in (texts, held_out))
    lines, back = (write_lines(folder / n, t) for n, t in (("lines.jsonl", texts), ("back.jsonl", texts[::-1])))
    file, other = folder / "lines.json", folder / "other.json"
    ours = train(file, lines, size, "--threads", 1)
    train(other, back, size, "--threads", 3)
    ok(file.read_bytes() == other.read_bytes(), "the same bytes for 1 and 3 threads and any order")
    ok(ours.get_vocab_size() == size and ours.token_to_id("<|endoftext|>") == size - 1,
       "loads with %d tokens, the special one last" % ours.get_vocab_size())
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts), model_prefix=str(folder / "peer"), vocab_size=size, model_type="unigram",
        byte_fallback=True, normalization_rule_name="identity", remove_extra_whitespaces=False,
        allow_whitespace_only_pieces=True, max_sentence_length=10**7, num_threads=2, minloglevel=2)
    peer = sentencepiece.SentencePieceProcessor(model_file=str(folder / "peer.model"))
    size = sum(len(t.encode()) for t in held_out)
    x = size / sum(len(e.ids) for e in ours.encode_batch(held_out))
    y = size / sum(len(i) for i in peer.encode(held_out))
    ok(x >= y * 0.995, "%.4f bytes per token on other text, SentencePiece's %.4f" % (x, y))
    same_ids("lines", file, Tokenizer.from_file(str(file)), held_out, folder)


def options(texts, held_out, folder):
    """The ids of what any option learns are the peer's."""
    lines, file = write_lines(folder / "texts.jsonl", texts), folder / "option.json"
    hard = HARD + random_texts(2000, 8)
    train(file, lines, 8000)
    same_ids("documents", file, Tokenizer.from_file(str(file)), held_out + hard, folder)
    for what, arguments in {
            "digits, symbols, NFC": ["--split-digits", "yes", "--user-symbols", "<user>,[INST],<,\t,of the",
                                     "--normalization", "nfc"],
            "no byte fallback": ["--byte-fallback", "no", "--limit-alphabet", 500],
            "NFKC": ["--normalization", "nfkc", "--max-piece-length", 5],
            "Nmt and NFKC": ["--normalization", "nmt_nfkc", "--character-coverage", 1],
            "all scripts together": ["--split-by-script", "no", "--split-by-number", "no", "--split-by-whitespace", "no"],
            "more special tokens": ["--special-tokens", "<s>,</s>,<|im_start|>", "--character-coverage", 0.95],
            "another course": ["--seed-size", 20000, "--shrink", 0.6, "--sub-iterations", 3]}.items():
        train(file, lines, 5000, *arguments)
        same_ids(what, file, Tokenizer.from_file(str(file)), held_out[:20] + hard, folder)
    t = train(file, lines, 5000, "--user-symbols", "<user>,of the")
    got = t.encode("out of theatre<user>").tokens
    ok("of▁the" in got and got[-1] == "<user>", "user symbols are whole: %r" % got)


def main():
    folder = pathlib.Path(tempfile.mkdtemp(dir=".")).resolve()
    limit = int(os.environ.get("LLM_PEER_MB", 2)) * 1000000
    texts = corpus_texts("ja", limit) + corpus_texts("en", limit) or system_texts()
    quality(texts[::2], texts[1::2][:60], folder)
    options(texts[::2], texts[1::2][:60], folder)
    print("1..%d" % _texts.count)


main()
