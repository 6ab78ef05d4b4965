#!/usr/bin/env python3
"""LLM-jp's Unigram models, one thread, user seconds, the engines in turns over the same texts.

SentencePiece and llm-tokenize's encoder read the whole of ../shared/data/corpus (or its
first LLM_BENCH_MB), Hugging Face's tokenizers a part of it. Every engine begins anew in
each round, caches empty; the best of ROUNDS counts, as the machine may be shared. Ids
are compared in check-peers.
"""
import json
import os
import pathlib
import resource
import struct
import subprocess
import sys
import tempfile

os.environ["RAYON_NUM_THREADS"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

import sentencepiece  # noqa: E402
from tokenizers import Tokenizer  # noqa: E402

SRC = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("LLM_BIN", SRC / "build")).resolve()
SHARED = SRC.parent / "shared/data"
LIMIT = float(os.environ.get("LLM_BENCH_MB", 1e6)) * 1e6
HF_LIMIT = 2e6
ROUNDS = 3


def corpus(name):
    out, size = [], 0
    p = subprocess.Popen(["zstd", "-dcq", str(SHARED / "corpus" / (name + ".jsonl.zst"))], stdout=subprocess.PIPE)
    for line in p.stdout:
        out.append(json.loads(line)["text"])
        size += len(out[-1].encode())
        if size > LIMIT:
            break
    p.stdout.close()
    p.wait()
    return out, size


def seconds(run):
    begin = resource.getrusage(resource.RUSAGE_SELF).ru_utime
    run()
    return resource.getrusage(resource.RUSAGE_SELF).ru_utime - begin


def ours(file, documents):
    """Load time, time of the pass, number of ids."""
    p = subprocess.run([str(BIN / "tests/tools/tokenizer_bench"), str(file), str(documents), "1"], check=True,
                       stdout=subprocess.PIPE)
    load, encode, ids, _ = map(float, p.stdout.split())
    return encode, int(ids)


def measure(file, texts, size, documents):
    """MB/s of ours and of the peer."""
    best, count, total = 1e9, 0, 0
    mine = 1e9
    if file.suffix == ".model":
        peer = sentencepiece.SentencePieceProcessor(model_file=str(file))
    else:
        peer = Tokenizer.from_file(str(file))
    for _ in range(ROUNDS):
        time, count = ours(file, documents)
        mine = min(mine, time)
        if file.suffix == ".model":
            best = min(best, seconds(lambda: [peer.encode(t) for t in texts]))
        else:
            best = min(best, seconds(lambda: peer.encode_batch_fast(texts, add_special_tokens=False)))
    return size / 1e6 / mine, size / 1e6 / best, count


def frames(texts, path):
    with open(path, "wb") as f:
        for text in texts:
            data = text.encode()
            f.write(struct.pack("<I", len(data)) + data)


def main():
    models = sorted((SHARED / "tokenizers").glob("*.model")) + sorted((SHARED / "tokenizers").glob("*hf_fast*.json"))
    if not models or not (SHARED / "corpus/ja.jsonl.zst").exists():
        print("tokenize_unigram: no ../shared/data/tokenizers and corpus: skipped")
        return 0
    print("%-28s %-4s %9s %9s %9s %7s" % ("model (peer)", "text", "MB", "ours MB/s", "peer MB/s", "ratio"))
    least = 1e9
    for name in "ja", "en":
        texts, size = corpus(name)
        with tempfile.TemporaryDirectory() as folder:
            frames(texts, folder + "/whole")
            part = 0
            while part < len(texts) and sum(len(t.encode()) for t in texts[:part]) < HF_LIMIT:
                part += 1
            frames(texts[:part], folder + "/part")
            part_size = sum(len(t.encode()) for t in texts[:part])
            for model in models:
                whole = model.suffix == ".model"
                a, b, ids = measure(model, texts if whole else texts[:part], size if whole else part_size,
                                    folder + ("/whole" if whole else "/part"))
                print("%-28s %-4s %9.1f %9.1f %9.2f %7.2f" % (model.name[:24] + (" sp" if whole else " hf"), name,
                                                              (size if whole else part_size) / 1e6, a, b, a / b), flush=True)
                if whole:
                    least = min(least, a / b)
    print("sentencepiece %s; least ratio to it: %.2f" % (sentencepiece.__version__, least))
    return 0


sys.exit(main())
