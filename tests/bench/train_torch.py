#!/usr/bin/env python3
"""PyTorch's side of tests/bench/train.py: one model, one configuration, stepped on demand.

usage: train_torch.py SPEC, a JSON object: model (a config.json), mode (eager, compile, hf), precision (fp32,
bf16: autocast over fp32 weights, pure-bf16: weights and moments in bf16), sequences, length, threads.
Prints a line of JSON when warm, then one for each number of steps read from standard input: seconds on the
clock and of CPU a step, and the most memory that was ever resident. `usage: train_torch.py gemm`: products.

The model is written as those who train it would: fused query-key-value and gate-up projections, SDPA, fused
AdamW, clip_grad_norm_, gradients set to None, denormals flushed. Needs no network.
"""
import json
import os
import resource
import sys
import time

os.environ.setdefault("HF_HUB_OFFLINE", "1")
import torch
from torch import nn
from torch.nn import functional as F

WARM = {"eager": 2, "hf": 2, "compile": 3}  # steps; a compiled step is compiled in the first


def rotate(x, cos, sin):
    a, b = x.chunk(2, -1)
    return torch.cat((a * cos - b * sin, b * cos + a * sin), -1)


class LlamaLayer(nn.Module):
    def __init__(self, c):
        super().__init__()
        h = c["hidden_size"]
        self.heads, self.kv = c["num_attention_heads"], c["num_key_value_heads"]
        self.dim = h // self.heads
        self.norm1, self.norm2 = nn.RMSNorm(h, c["rms_norm_eps"]), nn.RMSNorm(h, c["rms_norm_eps"])
        self.qkv = nn.Linear(h, (self.heads + 2 * self.kv) * self.dim, bias=False)
        self.out = nn.Linear(h, h, bias=False)
        self.up = nn.Linear(h, 2 * c["intermediate_size"], bias=False)
        self.down = nn.Linear(c["intermediate_size"], h, bias=False)

    def forward(self, x, cos, sin):
        b, t, h = x.shape
        q, k, v = self.qkv(self.norm1(x)).view(b, t, -1, self.dim).transpose(1, 2).split(
            (self.heads, self.kv, self.kv), 1)
        y = F.scaled_dot_product_attention(rotate(q, cos, sin).to(v.dtype), rotate(k, cos, sin).to(v.dtype), v,
                                           is_causal=True, enable_gqa=self.kv != self.heads)
        x = x + self.out(y.transpose(1, 2).reshape(b, t, h))
        gate, up = self.up(self.norm2(x)).chunk(2, -1)
        return x + self.down(F.silu(gate) * up)


class Llama(nn.Module):
    def __init__(self, c):
        super().__init__()
        h, dim = c["hidden_size"], c["hidden_size"] // c["num_attention_heads"]
        self.embed = nn.Embedding(c["vocab_size"], h)
        self.layers = nn.ModuleList(LlamaLayer(c) for _ in range(c["num_hidden_layers"]))
        self.norm = nn.RMSNorm(h, c["rms_norm_eps"])
        angles = torch.arange(c["max_position_embeddings"])[:, None] / c["rope_theta"] ** (torch.arange(0, dim, 2) / dim)
        self.register_buffer("cos", angles.cos(), persistent=False)
        self.register_buffer("sin", angles.sin(), persistent=False)
        self.apply(small)

    def forward(self, ids):
        x, t = self.embed(ids), ids.shape[1]
        for layer in self.layers:
            x = layer(x, self.cos[:t], self.sin[:t])
        return F.linear(self.norm(x), self.embed.weight)


class Gpt2Layer(nn.Module):
    def __init__(self, c):
        super().__init__()
        h = c["n_embd"]
        self.heads = c["n_head"]
        self.norm1, self.norm2 = nn.LayerNorm(h), nn.LayerNorm(h)
        self.qkv, self.out, self.up, self.down = nn.Linear(h, 3 * h), nn.Linear(h, h), nn.Linear(h, 4 * h), nn.Linear(4 * h, h)

    def forward(self, x):
        b, t, h = x.shape
        q, k, v = self.qkv(self.norm1(x)).view(b, t, 3 * self.heads, -1).transpose(1, 2).chunk(3, 1)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(y.transpose(1, 2).reshape(b, t, h))
        return x + self.down(F.gelu(self.up(self.norm2(x)), approximate="tanh"))


