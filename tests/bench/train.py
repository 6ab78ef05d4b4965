#!/usr/bin/env python3
"""llm-train beside PyTorch, in alternation in one run: a line for each row, medians over steps.

usage: train.py [--list] [ROW…]   a ROW by (part of) its name; LLM_BENCH_ROWS names them, too
environment: LLM_BENCH_ROUNDS (2) alternations; LLM_BENCH_STEPS steps of each side in a round (a row's own);
LLM_BENCH_TORCH (eager,compile; also plain, hf, pure-bf16) PyTorch's configurations; LLM_BENCH_JSON the file
of results ($LLM_BIN/bench-train.json); LLM_BIN the programs; PYTHON one with torch.

Rates are tokens a second of CPU time, which other programs disturb least, and on the clock ("wall"); rows of
several threads or ranks are judged on the clock. A row says how many CPUs other programs used meanwhile.
PyTorch runs with a malloc that keeps its memory (as users do by jemalloc) but in `plain`; its compilation and
first steps are not counted. Memory is the most that was ever resident.
"""
import json
import math
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

SRC = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("LLM_BIN", SRC / "build")).resolve()
ROUNDS = int(os.environ.get("LLM_BENCH_ROUNDS", 2))
STEPS = int(os.environ.get("LLM_BENCH_STEPS", 0))
TORCH = os.environ.get("LLM_BENCH_TORCH", "eager,compile").split(",")
RESULTS = pathlib.Path(os.environ.get("LLM_BENCH_JSON", BIN / "bench-train.json")).resolve()
KEEPING_MALLOC = dict(MALLOC_MMAP_THRESHOLD_=str(4 << 30), MALLOC_TRIM_THRESHOLD_=str(16 << 30))

LLAMA = dict(architectures=["LlamaForCausalLM"], model_type="llama", vocab_size=32000, max_position_embeddings=1024,
             rms_norm_eps=1e-5, rope_theta=10000.0, tie_word_embeddings=True, hidden_act="silu", initializer_range=0.02)
MODELS = {
    "l107": ("107M Llama", LLAMA | dict(hidden_size=768, intermediate_size=2304, num_hidden_layers=12,
                                        num_attention_heads=12, num_key_value_heads=4)),
    "l20": ("20M Llama", LLAMA | dict(hidden_size=384, intermediate_size=1024, num_hidden_layers=6,
                                      num_attention_heads=6, num_key_value_heads=2)),
    "gpt2": ("GPT-2 124M", dict(architectures=["GPT2LMHeadModel"], model_type="gpt2", vocab_size=50257, n_embd=768,
                                n_layer=12, n_head=12, n_positions=1024, activation_function="gelu_new",
                                initializer_range=0.02, resid_pdrop=0, embd_pdrop=0, attn_pdrop=0)),
}
AMX = "amx_bf16" in pathlib.Path("/proc/cpuinfo").read_text()


def step(model, batch, length, precision, ahead, goal, steps=2, amx=False, micro=None):
    return dict(kind="step", model=model, batch=batch, length=length, precision=precision, ahead=ahead, goal=goal,
                steps=steps, amx=amx, micro=micro or batch)


SLOW = 2 if AMX else 1  # without matrix unit a bf16 step of PyTorch takes twice as long as in fp32
ROWS = {
    "l107-fp32": step("l107", 1, 512, "fp32", dict(eager=1.35, compile=1.2), dict(mfu=0.75)),
    "l107-bf16": step("l107", 1, 1024, "bf16", dict(compile=1.7), dict(compile=2.2, gib=2.0), steps=SLOW),
    "l107-bf16-8": step("l107", 8, 1024, "bf16", {}, dict(gflops=650), steps=1, amx=True, micro=2),
    "gpt2-fp32": step("gpt2", 4, 256, "fp32", dict(best=1.35), dict(best=1.5)),
    "gpt2-bf16": step("gpt2", 1, 1024, "bf16", dict(best=1.7), dict(best=2.2), steps=SLOW),
    "l20-fp32": step("l20", 1, 512, "fp32", dict(compile=1.2), dict(compile=1.4), steps=6),
    "l20-bf16": step("l20", 1, 1024, "bf16", dict(compile=1.5), dict(compile=2.0), steps=4),
    "bf16-by-fp32": dict(kind="precision", model="l107", length=512, isa=None, ahead=1.0, goal=1.15),
    "bf16-by-fp32-avx2": dict(kind="precision", model="l107", length=512, isa="avx2", ahead=1.0, goal=1.15),
    "l107-scaling": dict(kind="scaling", model="l107", length=512, precision="fp32", steps=3),
    "l20-scaling": dict(kind="scaling", model="l20", length=512, precision="fp32", steps=10),
    "gemm": dict(kind="gemm", shapes=[("forward", 2048, 2304, 768), ("forward", 512, 4096, 4096),
                                      ("forward", 512, 8192, 2048), ("wgrad", 3072, 768, 2048)]),
}


