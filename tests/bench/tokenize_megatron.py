#!/usr/bin/env python3
"""What Megatron-LM's tools/preprocess_data.py does, for tokenize_peers.py.

    tokenize_megatron.py TOKENIZER.json JSONL OUTPUT WORKERS

A pool of processes takes lines in chunks of 32: json.loads, Hugging Face's tokenizer,
an end of document; this process writes the ids as NumPy bytes. Prints wall seconds
without the start of the pool.
"""
import json
import multiprocessing
import os
import sys
import time

os.environ["RAYON_NUM_THREADS"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
import numpy  # noqa: E402
from tokenizers import Tokenizer  # noqa: E402

tokenizer = None


def start(path):
    global tokenizer
    tokenizer = Tokenizer.from_file(path)


def encode(line):
    ids = tokenizer.encode(json.loads(line)["text"], add_special_tokens=False).ids
    ids.append(0)
    return ids, len(line)


def main():
    path, source, output, workers = sys.argv[1:]
    with multiprocessing.Pool(int(workers), start, (path,)) as pool, \
            open(source, encoding="utf-8") as lines, open(output, "wb") as out:
        pool.map(encode, ['{"text":"a"}'] * 64)  # the tokenizers are loaded
        begin = time.perf_counter()
        for ids, _ in pool.imap(encode, lines, 32):
            out.write(numpy.array(ids, dtype=numpy.int32).tobytes())
        out.flush()
        print(time.perf_counter() - begin)


main()
