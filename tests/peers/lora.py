#!/usr/bin/env python3
"""Low-rank adapters against PEFT (Hu et al., 2021): gradients of a step, 20 steps of AdamW, the exported adapters.

Bounds: gradients |d|/|g| <= 1e-4 and losses <= 1e-5 relative in fp32; in bf16 the distance to PEFT's fp32
curves is at most 1.5 times that of PEFT under PyTorch's bf16 autocast. Exported adapters give PEFT our
merged export's logits within 2e-5 of the largest one, and llm-eval's loss within 1e-6.
timeout: 600
"""
import json
import math
import os
import pathlib
import shutil
import sys
import tempfile

try:
    import peft
except ImportError:
    print("ok 1 - adapters against PEFT # SKIP peft is not installed\n1..1")
    print("lora.py: peft is not installed: nothing was compared", file=sys.stderr)
    sys.exit(0)

import numpy as np
from safetensors.torch import load_file, save_file

from _curves import SEQ, Data, done, model, ok, relative, tool, torch
import _common
import _curves
import _model

STEPS, LR, WARMUP, RANK = 20, 1e-3, 5, 4
CASES = {  # family: (modules of --lora-targets, alpha)
    "llama": ("all-linear", 8.0),
    "llama-tied": ("q_proj,v_proj", 4.0),
    "gpt2": ("all-linear", 8.0),
    "gpt2-some": ("c_attn,c_proj", 6.0),
}


def with_adapters(base, targets, alpha, family):
    modules = targets if targets == "all-linear" else targets.split(",")
    return peft.get_peft_model(base, peft.LoraConfig(
        r=RANK, lora_alpha=alpha, target_modules=modules, lora_dropout=0.0, bias="none", task_type="CAUSAL_LM",
        fan_in_fan_out=family.startswith("gpt2")))


def take_adapters(trained, path):
    """Sets A and B to those of a directory; all of them must be there, and nothing else."""
    stored = load_file(path / "adapter_model.safetensors")
    own = {n.replace(".default.weight", ".weight"): p for n, p in trained.named_parameters() if "lora_" in n}
    same = own.keys() == stored.keys() and all(own[n].shape == stored[n].shape for n in own)
    with torch.no_grad():
        for n in own.keys() & stored.keys():
            own[n].copy_(stored[n])
    return same


# ---- the gradients of one step ----

def module_of(name, family):
    """PEFT's modules of one tensor of ours, in the order of its rows."""
    parts = name.split(".")
    layer, what = parts[1], ".".join(parts[2:-1])
    if family.startswith("gpt2"):
        at = f"transformer.h.{layer}."
        return [at + {"attention.qkv": "attn.c_attn", "attention.output": "attn.c_proj", "mlp.up": "mlp.c_fc",
                      "mlp.down": "mlp.c_proj"}[what]]
    at = f"model.layers.{layer}."
    return [at + m for m in {"attention.qkv": [f"self_attn.{x}_proj" for x in "qkv"],
                             "attention.output": ["self_attn.o_proj"],
                             "mlp.gate_up": ["mlp.gate_proj", "mlp.up_proj"], "mlp.down": ["mlp.down_proj"]}[what]]


def ours_of(trained, name, tensors, family):
    """Our tensor from PEFT's: A below A, B below B, of the modules that have some."""
    which = "A" if name.endswith("lora_a") else "B"
    keys = [f"base_model.model.{m}.lora_{which}.default.weight" for m in module_of(name, family)]
    return torch.cat([tensors[k] for k in keys if k in tensors])


def base_tensors(trained):
    return {n.removeprefix("base_model.model.").replace(".base_layer.", "."): p
            for n, p in trained.named_parameters() if "lora_" not in n}


