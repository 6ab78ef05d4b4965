"""The work of eval.sh, in its directory: both answer the same requests, in alternation.

Each row: documents a second, ours from the wall time of the whole command less that of a request
of two tokens (start, loading); lm_eval's from HFLM's own methods, in the best of its batch sizes.
The CPU ratio is that of the two programs' CPU seconds. Answers are compared.
"""
import json
import os
import pathlib
import random
import re
import resource
import statistics
import subprocess
import sys
import time

DATA = pathlib.Path(os.environ["LLM_SHARED_DATA"]) / "eval"
WORDS = os.environ.get("LLM_BENCH_ROWS", "").split()
TIMES = float(os.environ.get("LLM_BENCH_DOCS", 1))
ROUNDS = int(os.environ.get("BENCH_ROUNDS", 2))
THREADS = os.environ.get("BENCH_THREADS") or str(os.cpu_count())
PRECISION = os.environ.get("BENCH_PRECISION", "fp32")


# ---- requests ----

def sentences(text):
    return [s for s in re.split(r"(?<=[.?!])\s+", text.strip()) if s]


def four_endings(documents):
    """Like HellaSwag in its lengths (about 30 tokens, then 4 endings of 13), from GSM8K's problems: which of four
    sentences comes next. (HellaSwag itself is not among the shared data.)"""
    draw = random.Random(1)
    rows = [sentences(json.loads(line)["question"]) for line in open(DATA / "gsm8k/train.jsonl", encoding="utf-8")]
    rows = [row for row in rows if len(row) > 2]
    endings = [s for row in rows for s in row if 6 <= len(s.split()) <= 14]
    for i, row in enumerate(rows[:documents]):
        n = 1
        while n < len(row) - 1 and len(" ".join(row[:n]).split()) < 16:
            n += 1
        for k, ending in enumerate([" ".join(row[n].split()[:12])] + draw.sample(endings, 3)):
            yield {"id": f"endings/{i}", "index": k, "ctx": " ".join(row[:n]), "cont": " " + ending}


def of_task(task):
    def make(documents):
        out = subprocess.run(["llm-eval", "-q", "--task", task, "--data", DATA, "--limit", str(documents),
                              "--make-requests", "requests", "model"], check=True)
        with open("requests", encoding="utf-8") as file:
            return [json.loads(line) for line in file]
    return make


ROWS = [  # name, what makes its requests, documents, lm_eval's batch sizes
    ("hellaswag-like 0-shot", four_endings, 64, (1, 8, 32)),
    ("jcommonsenseqa 3-shot", of_task("ja_leaderboard_jcommonsenseqa"), 8, (1, 8, 32)),
    ("llm-jp-eval jcommonsenseqa 4-shot", of_task("llm_jp_eval_jcommonsenseqa"), 40, (1, 8, 32)),
    ("gsm8k 5-shot text", of_task("gsm8k"), 12, (8, 32)),
]


def write(path, requests):
    with open(path, "w", encoding="utf-8") as file:
        for r in requests:
            file.write(json.dumps(r, ensure_ascii=False) + "\n")


def first_documents(requests, documents):
    wanted = list(dict.fromkeys(r["id"] for r in requests))[:documents]
    return [r for r in requests if r["id"] in wanted]


# ---- lm_eval, a process of its own ----

def peer():
    import torch
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM
    torch.set_num_threads(int(THREADS))
    lm = HFLM(pretrained="model", dtype={"fp32": "float32", "bf16": "bfloat16"}[PRECISION], device="cpu",
              batch_size=1)

    def instance(r):
        if "cont" in r:
            return Instance("loglikelihood", {}, (r["ctx"], r["cont"]), 0)
        return Instance("generate_until", {}, (r["ctx"], {"until": r.get("until", []), "max_gen_toks": r.get("max_new", 256),
                                                          "do_sample": False}), 0)

    for line in sys.stdin:
        order = json.loads(line)
        with open(order["file"], encoding="utf-8") as file:
            instances = [instance(json.loads(row)) for row in file]
        lm.batch_size_per_gpu = order["batch"]
        method = lm.loglikelihood if instances[0].request_type == "loglikelihood" else lm.generate_until
        start, cpu = time.time(), time.process_time()
        out = method(instances, disable_tqdm=True)
        print(json.dumps({"wall": time.time() - start, "cpu": time.process_time() - cpu, "out": out}),
              file=answers, flush=True)


