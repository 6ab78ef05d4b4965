#!/usr/bin/env python3
"""Direct preference optimization (Rafailov et al., 2023) against PyTorch: 30 steps of AdamW on the same pairs.

PyTorch's loop holds a second, frozen model as the reference and has the loss that TRL calls "sigmoid":
-logsigmoid(beta * delta). Compared are losses, rewards, accuracies, gradient norms and the gradients themselves
(the first moment behind one step is a tenth of the clipped gradient).
timeout: 400
"""
import json
import math
import pathlib
import pydoc_data.topics
import random
import tempfile

from safetensors.torch import load_file

from _chat_templates import TURNS
from _common import run
from _curves import LR, SEQ, STEPS, VOCAB, WARMUP, Data, done, model, ok, tool, torch

BATCH, BETA = 8, 0.3


class Pairs(Data):
    """Which of two ends is that of the beginning, as packed pairs and as ids with marks."""
    def __init__(self, folder):
        super().__init__(folder)
        topics = [t for _, t in sorted(pydoc_data.topics.topics.items()) if len(t) > 400]
        draw = random.Random(5)
        with open(folder / "pairs.jsonl", "w") as out:
            for i in range(STEPS * BATCH // 2):
                text, other = draw.choice(topics), draw.choice(topics)
                at, n, m = draw.randrange(200), draw.randrange(30, 120), draw.randrange(30, 120)
                out.write(json.dumps({"prompt": text[at:at + 60], "chosen": text[at + 60:at + 60 + n],
                                      "rejected": other[-m:]}) + "\n")
        (folder / "t.jinja").write_text(TURNS)
        tool("llm-tokenize", "-q", "--preference", "-t", self.tokenizer, "--chat-template", folder / "t.jinja",
             "-o", folder / "pairs.shard", folder / "pairs.jsonl")
        self.shard = folder / "packed.shard"
        tool("llm-shuffle", "-q", "--no-shuffle", "--pack", SEQ, "-o", self.shard, folder / "pairs.shard")
        self.texts = []
        for line in run("dumpshard", folder / "pairs.shard").splitlines():
            ids = line.split()[3:]
            marks = [not i.endswith("!") for i in ids]
            first = marks.index(False, marks.index(True))
            for part, mark in ((ids[:first], marks[:first]), (ids[first:], marks[first:])):
                self.texts.append(([int(i.rstrip("!")) for i in part], mark))

    def steps(self):
        for s in range(STEPS):
            yield self.texts[s * BATCH:(s + 1) * BATCH]


def log_p(trained, texts):
    """Sum over the scored targets of each text, padded to one length on the right."""
    n = max(len(ids) for ids, _ in texts)
    x = torch.tensor([ids + [0] * (n - len(ids)) for ids, _ in texts])
    scored = torch.tensor([mark + [False] * (n - len(mark)) for _, mark in texts])[:, 1:]
    logits = trained(input_ids=x, use_cache=False).logits[:, :-1]
    each = torch.log_softmax(logits.float(), -1).gather(-1, x[:, 1:, None])[..., 0]
    return (each * scored).sum(-1)


def torch_run(trained, reference, data):
    decay = [p for p in trained.parameters() if p.dim() > 1]
    plain = [p for p in trained.parameters() if p.dim() == 1]
    optimizer = torch.optim.AdamW([{"params": decay, "weight_decay": 0.1}, {"params": plain, "weight_decay": 0.0}],
                                  lr=LR, betas=(0.9, 0.95), eps=1e-8)
    found, first = [], None
    for step, texts in enumerate(data.steps(), 1):
        for g in optimizer.param_groups:
            g["lr"] = LR * min(step / WARMUP, 1)
        with torch.no_grad():
            known = log_p(reference, texts)
        rewards = BETA * (log_p(trained, texts) - known)
        chosen, rejected = rewards[0::2], rewards[1::2]
        loss = -torch.nn.functional.logsigmoid(chosen - rejected).mean()
        optimizer.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(trained.parameters(), 1.0).item()
        first = first or {k: p.grad.clone() for k, p in trained.named_parameters()}
        optimizer.step()
        found.append({"loss": loss.item(), "reward_chosen": chosen.mean().item(), "grad_norm": norm,
                      "reward_rejected": rejected.mean().item(),
                      "reward_accuracy": (chosen > rejected).float().mean().item()})
    return found, first


def our_run(hf, folder, data, name, *more):
    log, save = folder / f"{name}.jsonl", folder / name
    tool("llm-train", "-q", "--dpo", "--dpo-beta", BETA, "--init", hf, "--tokenizer", data.tokenizer, "--seq-length", SEQ,
         "--global-batch", BATCH, "--micro-batch", 4, "--lr", LR, "--warmup", WARMUP, "--schedule", "constant",
         "--threads", 1, "--save", save, "--save-every", 1, "--keep-every", 1, "--log", log, *more, data.shard)
    return [e for e in map(json.loads, log.read_text().splitlines()) if e["event"] == "step"], save


def first_moments(save):
    """Hugging Face's names for the few tensors compared, by the parameter table's."""
    ours = {}
    for file in sorted((save / "step-00000001").glob("moment1-*.safetensors")):
        ours.update(load_file(file))
    return ours


def compare(want, got, label, bounds):
    ok(len(got) == STEPS, f"{label}: {len(got)} steps")
    for key, bound in bounds.items():
        worst = max(abs(a[key] - b[key]) / max(1, abs(b[key])) for a, b in zip(got, want))
        ok(worst <= bound, f"{label}: {key} within {worst:.2e} (<= {bound:g}), {want[0][key]:.4f} -> {want[-1][key]:.4f}")


def compare_gradients(moments, gradients):
    names = {"embedding.weight": "model.embed_tokens.weight", "head.weight": "lm_head.weight",
             "final_norm.weight": "model.norm.weight", "layers.0.mlp.down.weight": "model.layers.0.mlp.down_proj.weight",
             "layers.2.attention.output.weight": "model.layers.2.self_attn.o_proj.weight"}
    for ours, theirs in names.items():
        found = [v for k, v in moments.items() if ours in k]
        if not ok(len(found) == 1, f"{ours}: its first moment is in the checkpoint"):
            continue
        want = gradients[theirs]
        off = ((found[0].reshape(want.shape) * 10 - want).norm() / want.norm()).item()
        ok(off <= 1e-4, f"gradient of {ours}: |d|/|g| {off:.2e} (<= 1e-4)")


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        data = Pairs(folder)
        trained, hf = model("llama", 3), folder / "llama"
        reference = model("llama", 3).requires_grad_(False)
        trained.save_pretrained(hf)
        ok(len(data.texts) == STEPS * BATCH and max(len(i) for i, _ in data.texts) <= SEQ + 1,
           f"{len(data.texts)} texts of {min(len(i) for i, _ in data.texts)} to {max(len(i) for i, _ in data.texts)} ids")
        want, gradients = torch_run(trained, reference, data)
        got, save = our_run(hf, folder, data, "fp32", "--precision", "fp32")
        compare(want, got, "fp32", {"loss": 1e-5, "reward_chosen": 1e-4, "reward_rejected": 1e-4,
                                    "grad_norm": 1e-4, "reward_accuracy": 0.0})
        compare_gradients(first_moments(save), gradients)
        ok(math.isclose(got[0]["loss"], math.log(2), rel_tol=1e-12), "the first step's loss is log 2")
        ok(want[-1]["loss"] < 0.9 * want[0]["loss"], "the pairs are learned")
        got, _ = our_run(hf, folder, data, "bf16", "--precision", "bf16")
        compare(want, got, "bf16", {"loss": 3e-2})
    done()


main()