def compare_step(name, family, trained, config):
    with torch.no_grad():
        for n, p in trained.named_parameters():
            if "lora_B" in n:
                p.normal_(0, 0.05)
    pathlib.Path("config.json").write_text(json.dumps(config))
    table, elements = _model.read_table(_model.run("table", "config.json"))
    flat = np.zeros(elements, np.float32)
    base, adapters = base_tensors(trained), dict(trained.named_parameters())
    plain = trained.get_base_model()
    for tensor, size, offset in table:
        value = (ours_of(trained, tensor, adapters, family) if "lora_" in tensor
                 else _model.tensor_of(plain, base, tensor))
        flat[offset:offset + size] = value.detach().reshape(-1).numpy()
    flat.tofile("weights")
    batch = _model.make_batch(1)
    _model.store_batch("batch", *batch)
    line = _model.run("train", "config.json", "weights", "batch", "fp32", 0, "grads").split()
    trained.zero_grad()
    total, losses, _ = _model.theirs(trained, batch)
    total.backward()
    ok(abs(float(line[0]) / losses.mean() - 1) <= 1e-5, f"{name}: loss of a step {float(line[0]):.6f}")
    got, worst, count, others = np.fromfile("grads", np.float32), 0.0, 0, 0.0
    gradients = {n: p.grad for n, p in trained.named_parameters() if p.grad is not None}
    for tensor, size, offset in table:
        ours = got[offset:offset + size].astype(np.float64)
        if "lora_" not in tensor:
            others = max(others, float(np.abs(ours).max()))
            continue
        want = ours_of(trained, tensor, gradients, family).reshape(-1).double().numpy()
        worst = max(worst, np.linalg.norm(ours - want) / np.linalg.norm(want))
        count += 1
    ok(worst <= 1e-4 and count > 0, f"{name}: {count} gradients of A and B: worst {worst:.1e} (<= 1e-4)")
    ok(others == 0, f"{name}: nothing else has a gradient")


# ---- 20 steps ----

distances = []  # of the curves in bf16, ours and autocast's, from PEFT's in fp32


def compare_bf16():
    """Of one curve the distance is mostly chance: the root of the mean square over all."""
    ours, theirs = (float(np.sqrt(np.mean(np.square(np.concatenate(x))))) for x in zip(*distances))
    each = ", ".join("%.2f" % (np.linalg.norm(a) / np.linalg.norm(b)) for a, b in distances)
    ok(ours <= 1.5 * theirs, f"bf16: the losses' distance {ours:.1e}, autocast's {theirs:.1e} (<= 1.5 times); each {each}")