# ---- both sides ----

def prepare(folder):
    """A shard of this repository's sources, whose ids are below 2,000, and the models' configurations."""
    with open(folder / "text.jsonl", "w") as out:
        for file in sorted(SRC.glob("common/*/*.[ch]")):
            out.write(json.dumps({"text": file.read_text()}) + "\n")
    for args in (["--train", "bpe", "--vocab-size", 2000, "-o", "tok.json"], ["-t", "tok.json", "-o", "train.shard"]):
        subprocess.run([BIN / "llm-tokenize", "-q", *map(str, args), "--format", "jsonl", "text.jsonl"], check=True,
                       cwd=folder)
    for name, (_, config) in MODELS.items():
        (folder / f"{name}.json").write_text(json.dumps(config))


class Side:
    """Seconds of every step that counts, and the largest memory."""
    def __init__(self):
        self.wall, self.cpu, self.rss = [], [], 0

    def rate(self, tokens, clock="cpu"):
        return tokens / statistics.median(getattr(self, clock))


class Ours(Side):
    """Runs of llm-train with one set of options."""
    def __init__(self, folder, row, precision, batch=1, micro=1, threads=1, ranks=1, isa=None, options=()):
        super().__init__()
        self.args = ["--model", f"{row['model']}.json", "--seq-length", row["length"], "--global-batch", batch,
                     "--micro-batch", micro, "--precision", precision, "--threads", threads, "--ranks", ranks,
                     "--document-mask", "no", "--lr", 1e-4, "--log", "log.jsonl", *options]
        self.folder, self.env = folder, dict(os.environ, **({"LLM_ISA": isa} if isa else {}))
        self.peak = self.flops = 0

    def run(self, steps):
        """The first step touches all memory for the first time: it is not counted."""
        log = self.folder / "log.jsonl"
        log.unlink(missing_ok=True)
        process = subprocess.Popen([BIN / "llm-train", "-q", *map(str, self.args), "--steps", str(steps + 1),
                                    "train.shard"], cwd=self.folder, env=self.env)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            sys.exit(f"train: llm-train left with {process.returncode}")
        events = [json.loads(line) for line in log.read_text().splitlines()]
        start = next(e for e in events if e["event"] == "start")
        found = [e for e in events if e["event"] == "step"]
        self.wall += [e["seconds"] for e in found[1:]]
        self.cpu += [e["cpu_seconds"] for e in found[1:]]
        self.rss = max(self.rss, usage.ru_maxrss * 1024)
        self.peak = max(self.peak, 1e12 * start["peak_tflops"])
        self.flops = 1e12 * found[0]["tflops"] / found[0]["tokens_per_second"]


class Child:
    """A process that answers each line with a line."""
    def __init__(self, command, **env):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        env=dict(os.environ, OMP_NUM_THREADS="1", MKL_NUM_THREADS="1", **env))

    def read(self):
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"train: {self.process.args[:2]} left with {self.process.wait()}")
        return line

    def ask(self, line):
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()
        return self.read()

    def end(self):
        self.process.stdin.close()
        self.process.wait()


class Torch(Side):
    """A PyTorch that stays, compiled and warm, from round to round."""
    def __init__(self, row, mode):
        super().__init__()
        pure, self.mode = mode == "pure-bf16", mode
        spec = dict(model=MODELS[row["model"]][1], mode="eager" if mode in ("plain", "pure-bf16") else mode,
                    precision="pure-bf16" if pure else row["precision"], sequences=row["batch"], length=row["length"],
                    threads=1)
        self.child = Child([sys.executable, SRC / "tests/bench/train_torch.py", json.dumps(spec)],
                           **({} if mode == "plain" else KEEPING_MALLOC))
        self.warm = json.loads(self.child.read())

    def run(self, steps):
        answer = json.loads(self.child.ask(steps))
        self.wall += answer["wall"]
        self.cpu += answer["cpu"]
        self.rss = answer["rss"]


# ---- the machine ----

def busy_seconds():
    fields = [int(x) for x in pathlib.Path("/proc/stat").read_text().split("\n")[0].split()[1:9]]
    return (sum(fields) - fields[3] - fields[4]) / os.sysconf("SC_CLK_TCK")


def tree_seconds():
    """CPU seconds of this process and all below it, the ended ones included."""
    tick, seconds = os.sysconf("SC_CLK_TCK"), {}
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        seconds[int(stat.parent.name)] = int(fields[1]), sum(map(int, fields[11:15])) / tick
    total, below = 0, {os.getpid()}
    while below:
        total += sum(seconds[p][1] for p in below if p in seconds)
        below = {p for p, (parent, _) in seconds.items() if parent in below}
    return total


