#!/usr/bin/env python3
"""Training on conversations: llm-train's losses over the masked targets against PyTorch's on the same ids and labels.

30 steps of AdamW on a shard of llm-tokenize --chat; --valid and llm-eval on another one.
timeout: 300
"""
import json
import pathlib
import pydoc_data.topics
import tempfile

from _chat_templates import TURNS
from _common import run
from _curves import BATCH, SEQ, STEPS, Data, done, model, ok, our_curve, tool, torch, torch_curve


class Talks(Data):
    """Questions and answers of two turns, as a shard with a loss mask, as ids and marks."""
    def __init__(self, folder):
        super().__init__(folder)
        (folder / "t.jinja").write_text(TURNS)
        topics = sorted(pydoc_data.topics.topics.items())
        self.shard = self.make(folder, "talks", topics[:-12])
        self.documents, self.marks = self.read(self.shard)
        self.valid = self.make(folder, "valid", topics[-12:])

    def make(self, folder, name, topics):
        lines, shard = folder / f"{name}.jsonl", folder / f"{name}.shard"
        with open(lines, "w") as out:
            for topic, text in topics:
                half = len(text[:3000]) // 2
                out.write(json.dumps({"messages": [
                    {"role": "user", "content": f"What is {topic}?"}, {"role": "assistant", "content": text[:half]},
                    {"role": "user", "content": "Go on. " * 5}, {"role": "assistant", "content": text[half:2 * half]}]}) + "\n")
        tool("llm-tokenize", "-q", "--chat", "-t", self.tokenizer, "--chat-template", folder / "t.jinja", lines, "-o", shard)
        return shard

    @staticmethod
    def read(shard):
        listed = [line.split()[3:] for line in run("dumpshard", shard).splitlines()]
        return ([[int(i.rstrip("!")) for i in d] for d in listed], [[not i.endswith("!") for i in d] for d in listed])

    def batches(self, document_mask=True):
        marks, p = [m for d in self.marks for m in d], 0
        for x, y, pos, mask in super().batches(document_mask):
            for b in range(BATCH):
                y[b][~torch.tensor(marks[p + 1:p + SEQ + 1])] = -100
                p += SEQ
            yield x, y, pos, mask


def validation(trained, shard):
    """(mean loss, targets) of a whole shard, cut as llm-train cuts --valid."""
    documents, marks = Talks.read(shard)
    ids = [i for d in documents for i in d]
    scored = [m and n > 0 for d in marks for n, m in enumerate(d)]
    place = [n for d in documents for n in range(len(d))]
    total, count = 0.0, 0
    for p in range(0, len(ids) - 1, SEQ):
        n = min(SEQ, len(ids) - p)
        allowed, places, first = torch.zeros(n, n, dtype=torch.bool), [], 0
        for i in range(n):
            first = i if place[p + i] == 0 else first
            places.append(i - first)
            allowed[i, first:i + 1] = True
        mask = torch.zeros(1, 1, n, n).masked_fill(~allowed, torch.finfo(torch.float32).min)
        with torch.no_grad():
            logits = trained(input_ids=torch.tensor([ids[p:p + n]]), position_ids=torch.tensor([places]),
                             attention_mask=mask, use_cache=False).logits[0]
        for i in range(min(n, len(ids) - 1 - p)):
            if scored[p + i + 1]:
                total += torch.nn.functional.cross_entropy(logits[i], torch.tensor(ids[p + i + 1])).item()
                count += 1
    return total / count, count


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        data, trained, hf = Talks(folder), model("llama", 1), folder / "llama"
        trained.save_pretrained(hf)
        share = sum(sum(m) for m in data.marks) / sum(len(m) for m in data.marks)
        ok(0.5 < share < 0.97, f"{share:.2f} of the tokens are scored")
        want, _ = torch_curve(trained, data)
        unmasked, _ = torch_curve(trained, type("Unmasked", (), {"batches": lambda self, m=True: Data.batches(data, m)})())
        got, _ = our_curve(hf, data, "fp32", "--valid", data.valid, "--valid-every", STEPS)
        first, last = abs(got[0] / want[0] - 1), abs(got[-1] / want[-1] - 1)
        ok(first <= 1e-5, f"step 1 differs by {first:.2e} (<= 1e-5)")
        ok(last <= 1e-4, f"step {STEPS} differs by {last:.2e} (<= 1e-4), loss {want[0]:.4f} -> {want[-1]:.4f}")
        ok(abs(unmasked[-1] / want[-1] - 1) > 1e-3, f"without the mask it would be {unmasked[-1]:.4f}")
        log = [json.loads(line) for line in hf.with_suffix(".jsonl").read_text().splitlines()]
        counts = [int((y >= 0).sum()) for _, y, _, _ in data.batches()]
        steps = [e for e in log if e["event"] == "step"]
        each = [e["scored_tokens"] for e in steps]
        ok(each == counts, f"the log counts the scored targets: {each[:3]}, {counts[:3]}")
        wanted, count = validation(trained, data.valid)
        run("llm-eval", "--precision", "fp32", "--seq-length", SEQ, "--json", folder / "eval.json", hf, data.valid)
        result = json.loads((folder / "eval.json").read_text().splitlines()[-1])
        off = abs(result["loss"] / wanted - 1)
        ok(off <= 1e-5 and result["tokens"] == count,
           f"llm-eval: loss {result['loss']:.5f} of {result['tokens']} targets, {count} expected, differs by {off:.2e} (<= 1e-5)")
        log = [e for e in log if e["event"] == "valid"]
        ok(log[-1].get("tokens", count) == count, f"--valid: {count} targets, loss {log[-1]['loss']:.4f}")
    done()


main()
