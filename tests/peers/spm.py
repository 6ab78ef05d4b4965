#!/usr/bin/env python3
# timeout: 1500
"""Compares SentencePiece models, ids and decoding, with the `sentencepiece` package.

Real models: LLM-jp's of ../shared/data/tokenizers, Mistral's in a wheel of mistral-common
in $LLM_PEERS. Others are trained on the spot, one for each option that changes what a
model does with a text. (The file is not called sentencepiece.py: it would be imported
in the package's stead.)
"""
import io
import json
import os
import pathlib
import random
import struct
import subprocess
import sys
import tempfile
import zipfile

import sentencepiece
from tokenizers import Tokenizer

import _texts
from _texts import (BIN, HARD, LONG, PEERS, TOKENIZERS, answers, corpus_texts, diag, ok, pack, random_texts, skip,
                    system_texts, unpack)

RANDOM = int(os.environ.get("LLM_PEER_RANDOM", 100000))
SPECIAL_HARD = HARD + [
    "", " ", "  ", "▁", "▁▁", " ▁ ", "▁a", " a", "a ", "a  b", "\u3000", "\t", "a\tb", "<unk>", "<0x41><0x0A>", "⁇",
    "▁" * 3000, "▁a" * 1500, "x" + " " * 40 + "y", "\u3099" * 2000, "ﷺ" * 500, "㍿" * 1000, "ｶﾞ" * 1000,
    "  lead", "trail  ", " \n ", "a\u200bb", "\u200b", "A\u0300 A\u0301e", "か\u3099", "<sep><cls> <sep>x<sepp>",
    "漢<0x41>字", "end<", "🏴\U000e0067\U000e0062", "\U000e0001" * 50, "a" * 60 + " " * 60 + "b" * 60]


def first_difference(a, b):
    return next((i for i in range(min(len(a), len(b))) if a[i] != b[i]), min(len(a), len(b)))


def compare_ids(name, file, peer, texts, what):
    """Encodes both ways and returns the peer's ids."""
    theirs = peer.encode(texts)
    ours = [unpack(a) for a in answers(file, "encode", 0, [t.encode() for t in texts])]
    wrong = 0
    for text, a, b in zip(texts, ours, theirs):
        if a != b:
            wrong += 1
            if wrong <= 3:
                at = first_difference(a, b)
                diag("%s: %r: from token %d: %r, expected %r" % (name, text[:60], at, a[at:at + 6], b[at:at + 6]))
    size = sum(len(t.encode()) for t in texts)
    ok(wrong == 0 and len(ours) == len(theirs), "%s: ids of %d texts (%s), %.1f MB: %d differ"
       % (name, len(texts), what, size / 1e6, wrong))
    return theirs


def compare_decoding(name, file, peer, lists, what):
    theirs = [t.encode() for t in peer.decode(lists)]
    for mode in "decode", "stream":
        ours = answers(file, mode, 1, [pack(i) for i in lists])
        wrong = [i for i in range(len(lists)) if ours[i] != theirs[i]]
        for i in wrong[:3]:
            diag("%s: %s of %r: %r, expected %r" % (name, mode, lists[i][:12], ours[i][:60], theirs[i][:60]))
        ok(not wrong, "%s: %s of %d lists of ids (%s): %d differ" % (name, mode, len(lists), what, len(wrong)))


def random_ids(peer, n, seed):
    """Lists of ids, half of them of the kinds that decoding treats apart."""
    r, size = random.Random(seed), peer.get_piece_size()
    apart = [i for i in range(size) if peer.is_control(i) or peer.is_unknown(i) or peer.is_byte(i)]
    marked = [i for i in range(min(size, 5000)) if peer.id_to_piece(i).startswith("▁")]
    return [[r.choice(apart) if r.random() < .4 else r.choice(marked or apart) if r.random() < .3 else r.randrange(size)
             for _ in range(r.randrange(1, 12))] for _ in range(n)]


def compare(name, file, texts, seed, n):
    if sys.argv[1:] and not any(word in name for word in sys.argv[1:]):
        return
    peer = sentencepiece.SentencePieceProcessor(model_file=str(file))
    hard = compare_ids(name, file, peer, SPECIAL_HARD, "hard")
    compare_ids(name, file, peer, random_texts(n, seed), "random")
    lists = hard
    for what, group in texts.items():
        lists = lists + compare_ids(name, file, peer, group, what)[:200]
    compare_decoding(name, file, peer, lists + random_ids(peer, 3000, seed), "encoded and random")


# ---- models -------------------------------------------------------------------

def train(folder, name, lines, **options):
    model = io.BytesIO()
    options = {"vocab_size": 2000, "model_type": "unigram", "minloglevel": 2, "num_threads": 1, "hard_vocab_limit": False,
               "normalization_rule_name": "identity", **options}
    sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(lines), model_writer=model, **options)
    file = folder / (name + ".model")
    file.write_bytes(model.getvalue())
    return file