class Load:
    """CPUs that other programs used since the beginning."""
    def __init__(self):
        self.start = time.perf_counter(), busy_seconds(), tree_seconds()

    def others(self):
        wall, busy, own = (b - a for a, b in zip(self.start, (time.perf_counter(), busy_seconds(), tree_seconds())))
        return max(0.0, (busy - own) / wall)


# ---- rows ----

def alternate(sides, steps):
    for _ in range(ROUNDS):
        for side in sides:
            side.run(STEPS or steps)


def modes_of(row):
    return [m for m in TORCH if m != "pure-bf16" or row["precision"] == "bf16"]


def verdict(row, facts):
    """What of `ahead` and `goal` is reached; targets name a PyTorch configuration, or mfu, gflops, gib."""
    def reached(target):
        value = {"mfu": facts["mfu"], "gflops": facts["gflops"], "gib": facts["gib"], "best": facts["ratio"]}
        value |= {m: facts["tokens_per_second"] / t["tokens_per_second"] for m, t in facts["torch"].items()}
        return all((value[k] <= v if k == "gib" else value[k] >= v) for k, v in target.items() if k in value)
    goals = " ".join(f"{k} {v:g}" for k, v in row["goal"].items())
    ahead = " ".join(f"{k} {v:g}" for k, v in row["ahead"].items())
    word = "goal" if reached(row["goal"]) else "ahead" if row["ahead"] and reached(row["ahead"]) else "below"
    if row["precision"] == "bf16" and not AMX:
        return f"{word} (targets of AMX, which this machine lacks: ahead {ahead}; goal {goals})"
    return f"{word} (ahead {ahead}; goal {goals})"


def step_row(folder, name, row):
    ours, tokens = Ours(folder, row, row["precision"], row["batch"], row["micro"]), row["batch"] * row["length"]
    peers = [Torch(row, mode) for mode in modes_of(row)]
    load = Load()
    alternate([ours, *peers], row["steps"])
    for peer in peers:
        peer.child.end()
    facts = dict(row=name, tokens_per_second=ours.rate(tokens), wall=ours.rate(tokens, "wall"), gib=ours.rss / 2**30,
                 gflops=ours.rate(tokens) * ours.flops / 1e9, peak_gflops=ours.peak / 1e9,
                 torch={p.mode: dict(tokens_per_second=p.rate(tokens), wall=p.rate(tokens, "wall"), gib=p.rss / 2**30,
                                     warm_seconds=p.warm["warm"]) for p in peers})
    facts["mfu"] = facts["gflops"] / facts["peak_gflops"]
    counted = [t for m, t in facts["torch"].items() if m != "pure-bf16"]
    facts["ratio"] = facts["tokens_per_second"] / max(t["tokens_per_second"] for t in counted)
    facts["wall_ratio"] = facts["wall"] / max(t["wall"] for t in counted)
    facts |= dict(others=load.others(), verdict=verdict(row, facts))
    torch = ", ".join(f"{m} {t['tokens_per_second']:.0f} ({t['wall']:.0f} wall, {t['gib']:.2f} GiB)"
                      for m, t in facts["torch"].items())
    print(f"{name}: {MODELS[row['model']][0]} {row['batch']} x {row['length']} {row['precision']}: "
          f"llm-train {facts['tokens_per_second']:.0f} tokens/s ({facts['wall']:.0f} wall, {facts['gib']:.2f} GiB; "
          f"{facts['gflops']:.0f} GF/s, MFU {100 * facts['mfu']:.0f} % of {facts['peak_gflops']:.0f}); PyTorch {torch}; "
          f"ratio {facts['ratio']:.2f} ({facts['wall_ratio']:.2f} wall); {facts['verdict']}; "
          f"others used {facts['others']:.2f} CPUs", flush=True)
    return facts


def reaches(value, row):
    return "goal" if value >= row["goal"] else "ahead" if value >= row["ahead"] else "below"


def precision_row(folder, name, row):
    sides = {p: Ours(folder, row, p, isa=row["isa"]) for p in ("fp32", "bf16")}
    load = Load()
    alternate(sides.values(), 2)
    rates = {p: side.rate(row["length"]) for p, side in sides.items()}
    ratio = rates["bf16"] / rates["fp32"]
    print(f"{name}: {MODELS[row['model']][0]} 1 x {row['length']}{', LLM_ISA=' + row['isa'] if row['isa'] else ''}: "
          f"bf16 {rates['bf16']:.0f} tokens/s, fp32 {rates['fp32']:.0f}; ratio {ratio:.2f}; {reaches(ratio, row)} "
          f"(ahead {row['ahead']:g}; goal {row['goal']:g}); others used {load.others():.2f} CPUs", flush=True)
    return dict(row=name, **rates, own_ratio=ratio, others=load.others(), verdict=reaches(ratio, row))


