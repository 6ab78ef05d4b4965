#!/usr/bin/env python3
# timeout: 900
"""Checkpoints read by the stock safetensors package, and converted directories by transformers.

Of random models of each family: every file of a checkpoint opens in Python and holds the
weights; the converted directory loads, has the same logits for three prompts (1e-4 in
fp32), continues them by the same 64 tokens, and its tokenizer encodes and decodes alike.
What transformers saves keeps its bytes through us; averages and grown vocabularies are PyTorch's.
"""
import json
import pathlib
import re

from _common import *
from safetensors import safe_open
from transformers import (AutoModelForCausalLM, AutoTokenizer, GenerationConfig, GPT2Config,
                          GPTNeoXConfig, LlamaConfig, MistralConfig, MixtralConfig, Qwen2MoeConfig, Qwen3Config,
                          Qwen3MoeConfig)

PROMPTS = ["The quick brown fox", "吾輩は猫である。", "def main():\n    return"]


SIZES = {"hidden_size": 64, "intermediate_size": 144, "num_hidden_layers": 3,
         "num_attention_heads": 8, "max_position_embeddings": 256, "bos_token_id": None,
         "eos_token_id": 0}


def configs(vocab):
    sizes = {"vocab_size": vocab, **SIZES}
    llama3 = {"rope_type": "llama3", "rope_theta": 500.0, "factor": 8.0, "low_freq_factor": 1.0,
              "high_freq_factor": 4.0, "original_max_position_embeddings": 64}
    gpt2 = {"vocab_size": vocab, "n_embd": 64, "n_layer": 2, "n_head": 4, "n_positions": 256,
            "bos_token_id": 0, "eos_token_id": 0}
    return {
        "llama": LlamaConfig(**sizes, num_key_value_heads=2),
        "llama-tied": LlamaConfig(**sizes, num_key_value_heads=4, head_dim=16, rope_parameters=llama3,
                                  tie_word_embeddings=True, attention_bias=True, mlp_bias=True),
        "mistral": MistralConfig(**sizes, num_key_value_heads=2, sliding_window=None),
        "gpt2": GPT2Config(**gpt2),
        "gpt2-untied": GPT2Config(**gpt2, tie_word_embeddings=False, activation_function="gelu",
                                  n_inner=100),
        "gpt-neox": GPTNeoXConfig(**{**sizes, "num_attention_heads": 4, "bos_token_id": 0}),
        "mixtral": MixtralConfig(**sizes, num_key_value_heads=2, num_local_experts=4),
        "qwen2-moe": Qwen2MoeConfig(**sizes, num_key_value_heads=2, num_experts=4,
                                    moe_intermediate_size=40, shared_expert_intermediate_size=56,
                                    num_experts_per_tok=2, mlp_only_layers=[1]),
        "qwen3": Qwen3Config(**sizes, num_key_value_heads=2, head_dim=16),
        "qwen3-moe": Qwen3MoeConfig(**sizes, num_key_value_heads=2, num_experts=4,
                                    moe_intermediate_size=40, num_experts_per_tok=2,
                                    norm_topk_prob=True),
    }


def class_name(config):
    return {"llama": "LlamaForCausalLM", "mistral": "MistralForCausalLM",
            "gpt2": "GPT2LMHeadModel", "gpt_neox": "GPTNeoXForCausalLM", "mixtral": "MixtralForCausalLM",
            "qwen2_moe": "Qwen2MoeForCausalLM", "qwen3": "Qwen3ForCausalLM",
            "qwen3_moe": "Qwen3MoeForCausalLM"}[config.model_type]


def stock_reads(checkpoint):
    """All weights by name, whole tensors and pieces NAME#FIRST put together."""
    pieces = {}
    for file in sorted(checkpoint.glob("*.safetensors")):
        with safe_open(str(file), framework="np") as f:
            for name in f.keys():
                if file.name.startswith("weights-"):
                    base, _, first = name.partition("#")
                    pieces.setdefault(base, []).append((int(first or 0), f.get_tensor(name)))
                else:
                    f.get_tensor(name)
    return {name: np.concatenate([p.reshape(-1) for _, p in sorted(list_, key=lambda x: x[0])])
            for name, list_ in pieces.items()}


