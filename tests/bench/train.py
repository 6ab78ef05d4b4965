#!/usr/bin/env python3
"""Tokens per second of llm-train and of PyTorch eager, one thread each, in alternation.

A Llama of 107 million parameters (768 x 12, 12 heads, 4 key/value heads, SwiGLU 2304, vocabulary 32,000,
tied), AdamW, clipping: 1 x 512 tokens a step in fp32, 1 x 1024 in bf16 (PyTorch: autocast).
usage: train.py [STEPS]; PYTHON with torch and transformers; LLM_BIN names the programs.
"""
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

os.environ.update(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")
import torch
from transformers import LlamaConfig, LlamaForCausalLM

SRC = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("LLM_BIN", SRC / "build"))
STEPS = int(sys.argv[1]) if len(sys.argv) > 1 else 6
torch.set_num_threads(1)

CONFIG = dict(vocab_size=32000, hidden_size=768, intermediate_size=2304, num_hidden_layers=12, num_attention_heads=12,
              num_key_value_heads=4, max_position_embeddings=1024, rms_norm_eps=1e-5, tie_word_embeddings=True,
              hidden_act="silu", initializer_range=0.02)


def tool(name, *args):
    subprocess.run([str(BIN / name), *map(str, args)], check=True)


def prepare(folder):
    with open(folder / "text.jsonl", "w") as out:
        for file in sorted(SRC.glob("common/*/*.[ch]")):
            out.write(json.dumps({"text": file.read_text()}) + "\n")
    tool("llm-tokenize", "-q", "--train", "bpe", "--vocab-size", 2000, "--format", "jsonl", "-o", folder / "tok.json",
         folder / "text.jsonl")
    tool("llm-tokenize", "-q", "-t", folder / "tok.json", "--format", "jsonl", "-o", folder / "train.shard",
         folder / "text.jsonl")
    config = dict(CONFIG, architectures=["LlamaForCausalLM"], model_type="llama", rope_theta=10000.0)
    (folder / "config.json").write_text(json.dumps(config))


def ours(folder, precision, length):
    log = folder / "log.jsonl"
    log.unlink(missing_ok=True)
    tool("llm-train", "-q", "--model", folder / "config.json", "--threads", 1, "--seq-length", length, "--global-batch", 1,
         "--lr", 1e-4, "--steps", STEPS, "--precision", precision, "--log", log, folder / "train.shard")
    events = [json.loads(line) for line in log.read_text().splitlines()]
    steps = [e["tokens_per_second"] for e in events if e["event"] == "step"][1:]
    memory = [e["measured"] for e in events if e["event"] == "memory"][0]
    mfu = statistics.median([e["mfu"] for e in events if e["event"] == "step"][1:])
    return statistics.median(steps), memory / 2**30, mfu


def torch_model():
    torch.manual_seed(1)
    model = LlamaForCausalLM(LlamaConfig(**CONFIG, attn_implementation="sdpa"))
    return model, torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)


def peer(model, optimizer, precision, length):
    ids = torch.randint(0, 2000, (1, length + 1))
    rates = []
    for _ in range(STEPS):
        begin = time.perf_counter()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bf16"):
            logits = model(input_ids=ids[:, :-1], use_cache=False).logits
        loss = torch.nn.functional.cross_entropy(logits.float().flatten(0, 1), ids[:, 1:].flatten())
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        rates.append(length / (time.perf_counter() - begin))
    return statistics.median(rates[1:])


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        prepare(folder)
        model, optimizer = torch_model()
        for precision, length in (("fp32", 512), ("bf16", 1024)):
            a, b = [], []
            for _ in range(2):
                rate, memory, mfu = ours(folder, precision, length)
                a.append(rate)
                b.append(peer(model, optimizer, precision, length))
            print(f"107M Llama, 1 x {length} {precision}, one thread: llm-train {max(a):.1f} tokens/s "
                  f"(MFU {100 * mfu:.0f} %, {memory:.2f} GiB), PyTorch eager {max(b):.1f} tokens/s")
            print(f"ratio {max(a) / max(b):.2f}", flush=True)


main()
