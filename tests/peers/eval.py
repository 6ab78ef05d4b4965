#!/usr/bin/env python3
# timeout: 900
"""llm-eval against transformers: the loss of texts on directories as transformers saves them.

By source on the same windows, documents apart or not, and rolling windows (1e-5
relative); the same numbers for any threads, ranks, and from a pipe; logits of BF16 weights.
"""
import pathlib

from _common import *
from transformers import AutoModelForCausalLM, GPT2Config, LlamaConfig

S = 48


def lines_of_json(path):
    return {o["source"]: o for o in map(json.loads, pathlib.Path(path).read_text().splitlines())}


def documents(shard):
    """(source, bytes, ids) of each document."""
    out = []
    for line in run("dumpshard", shard).splitlines():
        source, size, _, *ids = line.split(" ")
        out.append((source, int(size), [int(i) for i in ids]))
    return out


def token_losses(model, ids):
    """-log p of ids[1:] given what stands before, in FP64 from fp32 logits."""
    with torch.no_grad():
        logits = model(torch.tensor([ids[:-1]])).logits[0].double()
    return torch.nn.functional.cross_entropy(logits, torch.tensor(ids[1:]), reduction="none").tolist()


class Sums(dict):
    def add(self, source, losses):
        loss, n = self.get(source, (0.0, 0))
        self[source] = (loss + sum(losses), n + len(losses))


def windows(model, docs, mask):
    """Loss and count by source of the sequences that validation scores."""
    stream = [(i, source, k == 0) for source, _, ids in docs for k, i in enumerate(ids)]
    sums = Sums()
    for p in range(0, len(stream), S):
        window = stream[p:p + S + 1]
        starts = [k for k, t in enumerate(window) if k == 0 or (t[2] and mask)]
        for a, b in zip(starts, starts[1:] + [len(window)]):
            if b - a > 1:
                losses = token_losses(model, [t[0] for t in window[a:b]])
                for t, loss in zip(window[a + 1:b], losses):
                    sums.add(t[1], [loss])
    return sums


def rolling(model, docs, stride, prefix):
    sums = Sums()
    for source, _, ids in docs:
        full = ([prefix] if ids and ids[0] != prefix else []) + ids
        at = 1
        while at < len(full):
            to = min(at + (S if at == 1 else stride), len(full))
            begin = max(0, to - 1 - S)
            sums.add(source, token_losses(model, full[begin:to])[-(to - at):])
            at = to
    return sums


def agrees(name, got, sums, docs):
    for source, (loss, n) in sums.items():
        g = got[source]
        mean = loss / n
        size = sum(b for s, b, _ in docs if s == source)
        error = abs(g["loss"] - mean) / mean
        bits = loss / np.log(2) / size
        ok(g["tokens"] == n and g["bytes"] == size and error <= 1e-5
           and abs(g["bits_per_byte"] - bits) <= 1e-5 * bits,
           f"{name}: {source}: loss of {n} tokens within {error:.1e} of transformers'")
    total = sum(v[0] for v in sums.values()) / sum(v[1] for v in sums.values())
    ok(abs(got["all"]["loss"] - total) <= 1e-5 * total, f"{name}: all together")


def make_shard(tokenizer):
    """Two sources of real text."""
    parts = []
    for number, name in enumerate(["prose", "other"]):
        pathlib.Path(f"{name}.jsonl").write_text("".join(
            json.dumps({"text": t}) + "\n" for t in texts()[number::2]), encoding="utf-8")
        run("llm-tokenize", "-t", tokenizer, "--source", name, "-o", f"{name}.shard", f"{name}.jsonl")
        parts.append(pathlib.Path(f"{name}.shard").read_bytes())
    pathlib.Path("text.shard").write_bytes(b"".join(parts))


def check_loss(name, directory, model, shard="text.shard"):
    docs = documents(shard)
    common = ["--precision", "fp32", "--json", "eval.json", directory, shard]
    run("llm-eval", "--seq-length", S, *common)
    masked = lines_of_json("eval.json")
    agrees(name, masked, windows(model, docs, True), docs)
    run("llm-eval", "--seq-length", S, "--threads", 1, *common)
    ok(lines_of_json("eval.json") == masked, f"{name}: the same numbers with one thread")
    run("llm-eval", "--seq-length", S, "--ranks", 2, *common)
    ok(lines_of_json("eval.json") == masked, f"{name}: and with two ranks")
    run("llm-eval", "--seq-length", S, "--precision", "fp32", "--json", "eval.json", directory, "-",
        stdin=pathlib.Path(shard).read_bytes())
    ok(lines_of_json("eval.json") == masked, f"{name}: and from a pipe")
    return docs, common


def random_models():
    vocab = byte_tokenizer("tok")
    make_shard("tok")
    sizes = {"vocab_size": vocab, "initializer_range": 0.08}
    for name, config in {
        "llama": LlamaConfig(**sizes, hidden_size=64, intermediate_size=96, num_hidden_layers=3,
                             num_attention_heads=8, num_key_value_heads=4, max_position_embeddings=128),
        "gpt2": GPT2Config(**sizes, n_embd=64, n_layer=2, n_head=4, n_positions=128, bos_token_id=0,
                           eos_token_id=0)}.items():
        torch.manual_seed(1)
        model = AutoModelForCausalLM.from_config(config).float().eval()
        model.save_pretrained(name, max_shard_size="200KB")
        (pathlib.Path(name) / "tokenizer.json").write_bytes(pathlib.Path("tok/tokenizer.json").read_bytes())
        docs, common = check_loss(name, name, model)
        run("llm-eval", "--seq-length", S, "--document-mask", "no", *common)
        agrees(f"{name}, one stream", lines_of_json("eval.json"), windows(model, docs, False), docs)
        for stride in S, 7:
            run("llm-eval", "--seq-length", S, "--rolling", "--stride", stride, *common)
            agrees(f"{name}, rolling by {stride}", lines_of_json("eval.json"),
                   rolling(model, docs, stride, documents("text.shard")[0][2][-1]), docs)
        ids = [d[2][:100] for d in docs[:3]]
        worst = logits_differ(name, model, ids)
        ok(worst <= 1e-4, f"{name}: logits within {worst:.1e}")
        model.bfloat16().save_pretrained(f"{name}-bf16")
        model = AutoModelForCausalLM.from_pretrained(f"{name}-bf16", dtype=torch.float32).eval()
        worst = logits_differ(f"{name}-bf16", model, ids)
        ok(worst <= 1e-4, f"{name}: logits of BF16 weights within {worst:.1e}")


random_models()
done()
