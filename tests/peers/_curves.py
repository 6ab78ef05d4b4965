"""Loss curves two ways, for the peers' tests of training: data, models, PyTorch's loop and llm-train's."""
import fnmatch
import json
import os
import pathlib
import pydoc_data.topics
import subprocess
import sys

os.environ.setdefault("OMP_NUM_THREADS", "1")
from _common import BIN, SRC, done, ok, skip, torch
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

STEPS, SEQ, BATCH, LR, WARMUP, VOCAB = 30, 128, 4, 1e-4, 10, 1000


def tool(name, *args, **kwargs):
    return subprocess.run([str(BIN / name), *map(str, args)], check=True, **kwargs)


class Data:
    """The prose of Python's language reference, which does not change with this repository, as a shard and as ids."""
    def __init__(self, folder):
        text, self.tokenizer, self.shard = folder / "text.jsonl", folder / "tok.json", folder / "train.shard"
        with open(text, "w") as out:
            for _, topic in sorted(pydoc_data.topics.topics.items()):
                out.write(json.dumps({"text": topic}) + "\n")
        tool("llm-tokenize", "-q", "--train", "bpe", "--vocab-size", VOCAB, "--format", "jsonl", "-o", self.tokenizer, text)
        tool("llm-tokenize", "-q", "-t", self.tokenizer, "--format", "jsonl", "-o", self.shard, text)
        listed = tool("llm-tokenize", "-q", "-t", self.tokenizer, "--ids", self.shard, capture_output=True, text=True)
        self.documents = [list(map(int, line.split())) for line in listed.stdout.splitlines() if line]

    def batches(self, document_mask=True):
        """inputs, targets, position ids and the mask of each step, cut as llm-train cuts the stream."""
        stream = [i for d in self.documents for i in d]
        begins = [n == 0 and document_mask for d in self.documents for n in range(len(d))]
        p = 0
        for _ in range(STEPS):
            x, y, pos, allowed = [], [], [], torch.zeros(BATCH, SEQ, SEQ, dtype=torch.bool)
            for b in range(BATCH):
                x.append(stream[p:p + SEQ])
                y.append([-100 if begins[p + i + 1] else stream[p + i + 1] for i in range(SEQ)])
                first, places = 0, []
                for i in range(SEQ):
                    first = i if begins[p + i] else first
                    places.append(i - first)
                    allowed[b, i, first:i + 1] = True
                pos.append(places)
                p += SEQ
            mask = torch.zeros(BATCH, 1, SEQ, SEQ).masked_fill(~allowed[:, None], torch.finfo(torch.float32).min)
            yield torch.tensor(x), torch.tensor(y), torch.tensor(pos), mask


def model(family, seed):
    torch.manual_seed(seed)
    if family == "gpt2":
        return GPT2LMHeadModel(GPT2Config(
            vocab_size=VOCAB, n_embd=128, n_layer=3, n_head=4, n_positions=SEQ, resid_pdrop=0, bos_token_id=None,
            eos_token_id=VOCAB - 1, embd_pdrop=0, attn_pdrop=0, attn_implementation="eager")).float()
    return LlamaForCausalLM(LlamaConfig(
        vocab_size=VOCAB, hidden_size=128, intermediate_size=352, num_hidden_layers=3, num_attention_heads=8,
        num_key_value_heads=2, max_position_embeddings=SEQ, rms_norm_eps=1e-5, tie_word_embeddings=family == "llama-tied",
        attn_implementation="eager")).float()


def loss_of(logits, targets, z):
    """(cross-entropy, what is minimized): means over the scored targets."""
    loss = torch.nn.functional.cross_entropy(logits, targets, ignore_index=-100)
    if z == 0:
        return loss, loss
    squares = torch.logsumexp(logits, -1)[targets >= 0].square()
    return loss, loss + z * squares.mean()


def torch_curve(trained, data, autocast=False, z=0.0, clip=1.0, document_mask=True, freeze=(), undecayed=(),
                decay_by=0.1):
    """(losses, gradient norms) of AdamW steps on the model's weights, which are put back. Patterns of names."""
    weights = {k: v.clone() for k, v in trained.state_dict().items()}
    decay, plain = [], []
    for name, p in trained.named_parameters():
        p.requires_grad_(not any(fnmatch.fnmatchcase(name, pattern) for pattern in freeze))
        without = any(fnmatch.fnmatchcase(name, pattern) for pattern in undecayed) if undecayed else p.dim() == 1
        (plain if without else decay).append(p)
    groups = [{"params": decay, "weight_decay": decay_by}, {"params": plain, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=LR, betas=(0.9, 0.95), eps=1e-8)
    losses, norms = [], []
    for step, (x, y, pos, mask) in enumerate(data.batches(document_mask), 1):
        for g in optimizer.param_groups:
            g["lr"] = LR * min(step / WARMUP, 1)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
            logits = trained(input_ids=x, position_ids=pos, attention_mask=mask, use_cache=False).logits
        loss, whole = loss_of(logits.float().flatten(0, 1), y.flatten(), z)
        optimizer.zero_grad()
        whole.backward()
        norms.append(torch.nn.utils.clip_grad_norm_(trained.parameters(), clip).item())
        optimizer.step()
        losses.append(loss.item())
    trained.requires_grad_(True)
    trained.load_state_dict(weights)
    return losses, norms


def our_curve(hf, data, precision, *more, isa=None, steps=STEPS):
    """(losses, gradient norms) of llm-train, starting from the Hugging Face directory."""
    log = hf.with_suffix(".jsonl")
    log.unlink(missing_ok=True)
    tool("llm-train", "-q", "--init", hf, "--tokenizer", data.tokenizer, "--seq-length", SEQ, "--global-batch", BATCH,
         "--lr", LR, "--warmup", WARMUP, "--schedule", "constant", "--steps", steps, "--precision", precision,
         "--log", log, *(() if "--threads" in more else ("--threads", 1)), *more, data.shard, env=dict(os.environ, **({"LLM_ISA": isa} if isa else {})))
    found = [e for e in map(json.loads, log.read_text().splitlines()) if e["event"] == "step"]
    if len(found) != steps:
        sys.exit(f"{len(found)} steps of {steps}: {' '.join(map(str, more))}")
    return [e["loss"] for e in found], [e["grad_norm"] for e in found]


def largest_distance(a, b):
    return max(abs(x - y) for x, y in zip(a, b))


def relative(a, b):
    return max(abs(x / y - 1) for x, y in zip(a, b))
