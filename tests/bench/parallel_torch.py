#!/usr/bin/env python3
"""PyTorch's side of tests/bench/parallel.py: one of several ranks over gloo.

usage: parallel_torch.py SPEC, a JSON object: rank, ranks, meet (a file of their own), and what it does:
kind "one", "ddp" or "fsdp" (fully_shard of every layer and the whole): training as in train_torch.py, its
spec besides; a line of JSON when warm, then one for each number of steps read: seconds on the clock and of CPU.
kind "gloo": for each line {bytes, type, runs}: seconds of all_reduce. kind "checkpoint": for each line
{save} or {load} (a directory): seconds of torch.distributed.checkpoint with the model's weights and moments.
"""
import json
import statistics
import sys
import time

from train_torch import Trainer, nn, say, timed, torch
import torch.distributed as dist

WARM = 2


def shard(model, mesh):
    from torch.distributed.fsdp import fully_shard
    for layer in model.layers:
        fully_shard(layer, mesh=mesh)
    fully_shard(model, mesh=mesh)


class Rank(Trainer):
    """A Trainer whose gradients are averaged over the ranks."""
    def __init__(self, spec):
        super().__init__(spec)
        if spec["kind"] == "fsdp":
            shard(self.model, dist.init_device_mesh("cpu", (spec["ranks"],)))
            self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-4, betas=(0.9, 0.95),
                                               weight_decay=0.1, fused=True)
        elif spec["kind"] == "ddp":
            self.model = nn.parallel.DistributedDataParallel(self.model, gradient_as_bucket_view=True)


def serve_training(spec):
    trainer = Rank(spec)
    for _ in range(WARM):
        trainer.step()
    say(version=torch.__version__)
    for line in sys.stdin:
        times = [timed(trainer.step) for _ in range(int(line))]
        say(wall=[w for w, _ in times], cpu=[c for _, c in times])


def all_reduce(size, name):
    x = torch.zeros(size // (4 if name == "fp32" else 2), dtype=torch.float32 if name == "fp32" else torch.bfloat16)

    def once():
        dist.barrier()
        return timed(lambda: dist.all_reduce(x))[0]
    return once


def serve_gloo(_):
    say(version=torch.__version__)
    for line in sys.stdin:
        asked = json.loads(line)
        once = all_reduce(asked["bytes"], asked["type"])
        once()
        say(seconds=statistics.median(once() for _ in range(asked["runs"])))


def serve_checkpoint(spec):
    """Weights and two moments in FP32, which is what llm-train writes."""
    import torch.distributed.checkpoint as dcp
    trainer = Rank(spec)
    trainer.step()
    model, optimizer = trainer.model.state_dict(), trainer.optimizer.state_dict()["state"]
    state = {"model": model, "moments": {f"{i}.{k}": v for i, s in optimizer.items() for k, v in s.items()}}
    say(version=torch.__version__)
    for line in sys.stdin:
        asked = json.loads(line)
        dist.barrier()
        start = time.perf_counter()
        if "save" in asked:
            dcp.save(state, checkpoint_id=asked["save"])
        else:
            dcp.load(state, checkpoint_id=asked["load"])
        dist.barrier()
        say(seconds=time.perf_counter() - start)


def main():
    spec = json.loads(sys.argv[1])
    if spec["ranks"] > 1:
        dist.init_process_group("gloo", init_method=f"file://{spec['meet']}", rank=spec["rank"],
                                world_size=spec["ranks"])
    torch.set_num_threads(1)
    kinds = dict(gloo=serve_gloo, checkpoint=serve_checkpoint)
    kinds.get(spec["kind"], serve_training)(dict(spec, threads=1, mode="eager"))
    if spec["ranks"] > 1:
        dist.destroy_process_group()


main()
