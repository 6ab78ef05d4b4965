#!/usr/bin/env python3
"""--tensorboard: TensorBoard's own reader finds the figures of the log, behind a resume, too."""
import math
import pathlib

from _common import SRC, done, json, ok, run, skip

try:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
except ImportError as error:
    skip("event files", error)
    done()


def close(a, b):
    return math.isclose(a, b, rel_tol=1e-6, abs_tol=1e-30)


def log(name, event):
    lines = pathlib.Path(name).read_text(encoding="utf-8").splitlines()
    return [o for o in map(json.loads, lines) if o["event"] == event]


def train(*options):
    run("llm-train", "-q", "--tokenizer", "tok.json", "--tensorboard", "board", "--log", "log.jsonl", "--valid",
        "text.shard", "--valid-every", "4", "--health-every", "5", "--precision", "fp32", *options, "text.shard")


(pathlib.Path("a.txt")).write_text((SRC / "README.md").read_text(encoding="utf-8"), encoding="utf-8")
run("llm-tokenize", "-q", "--train", "bpe", "--vocab-size", 400, "-o", "tok.json", "a.txt")
run("llm-tokenize", "-q", "-t", "tok.json", "-o", "text.shard", "a.txt")
pathlib.Path("config.json").write_text(json.dumps({
    "model_type": "llama", "architectures": ["LlamaForCausalLM"], "vocab_size": 400, "hidden_size": 32,
    "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
    "hidden_act": "silu", "max_position_embeddings": 64, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
    "bos_token_id": None, "eos_token_id": None}), encoding="utf-8")
train("--model", "config.json", "--save", "run", "--steps", 8, "--lr", "1e-3", "--global-batch", 2, "--epochs", 50)
first = {s["step"]: s for s in log("log.jsonl", "step")}
board = EventAccumulator("board", size_guidance={"scalars": 0})
board.Reload()
for tag in ("loss", "lr", "grad_norm", "tokens_per_second", "mfu"):
    got = board.Scalars(tag)
    ok([e.step for e in got] == list(first) and all(close(e.value, first[e.step][tag]) for e in got),
       f"{tag} of {len(got)} steps")
valid = {v["step"]: v for v in log("log.jsonl", "valid")}
ok([e.step for e in board.Scalars("valid/loss")] == list(valid)
   and all(close(e.value, valid[e.step]["bits_per_byte"]) for e in board.Scalars("valid/bits_per_byte")),
   f"validations at {list(valid)}")

health = {h["step"]: h for h in log("log.jsonl", "tensor_health")}
for tag in ("weight_norm", "update_ratio", "eps_share", "max_logit"):
    got = board.Scalars(f"health/{tag}")
    ok([e.step for e in got] == list(health) == [1, 5] and all(close(e.value, health[e.step][tag]) for e in got),
       f"health/{tag} at {list(health)}")

# Went on from step 8 to step 12, then the last checkpoint is lost and steps 9 to 12 are made again.
train("--resume", "run", "--steps", 12, "--keep-last", 9)
for file in sorted(pathlib.Path("run/step-00000012").iterdir()):
    file.unlink()
pathlib.Path("run/step-00000012").rmdir()
train("--resume", "run", "--steps", 12, "--lr", "5e-4")
again = log("log.jsonl", "step")[-4:]
board = EventAccumulator("board", size_guidance={"scalars": 0}, purge_orphaned_data=True)
board.Reload()
got = board.Scalars("loss")
ok([e.step for e in got] == list(range(1, 13)), "each step once behind a run that goes back")
ok(all(close(e.value, s["loss"]) for e, s in zip(got[8:], again)), "with what the later run had")
done()
