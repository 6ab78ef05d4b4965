#!/usr/bin/env python3
# timeout: 600
"""Exports tokenizers as SentencePiece models (`llm-tokenize --export sentencepiece`).

What the `sentencepiece` package makes of a text must be what the tokenizer.json says. Its
Unigram adds scores up in single precision from the beginning of a text, so that ties
("000" "0" or "0" "000") may fall otherwise: texts are compared line by line, and what
differs must have the same sum of scores; ties are counted, and rare.
"""
import json
import os
import pathlib
import tempfile

import sentencepiece

import _texts
from _texts import HARD, corpus_texts, diag, encode, ok, random_texts, system_texts, tool, write_lines

PLAIN = "--special-text", "plain"  # special tokens written out are text, as SentencePiece has it


def compare(what, file, model, texts, folder):
    peer = sentencepiece.SentencePieceProcessor(model_file=str(model))
    ours, theirs = encode(file, texts, folder, *PLAIN), peer.encode(texts)
    wrong = [i for i, (a, b) in enumerate(zip(ours, theirs)) if a != b]
    ties, vocab = [], json.loads(file.read_text())["model"]["vocab"]
    if isinstance(vocab, list):  # Unigram
        def score(ids):
            return sum(vocab[i][1] for i in ids)
        ties = [i for i in wrong if abs(score(ours[i]) - score(theirs[i])) < 2e-6 * abs(score(ours[i]))]
        wrong = [i for i in wrong if i not in ties]
    for i in wrong[:3]:
        at = next(k for k in range(len(ours[i])) if ours[i][k:k + 1] != theirs[i][k:k + 1])
        diag("%s: %r: from token %d: %r, SentencePiece %r" % (
            what, texts[i][:60], at, [peer.id_to_piece(k) for k in ours[i][at:at + 6]],
            [peer.id_to_piece(k) for k in theirs[i][at:at + 6]]))
    ok(len(ours) == len(texts) and not wrong and len(ties) * 200 <= len(texts),
       "%s: %d of %d texts differ, %d more in a tie, %.1f MB" % (
           what, len(wrong), len(texts), len(ties), sum(len(t.encode()) for t in texts) / 1e6))
    return peer


def main():
    folder = pathlib.Path(tempfile.mkdtemp(dir=".")).resolve()
    limit = int(os.environ.get("LLM_PEER_MB", 2)) * 1000000
    texts = corpus_texts("ja", limit) + corpus_texts("en", limit) + corpus_texts("code", limit // 4) or system_texts()
    lines = write_lines(folder / "texts.jsonl", texts[::2])
    hard = [t for t in HARD + random_texts(5000, 21) if t]
    for what, options in {
            "BPE": ["bpe", "--pattern", "sentencepiece"],
            "BPE without byte fallback": ["bpe", "--pattern", "sentencepiece", "--byte-fallback", "no"],
            "BPE, more special tokens, digits": ["bpe", "--pattern", "sentencepiece", "--split-digits", "yes",
                                                 "--special-tokens", "<|im_start|>,<|im_end|>"],
            "Unigram": ["unigram"],
            "Unigram without byte fallback": ["unigram", "--byte-fallback", "no"],
            "Unigram with symbols": ["unigram", "--user-symbols", "<user>,[INST]", "--special-tokens", "<s>,</s>"],
            }.items():
        file, model = folder / "tokenizer.json", folder / "exported.model"
        tool("--train", *options, "--vocab-size", 5000, "-o", file, lines)
        tool("-t", file, "--export", "sentencepiece", "-o", model)
        unigram = what.startswith("Unigram")
        held_out = texts[1::2]
        if unigram:
            held_out = [line for t in held_out for line in t.split("\n") if line]
        peer = compare(what, file, model, held_out + hard, folder)
        back = encode(model, hard, folder, *PLAIN)
        ok(back == peer.encode(hard), what + ": llm-tokenize reads the model as the package does")
        kinds = [(peer.is_unknown(i), peer.is_control(i), peer.is_byte(i)) for i in range(len(peer))]
        known = json.loads(file.read_text())["added_tokens"]
        ok(len(peer) == 5000 and sum(k[0] for k in kinds) == 1 and sum(k[2] for k in kinds) in (0, 256) and
           all(kinds[t["id"]][0] or kinds[t["id"]][1] for t in known), what + ": kinds of pieces")
        ok(peer.decode(peer.encode("a b\nc 東京")) == "a b\nc 東京", what + ": decodes")
    print("1..%d" % _texts.count)


main()
