#!/usr/bin/env python3
"""The tensor_health events of llm-train against PyTorch: same weights, same batches, 10 steps of AdamW in fp32.

Of every group at steps 1, 5 and 10, out of torch's own tensors: norms of the gradient before
clipping and of the weights behind the step, what the step changed of them, the largest attention logit as it
enters softmax: relative difference <= 1e-5; the share of elements whose sqrt(v_hat) < eps, and whose
v is 0: <= 1e-4 and 2 elements. eps is 1e-5, so that some elements are below it and some are not.
"""
import json
import math
import pathlib
import re
import tempfile

from _curves import BATCH, LR, WARMUP, Data, done, loss_of, model, ok, our_curve, torch

STEPS, EVERY, EPS, BOUND = 10, 5, 1e-5, 1e-5
FLOAT_MIN = 2.0**-126  # smaller numbers are flushed

# (kind, names of transformers' tensors)
KINDS = {
    "llama": [("embedding", "embed_tokens"), ("head", "lm_head"), ("norm", "norm|layernorm"), ("qkv", "[qkv]_proj"),
              ("output", "o_proj"), ("up", "gate_proj|up_proj"), ("down", "down_proj")],
    "gpt2": [("embedding", "wte|wpe"), ("norm", "ln_."), ("qkv", "c_attn"), ("output", r"attn\.c_proj"),
             ("up", "c_fc"), ("down", r"mlp\.c_proj")],
}


def group_of(family, name):
    layer = re.search(r"\.(?:layers|h)\.(\d+)\.", name)
    kind = next(k for k, pattern in KINDS[family] if re.search(rf"(^|[._])({pattern})\.(weight|bias)$", name))
    return kind, int(layer[1]) if layer else None


def norm(tensors):
    return math.sqrt(sum(t.double().square().sum().item() for t in tensors))


class Logits:
    """The largest number that each softmax of a pass is given: one a layer."""
    def __enter__(self):
        self.softmax, self.seen = torch.nn.functional.softmax, []
        torch.nn.functional.softmax = self
        return self.seen

    def __call__(self, x, *args, **kwargs):
        self.seen.append(x.max().item())
        return self.softmax(x, *args, **kwargs)

    def __exit__(self, *_):
        torch.nn.functional.softmax = self.softmax


def theirs(family, trained, data):
    """{step: {group: figures}} of PyTorch's run."""
    named = dict(trained.named_parameters())
    groups = [{"params": [p for p in named.values() if (p.dim() == 1) == plain], "weight_decay": 0.0 if plain else 0.1}
              for plain in (False, True)]
    optimizer = torch.optim.AdamW(groups, lr=LR, betas=(0.9, 0.95), eps=EPS)
    found = {}
    for step, (x, y, pos, mask) in zip(range(1, STEPS + 1), data.batches()):
        for g in optimizer.param_groups:
            g["lr"] = LR * min(step / WARMUP, 1)
        with Logits() as logits:
            out = trained(input_ids=x, position_ids=pos, attention_mask=mask, use_cache=False).logits
        optimizer.zero_grad()
        loss_of(out.float().flatten(0, 1), y.flatten(), 0)[1].backward()
        before = {name: p.detach().clone() for name, p in named.items()}
        gradients = {name: p.grad.clone() for name, p in named.items()}
        torch.nn.utils.clip_grad_norm_(trained.parameters(), 1.0)
        optimizer.step()
        if step == 1 or step % EVERY == 0:
            found[step] = figures(family, named, before, gradients, optimizer, logits, step)
    return found


def figures(family, named, before, gradients, optimizer, logits, step):
    members, out = {}, {}
    for name in named:
        members.setdefault(group_of(family, name), []).append(name)
    for (kind, layer), names in members.items():
        weight = norm(named[n].detach() for n in names)
        v = torch.cat([optimizer.state[named[n]]["exp_avg_sq"].flatten() for n in names]).double()
        out[kind, layer] = {
            "elements": v.numel(),
            "grad_norm": norm(gradients[n] for n in names),
            "weight_norm": weight,
            "update_ratio": norm(named[n].detach() - before[n] for n in names) / weight,
            "eps_share": ((v / (1 - 0.95**step)).sqrt() < EPS).double().mean().item(),
            "zero_share": (v < FLOAT_MIN).double().mean().item(),
            "max_logit": logits[layer] if kind == "qkv" else None,
        }
    return out


def events(log):
    found = [e for e in map(json.loads, log.read_text().splitlines()) if e["event"] == "tensor_health"]
    return {e["step"]: {(g["kind"], g.get("layer")): g for g in e["groups"]} for e in found}


def compare(family, ours, want):
    ok(ours.keys() == want.keys(), f"{family}: events at steps {sorted(ours)}")
    for step in want:
        relative, elements = {}, 0
        if ours[step].keys() != want[step].keys():
            ok(False, f"{family}: groups of step {step}: {sorted(map(str, ours[step]))}")
            continue
        for group, w in want[step].items():
            o = ours[step][group]
            for key in ("grad_norm", "weight_norm", "update_ratio", "max_logit"):
                if w[key] is not None:
                    relative[key] = max(relative.get(key, 0), abs(o[key] / w[key] - 1))
            for key in ("eps_share", "zero_share"):
                elements = max(elements, abs(o[key] - w[key]) * w["elements"] / (2 + 1e-4 * w["elements"]))
            elements = math.inf if o["elements"] != w["elements"] else elements
        for key, worst in relative.items():
            ok(worst <= BOUND, f"{family} step {step}: {key} differs by {worst:.1e} (<= {BOUND:g})")
        shares = [w["eps_share"] for w in want[step].values()]
        ok(elements <= 1, f"{family} step {step}: shares at {elements:.2f} of their bound; below eps {min(shares):.3f} to {max(shares):.3f}")
        ok(any(0.05 < s < 0.95 for s in shares), f"{family} step {step}: which a wrong count would show")


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        data = Data(folder)
        for family in ("llama", "gpt2"):
            hf, trained = folder / family, model(family, 1)
            trained.save_pretrained(hf)
            our_curve(hf, data, "fp32", "--eps", EPS, "--health-every", EVERY, "--micro-batch", BATCH // 2, steps=STEPS)
            compare(family, events(hf.with_suffix(".jsonl")), theirs(family, trained, data))
    done()


main()
