#!/usr/bin/env python3
"""fp8-hybrid against the same recipe written in PyTorch with its own 8-bit types.

Conversions: all 65,536 BF16 numbers and 256 codes (torch saturates E4M3 by itself only when told, so its
input is clamped, as Transformer Engine's quantizer does). Training: a small Llama whose linear layers
(query, key and value as one map, gate and up as one) round their operands with the scales of Transformer
Engine's rule, everything else rounded to BF16 where llm-train rounds. Compared step by step: loss, the amax
history that the checkpoint holds, and the scales made from it, for delayed and for current scaling.
timeout: 300
"""
import math
import pathlib
import subprocess
import tempfile

import numpy as np
import torch
from safetensors.torch import load_file
from transformers import LlamaConfig, LlamaForCausalLM

from _curves import BATCH, BIN, LR, SEQ, STEPS, VOCAB, WARMUP, Data, done, ok, our_curve, relative, tool

HIDDEN, HEADS, KV, INNER, LAYERS, EPS = 128, 8, 2, 352, 2, 1e-5
HEAD = HIDDEN // HEADS
FORMATS = {"E4M3": (torch.float8_e4m3fn, 448.0), "E5M2": (torch.float8_e5m2, 57344.0)}


def conversions():
    data = subprocess.run([BIN / "tests/tools/float8"], check=True, capture_output=True).stdout
    each = len(data) // 2
    numbers = torch.arange(65536, dtype=torch.int32).to(torch.uint16).view(torch.bfloat16).float()
    for i, (name, (dtype, limit)) in enumerate(FORMATS.items()):
        part = data[i * each:(i + 1) * each]
        codes = np.frombuffer(part[:65536], np.uint8)
        values = torch.tensor(np.frombuffer(part[65536:], np.float32).copy())
        theirs = numbers.clamp(-limit, limit).to(dtype).view(torch.uint8).numpy()
        real = ~torch.isnan(numbers).numpy()
        wrong = int((codes != theirs)[real].sum())
        ok(wrong == 0, f"{name}: {wrong} of all BF16 numbers become another code than torch's")
        ok(bool(torch.isnan(values[codes[~real].astype(int)]).all()), f"{name}: NaN stays NaN")
        want = torch.arange(256, dtype=torch.uint8).view(dtype).float()
        same = (values == want) & (torch.signbit(values) == torch.signbit(want))
        ok(bool((same | (torch.isnan(values) & torch.isnan(want))).all()), f"{name}: the 256 codes have torch's values")


def half(x):
    return x.bfloat16().float()


class Round(torch.autograd.Function):
    """An activation in BF16, and its gradient."""
    @staticmethod
    def forward(ctx, x):
        return half(x)

    @staticmethod
    def backward(ctx, d):
        return half(d)


class RoundWeight(torch.autograd.Function):
    """A weight used in BF16: its gradient stays as it is."""
    @staticmethod
    def forward(ctx, x):
        return half(x)

    @staticmethod
    def backward(ctx, d):
        return d


class RoundGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, d):
        return half(d)


class Tensor:
    """One quantized tensor: its scale, and what delayed scaling remembers."""
    def __init__(self, name, recipe):
        self.dtype, self.limit = FORMATS[name]
        self.recipe, self.scale, self.amax, self.history = recipe, torch.tensor(1.0), 0.0, []

    def round(self, x):
        amax = x.abs().max().item()
        self.amax = max(self.amax, amax)
        if self.recipe["recipe"] == "tensorwise":
            self.scale = torch.tensor(self.limit) / torch.tensor(amax) if amax > 0 else torch.tensor(1.0)
        return (x * self.scale).clamp(-self.limit, self.limit).to(self.dtype).float()

    def end_step(self):
        if self.recipe["recipe"] == "tensorwise":
            return
        self.history = (self.history + [self.amax])[-self.recipe["length"]:]
        amax = max(self.history) if self.recipe["algorithm"] == "max" else self.history[-1]
        if math.isfinite(amax) and amax > 0:
            self.scale = torch.tensor(self.limit / 2 ** self.recipe["margin"]) / torch.tensor(amax)
        self.amax = 0.0


