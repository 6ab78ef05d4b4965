"""A step of ours and of transformers' with the same weights: loss, gradients, logits, config.json.

The weights go both ways as one flat array in the order of our parameter table. Bounds: loss 1e-5
relative and gradients |d|/|g| 1e-4 in fp32; in bf16 the deviation from PyTorch's fp32 (root mean
square over the tokens' losses: that of a mean loss is mostly chance) is at most 1.5 times that
of PyTorch's own bf16 autocast, which keeps the residual stream in fp32.
"""
import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import torch
from transformers import AutoConfig, AutoModelForCausalLM

DRIVER = pathlib.Path(os.environ.get("LLM_BIN", "build")).resolve() / "tests/tools/modelstep"
SEQUENCES, LENGTH, Z = 3, 75, 1e-2

torch.set_num_threads(1)
tests = failures = 0


def ok(passed, text):
    global tests, failures
    tests += 1
    failures += not passed
    print(f"{'' if passed else 'not '}ok {tests} - {text}", flush=True)


def done():
    print(f"1..{tests}")
    sys.exit(failures > 0 or tests == 0)


def run(*args):
    done = subprocess.run([str(DRIVER), *map(str, args)], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, args))}: {done.stderr}")
    return done.stdout


# ---- our tensors out of theirs ----

def llama_tensor(t, name):
    """The tensor of our table from a dict of transformers' tensors (weights or gradients)."""
    parts = name.split(".")
    if parts[0] != "layers":
        return t[{"embedding": "model.embed_tokens.weight", "final_norm": "model.norm.weight",
                  "head": "lm_head.weight"}[parts[0]]]
    at, what, kind = f"model.layers.{parts[1]}.", ".".join(parts[2:-1]), parts[-1]
    if what == "attention.qkv":
        return torch.cat([t[f"{at}self_attn.{x}_proj.{kind}"] for x in "qkv"])
    if what == "mlp.router":
        return t[at + "mlp.gate.weight"]
    if what.startswith("mlp.experts."):
        expert, matrix = what.split(".")[2:]
        return t[f"{at}mlp.experts.{matrix}_proj"][int(expert)]
    if what == "mlp.shared.gate_up":
        return torch.cat([t[f"{at}mlp.shared_expert.{x}_proj.{kind}"] for x in ("gate", "up")])
    if what == "mlp.gate_up":
        return torch.cat([t[f"{at}mlp.{x}_proj.{kind}"] for x in ("gate", "up")])
    return t[at + {"attention_norm": "input_layernorm", "attention.output": "self_attn.o_proj",
                   "mlp_norm": "post_attention_layernorm", "mlp.down": "mlp.down_proj",
                   "attention.query_norm": "self_attn.q_norm",
                   "attention.key_norm": "self_attn.k_norm",
                   "mlp.shared.down": "mlp.shared_expert.down_proj",
                   "mlp.shared_gate": "mlp.shared_expert_gate"}[what] + "." + kind]


def gpt2_tensor(t, name):
    """GPT-2 stores its matrices [in][out]."""
    parts = name.split(".")
    if parts[0] == "head":
        return t["lm_head.weight"]
    if parts[0] != "layers":
        return t["transformer." + {"embedding": "wte", "position": "wpe",
                                   "final_norm": "ln_f"}[parts[0]] + "." + parts[-1]]
    what, kind = ".".join(parts[2:-1]), parts[-1]
    names = {"attention_norm": "ln_1", "attention.qkv": "attn.c_attn", "attention.output": "attn.c_proj",
             "mlp_norm": "ln_2", "mlp.up": "mlp.c_fc", "mlp.down": "mlp.c_proj"}
    tensor = t[f"transformer.h.{parts[1]}.{names[what]}.{kind}"]
    return tensor.T if tensor.dim() == 2 else tensor


def neox_tensor(t, name, heads):
    """GPT-NeoX's queries, keys and values stand together head by head."""
    parts = name.split(".")
    if parts[0] == "head":
        return t["lm_head.weight"]
    if parts[0] != "layers":
        return t["gpt_neox." + {"embedding": "embed_in", "final_norm": "final_layer_norm"}[parts[0]]
                 + "." + parts[-1]]
    what, kind = ".".join(parts[2:-1]), parts[-1]
    names = {"attention_norm": "input_layernorm", "attention.qkv": "attention.query_key_value",
             "attention.output": "attention.dense", "mlp_norm": "post_attention_layernorm",
             "mlp.up": "mlp.dense_h_to_4h", "mlp.down": "mlp.dense_4h_to_h"}
    tensor = t[f"gpt_neox.layers.{parts[1]}.{names[what]}.{kind}"]
    if what != "attention.qkv":
        return tensor
    return tensor.reshape(heads, 3, -1, *tensor.shape[1:]).transpose(0, 1).reshape(tensor.shape)


