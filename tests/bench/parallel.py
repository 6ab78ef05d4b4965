#!/usr/bin/env python3
"""llm-train on 2 ranks beside PyTorch over gloo, in alternation in one run: scaling, sums, checkpoints.

usage: parallel.py [--list] [ROW…]   a ROW by (part of) its name; LLM_BENCH_ROWS names them, too
environment: LLM_BENCH_ROUNDS (3) alternations; LLM_BENCH_STEPS steps of each side in a round (a row's own);
LLM_BENCH_JSON the file of results ($LLM_BIN/bench-parallel.json); LLM_BIN the programs; PYTHON one with torch.

Scaling is weak, as those who use data parallelism measure it: every rank has the batch that one rank has alone;
efficiency is tokens a second of 2 ranks by twice one rank's, on the clock, each side by its own one-rank run.
"strong" divides the one rank's batch of 2 sequences instead. "cpu" compares CPU seconds of a rank with those of
one alone: what the work itself costs more, other programs and waits aside. Checkpoints hold FP32 weights and two
moments; cp is cp -r and sync of the same bytes; all read from a warm cache.
"""
import json
import math
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import train
from train import BIN, KEEPING_MALLOC, MODELS, SRC, Child, Load, Ours

ROUNDS = int(os.environ.get("LLM_BENCH_ROUNDS", 3))
STEPS = int(os.environ.get("LLM_BENCH_STEPS", 0))
RESULTS = pathlib.Path(os.environ.get("LLM_BENCH_JSON", BIN / "bench-parallel.json")).resolve()
GOOD, GOAL = 0.92, 0.97

ROWS = {
    "l20-fp32": dict(kind="scaling", model="l20", length=512, precision="fp32", steps=8, peers=["ddp", "fsdp"]),
    "l20-bf16": dict(kind="scaling", model="l20", length=512, precision="bf16", steps=8, peers=["ddp", "fsdp"]),
    "l107-fp32": dict(kind="scaling", model="l107", length=512, precision="fp32", steps=3, peers=["ddp", "fsdp"]),
    "l107-fp32-4": dict(kind="scaling", model="l107", length=512, precision="fp32", steps=1, peers=["ddp"], batch=4),
    "sums": dict(kind="sums"),
    "checkpoint": dict(kind="checkpoint", model="l107", length=128),
}


class Group:
    """Ranks of parallel_torch.py, asked together."""
    count = 0

    def __init__(self, folder, kind, ranks=2, **spec):
        Group.count += 1
        meet = str(folder / f"meet{Group.count}")
        command = [sys.executable, SRC / "tests/bench/parallel_torch.py"]
        self.ranks = [Child([*command, json.dumps(dict(spec, kind=kind, rank=r, ranks=ranks, meet=meet))],
                            **KEEPING_MALLOC) for r in range(ranks)]
        self.read()

    def read(self):
        return [json.loads(child.read()) for child in self.ranks][0]

    def ask(self, line):
        for child in self.ranks:
            child.process.stdin.write(f"{line}\n")
            child.process.stdin.flush()
        return self.read()

    def end(self):
        for child in self.ranks:
            child.process.stdin.close()
        for child in self.ranks:
            child.process.wait()


class Peer:
    """PyTorch's training on some ranks: seconds of every step that counts, of rank 0."""
    def __init__(self, folder, row, kind, ranks, sequences):
        self.wall, self.cpu = [], []
        self.group = Group(folder, kind, ranks, model=MODELS[row["model"]][1], precision=row["precision"],
                           sequences=sequences, length=row["length"])

    def run(self, steps):
        answer = self.group.ask(steps)
        self.wall += answer["wall"]
        self.cpu += answer["cpu"]


def refused(folder, row, options):
    """Does this llm-train refuse these options? Why: its words."""
    got = subprocess.run([BIN / "llm-train", "-q", "--model", f"{row['model']}.json", "--seq-length", "64",
                          "--global-batch", "2", "--ranks", "2", "--threads", "1", "--steps", "1", "--lr", "1e-4",
                          "--precision", row["precision"], *options, "train.shard"], cwd=folder, text=True,
                         stderr=subprocess.PIPE)
    return got.stderr.strip().splitlines()[0] if got.returncode else None


def ours_sides(folder, row, batch):
    """llm-train's runs by name: (side, ranks, sequences a rank)."""
    def side(ranks, sequences, *options):
        return Ours(folder, row, row["precision"], sequences * ranks, 1, ranks=ranks, options=options), ranks, sequences

    sides = {"one": side(1, batch), "two": side(2, batch)}
    for zero in ("1", "2", "3"):
        why = refused(folder, row, ["--zero", zero])
        if why:
            print(f"ZeRO-{zero}: SKIPPED: {why}", flush=True)
        else:
            sides[f"two zero-{zero}"] = side(2, batch, "--zero", zero)
    if batch == 1:
        sides["strong one"] = side(1, 2)
    return sides


def peer_sides(folder, row, batch):
    sides = {"torch one": (Peer(folder, row, "one", 1, batch), 1, batch)}
    for kind in row["peers"]:
        sides[f"torch {kind}"] = Peer(folder, row, kind, 2, batch), 2, batch
    return sides