SYMBOLS = {"user_defined_symbols": ["<sep>", "<cls>", "▁", "漢字", "ab", "abc", "<0x41>x", "\n"], "control_symbols": ["<ctl>", "<mask>"]}
PLAIN = {"add_dummy_prefix": False, "remove_extra_whitespaces": False}
TRAINED = [
    ("unigram-nfkc", {"normalization_rule_name": "nfkc"}),
    ("unigram-nmt_nfkc_cf-bytes", {"normalization_rule_name": "nmt_nfkc_cf", "byte_fallback": True}),
    ("unigram-symbols", {**SYMBOLS, "normalization_rule_name": "nmt_nfkc"}),
    ("unigram-plain", {**PLAIN, "character_coverage": .98}),
    ("unigram-suffix", {"treat_whitespace_as_suffix": True, "byte_fallback": True}),
    ("unigram-ids", {"unk_id": 3, "bos_id": 0, "eos_id": 1, "pad_id": 2, "unk_surface": "<?>", "split_digits": True}),
    ("bpe-identity", {"model_type": "bpe", "split_digits": True, "byte_fallback": True}),
    ("bpe-nmt_nfkc", {"model_type": "bpe", "normalization_rule_name": "nmt_nfkc", "character_coverage": .98}),
    ("bpe-symbols", {"model_type": "bpe", **SYMBOLS, "byte_fallback": True, "remove_extra_whitespaces": False}),
    ("bpe-plain", {"model_type": "bpe", **PLAIN, "normalization_rule_name": "nfkc", "allow_whitespace_only_pieces": True}),
    ("bpe-suffix", {"model_type": "bpe", "treat_whitespace_as_suffix": True, "split_by_whitespace": False}),
    ("char-nmt_nfkc_cf", {"model_type": "char", "normalization_rule_name": "nmt_nfkc_cf", "character_coverage": .98}),
    ("char-symbols-bytes", {"model_type": "char", **SYMBOLS, "byte_fallback": True, "remove_extra_whitespaces": False}),
    ("word-nfkc", {"model_type": "word", "normalization_rule_name": "nfkc"}),
    ("word-plain-bytes", {"model_type": "word", **PLAIN, "byte_fallback": True}),
]


def denormalizing(folder, lines):
    """A model with rules for decoding, too."""
    (folder / "rules.tsv").write_text("61\t41\n62 63\t\n3042\t3044 3044\n")
    return train(folder, "denormalizing", lines, denormalization_rule_tsv=str(folder / "rules.tsv"), byte_fallback=True)


# ---- models changed byte by byte, as people change them ------------------------

def varint(n):
    out = b""
    while n >= 0x80:
        out += bytes([n & 0x7F | 0x80])
        n >>= 7
    return out + bytes([n])


def field(number, data):
    return varint(number << 3 | 2) + varint(len(data)) + data


def read_fields(data):
    """(number, bytes of the whole field, its content) of a message of fields with a length."""
    at = 0
    while at < len(data):
        begin, number, shift = at, data[at] >> 3, 0
        at, size = at + 1, 0
        while True:
            size |= (data[at] & 0x7F) << shift
            shift, at = shift + 7, at + 1
            if data[at - 1] < 0x80:
                break
        yield number, data[begin:at + size], data[at:at + size]
        at += size


def piece_of(content):
    length = content[1]
    return content[2:2 + length].decode()


def edited(folder, name, file, edit, more=()):
    """The model with each normal piece's (text, score, type) as edit(text, score) gives it, and more pieces."""
    out, begun = b"", False
    for number, whole, content in read_fields(file.read_bytes()):
        if number != 1 and not begun:
            begun = True
            for text, score, kind in more:
                out += field(1, field(1, text.encode()) + b"\x15" + struct.pack("<f", score) + b"\x18" + bytes([kind]))
        if number == 1 and b"\x18" not in content[-2:-1]:
            text, score = piece_of(content), struct.unpack("<f", content[-4:])[0]
            text, score, kind = edit(text, score)
            whole = field(1, field(1, text.encode()) + b"\x15" + struct.pack("<f", score) + b"\x18" + bytes([kind]))
        out += whole
    file = folder / (name + ".model")
    file.write_bytes(out)
    return file