class Gpt2(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.embed, self.places = nn.Embedding(c["vocab_size"], c["n_embd"]), nn.Embedding(c["n_positions"], c["n_embd"])
        self.layers = nn.ModuleList(Gpt2Layer(c) for _ in range(c["n_layer"]))
        self.norm = nn.LayerNorm(c["n_embd"])
        self.apply(small)

    def forward(self, ids):
        x = self.embed(ids) + self.places.weight[:ids.shape[1]]
        for layer in self.layers:
            x = layer(x)
        return F.linear(self.norm(x), self.embed.weight)


def small(module):
    if isinstance(module, (nn.Linear, nn.Embedding)):
        nn.init.normal_(module.weight, std=0.02)


class Transformers(nn.Module):
    """The same out of the box: transformers' own module."""
    def __init__(self, c):
        super().__init__()
        from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM
        kinds = {"llama": (LlamaConfig, LlamaForCausalLM), "gpt2": (GPT2Config, GPT2LMHeadModel)}
        config, model = kinds[c["model_type"]]
        self.model = model(config(**c, attn_implementation="sdpa"))

    def forward(self, ids):
        return self.model(input_ids=ids, use_cache=False).logits


class Trainer:
    def __init__(self, spec):
        torch.set_num_threads(spec["threads"])
        torch.set_flush_denormal(True)
        torch.manual_seed(1)
        c, self.mode, self.precision = spec["model"], spec["mode"], spec["precision"]
        kind = Transformers if self.mode == "hf" else {"llama": Llama, "gpt2": Gpt2}[c["model_type"]]
        self.model = kind(c)
        if self.precision == "pure-bf16":
            self.model.bfloat16()
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-4, betas=(0.9, 0.95), weight_decay=0.1, fused=True)
        self.ids = torch.randint(0, min(2000, c["vocab_size"]), (spec["sequences"], spec["length"] + 1))
        self.loss = torch.compile(self.forward_loss) if self.mode == "compile" else self.forward_loss

    def forward_loss(self, x, y):
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=self.precision == "bf16"):
            logits = self.model(x)
        return F.cross_entropy(logits.float().flatten(0, 1), y.flatten())

    def step(self):
        loss = self.loss(self.ids[:, :-1], self.ids[:, 1:])
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        return loss.item()


def say(**facts):
    print(json.dumps(facts), flush=True)


def timed(run):
    wall, cpu = time.perf_counter(), time.process_time()
    run()
    return time.perf_counter() - wall, time.process_time() - cpu


def serve(spec):
    start = time.perf_counter()
    trainer = Trainer(spec)
    losses = [trainer.step() for _ in range(WARM[trainer.mode])]
    say(warm=time.perf_counter() - start, first_loss=losses[0], version=torch.__version__)
    for line in sys.stdin:
        times = [timed(trainer.step) for _ in range(int(line))]
        say(wall=[w for w, _ in times], cpu=[c for _, c in times],
            rss=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)


class Product:
    """C [m][n] = A B: torch.matmul as a layer calls it, or oneDNN with a weight that was packed before."""
    def __init__(self, kind, m, n, k, precision, packed):
        dtype = torch.float32 if precision == "fp32" else torch.bfloat16
        if kind == "wgrad":  # dW [m][n] = dY^T X over k tokens
            dy, x = torch.randn(k, m).to(dtype), torch.randn(k, n).to(dtype)
            self.run = lambda: dy.t() @ x
            return
        x, w = torch.randn(m, k).to(dtype), torch.randn(n, k).to(dtype)
        self.run = lambda: F.linear(x, w)
        if packed:
            ready = torch.ops.mkldnn._reorder_linear_weight(w, m)
            self.run = lambda: torch.ops.mkldnn._linear_pointwise(x, ready, None, "none", [], "")


def serve_products():
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    say(version=torch.__version__)
    for line in sys.stdin:
        spec = json.loads(line)
        best = {}
        for packed in (False, True):
            if packed and spec["kind"] == "wgrad":
                continue
            product = Product(spec["kind"], spec["m"], spec["n"], spec["k"], spec["precision"], packed)
            product.run()
            best["packed" if packed else "matmul"] = min(timed(product.run)[1] for _ in range(spec["runs"]))
        say(**best)


if __name__ == "__main__":
    with torch.no_grad() if sys.argv[1] == "gemm" else torch.enable_grad():
        serve_products() if sys.argv[1] == "gemm" else serve(json.loads(sys.argv[1]))