def tensor_of(model, tensors, name):
    if model.config.model_type == "gpt_neox":
        return neox_tensor(tensors, name, model.config.num_attention_heads)
    return (gpt2_tensor if model.config.model_type == "gpt2" else llama_tensor)(tensors, name)


def read_table(text):
    rows = [line.split() for line in text.splitlines()]
    return [(r[0], int(r[1]) * int(r[2]), int(r[3])) for r in rows[:-1]], int(rows[-1][1])


# ---- data ----

def make_batch(seed):
    """Ids, targets (some not scored) and where each token's document piece begins."""
    rng = np.random.default_rng(seed)
    ids = rng.integers(0, 211, (SEQUENCES, LENGTH + 1)).astype(np.int32)
    targets = ids[:, 1:].copy()
    first = np.zeros((SEQUENCES, LENGTH), np.int32)
    first[1, 20:] = 20
    first[1, 50:] = 50
    first[2, 33:] = 33
    targets[1, 19] = targets[1, 49] = targets[2, 32] = -1
    targets[0, 60:] = -1
    return ids[:, :-1].copy(), targets, first


def store_batch(path, inputs, targets, first):
    with open(path, "wb") as f:
        np.array(inputs.shape, np.int32).tofile(f)
        for x in (inputs, targets, first):
            x.tofile(f)


def router_losses(model, logits):
    """transformers' auxiliary loss of a micro-batch and the mean of log_z^2 (ST-MoE's equation 5)."""
    layers = [torch.cat(pieces) for pieces in zip(*logits)]
    module = sys.modules[type(model).__module__]
    experts, chosen = model.num_experts, model.num_experts_per_tok
    aux = module.load_balancing_loss_func(tuple(layers), experts, chosen)
    return aux, (torch.logsumexp(torch.cat(layers), -1) ** 2).mean()


def theirs(model, batch, z=0.0, aux=0.0, router_z=0.0):
    """Mean loss with z-loss and the routers' losses, each scored token's, and the routers' two; a
    document piece is a sequence of its own for PyTorch."""
    inputs, targets, first = batch
    losses, z_loss, routers = [], 0.0, []
    experts = hasattr(model, "num_experts")
    options = {"output_router_logits": True} if experts else {}
    for s in range(SEQUENCES):
        for start in np.unique(first[s]):
            at = np.flatnonzero(first[s] == start)
            out = model(torch.tensor(inputs[s, at][None]).long(), **options)
            logits = out.logits[0].float()
            if experts:
                routers.append([x.float() for x in out.router_logits])
            wanted = torch.tensor(targets[s, at]).long()
            keep = wanted >= 0
            log_z = torch.logsumexp(logits[keep], -1)
            losses.append(log_z - logits[keep].gather(1, wanted[keep, None])[:, 0])
            z_loss = z_loss + (log_z ** 2).sum()
    losses = torch.cat(losses)
    total = losses.mean() + z * z_loss / len(losses)
    both = router_losses(model, routers) if experts else (torch.zeros(()), torch.zeros(()))
    total = total + aux * both[0] + router_z * both[1]
    return total, losses.detach().double().numpy(), [float(x.detach()) for x in both]


# ---- comparisons ----

