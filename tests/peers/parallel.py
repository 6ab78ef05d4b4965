#!/usr/bin/env python3
"""Gradients of one step on parallel layouts against PyTorch on one process: Llama with grouped queries, Mixtral.

With --beta1 0 and no clipping AdamW's first moment is the gradient: it is read from the checkpoint. fp32; of every
tensor |difference| <= 1e-4 |gradient|, and the loss within 1e-5. The router's auxiliary loss is off here: it is
of a micro-batch, PyTorch's of a batch.
timeout: 600
"""
import json
import pathlib
import tempfile

from _curves import BATCH, SEQ, VOCAB, Data, done, loss_of, ok, tool, torch
import numpy as np
from transformers import LlamaConfig, LlamaForCausalLM, MixtralConfig, MixtralForCausalLM

SIZES = dict(vocab_size=VOCAB, hidden_size=64, intermediate_size=96, num_hidden_layers=4, num_attention_heads=8,
             num_key_value_heads=2, max_position_embeddings=SEQ, rms_norm_eps=1e-5, initializer_range=0.08,
             tie_word_embeddings=False, attn_implementation="eager")
LAYOUTS = {
    "llama": {
        "one process": [],
        "DP2, ZeRO-3": ["--ranks", 2, "--zero", 3],
        "TP2": ["--ranks", 2, "--tensor-parallel", 2],
        "TP4": ["--ranks", 4, "--tensor-parallel", 4],
        "TP2 with sequence parallel": ["--ranks", 2, "--tensor-parallel", 2, "--sequence-parallel"],
        "CP2": ["--ranks", 2, "--context-parallel", 2],
        "PP2": ["--ranks", 2, "--pipeline-parallel", 2],
        "TP2 × CP2": ["--ranks", 4, "--tensor-parallel", 2, "--context-parallel", 2],
        "TP2 × PP2": ["--ranks", 4, "--tensor-parallel", 2, "--pipeline-parallel", 2],
    },
    "mixtral": {
        "one process": [],
        "EP2": ["--ranks", 2, "--expert-parallel", 2],
        "CP2": ["--ranks", 2, "--context-parallel", 2],
        "PP2": ["--ranks", 2, "--pipeline-parallel", 2],
        "EP2 × PP2": ["--ranks", 4, "--expert-parallel", 2, "--pipeline-parallel", 2],
        "EP2 × DP2": ["--ranks", 4, "--expert-parallel", 2],
        "EP2 × CP2": ["--ranks", 4, "--expert-parallel", 2, "--context-parallel", 2],
        "TP2 × EP2": ["--ranks", 4, "--tensor-parallel", 2, "--expert-parallel", 2],
    },
}


def make(family):
    torch.manual_seed(1)
    if family == "llama":
        return LlamaForCausalLM(LlamaConfig(**SIZES)).float()
    return MixtralForCausalLM(MixtralConfig(**SIZES, num_local_experts=4, num_experts_per_tok=2,
                                            router_aux_loss_coef=0.0, sliding_window=None)).float()


def torch_gradients(model, data):
    """(loss, gradients by the names of our parameter table)."""
    x, y, pos, mask = next(iter(data.batches()))
    logits = model(input_ids=x, position_ids=pos, attention_mask=mask, use_cache=False).logits
    loss, _ = loss_of(logits.flatten(0, 1), y.flatten(), 0)
    loss.backward()
    g = {name: p.grad for name, p in model.named_parameters()}
    out = {"embedding.weight": g["model.embed_tokens.weight"], "final_norm.weight": g["model.norm.weight"],
           "head.weight": g["lm_head.weight"]}
    for i in range(model.config.num_hidden_layers):
        theirs, ours = f"model.layers.{i}.", f"layers.{i}."
        out[ours + "attention_norm.weight"] = g[theirs + "input_layernorm.weight"]
        out[ours + "mlp_norm.weight"] = g[theirs + "post_attention_layernorm.weight"]
        out[ours + "attention.qkv.weight"] = torch.cat([g[f"{theirs}self_attn.{k}_proj.weight"] for k in "qkv"])
        out[ours + "attention.output.weight"] = g[theirs + "self_attn.o_proj.weight"]
        if theirs + "mlp.gate.weight" not in g:
            out[ours + "mlp.gate_up.weight"] = torch.cat([g[f"{theirs}mlp.{k}_proj.weight"] for k in ("gate", "up")])
            out[ours + "mlp.down.weight"] = g[theirs + "mlp.down_proj.weight"]
            continue
        out[ours + "mlp.router.weight"] = g[theirs + "mlp.gate.weight"]
        for e in range(model.config.num_local_experts):
            out[f"{ours}mlp.experts.{e}.gate_up.weight"] = g[theirs + "mlp.experts.gate_up_proj"][e]
            out[f"{ours}mlp.experts.{e}.down.weight"] = g[theirs + "mlp.experts.down_proj"][e]
    return loss.item(), {name: t.numpy().ravel() for name, t in out.items()}


def first_moments(checkpoint):
    """The slices of the first moments, put together."""
    manifest = json.loads((checkpoint / "manifest.json").read_text())
    out = {}
    for s in manifest["slices"]:
        if s["array"] != "moment1":
            continue
        whole = out.setdefault(s["tensor"], np.full(int(np.prod(s["shape"])), np.nan, np.float32))
        whole[s["offset"]:s["offset"] + s["size"]] = np.fromfile(checkpoint / s["file"], np.float32, s["size"],
                                                                 offset=s["begin"])
    return out


def our_gradients(folder, hf, data, layout):
    save, log = folder / "run", folder / "run.jsonl"
    tool("llm-train", "-q", "--init", hf, "--tokenizer", data.tokenizer, "--save", save, "--log", log, "--seq-length", SEQ,
         "--global-batch", BATCH, "--reduce-groups", BATCH, "--steps", 1, "--lr", 1e-4, "--clip", 0, "--beta1", 0,
         "--precision", "fp32", "--threads", 1, *layout, data.shard)
    steps = [e for e in map(json.loads, log.read_text().splitlines()) if e["event"] == "step"]
    return steps[0]["loss"], first_moments(next(save.glob("step-*")))


def compare(name, got, want):
    (loss, gradients), (their_loss, theirs) = got, want
    if set(gradients) != set(theirs):
        ok(False, f"{name}: the same tensors: {sorted(set(gradients) ^ set(theirs))}")
        return
    distance = {k: float(np.linalg.norm(gradients[k] - theirs[k]) / np.linalg.norm(theirs[k])) for k in theirs}
    worst = max(distance, key=lambda k: distance[k] if distance[k] == distance[k] else float("inf"))
    ok(abs(loss / their_loss - 1) <= 1e-5, f"{name}: loss differs by {abs(loss / their_loss - 1):.1e} (<= 1e-5)")
    ok(distance[worst] <= 1e-4, f"{name}: of {len(theirs)} gradients {worst} differs most, by {distance[worst]:.1e} (<= 1e-4)")


def main():
    with tempfile.TemporaryDirectory() as name:
        data = Data(pathlib.Path(name))
        for family, layouts in LAYOUTS.items():
            model, hf = make(family), pathlib.Path(name) / family
            model.save_pretrained(hf)
            want = torch_gradients(model, data)
            for layout, options in layouts.items():
                with tempfile.TemporaryDirectory() as folder:
                    compare(f"{family}, {layout}", our_gradients(pathlib.Path(folder), hf, data, options), want)
    done()


main()