def changed_models(folder, made):
    bpe, unigram = made["bpe-identity"], made["unigram-suffix"]

    def unused(text, score):
        return text, score, 5 if len(text) > 1 and hash_of(text) % 5 == 0 else 1

    def unused_characters(text, score):
        return text, score, 5 if hash_of(text) % 7 == 0 else 1

    def ties(text, score):
        return text, float(-(hash_of(text) % 10)), 1

    yield "bpe-unused", edited(folder, "bpe-unused", bpe, unused)
    yield "bpe-unused-characters", edited(folder, "bpe-unused-characters", bpe, unused_characters)
    yield "bpe-ties", edited(folder, "bpe-ties", bpe, ties)
    yield "bpe-added", edited(folder, "bpe-added", bpe, lambda t, s: (t, s, 1),
                              [("ΩΩ", 0., 1), ("qΩ", 0., 1), ("東京都", 0., 1), ("ひら", 0., 1), ("らがな", 0., 1)])
    for name in "char-symbols-bytes", "word-nfkc":
        yield name + "-unused", edited(folder, name + "-unused", made[name], unused_characters)
    yield "unigram-unused", edited(folder, "unigram-unused", unigram, unused_characters)
    yield "unigram-ties", edited(folder, "unigram-ties", unigram, ties)


def hash_of(text):
    value = 7
    for c in text.encode():
        value = (value * 31 + c) % 1000003
    return value


def real_models(folder):
    for file in sorted(TOKENIZERS.glob("*.model")) if TOKENIZERS.exists() else []:
        yield file.stem, file
    for wheel in sorted(PEERS.glob("mistral_common-*.whl"))[-1:]:
        with zipfile.ZipFile(wheel) as archive:
            for member in archive.namelist():
                if ".model." in member and not member.endswith("m1"):
                    file = folder / ("mistral-" + member.rsplit(".", 1)[1] + ".model")
                    file.write_bytes(archive.read(member))
                    yield file.stem, file


def specials(folder):
    """LLM-jp v2.1's two files: one vocabulary, two ends of a text; a directory of both goes by the model."""
    model, converted = (TOKENIZERS / ("code10k_en20k_ja30k.ver2.1" + end) for end in (".model", "_hf_fast.tokenizer.json"))
    if not model.exists() or not converted.exists():
        skip("no LLM-jp v2.1 at ../shared/data/tokenizers: its special ids")
        return
    both = folder / "both"
    both.mkdir()
    (both / "tokenizer.model").write_bytes(model.read_bytes())
    (both / "tokenizer.json").write_bytes(converted.read_bytes())

    def info(path):
        out = subprocess.run([str(BIN / "llm-convert"), "--info", "--json", str(path)], stdout=subprocess.PIPE).stdout
        told = json.loads(out)
        return told.get("tokenizer", told)

    a, b, c = (info(path) for path in (model, converted, both))
    peer = sentencepiece.SentencePieceProcessor(model_file=str(model))
    ok(a["fingerprint"] == b["fingerprint"] == c["fingerprint"], "LLM-jp v2.1: .model and tokenizer.json have one fingerprint")
    ok((a["bos"], a["eos"]) == (peer.bos_id(), peer.eos_id()), "its .model's BOS and EOS are SentencePiece's: %d, %d" % (a["bos"], a["eos"]))
    ok(Tokenizer.from_file(str(converted)).id_to_token(b["eos"]) == "<EOD|LLM-jp>",
       "its tokenizer.json alone ends a text by <EOD|LLM-jp>")
    ok((c["bos"], c["eos"]) == (a["bos"], a["eos"]), "a directory of both goes by the model")


def main():
    folder = pathlib.Path(tempfile.mkdtemp(dir=".")).resolve()
    mb = int(os.environ.get("LLM_PEER_MB", 10000 if LONG else 1))
    corpus = {n: corpus_texts(n, mb * 1000000) for n in ("ja", "en", "code")}
    corpus = {n: t for n, t in corpus.items() if t} or {"system documentation": system_texts()}
    sample = {n: t[:60] for n, t in corpus.items()}
    lines = [line[:500] for group in sample.values() for text in group for line in text[:20000].split("\n") if line.strip()]
    lines = sorted(lines, key=hash_of)[:6000]

    real = list(real_models(folder))
    each = RANDOM // (len(TRAINED) + len(real) + 7)
    if not any("llm-jp" in n or "code" in n for n, _ in real):
        skip("no LLM-jp models at ../shared/data/tokenizers")
    if not any("mistral" in n for n, _ in real):
        skip("no mistral_common-*.whl in $LLM_PEERS")
    for i, (name, file) in enumerate(real):
        compare(name, file, corpus, i, each)
    specials(folder)
    made = {}
    for i, (name, options) in enumerate(TRAINED):
        made[name] = train(folder, name, lines, **options)
        compare(name, made[name], sample, 100 + i, each)
    compare("denormalizing", denormalizing(folder, lines), sample, 200, each)
    for i, (name, file) in enumerate(changed_models(folder, made)):
        compare(name, file, sample, 300 + i, each)
    print("1..%d" % _texts.count)


main()