def peft_curve(trained, data, autocast=False):
    """Losses of AdamW steps on the adapters alone, which are put back."""
    kept = {n: p.detach().clone() for n, p in trained.named_parameters() if p.requires_grad}
    rows = [p for p in trained.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(rows, lr=LR, betas=(0.9, 0.95), eps=1e-8, weight_decay=0.1)
    losses = []
    for step, (x, y, pos, mask) in enumerate(data.batches(), 1):
        for g in optimizer.param_groups:
            g["lr"] = LR * min(step / WARMUP, 1)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
            logits = trained(input_ids=x, position_ids=pos, attention_mask=mask, use_cache=False).logits
        loss = torch.nn.functional.cross_entropy(logits.float().flatten(0, 1), y.flatten(), ignore_index=-100)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(rows, 1.0)
        optimizer.step()
        losses.append(loss.item())
        if step == STEPS:
            break
    last = {n: p.detach().clone() for n, p in trained.named_parameters() if p.requires_grad}
    with torch.no_grad():
        for n, p in trained.named_parameters():
            if n in kept:
                p.copy_(kept[n])
    return losses, last


def our_curve(hf, out, data, precision, targets, alpha, steps=STEPS, lr=LR, more=()):
    log = out.with_suffix(".jsonl")
    tool("llm-train", "-q", "--init", hf, "--tokenizer", data.tokenizer, "--seq-length", SEQ, "--global-batch", _curves.BATCH,
         "--lr", lr, "--warmup", WARMUP, "--schedule", "constant", "--steps", steps, "--precision", precision, "--lora", RANK,
         "--lora-alpha", alpha, "--lora-targets", targets, "--save", out, "--log", log, "--threads", 1, *more, data.shard)
    return [e["loss"] for e in map(json.loads, log.read_text().splitlines()) if e["event"] == "step"]


def kaiming(trained, first):
    """The same distribution as PEFT's A: uniform in +-1/sqrt(in), B zero."""
    worst, inside = 0.0, True
    for name, a in load_file(first / "adapter_model.safetensors").items():
        if "lora_A" in name:
            bound = 1 / math.sqrt(a.shape[1])
            inside = inside and float(a.abs().max()) <= bound
            worst = max(worst, abs(float(a.std()) / (bound / math.sqrt(3)) - 1), abs(float(a.mean())) / bound)
    return inside, worst


def compare_curves(name, family, folder, hf, trained, data, targets, alpha):
    first, out = folder / f"{name}-first", folder / f"{name}-run"
    # A as our run begins with it: a step that is not made.
    our_curve(hf, folder / f"{name}-zero", data, "fp32", targets, alpha, steps=1, more=("--skip", 1))
    tool("llm-convert", "-q", "--to", "peft", folder / f"{name}-zero", first)
    ok(take_adapters(trained, first), f"{name}: the same adapters as PEFT makes, by name and shape")
    inside, worst = kaiming(trained, first)
    ok(inside and worst < 0.2, f"{name}: A is uniform in PEFT's bounds (moments within {worst:.2f})")
    zero = all(not p.any() for n, p in trained.named_parameters() if "lora_B" in n)
    ok(zero, f"{name}: B is zero")
    want, last = peft_curve(trained, data)
    got = our_curve(hf, out, data, "fp32", targets, alpha)
    error = relative(got, want)
    ok(error <= 1e-5 and len(got) == STEPS,
       f"{name} fp32: {STEPS} losses differ by {error:.1e} (<= 1e-5), {want[0]:.4f} -> {want[-1]:.4f}")
    cast, _ = peft_curve(trained, data, autocast=True)
    ours = our_curve(hf, folder / f"{name}-bf16", data, "bf16", targets, alpha)
    distances.append([np.array(curve) - want for curve in (ours, cast)])
    return out, last


# ---- the export ----

def compare_export(name, family, folder, hf, run, last):
    ids = np.random.default_rng(5).integers(0, _curves.VOCAB, 48).tolist()
    adapter, merged = folder / f"{name}-adapter", folder / f"{name}-merged"
    tool("llm-convert", "-q", "--to", "peft", run, adapter)
    tool("llm-convert", "-q", "--verify", run, merged)
    kind = type(model(family, 1))
    loaded = peft.PeftModel.from_pretrained(kind.from_pretrained(hf), adapter).eval()
    theirs = _common.their_logits(loaded, ids)
    moved = float(np.abs(theirs - _common.their_logits(kind.from_pretrained(hf), ids)).max())
    bound = 2e-5 * float(np.abs(theirs).max())
    for what, got in (("PEFT's own merge", _common.their_logits(loaded.merge_and_unload(), ids)),
                      ("our merged export in transformers", _common.their_logits(kind.from_pretrained(merged), ids)),
                      ("our merged export here", _common.our_logits(merged, ids)),
                      ("the checkpoint here", _common.our_logits(run, ids))):
        far = float(np.abs(got - theirs).max())
        ok(far <= bound, f"{name}: {what}: logits differ by {far:.1e} (<= {bound:.1e}) from PEFT's, "
           f"which the adapters moved by {moved:.1e}")
    ok(moved > 50 * bound, f"{name}: the adapters count")
    # PEFT's own directory, as it saves them.
    saved, back = folder / f"{name}-saved", folder / f"{name}-back"
    again = peft.PeftModel.from_pretrained(kind.from_pretrained(hf), adapter)
    again.peft_config["default"].base_model_name_or_path = f"../{hf.name}"
    again.save_pretrained(saved)
    far = float(np.abs(_common.our_logits(saved, ids) - theirs).max())
    ok(far <= bound, f"{name}: PEFT's own directory read here: logits differ by {far:.1e} (<= {bound:.1e})")
    tool("llm-convert", "-q", "--verify", "--from", "peft", "--to", "hf", saved, back)
    ok((back / "model.safetensors").read_bytes() == (merged / "model.safetensors").read_bytes(),
       f"{name}: it becomes the same Hugging Face directory as the checkpoint")
    stored = load_file(adapter / "adapter_model.safetensors")
    far = max(float((stored[n.replace(".default.weight", ".weight")] - p).norm() / p.norm()) for n, p in last.items())
    ok(far <= 1e-3, f"{name}: trained A and B differ by {far:.1e} from PEFT's (<= 1e-3)")


# ---- other families: names, rows of heads, experts ----

def families():
    import transformers as t
    sizes = dict(vocab_size=_curves.VOCAB, hidden_size=64, intermediate_size=96, num_hidden_layers=2,
                 num_attention_heads=4, max_position_embeddings=SEQ)
    return {
        "gpt_neox": (t.GPTNeoXForCausalLM, t.GPTNeoXConfig(**sizes, bos_token_id=None, eos_token_id=0), "all-linear"),
        "qwen3": (t.Qwen3ForCausalLM, t.Qwen3Config(**sizes, num_key_value_heads=2, head_dim=24), "all-linear"),
        "mixtral": (t.MixtralForCausalLM, t.MixtralConfig(
            **sizes, num_key_value_heads=2, num_local_experts=4, bos_token_id=None), "q_proj,k_proj,v_proj,o_proj"),
    }


def compare_family(name, folder, data, kind, config, targets):
    torch.manual_seed(3)
    hf, run, adapter = folder / name, folder / f"{name}-run", folder / f"{name}-adapter"
    kind(config).save_pretrained(hf)
    shutil.copy(data.tokenizer, hf / "tokenizer.json")
    our_curve(hf, run, data, "fp32", targets, 8, steps=3, lr=1e-2)
    tool("llm-convert", "-q", "--to", "peft", run, adapter)
    loaded = peft.PeftModel.from_pretrained(kind.from_pretrained(hf), adapter).eval()
    stored = load_file(adapter / "adapter_model.safetensors")
    own = {n.replace(".default.weight", ".weight"): p for n, p in loaded.named_parameters() if "lora_" in n}
    ok(own.keys() == stored.keys() and all(torch.equal(own[n], stored[n]) for n in own),
       f"{name}: PEFT takes all {len(stored)} tensors")
    ids = np.random.default_rng(6).integers(0, _curves.VOCAB, 48).tolist()
    theirs, ours = _common.their_logits(loaded, ids), _common.our_logits(run, ids)
    far, moved = float(np.abs(ours - theirs).max()), float(np.abs(theirs - _common.our_logits(hf, ids)).max())
    bound = 2e-5 * float(np.abs(theirs).max())
    ok(far <= bound < moved / 50, f"{name}: logits differ by {far:.1e} (<= {bound:.1e}); the adapters moved them by {moved:.1e}")


def main():
    with tempfile.TemporaryDirectory() as where:
        folder = pathlib.Path(where)
        os.chdir(folder)
        data = Data(folder)
        for name, (targets, alpha) in CASES.items():
            family, hf = name.split("-some")[0], folder / name
            base = model(family, 1)
            base.save_pretrained(hf)
            shutil.copy(data.tokenizer, hf / "tokenizer.json")
            trained = with_adapters(base, targets, alpha, family)
            run, last = compare_curves(name, family, folder, hf, trained, data, targets, alpha)
            compare_export(name, family, folder, hf, run, last)
            config = json.loads((hf / "config.json").read_text())
            config["lora"] = json.loads((next(run.glob("step-*")) / "config.json").read_text())["lora"]
            compare_step(name, family, with_adapters(model(family, 2), targets, alpha, family), config)
        for name, (kind, config, targets) in families().items():
            compare_family(name, folder, data, kind, config, targets)
    compare_bf16()
    done()


main()
