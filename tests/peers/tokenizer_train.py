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
import tempfile

import sentencepiece
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

import _texts
from _texts import HARD, corpus_texts, fixtures, ok, random_texts, same_ids, system_texts, tool, write_lines


# ---- ours and theirs ----------------------------------------------------------

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
    same_ids("byte-level", file, Tokenizer.from_file(str(file)), held_out + random_texts(2000, 5), folder)


def options_of_bytes(texts, held_out, folder):
    """The ids of what other options learn are the peer's; each option does what it says."""
    lines = write_lines(folder / "texts.jsonl", texts)
    hard = HARD + held_out[:20] + random_texts(1000, 6)
    for what, options in {
            "gpt2 pattern": ["--pattern", "gpt2"],
            "a regular expression": ["--pattern", r"\p{Han}{1,2}|[\p{Hiragana}ー]+| ?\p{L}+|\p{N}|[^\p{L}\p{N}]+"],
            "digits, symbols, NFC": ["--split-digits", "yes", "--user-symbols", "<user>,[INST]", "--normalization", "nfc"],
            "NFKC, frequency, length": ["--normalization", "nfkc", "--min-frequency", 20, "--max-piece-length", 9],
            "Nmt and NFKC": ["--normalization", "nmt_nfkc"]}.items():
        file = folder / "option.json"
        tool("--train", "bpe", "--vocab-size", 1500, "-o", file, *options, lines)
        same_ids(what, file, Tokenizer.from_file(str(file)), hard, folder)
    tool("--train", "bpe", "--vocab-size", 1500, "--split-digits", "yes", "--user-symbols", "<user>", "-o", file, lines)
    t = Tokenizer.from_file(str(file))
    pieces = t.encode("a 2024<user>x").tokens
    ok(pieces[-6:-1] == list("2024") + ["<user>"], "digits and symbols are tokens by themselves: %r" % pieces)
    tool("--train", "bpe", "--vocab-size", 3000, "--max-piece-length", 9, "--min-frequency", 500, "-o", file, lines)
    t = Tokenizer.from_file(str(file))
    longest = max(len(p) for p in t.get_vocab() if p != "<|endoftext|>")
    ok(longest == 9 and t.get_vocab_size() < 3000,
       "no piece is longer than 9 bytes (%d), rare pairs are left (%d pieces)" % (longest, t.get_vocab_size()))


def words(texts, held_out, folder, size=4000):
    """SentencePiece's way, against SentencePiece's trainer and Hugging Face's encoder."""
    # SentencePiece learns from lines: both get texts of one line
    texts, held_out = [t.replace("\n", " ") for t in texts], [t.replace("\n", " ") for t in held_out]
    lines, file = write_lines(folder / "texts.jsonl", texts), folder / "words.json"
    tool("--train", "bpe", "--pattern", "sentencepiece", "--vocab-size", size, "-o", file, lines)
    ours = Tokenizer.from_file(str(file))
    (folder / "texts.txt").write_text("\n".join(texts))
    sentencepiece.SentencePieceTrainer.train(
        input=str(folder / "texts.txt"), model_prefix=str(folder / "peer"), vocab_size=size, model_type="bpe",
        byte_fallback=True, normalization_rule_name="identity", remove_extra_whitespaces=False,
        allow_whitespace_only_pieces=True, max_sentence_length=10**7, minloglevel=2)
    peer = sentencepiece.SentencePieceProcessor(model_file=str(folder / "peer.model"))
    x = bytes_per_token(ours, held_out)
    y = sum(len(t.encode()) for t in held_out) / sum(len(i) for i in peer.encode(held_out))
    ok(x >= y * 0.995, "words: %.4f bytes per token on other text, SentencePiece's %.4f" % (x, y))
    hard = HARD + random_texts(2000, 7)
    same_ids("words", file, Tokenizer.from_file(str(file)), held_out + hard, folder)
    for what, options in {
            "no byte fallback": ["--byte-fallback", "no", "--limit-alphabet", 500],
            "digits, symbols, NFKC": ["--split-digits", "yes", "--user-symbols", "<user>,[INST]", "--normalization", "nfkc"],
            "all scripts together": ["--split-by-script", "no", "--split-by-number", "no", "--split-by-whitespace", "no"],
            "more special tokens": ["--special-tokens", "<|im_start|>,<|im_end|>", "--character-coverage", 0.95],
            }.items():
        tool("--train", "bpe", "--pattern", "sentencepiece", "--vocab-size", 3000, "-o", file, *options, lines)
        same_ids("words, " + what, file, Tokenizer.from_file(str(file)), held_out[:20] + hard, folder)


def main():
    folder = pathlib.Path(tempfile.mkdtemp(dir=".")).resolve()
    limit = int(os.environ.get("LLM_PEER_MB", 2)) * 1000000
    texts = corpus_texts("ja", limit) + corpus_texts("en", limit) or system_texts()
    byte_level(texts[::2], texts[1::2][:60], folder)
    options_of_bytes(texts[::2], texts[1::2][:60], folder)
    words(texts[::2], texts[1::2][:60], folder)
    print("1..%d" % _texts.count)


main()