def check_files(name, checkpoint):
    weights = stock_reads(checkpoint)
    manifest = json.loads((checkpoint / "manifest.json").read_text())
    total = sum(w.size for w in weights.values())
    ok(total == manifest["parameters"], f"{name}: the stock package reads {total} weights")
    shapes = {s["tensor"]: s["shape"] for s in manifest["slices"] if s["array"] == "weights"}
    ok(set(shapes) == set(weights) and all(weights[t].size == r * c for t, (r, c) in shapes.items()),
       f"{name}: as many of each tensor as the manifest says")
    norm = weights["final_norm.weight"]
    ok(0.5 < norm.mean() < 1.5 and norm.std() > 0, f"{name}: and they are values")


def check_model(name, run_dir, out, bound, *options):
    run("llm-convert", "--verify", *options, run_dir, out)
    model = AutoModelForCausalLM.from_pretrained(out, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(out)
    ids = [tokenizer(p, add_special_tokens=False)["input_ids"] for p in PROMPTS]
    got = [g["prompt_ids"] for g in generated(out, PROMPTS[:2] + ["x"], "--max-new", "1")]
    ok(got[:2] == ids[:2], f"{name}: AutoTokenizer encodes the prompts alike")
    worst = max(logits_differ(out, model, ids), 0 if options else logits_differ(run_dir, model, ids))
    ok(worst <= bound, f"{name}: logits of 3 prompts within {worst:.2g} (bound {bound:g})")
    GenerationConfig.from_pretrained(out)
    return model, tokenizer


def check_greedy(name, run_dir, out, model, tokenizer):
    prompts = [PROMPTS[0], PROMPTS[1], "x = 1"]
    ok(same_greedy(out, model, prompts), f"{name}: 64 greedy tokens are those of transformers")
    ok(same_greedy(run_dir, model, prompts), f"{name}: also from the checkpoint")
    texts_agree = all(tokenizer.decode(g["ids"], skip_special_tokens=True) == g["text"]
                      for g in generated(out, prompts, "--max-new", "40"))
    ok(texts_agree, f"{name}: and so is the text")


def tensors(directory):
    """All tensors of a directory, in the types that its files have."""
    out = {}
    for file in sorted(pathlib.Path(directory).glob("*.safetensors")):
        with safe_open(str(file), framework="pt") as f:
            out.update({name: f.get_tensor(name) for name in f.keys()})
    return out


def same_tensors(a, b):
    a, b = tensors(a), tensors(b)
    return a.keys() == b.keys() and all(
        a[n].dtype == b[n].dtype and torch.equal(a[n].view(torch.uint8), b[n].view(torch.uint8)) for n in a)


def check_directories(vocab):
    """What transformers saves, in its shards and types, into other shards and types; and models made of two."""
    config = LlamaConfig(**{**SIZES, "vocab_size": vocab}, num_key_value_heads=2)
    for i in 0, 1:
        torch.manual_seed(i)
        model = AutoModelForCausalLM.from_config(config)
        model.save_pretrained(f"theirs-{i}", max_shard_size="60KB")
        model.to(torch.bfloat16).save_pretrained(f"theirs-{i}-bf16", max_shard_size="60KB")
        for file in pathlib.Path("tok").iterdir():
            for directory in f"theirs-{i}", f"theirs-{i}-bf16":
                (pathlib.Path(directory) / file.name).write_bytes(file.read_bytes())
    ok(len(list(pathlib.Path("theirs-0").glob("*.safetensors"))) > 1, "transformers saves shards")
    hf = "--from", "hf", "--to", "hf", "--verify"
    run("llm-convert", *hf, "theirs-0", "one")
    ok(same_tensors("theirs-0", "one"), "put into one file: the same bytes")
    run("llm-convert", *hf, "--dtype", "bf16", "theirs-0", "narrow")
    ok(same_tensors("theirs-0-bf16", "narrow"), "to bf16: as PyTorch rounds")
    run("llm-convert", *hf, "--max-shard-size", "50K", "theirs-0-bf16", "shards")
    ok(same_tensors("theirs-0-bf16", "shards"), "bf16 in other shards: the same bytes")
    ok(next(AutoModelForCausalLM.from_pretrained("shards", dtype="auto").parameters()).dtype == torch.bfloat16,
       "which transformers reads as bf16")
    run("llm-convert", "--from", "hf", "--to", "checkpoint", "--verify", "theirs-0", "begun")
    run("llm-convert", "begun", "begun-hf")
    ok(same_tensors("theirs-0", "begun-hf"), "through a checkpoint: the same bytes")
    manifest = json.loads(pathlib.Path("begun/step-00000000/manifest.json").read_text())
    ok(manifest["parameters"] == sum(t.numel() for t in tensors("theirs-0").values()), "its parameters")

    run("llm-convert", "--average", *hf, "theirs-0:3", "theirs-1", "mean")
    a, b, mean = tensors("theirs-0"), tensors("theirs-1"), tensors("mean")
    ok(all(torch.equal(mean[n], ((3 * a[n].double() + b[n].double()) / 4).float()) for n in a),
       "--average: PyTorch's weighted mean in double, rounded once")


def check_extension(vocab):
    """An added token, known to transformers, whose rows begin as the mean of what stood for it."""
    tokenizer = AutoTokenizer.from_pretrained("tok")
    text = "<|talk|>"
    pieces = tokenizer(text, add_special_tokens=False)["input_ids"]
    tokenizer.add_special_tokens({"additional_special_tokens": [text]})
    tokenizer.save_pretrained("tok-more")
    run("llm-convert", "--from", "hf", "--to", "hf", "--verify", "--extend-vocabulary", "tok-more",
        "theirs-0", "more")
    model, again = AutoModelForCausalLM.from_pretrained("more"), AutoTokenizer.from_pretrained("more")
    ok(again(text, add_special_tokens=False)["input_ids"] == [vocab], "the added token is the next id")
    old = AutoModelForCausalLM.from_pretrained("theirs-0")
    for mine, theirs in ((model.get_input_embeddings(), old.get_input_embeddings()),
                         (model.get_output_embeddings(), old.get_output_embeddings())):
        want = theirs.weight[pieces].double().mean(0).float()
        ok(torch.equal(mine.weight[:vocab], theirs.weight) and torch.equal(mine.weight[vocab], want),
           "old rows stay, the new one is the mean of its pieces'")


vocab = byte_tokenizer("tok")
check_directories(vocab)
check_extension(vocab)
for name, config in configs(vocab).items():
    config.architectures = [class_name(config)]
    config.save_pretrained(f"config-{name}")
    directory = pathlib.Path(f"run-{name}")
    run("mkcheckpoint", "--std", "0.08", "--step", 1500, "--tokenizer", "tok", "--slice-blocks", 1,
        "--file-bytes", 70000, f"config-{name}/config.json", directory)
    check_files(name, directory / "step-00001500")
    model, tokenizer = check_model(name, directory, f"hf-{name}", 1e-4)
    check_greedy(name, directory, f"hf-{name}", model, tokenizer)
    check_model(f"{name} in shards", directory, f"hf-{name}-shards", 1e-4, "--max-shard-size", "60K")
    ok(len(list(pathlib.Path(f"hf-{name}-shards").glob("model-*-of-*.safetensors"))) > 1,
       f"{name}: several shards")
    for dtype in "bf16", "fp16":
        model, _ = check_model(f"{name} {dtype}", directory, f"hf-{name}-{dtype}", 1e-4, "--dtype", dtype)
        again = AutoModelForCausalLM.from_pretrained(f"hf-{name}-{dtype}", dtype="auto")
        want = {"bf16": torch.bfloat16, "fp16": torch.float16}[dtype]
        ok(next(again.parameters()).dtype == want, f"{name}: config.json says {dtype}")
done()