class Linear8(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, w, tensors):
        tx, tw, _ = tensors
        xq, wq = tx.round(x), tw.round(half(w))
        ctx.tensors, ctx.x_inverse, ctx.w_inverse = tensors, 1 / tx.scale, 1 / tw.scale
        ctx.save_for_backward(xq, wq)
        return half(xq @ wq.T * (ctx.x_inverse * ctx.w_inverse))

    @staticmethod
    def backward(ctx, d):
        xq, wq = ctx.saved_tensors
        t, d = ctx.tensors[2], half(d)
        dq = t.round(d)
        inverse = 1 / t.scale
        dx = half(dq @ wq * (inverse * ctx.w_inverse))
        dw = dq.flatten(0, 1).T @ xq.flatten(0, 1) * (inverse * ctx.x_inverse)
        return dx, dw, None


def linear16(x, w, _):
    return Round.apply(x @ RoundWeight.apply(w).T)


def norm(x, w):
    return Round.apply(x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + EPS) * w)


def rotate(x, cos, sin):
    a, b = x[..., :HEAD // 2], x[..., HEAD // 2:]
    return Round.apply(torch.cat((a * cos - b * sin, b * cos + a * sin), -1))


class Model:
    """The names and order of llm-train's parameter table, from a Hugging Face model."""
    def __init__(self, hf, recipe):
        p = {k: v.detach().clone().float() for k, v in hf.state_dict().items()}
        self.eight, self.tensors, self.layers = bool(recipe), [], []
        self.embedding, self.head = p["model.embed_tokens.weight"], p["lm_head.weight"]
        self.final = p["model.norm.weight"]
        for i in range(LAYERS):
            at = f"model.layers.{i}."
            self.layers.append({
                "norm1": p[at + "input_layernorm.weight"], "norm2": p[at + "post_attention_layernorm.weight"],
                "qkv": torch.cat([p[f"{at}self_attn.{n}_proj.weight"] for n in "qkv"]),
                "output": p[at + "self_attn.o_proj.weight"],
                "up": torch.cat([p[f"{at}mlp.{n}_proj.weight"] for n in ("gate", "up")]),
                "down": p[at + "mlp.down_proj.weight"],
                "tensors": {n: [Tensor(f, recipe) for f in ("E4M3", "E4M3", "E5M2")] if recipe else None
                            for n in ("qkv", "output", "up", "down")}})
            if recipe:
                self.tensors += [t for n in ("qkv", "output", "up", "down") for t in self.layers[i]["tensors"][n]]
        self.linear = Linear8.apply if recipe else linear16
        for x in self.parameters():
            x.requires_grad_()

    def parameters(self):
        return list(self.named().values())

    def named(self):
        names = {"embedding.weight": self.embedding, "final_norm.weight": self.final, "head.weight": self.head}
        for i, l in enumerate(self.layers):
            at = f"layers.{i}."
            names |= {at + "attention_norm.weight": l["norm1"], at + "attention.qkv.weight": l["qkv"],
                      at + "attention.output.weight": l["output"], at + "mlp_norm.weight": l["norm2"],
                      at + "mlp.gate_up.weight": l["up"], at + "mlp.down.weight": l["down"]}
        return names

    def attend(self, qkv, pos, mask):
        b, s, _ = qkv.shape
        q, k, v = qkv.view(b, s, HEADS + 2 * KV, HEAD).transpose(1, 2).split((HEADS, KV, KV), 1)
        angle = pos[:, None, :, None] * 10000.0 ** (-torch.arange(0, HEAD, 2) / HEAD)
        q, k = (rotate(x, angle.cos(), angle.sin()) for x in (q, k))
        k, v = (x.repeat_interleave(HEADS // KV, 1) for x in (k, v))
        p = torch.softmax(q @ k.transpose(2, 3) / math.sqrt(HEAD) + mask, -1)
        return Round.apply((p @ v).transpose(1, 2).reshape(b, s, HIDDEN))

    def loss(self, x, y, pos, mask):
        h = Round.apply(RoundWeight.apply(self.embedding)[x])
        for l in self.layers:
            t = l["tensors"]
            qkv = self.linear(norm(h, l["norm1"]), l["qkv"], t["qkv"])
            context = self.attend(qkv, pos, mask)
            h = Round.apply(h + self.linear(context, l["output"], t["output"]))
            gate, up = self.linear(norm(h, l["norm2"]), l["up"], t["up"]).chunk(2, -1)
            inner = Round.apply(torch.nn.functional.silu(gate) * up)
            h = Round.apply(h + self.linear(inner, l["down"], t["down"]))
        logits = RoundGradient.apply(norm(h, self.final) @ RoundWeight.apply(self.head).T)
        return torch.nn.functional.cross_entropy(logits.flatten(0, 1), y.flatten(), ignore_index=-100)


def their_run(hf, data, recipe):
    model = Model(hf, recipe)
    decay = [p for p in model.parameters() if p.dim() > 1]
    plain = [p for p in model.parameters() if p.dim() == 1]
    optimizer = torch.optim.AdamW([{"params": decay, "weight_decay": 0.1}, {"params": plain, "weight_decay": 0.0}],
                                  lr=LR, betas=(0.9, 0.95), eps=1e-8)
    losses, norms = [], []
    for step, batch in enumerate(data.batches(), 1):
        for g in optimizer.param_groups:
            g["lr"] = LR * min(step / WARMUP, 1)
        loss = model.loss(*batch)
        optimizer.zero_grad()
        loss.backward()
        norms.append(torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0).item())
        optimizer.step()
        losses.append(loss.item())
        for t in model.tensors:
            t.end_step()
    return losses, norms, model.tensors


def our_run(folder, name, data, *more):
    save = folder / name
    return *our_curve(folder / "llama", data, *more, "--save", save, "--save-every", 0), save / f"step-{STEPS:08d}"


def table(config):
    """Our parameter table: name -> (offset, shape), and the number of elements."""
    text = tool("tests/tools/modelstep", "table", config, capture_output=True, text=True).stdout
    lines = [line.split() for line in text.splitlines()]
    return {n: (int(at), (int(r), int(c))) for n, r, c, at in lines[:-1]}, int(lines[-1][1])


def our_gradients(folder, model, batch, precision):
    names, elements = table(folder / "llama/config.json")
    mine = model.named()
    flat = np.zeros(elements, np.float32)
    for name, (at, shape) in names.items():
        flat[at:at + shape[0] * shape[1]] = mine[name].detach().numpy().ravel()
    flat.tofile(folder / "weights")
    x, y, pos, _ = batch
    first = torch.arange(SEQ)[None] - pos
    words = np.concatenate([[BATCH, SEQ], *(t.numpy().ravel() for t in (x, y, first))])
    words.astype(np.int32).tofile(folder / "batch")
    tool("tests/tools/modelstep", "train", folder / "llama/config.json", folder / "weights", folder / "batch",
         precision, 0, folder / "grads", stdout=subprocess.DEVNULL)
    grads = np.fromfile(folder / "grads", np.float32)
    return {n: torch.tensor(grads[at:at + r * c]).view(r, c) for n, (at, (r, c)) in names.items()}


def gradients(folder, hf, batch):
    """Of one micro-batch, tensor by tensor: their distance to PyTorch's, in units of what FP8 changes at all.
    Where a sum's last bit differs, some values go to another neighbour in FP8, more with every layer."""
    theirs = {}
    for precision in ("bf16", "fp8"):
        model = Model(hf, {"recipe": "tensorwise"} if precision == "fp8" else None)
        model.loss(*batch).backward()
        theirs[precision] = {n: p.grad.view(-1, p.shape[-1]) for n, p in model.named().items()}
    ours = our_gradients(folder, model, batch, "fp8")
    parts = {}
    for name, want in theirs["fp8"].items():
        parts[name] = ((ours[name] - want).norm() / (theirs["bf16"][name] - want).norm()).item()
    last = {n: x for n, x in parts.items() if not n.startswith(("embedding", "layers.0."))}
    ok(max(last.values()) < 0.05, f"gradients of head and last layer: {max(last.values()):.3f} of FP8's effect away")
    ok(max(parts.values()) < 0.6, f"gradients of all tensors: {max(parts.values()):.3f} of it away")


def compare(folder, name, hf, data, recipe, *more):
    losses, norms, tensors = their_run(hf, data, recipe)
    ours, our_norms, checkpoint = our_run(folder, name, data, "fp8-hybrid", *more)
    apart = relative(ours, losses)
    ok(apart <= 5e-4, f"{name}: losses of {STEPS} steps within {apart:.1e} of PyTorch's "
       f"({losses[0]:.4f} -> {losses[-1]:.4f})")
    apart = relative(our_norms, norms)
    ok(apart <= 2e-2, f"{name}: gradient norms within {apart:.1e}")
    if recipe["recipe"] == "tensorwise":
        return
    kept = load_file(checkpoint / "fp8.safetensors")
    history = torch.tensor([t.history for t in tensors]).T
    ok(kept["amax_history"].shape == history.shape, f"{name}: a history of {tuple(history.shape)}")
    if len(history) == STEPS:
        ok(torch.equal(kept["amax_history"][0][1::3], history[0][1::3]), f"{name}: amax of the first weights, exactly")
    ratio = ((kept["amax_history"] + 1e-30) / (history + 1e-30) - 1).abs()
    ok(ratio.median() < 1e-2 and ratio.max() < 0.15,
       f"{name}: amax of all steps within {ratio.max():.1e}, half of them within {ratio.median():.1e}")
    scales = kept["scale"] / torch.stack([t.scale for t in tensors]) - 1
    ok(scales.abs().max() < 0.15, f"{name}: scales within {scales.abs().max():.1e}")
    newest = kept["amax_history"].max(0).values if recipe["algorithm"] == "max" else kept["amax_history"][-1]
    limit = torch.tensor([t.limit for t in tensors]) / 2 ** recipe["margin"]
    ok(torch.equal(kept["scale"], limit / newest), f"{name}: scales follow from the history, exactly")


def main():
    conversions()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        data = Data(folder)
        torch.manual_seed(5)
        hf = LlamaForCausalLM(LlamaConfig(
            vocab_size=VOCAB, hidden_size=HIDDEN, intermediate_size=INNER, num_hidden_layers=LAYERS,
            num_attention_heads=HEADS, num_key_value_heads=KV, max_position_embeddings=SEQ, rms_norm_eps=EPS,
            tie_word_embeddings=False)).float()
        hf.save_pretrained(folder / "llama")
        gradients(folder, hf, next(data.batches()))
        plain, _, _ = their_run(hf, data, None)
        ours, _, _ = our_run(folder, "bf16", data, "bf16")
        ok(relative(ours, plain) <= 2e-4, f"bf16: losses within {relative(ours, plain):.1e} of PyTorch's")
        delayed = {"recipe": "delayed", "margin": 0, "length": 1024, "algorithm": "max"}
        compare(folder, "delayed", hf, data, delayed)
        compare(folder, "newest", hf, data, {**delayed, "margin": 1, "length": 4, "algorithm": "most_recent"},
                "--fp8-margin", 1, "--fp8-amax-history-len", 4, "--fp8-amax-compute-algo", "most_recent")
        compare(folder, "tensorwise", hf, data, {"recipe": "tensorwise"}, "--fp8-recipe", "tensorwise")
    done()


main()
