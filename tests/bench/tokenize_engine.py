#!/usr/bin/env python3
"""One Python tokenizer in a process of its own, for tokenize_peers.py.

    tokenize_engine.py ENGINE TOKENIZER DOCUMENTS MEGABYTES PASSES IDS

DOCUMENTS holds frames (u32 length, bytes), of which the first MEGABYTES are encoded
PASSES times. Prints JSON: user seconds of the process (all its threads) to load and
of each pass, and the bytes encoded. IDS names a file that gets frames with the ids of
every document whose number SAMPLE divides ("-": none).
"""
import array
import json
import os
import resource
import struct
import sys

os.environ["RAYON_NUM_THREADS"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
SAMPLE = 16


def frames(path, limit):
    out, size = [], 0
    with open(path, "rb") as f:
        while (head := f.read(4)) and size < limit:
            out.append(f.read(*struct.unpack("<I", head)))
            size += len(out[-1])
    return out, size


def user_seconds():
    return resource.getrusage(resource.RUSAGE_SELF).ru_utime


def hf(path):
    from tokenizers import Tokenizer
    t = Tokenizer.from_file(path)
    run = t.encode_batch_fast if hasattr(t, "encode_batch_fast") else t.encode_batch
    return str, lambda docs: [e.ids for e in run(docs, add_special_tokens=False)]


def sentencepiece(path):
    import sentencepiece as spm
    t = spm.SentencePieceProcessor(model_file=path)
    return str, lambda docs: [t.encode(d) for d in docs]


def gigatoken(path):
    import gigatoken as gt
    t = gt.Tokenizer(path) if path.endswith(".json") else gt.Tokenizer.from_sentencepiece(path)
    return bytes, lambda docs: t.encode_batch(docs, parallel=False)


def fastokens(path):
    import fastokens as ft
    t = ft.Tokenizer.from_file(path)

    def run(docs):
        ids, ends = t.encode_batch_flat(docs)
        ids, ends = memoryview(ids).cast("I"), memoryview(ends).cast("Q")
        return [ids[a:b] for a, b in zip(ends, ends[1:])]
    return str, run


def main():
    engine, path, documents, megabytes, passes, ids = sys.argv[1:]
    docs, size = frames(documents, float(megabytes) * 1e6)
    start = globals()[engine]
    __import__({"hf": "tokenizers"}.get(engine, engine))  # code is not what a tokenizer's load costs
    begin = user_seconds()
    kind, run = start(path)
    result = {"load": user_seconds() - begin, "bytes": size, "passes": []}
    if kind is str:
        docs = [d.decode() for d in docs]
    for _ in range(int(passes)):
        begin = user_seconds()
        run(docs)
        result["passes"].append(user_seconds() - begin)
    if ids != "-":
        with open(ids, "wb") as f:
            for row in run(docs[::SAMPLE]):
                data = array.array("I", row).tobytes()
                f.write(struct.pack("<I", len(data)) + data)
    print(json.dumps(result))


main()