def median(values):
    return statistics.median(values)


def efficiency(sides, rates, two, one):
    """On the clock, and by CPU time a step."""
    return rates[two] / (2 * rates[one]), median(sides[one][0].cpu) / median(sides[two][0].cpu)


def scaling_row(folder, name, row):
    batch = row.get("batch", 1)
    sides = ours_sides(folder, row, batch) | peer_sides(folder, row, batch)
    load = Load()
    for _ in range(ROUNDS):
        for side, _, _ in sides.values():
            side.run(STEPS or row["steps"])
    for side, _, _ in sides.values():
        if isinstance(side, Peer):
            side.group.end()
    rates = {k: ranks * sequences * row["length"] / median(side.wall) for k, (side, ranks, sequences) in sides.items()}
    pairs = {k: "torch one" if k.startswith("torch") else "one" for k in sides if " one" not in k and k != "one"}
    found = {k: efficiency(sides, rates, k, one) for k, one in pairs.items()}
    if "strong one" in rates:
        found["strong"] = rates["two"] / (2 * rates["strong one"]), 0
    best = max(v[0] for k, v in found.items() if k.startswith("two"))
    peer = max(v[0] for k, v in found.items() if k.startswith("torch"))
    verdict = "goal" if best >= GOAL else "good" if best >= GOOD else "below"
    print(f"{name}: {MODELS[row['model']][0]}, {batch} x {row['length']} a rank, {row['precision']}: "
          f"llm-train {rates['one']:.0f} tokens/s on one rank, PyTorch {rates['torch one']:.0f}")
    for k, (wall, cpu) in found.items():
        two = "two" if k == "strong" else k
        print(f"  {k}: {rates[two]:.0f} tokens/s, efficiency {100 * wall:.1f} %" +
              (f" (cpu {100 * cpu:.1f} %)" if cpu else " of 2 sequences on one rank"))
    print(f"  {verdict} (good {100 * GOOD:.0f} %; goal {100 * GOAL:.0f} %); others used {load.others():.2f} CPUs",
          flush=True)
    return dict(row=name, tokens_per_second=rates, efficiency={k: v[0] for k, v in found.items()},
                cpu_efficiency={k: v[1] for k, v in found.items() if v[1]}, best=best, peer=peer,
                ratio=best / peer, others=load.others(), verdict=verdict)


# ---- sums ----

def bandwidths():
    """comm_sum and the library's all_reduce: a dictionary by (bytes, type)."""
    got = subprocess.run(["mpiexec", "-n", "2", BIN / "tests/mpi/bandwidth"], check=True, text=True,
                         stdout=subprocess.PIPE, env=dict(os.environ, BANDWIDTH_JSON="yes")).stdout
    return {(line["bytes"], line["type"]): line for line in map(json.loads, got.splitlines())}


def reducer_seconds():
    """The gradient reduction of 33.6 MB: by way."""
    got = subprocess.run(["mpiexec", "-n", "2", BIN / "tests/mpi/speed", "8.4"], check=True, text=True,
                         stdout=subprocess.PIPE).stdout
    print("".join(f"  reducer, 33.6 MB, {line}\n" for line in got.splitlines()), end="")
    return {way: float(ms) / 1e3 for way, ms in re.findall(r"^(.*?): ([0-9.]+) ms", got, re.M)}


def sums_row(folder, name, _):
    gloo, load, rounds, reducer = Group(folder, "gloo"), Load(), [], []
    for _ in range(ROUNDS):
        found = bandwidths()
        for (size, kind), line in found.items():
            line["gloo"] = gloo.ask(json.dumps(dict(bytes=size, type=kind, runs=11)))["seconds"]
        rounds.append(found)
        reducer.append(reducer_seconds())
    gloo.end()
    table, ratios = [], []
    for key in rounds[0]:
        size, kind = key
        # What other programs disturb least: the best round of each.
        best = {way: min(r[key][way] for r in rounds) for way in rounds[0][key] if way not in ("bytes", "type")}
        ratios.append(min(best["library"], best["gloo"]) / best["memory"])
        print(f"{name}: {size / 1024:.0f} KiB {kind}: " +
              ", ".join(f"{way} {1e6 * s:.0f} us {size / s / 1e9:.2f} GB/s" for way, s in best.items()) +
              f"; {ratios[-1]:.2f} times the better of library and gloo", flush=True)
        table.append(dict(bytes=size, type=kind, **best))
    ratio = math.exp(statistics.fmean(map(math.log, ratios)))
    print(f"{name}: comm_sum in shared memory: {ratio:.2f} times as fast as the better of MPI's and gloo's all_reduce, "
          f"least {min(ratios):.2f}; others used {load.others():.2f} CPUs", flush=True)
    return dict(row=name, sums=table, reducer=reducer, sums_ratio=ratio, others=load.others())


# ---- checkpoints ----

def files_bytes(folder):
    return sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())


def sync_copy(source, target):
    shutil.rmtree(target, ignore_errors=True)
    start = time.perf_counter()
    subprocess.run(["cp", "-r", source, target], check=True)
    subprocess.run(["sync", *[f for f in target.rglob("*") if f.is_file()]], check=True)
    return time.perf_counter() - start