def compare_gradients(name, model, table, z, aux, router_z):
    batch = make_batch(1)
    store_batch("batch", *batch)
    line = run("train", "config.json", "weights", "batch", "fp32", z, "grads", aux, router_z).split()
    model.zero_grad()
    total, losses, routers = theirs(model, batch, z, aux, router_z)
    loss = losses.mean()
    total.backward()
    error = abs(float(line[0]) - loss) / loss
    what = f"z-loss {z}, routers' {aux} {router_z}" if routers[0] else f"z-loss {z}"
    ok(error <= 1e-5, f"{name}: loss of one step, {what}: {error:.1e}")
    if routers[0]:
        errors = [abs(float(got) / want - 1) for got, want in zip(line[3:], routers)]
        ok(max(errors) <= 1e-5, f"{name}: the routers' losses {errors[0]:.1e} {errors[1]:.1e}")

    got = np.fromfile("grads", np.float32)
    gradients = {n: p.grad for n, p in model.named_parameters()}
    worst, where = 0.0, ""
    for tensor, size, offset in table:
        want = tensor_of(model, gradients, tensor).reshape(-1).double().numpy()
        ours = got[offset:offset + size].astype(np.float64)
        # The gradient of GPT-2's key bias is 0 but for rounding: softmax does not see it.
        if tensor.endswith("qkv.bias"):
            heads = model.config.num_attention_heads
            kv = getattr(model.config, "num_key_value_heads", heads)
            dim = getattr(model.config, "head_dim", None) or model.config.hidden_size // heads
            begin = heads * dim
            if model.config.model_type == "gpt2":
                want[begin:begin + kv * dim] = ours[begin:begin + kv * dim] = 0
        difference = np.linalg.norm(ours - want) / np.linalg.norm(want)
        if difference > worst:
            worst, where = difference, tensor
    ok(worst <= 1e-4, f"{name}: {len(table)} gradients, {what}: worst {worst:.1e} at {where}")


def compare_bf16(name, model):
    """Deviations of each token's loss from PyTorch's fp32."""
    ours, autocast = [], []
    for seed in range(2, 7):
        batch = make_batch(seed)
        store_batch("batch", *batch)
        with torch.no_grad():
            exact = theirs(model, batch)[1]
            with torch.autocast("cpu", torch.bfloat16):
                autocast.append(theirs(model, batch)[1] - exact)
        run("losses", "config.json", "weights", "batch", "bf16", "losses")
        ours.append(np.fromfile("losses", np.float64)[batch[1].reshape(-1) >= 0] - exact)
    ours, autocast = (np.sqrt(np.mean(np.square(np.concatenate(x)))) for x in (ours, autocast))
    ok(ours <= 1.5 * autocast,
       f"{name}: bf16 deviates {ours:.1e} a token, {ours / autocast:.2f} of PyTorch autocast's")


def compare_logits(name, model):
    inputs, targets, first = make_batch(1)
    store_batch("batch", inputs, targets, first * 0)
    run("logits", "config.json", "weights", "batch", "fp32", "logits")
    got = np.fromfile("logits", np.float32).reshape(SEQUENCES, LENGTH, -1)
    with torch.no_grad():
        want = model(torch.tensor(inputs).long()).logits.numpy()
    error = np.abs(got - want).max()
    ok(error <= 1e-4, f"{name}: logits with a cache: {error:.1e}")


def compare_config(name, config):
    """transformers reads what we write, to the same model."""
    os.makedirs("written", exist_ok=True)
    pathlib.Path("written/config.json").write_text(run("write", "config.json"))
    again, differ = AutoConfig.from_pretrained("written"), []
    for key in json.loads(config.to_json_string(use_diff=False)):
        if key in ("architectures", "dtype", "transformers_version", "_name_or_path", "n_inner"):
            continue
        got, want = getattr(again, key, None), getattr(config, key, None)
        if key == "rope_parameters" and want:  # we also write what has its default
            got = {k: got.get(k) for k in want}
        if got != want:
            differ.append(f"{key} {got} not {want}")
    ok(not differ, f"{name}: transformers reads the config.json we write {', '.join(differ)}")


def compare(name, config, losses=((0, 0, 0), (Z, 0, 0)), bf16=True):
    torch.manual_seed(1)
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager").float().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 1:
                parameter.add_(0.1 * torch.randn_like(parameter))
    model.config.save_pretrained(".")
    table, elements = read_table(run("table", "config.json"))
    flat = np.zeros(elements, np.float32)
    state = model.state_dict()
    for tensor, size, offset in table:
        flat[offset:offset + size] = tensor_of(model, state, tensor).reshape(-1).numpy()
    flat.tofile("weights")

    count = sum(p.numel() for p in model.parameters())
    ok(sum(size for _, size, _ in table) == count, f"{name}: {count} parameters")
    for coefficients in losses:
        compare_gradients(name, model, table, *coefficients)
    compare_logits(name, model)
    if bf16:
        compare_bf16(name, model)
    compare_config(name, config)