class Peer:
    def __init__(self):
        self.process = subprocess.Popen([sys.executable, __file__, "--peer"], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=open("peer.log", "w"), text=True)

    def run(self, path, batch):
        self.process.stdin.write(json.dumps({"file": path, "batch": batch}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit("lm_eval failed: " + pathlib.Path("peer.log").read_text()[-2000:])
        return json.loads(line)


# ---- ours ----

def ours(path):
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.time()
    done = subprocess.run(["llm-eval", "-q", "--no-progress", "--threads", THREADS, "--precision", PRECISION,
                           "--requests", path, "model"], check=True, capture_output=True, text=True)
    wall, after = time.time() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    out = [json.loads(line) for line in done.stdout.splitlines()]
    return {"wall": wall, "cpu": cpu, "out": out}


def compare(mine, theirs):
    if "text" in mine[0]:
        same = sum(m["text"] == t for m, t in zip(mine, theirs))
        return f"{same} of {len(mine)} texts equal"
    worst = max(abs(m["log_likelihood"] - t[0]) for m, t in zip(mine, theirs))
    return f"log-likelihoods within {worst:.1e}"


# ---- rows ----

def best_batch(lm, requests, batches, documents):
    if len(batches) == 1:
        return batches[0]
    write("probe", first_documents(requests, 1))
    lm.run("probe", batches[0])  # the first calls are slow
    write("probe", first_documents(requests, documents))
    return min(batches, key=lambda batch: lm.run("probe", batch)["wall"])


def measure(lm, name, make, documents, batches):
    documents = max(2, round(documents * TIMES))
    requests = list(make(documents))
    write("row", requests)
    write("start", [{"id": "start", "ctx": "a", "cont": " b"}])
    # of texts as many as are measured: their length decides
    text = "cont" not in requests[0] and requests[0].get("max_new", 256) > 1
    batch = best_batch(lm, requests, batches, documents if text else max(2, documents // 5))
    ours("start")
    wall, cpu, rates = [], [], []
    for _ in range(ROUNDS):
        start, mine, theirs = ours("start"), ours("row"), lm.run("row", batch)
        spent = {k: mine[k] - start[k] for k in ("wall", "cpu")}
        rates.append((documents / spent["wall"], documents / theirs["wall"]))
        wall.append(theirs["wall"] / spent["wall"])
        cpu.append(theirs["cpu"] / spent["cpu"])
    mine_rate, their_rate = (statistics.median(r) for r in zip(*rates))
    ratio = statistics.median(wall)
    print(f"{name:34} {mine_rate:8.2f} documents/s   lm_eval {their_rate:7.2f} (batch {batch})   ratio {ratio:5.2f}"
          f"   CPU {statistics.median(cpu):5.2f}   {compare(mine['out'], theirs['out'])}", flush=True)
    return f"{name} {ratio:.2f}"


def main():
    print(f"SmolLM2-135M, {PRECISION}, {THREADS} threads, {ROUNDS} rounds")
    lm = Peer()
    ratios = [measure(lm, *row) for row in ROWS if not WORDS or any(w in row[0] for w in WORDS)]
    lm.process.stdin.close()
    lm.process.wait()
    print("ratio to lm_eval with transformers: " + ", ".join(ratios))


if sys.argv[1:] == ["--peer"]:
    answers, sys.stdout = sys.stdout, sys.stderr
    peer()
else:
    main()