def read_all(folder):
    start = time.perf_counter()
    subprocess.run("cat $(find . -type f) >/dev/null", shell=True, check=True, cwd=folder)
    return time.perf_counter() - start


def train_and(folder, row, ranks, *options):
    """Seconds of the whole program, and its log."""
    log = folder / "log.jsonl"
    log.unlink(missing_ok=True)
    start = time.perf_counter()
    subprocess.run([BIN / "llm-train", "-q", "--ranks", str(ranks), "--threads", "1", "--seq-length", str(row["length"]),
                    "--global-batch", str(ranks), "--precision", "fp32", "--lr", "1e-4", "--log", "log.jsonl",
                    *options, "train.shard"], cwd=folder, check=True)
    return time.perf_counter() - start, [json.loads(line) for line in log.read_text().splitlines()]


def our_checkpoint(folder, row, ranks):
    """Seconds of a save, those for which one between steps stops training, and of a whole run that only loads."""
    saved = folder / "saved"
    shutil.rmtree(saved, ignore_errors=True)
    model = ["--model", f"{row['model']}.json", "--tokenizer", "tok.json"]
    _, events = train_and(folder, row, ranks, *model, "--steps", "2", "--save", "saved", "--save-every", "1")
    saves = [e for e in events if e["event"] == "save"]  # the first while training goes on, the second at its end
    load, _ = train_and(folder, row, ranks, "--tokenizer", "tok.json", "--steps", "2", "--resume", "saved")
    return saves[-1]["seconds"], saves[0]["stopped_seconds"], load, saved


def checkpoint_row(folder, name, row):
    peer = Group(folder, "checkpoint", 2, model=MODELS[row["model"]][1], precision="fp32", sequences=1,
                 length=row["length"])
    load, found = Load(), {}

    def note(what, seconds):
        found.setdefault(what, []).append(seconds)
    for _ in range(ROUNDS):
        for ranks in (1, 2):
            save, stopped, whole, saved = our_checkpoint(folder, row, ranks)
            note(f"save, {ranks} rank", save)
            note(f"training stopped by a save between steps, {ranks} rank", stopped)
            note(f"load, {ranks} rank, whole program", whole)
        bytes_ours = files_bytes(saved)
        note("cp and sync", sync_copy(saved, folder / "copy"))
        note("cat", read_all(saved))
        shutil.rmtree(folder / "torch", ignore_errors=True)
        note("torch save, 2 ranks", peer.ask(json.dumps(dict(save=str(folder / "torch"))))["seconds"])
        note("torch load, 2 ranks", peer.ask(json.dumps(dict(load=str(folder / "torch"))))["seconds"])
    bytes_torch = files_bytes(folder / "torch")
    peer.end()
    best = {k: min(v) for k, v in found.items()}
    print(f"{name}: {bytes_ours / 1e9:.2f} GB (PyTorch's {bytes_torch / 1e9:.2f} GB); the best of {ROUNDS}: " +
          ", ".join(f"{k} {v:.2f} s" + ("" if "stopped" in k else f" ({bytes_ours / v / 1e9:.2f} GB/s)") for k, v in best.items()) +
          f"; others used {load.others():.2f} CPUs", flush=True)
    return dict(row=name, bytes=bytes_ours, torch_bytes=bytes_torch, seconds=found, others=load.others(),
                save_ratio=best["torch save, 2 ranks"] / best["save, 2 rank"],
                copy_ratio=best["cp and sync"] / best["save, 2 rank"])


KINDS = dict(scaling=scaling_row, sums=sums_row, checkpoint=checkpoint_row)


def main():
    words = sys.argv[1:] or os.environ.get("LLM_BENCH_ROWS", "").replace(",", " ").split()
    if "--list" in words:
        print(*ROWS, sep="\n")
        return
    names, results = [n for n in ROWS if not words or any(w in n for w in words)], []
    if not names:
        sys.exit(f"parallel: no row is named like {' '.join(words)}")
    if len(os.sched_getaffinity(0)) < 2:
        print("SKIPPED: needs two CPUs")
        return
    with tempfile.TemporaryDirectory() as folder:
        train.prepare(pathlib.Path(folder))
        for name in names:
            results.append(KINDS[ROWS[name]["kind"]](pathlib.Path(folder), name, ROWS[name]))
            RESULTS.write_text(json.dumps(dict(cpu=train.cpu_name(), rows=results), indent=1) + "\n")
    print(f"results: {RESULTS}")
    scaling = [r for r in results if "ratio" in r]
    if scaling:
        least, ratio = (min(r[k] for r in scaling) for k in ("best", "ratio"))
        print(f"2 ranks of llm-train: {100 * least:.1f} % of twice one rank at least, "
              f"{ratio:.2f} times the best of PyTorch's at least")
    else:
        key = next(k for r in results for k in ("sums_ratio", "copy_ratio") if k in r)
        print(f"{key.replace('_', ' ')} {next(r[key] for r in results if key in r):.2f}")


if __name__ == "__main__":
    main()