def scaling_row(folder, name, row):
    """Two threads on the same step; two ranks with a sequence each."""
    layouts = dict(one={}, threads=dict(threads=2), ranks=dict(ranks=2, batch=2))
    sides = {k: Ours(folder, row, row["precision"], **v) for k, v in layouts.items()}
    load = Load()
    alternate(sides.values(), row["steps"])
    rates = {k: side.rate(row["length"] * (2 if k == "ranks" else 1), "wall") for k, side in sides.items()}
    threads, ranks = rates["threads"] / rates["one"], rates["ranks"] / rates["one"]
    words = [reaches(threads, dict(ahead=1.8, goal=1.95)), reaches(ranks, dict(ahead=1.85, goal=1.95))]
    print(f"{name}: {MODELS[row['model']][0]} {row['length']} tokens {row['precision']}: 1 thread {rates['one']:.0f} "
          f"tokens/s wall, 2 threads {threads:.2f} x, {words[0]} (ahead 1.8; goal 1.95); 2 ranks {ranks:.2f} x, {words[1]} "
          f"(ahead 1.85; goal 1.95); others used {load.others():.2f} CPUs", flush=True)
    return dict(row=name, **rates, thread_ratio=threads, rank_ratio=ranks, others=load.others(), verdict=words)


def gemm_shape(children, kind, m, n, k, precision):
    """Best of both, in alternation: GFLOP/s."""
    ours, torch = children
    best, flops = {}, 2e-9 * m * n * k
    for _ in range(3):
        product, packing = map(float, ours.ask(f"{kind} {m} {n} {k} {precision} 3").split())
        found = json.loads(torch.ask(json.dumps(dict(kind=kind, m=m, n=n, k=k, precision=precision, runs=3))))
        for name, seconds in dict(found, ours=product, with_packing=product + packing).items():
            best[name] = max(best.get(name, 0), flops / seconds)
    return best


def gemm_row(folder, name, row):
    children = Child([BIN / "bench-products"]), Child([sys.executable, SRC / "tests/bench/train_torch.py", "gemm"])
    children[1].read()
    load, all_facts = Load(), []
    for precision in ("fp32", "bf16"):
        for kind, m, n, k in row["shapes"]:
            best = gemm_shape(children, kind, m, n, k, precision)
            ratio = best["ours"] / max(best["matmul"], best.get("packed", 0))
            print(f"{name}: {kind} {m} x {n} x {k} {precision}: ours {best['ours']:.0f} GF/s ({best['with_packing']:.0f} "
                  f"with packing), torch.matmul {best['matmul']:.0f}, oneDNN packed {best.get('packed', math.nan):.0f}; "
                  f"ratio {ratio:.2f}; {'ahead' if ratio >= 1 else 'below'} (ahead 1)", flush=True)
            all_facts.append(dict(best, shape=[kind, m, n, k], precision=precision, product_ratio=ratio))
    for child in children:
        child.end()
    return dict(row=name, products=all_facts, others=load.others())


KINDS = dict(step=step_row, precision=precision_row, scaling=scaling_row, gemm=gemm_row)


def chosen(words):
    exact = [w for w in words if w in ROWS]
    return [n for n in ROWS if not words or n in exact or any(w in n for w in words if w not in exact)]


def cannot_run(row):
    if row.get("amx") and not AMX:
        return "needs AMX, which this machine lacks"
    if row.get("isa") and row["isa"] not in pathlib.Path("/proc/cpuinfo").read_text():
        return f"needs {row['isa']}, which this machine lacks"
    if row["kind"] == "scaling" and len(os.sched_getaffinity(0)) < 2:
        return "needs two CPUs"


def main():
    words = sys.argv[1:] or os.environ.get("LLM_BENCH_ROWS", "").replace(",", " ").split()
    if "--list" in words:
        print(*ROWS, sep="\n")
        return
    names, results = chosen(words), []
    if not names:
        sys.exit(f"train: no row is named like {' '.join(words)}")
    with tempfile.TemporaryDirectory() as folder:
        prepare(pathlib.Path(folder))
        for name in names:
            why = cannot_run(ROWS[name])
            if why:
                print(f"{name}: SKIPPED: {why}", flush=True)
                continue
            results.append(KINDS[ROWS[name]["kind"]](pathlib.Path(folder), name, ROWS[name]))
            RESULTS.write_text(json.dumps(dict(cpu=cpu_name(), amx=AMX, rows=results), indent=1) + "\n")
    print(f"results: {RESULTS}")
    ratios = [r["ratio"] for r in results if "ratio" in r]
    if ratios:
        mean = math.exp(statistics.fmean(map(math.log, ratios)))
        print(f"llm-train / the best PyTorch: geometric mean {mean:.2f} of {len(ratios)} rows, least {min(ratios):.2f}")


def cpu_name():
    lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "unknown")


if __name__ == "__main__":
    main()
