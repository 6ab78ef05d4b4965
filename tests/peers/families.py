#!/usr/bin/env python3
# timeout: 600
"""Every family both ways: directories as transformers saves them, through a checkpoint and back.

Of random small models with old and new configuration keys: (a) our logits are transformers' (1e-4 in
fp32), and of each family llm-eval's loss of a text (1e-5) and its log-likelihoods of requests (1e-4);
(b) Hugging Face -> checkpoint -> Hugging Face keeps every tensor's bytes; (c) transformers reads our
directory to the same model, (d) in bf16 to tensors as PyTorch rounds them; (e) a GGUF file has the
same logits or is refused. Ends with the largest difference of each family.
"""
import json
import pathlib
import shutil

from _common import *
from safetensors import safe_open
from transformers import (AutoModelForCausalLM, GPT2Config, GPTNeoXConfig, LlamaConfig, MistralConfig,
                          MixtralConfig, Qwen2Config, Qwen2MoeConfig, Qwen3Config, Qwen3MoeConfig)

BOUND, LENGTH = 1e-4, 61
SIZES = {"hidden_size": 64, "intermediate_size": 144, "num_hidden_layers": 3,
         "num_attention_heads": 8, "max_position_embeddings": 128, "initializer_range": 0.08,
         "bos_token_id": None, "eos_token_id": 0}
GQA = {**SIZES, "num_key_value_heads": 2}
EXPERTS = {**GQA, "num_experts_per_tok": 2}
GPT2 = {"n_embd": 64, "n_layer": 3, "n_head": 4, "n_positions": 128, "initializer_range": 0.08,
        "bos_token_id": 0, "eos_token_id": 0}
NEOX = {**SIZES, "num_attention_heads": 4, "bos_token_id": 0}
QWEN2_MOE = {**EXPERTS, "num_experts": 6, "moe_intermediate_size": 40,
             "shared_expert_intermediate_size": 56}
QWEN3_MOE = {**EXPERTS, "num_experts": 6, "moe_intermediate_size": 40, "head_dim": 16}


def rope(kind, **keys):
    return {"rope_parameters": {"rope_type": kind, "rope_theta": 1000.0, **keys}}


LLAMA3 = rope("llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
              original_max_position_embeddings=32)
LINEAR = rope("linear", factor=2.0)
YARN = rope("yarn", factor=4.0, original_max_position_embeddings=32)
YARN_ALL = rope("yarn", factor=4.0, original_max_position_embeddings=32, beta_fast=8.0, beta_slow=2.0,
                mscale=0.7, mscale_all_dim=0.3, truncate=False)
LONGROPE = rope("longrope", factor=4.0, original_max_position_embeddings=64,
                short_factor=[1.0, 1.1, 1.3, 1.7], long_factor=[2.0, 3.0, 4.0, 5.0])
PROPORTIONAL = rope("proportional", factor=2.0, partial_rotary_factor=0.5)
DYNAMIC = rope("dynamic", factor=2.5)
NEOX_LINEAR = rope("linear", factor=2.0, partial_rotary_factor=0.25)
WHOLE_HEAD = rope("default", partial_rotary_factor=1.0)
HALF_HEAD = rope("yarn", factor=4.0, original_max_position_embeddings=32, partial_rotary_factor=0.5)
WINDOW = {"use_sliding_window": True, "sliding_window": 13}

# Family: (what, class, arguments). "old": the keys of files before transformers 5.
MODELS = [
    ("llama", "all heads, old keys", LlamaConfig, SIZES),
    ("llama", "grouped queries", LlamaConfig, GQA),
    ("llama", "tied, llama3 rope, biases", LlamaConfig,
     {**GQA, **LLAMA3, "head_dim": 16, "tie_word_embeddings": True, "attention_bias": True,
      "mlp_bias": True}),
    ("llama", "llama3 rope, old keys", LlamaConfig, {**GQA, **LLAMA3}),
    ("llama", "linear rope, old keys", LlamaConfig, {**GQA, **LINEAR}),
    ("llama", "dynamic rope", LlamaConfig, {**GQA, **DYNAMIC}),
    ("llama", "yarn", LlamaConfig, {**GQA, **YARN}),
    ("llama", "yarn, all keys, old keys", LlamaConfig, {**GQA, **YARN_ALL}),
    ("llama", "longrope", LlamaConfig, {**GQA, **LONGROPE}),
    ("llama", "proportional rope", LlamaConfig, {**GQA, **PROPORTIONAL}),
    ("mistral", "window", MistralConfig, {**GQA, "sliding_window": 13}),
    ("mistral", "no window, old keys", MistralConfig, {**GQA, "sliding_window": None}),
    ("mistral", "window, tied, linear rope, old keys", MistralConfig,
     {**GQA, **LINEAR, "sliding_window": 13, "head_dim": 24, "tie_word_embeddings": True}),
    ("qwen2", "tied, old keys", Qwen2Config, {**GQA, "tie_word_embeddings": True}),
    ("qwen2", "window, yarn", Qwen2Config, {**GQA, **YARN, **WINDOW, "max_window_layers": 0}),
    ("qwen2", "window of some layers, old keys", Qwen2Config,
     {**GQA, **WINDOW, "max_window_layers": 1}),
    ("qwen2", "window of no layer", Qwen2Config, {**GQA, **WINDOW, "max_window_layers": 3}),
    ("qwen3", "old keys", Qwen3Config, {**GQA, "head_dim": 16}),
    ("qwen3", "layer_types", Qwen3Config,
     {**GQA, **WINDOW, "head_dim": 16,
      "layer_types": ["sliding_attention", "full_attention", "sliding_attention"]}),
    ("qwen3", "window, biases, tied", Qwen3Config,
     {**GQA, **WINDOW, "head_dim": 8, "max_window_layers": 0, "attention_bias": True,
      "tie_word_embeddings": True}),
    ("gpt2", "tied", GPT2Config, GPT2),
    ("gpt2", "untied, exact gelu, narrow", GPT2Config,
     {**GPT2, "tie_word_embeddings": False, "activation_function": "gelu", "n_inner": 100}),
    ("gpt2", "gelu_pytorch_tanh", GPT2Config, {**GPT2, "activation_function": "gelu_pytorch_tanh"}),
    ("gpt_neox", "parallel", GPTNeoXConfig, NEOX),
    ("gpt_neox", "parallel, old keys", GPTNeoXConfig, NEOX),
    ("gpt_neox", "one after the other, whole head", GPTNeoXConfig,
     {**NEOX, **WHOLE_HEAD, "use_parallel_residual": False}),
    ("gpt_neox", "tied, no bias in attention, gelu_new", GPTNeoXConfig,
     {**NEOX, "tie_word_embeddings": True, "attention_bias": False, "hidden_act": "gelu_new"}),
    ("gpt_neox", "linear rope, gelu_fast, old keys", GPTNeoXConfig,
     {**NEOX, **NEOX_LINEAR, "hidden_act": "gelu_fast"}),
    ("gpt_neox", "yarn on half of the head", GPTNeoXConfig, {**NEOX, **HALF_HEAD}),
    ("mixtral", "old keys", MixtralConfig, {**EXPERTS, "num_local_experts": 6}),
    ("mixtral", "window, head_dim", MixtralConfig,
     {**EXPERTS, "num_local_experts": 6, "sliding_window": 13, "head_dim": 24}),
    ("qwen2_moe", "old keys", Qwen2MoeConfig, QWEN2_MOE),
    ("qwen2_moe", "normalized, no bias, some dense, tied", Qwen2MoeConfig,
     {**QWEN2_MOE, "norm_topk_prob": True, "qkv_bias": False, "mlp_only_layers": [1],
      "tie_word_embeddings": True}),
    ("qwen2_moe", "window of every second layer", Qwen2MoeConfig, {**QWEN2_MOE, **WINDOW}),
    ("qwen3_moe", "old keys", Qwen3MoeConfig, QWEN3_MOE),
    ("qwen3_moe", "normalized, every second layer, window, biases", Qwen3MoeConfig,
     {**QWEN3_MOE, **WINDOW, "norm_topk_prob": True, "decoder_sparse_step": 2,
      "attention_bias": True}),
]

# What llama.cpp's files have no words for.
NO_GGUF = {"llama, dynamic rope", "llama, yarn, all keys, old keys", "llama, longrope", "llama, proportional rope",
           "qwen2, window, yarn", "qwen2, window of some layers, old keys", "qwen3, layer_types",
           "qwen3, window, biases, tied", "gpt2, untied, exact gelu, narrow",
           "gpt_neox, tied, no bias in attention, gelu_new", "gpt_neox, linear rope, gelu_fast, old keys",
           "qwen2_moe, normalized, no bias, some dense, tied", "qwen2_moe, window of every second layer",
           "qwen3_moe, old keys", "qwen3_moe, normalized, every second layer, window, biases"}


def old_rope(config):
    """rope_parameters as rope_theta and rope_scaling; GPT-NeoX had names of its own."""
    parameters = config.pop("rope_parameters", None)
    if parameters is None:
        return
    neox = config["model_type"] == "gpt_neox"
    config["rotary_emb_base" if neox else "rope_theta"] = parameters.pop("rope_theta")
    if neox:
        config["rotary_pct"] = parameters.pop("partial_rotary_factor")
    kind = parameters.pop("rope_type")
    config["rope_scaling"] = None if kind == "default" else {"type": kind, **parameters}


def make_old(directory):
    """The keys that a file had before transformers 5."""
    path = directory / "config.json"
    config = json.loads(path.read_text())
    config["torch_dtype"] = config.pop("dtype")
    old_rope(config)
    if config.get("num_key_value_heads") == config.get("num_attention_heads"):
        config.pop("num_key_value_heads", None)
    if config.get("head_dim", 0) == config.get("hidden_size", 0) // config.get("num_attention_heads", 1):
        config["head_dim"] = None
    if config["model_type"] == "qwen3_moe":
        config["num_experts"] = config.pop("num_local_experts")
    config.pop("layer_types", None)
    path.write_text(json.dumps(config, indent=2))


def make(directory, config, old):
    """A random model, nothing in it at a neutral value; as transformers reads it again."""
    torch.manual_seed(1)
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager").float().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 1:
                parameter.add_(0.1 * torch.randn_like(parameter))
    model.save_pretrained(directory)
    shutil.copy("tok/tokenizer.json", directory)
    if old:
        make_old(directory)
    return read(directory)


def read(directory):
    return AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32,
                                                attn_implementation="eager").eval()


def tensors(directory):
    found = {}
    for file in sorted(directory.glob("*.safetensors")):
        with safe_open(str(file), framework="np") as f:
            found.update({name: f.get_tensor(name) for name in f.keys()})
    return found


def same_tensors(a, b):
    a, b = tensors(a), tensors(b)
    return a.keys() == b.keys() and all(
        a[n].dtype == b[n].dtype and a[n].shape == b[n].shape and a[n].tobytes() == b[n].tobytes()
        for n in a)


def make_shard():
    """text.shard of one document; its ids."""
    pathlib.Path("text.jsonl").write_text(json.dumps({"text": texts()[0][:50] + texts()[-1]}) + "\n")
    run("llm-tokenize", "-q", "-t", "tok/tokenizer.json", "-o", "text.shard", "text.jsonl")
    return [int(i) for i in run("dumpshard", "text.shard").split()[3:]]


def check_requests(family, directory, model):
    """The log-likelihood of what follows a context, two with the same beginning."""
    from tokenizers import Tokenizer
    tokenizer = Tokenizer.from_file("tok/tokenizer.json")
    texts = [("The quick brown", " fox jumps"), ("The quick brown", " dog"), ("吾輩は", "猫である。")]
    pathlib.Path("requests.jsonl").write_text("".join(
        json.dumps({"id": f"t/{i}", "index": 0, "ctx": context, "cont": text}) + "\n"
        for i, (context, text) in enumerate(texts)))
    out = run("llm-eval", "-q", "--precision", "fp32", "--requests", "requests.jsonl", directory)
    got, worst = [json.loads(line) for line in out.splitlines()], 0.0
    for result, (context, text) in zip(got, texts, strict=True):
        ids = tokenizer.encode(context + text, add_special_tokens=False).ids
        log_p = torch.log_softmax(torch.tensor(their_logits(model, ids[:-1])).double(), -1)
        scores = log_p.gather(1, torch.tensor(ids[1:])[:, None])[-result["tokens"]:]
        first = len(tokenizer.encode(context, add_special_tokens=False).ids)
        worst = max(worst, abs(result["log_likelihood"] - scores.sum().item()) if
                    result["tokens"] == len(ids) - first else np.inf)
    ok(worst <= 1e-4, f"{family}: llm-eval's log-likelihoods of requests within {worst:.1e}")


def check_family(family, directory, model, text):
    """What is not of a variant: the loss by llm-eval, and rounded weights."""
    run("llm-eval", "-q", "--seq-length", 128, "--precision", "fp32", "--json", "loss.json", directory,
        "text.shard")
    got = json.loads(pathlib.Path("loss.json").read_text().splitlines()[0])["loss"]
    log_p = torch.log_softmax(torch.tensor(their_logits(model, text[:-1])).double(), -1)
    want = -log_p.gather(1, torch.tensor(text[1:])[:, None]).mean().item()
    ok(abs(got / want - 1) <= 1e-5, f"{family}: llm-eval's loss of a text {got:.6f}, {got / want - 1:.1e}")
    check_requests(family, directory, model)
    rounded = pathlib.Path("rounded")
    run("llm-convert", "--from", "hf", "--to", "hf", "--dtype", "bf16", directory, rounded)
    again, state = AutoModelForCausalLM.from_pretrained(rounded, dtype="auto").state_dict(), model.state_dict()
    ok(again.keys() == state.keys() and all(torch.equal(again[n], state[n].bfloat16()) for n in state),
       f"{family}: {len(state)} tensors in bf16 are those of PyTorch")
    shutil.rmtree(rounded)


def check_gguf(name, directory, ids, want):
    """The same model as a GGUF file, or the reason why not."""
    file = directory.with_suffix(".gguf")
    if name in NO_GGUF:
        run("llm-convert", "-q", "--from", "hf", "--to", "gguf", directory, file, code=3)
        return ok(not file.exists(), f"{name}: refused as GGUF")
    run("llm-convert", "-q", "--from", "hf", "--to", "gguf", "--dtype", "fp32", directory, file)
    difference = float(np.abs(our_logits(file, ids) - want).max())
    ok(difference <= BOUND, f"{name}: logits of a GGUF file within {difference:.1e}")
    file.unlink()


def check(family, what, kind, arguments, vocab):
    name = f"{family}, {what}"
    directory = pathlib.Path(name.replace(" ", "-").replace(",", ""))
    old = "old keys" in what
    model = make(directory, kind(vocab_size=vocab, **arguments), old)
    ids = np.random.default_rng(2).integers(0, vocab, LENGTH).tolist()
    want = their_logits(model, ids)
    difference = float(np.abs(our_logits(directory, ids) - want).max())
    ok(difference <= BOUND, f"{name}: logits within {difference:.1e} of up to {np.abs(want).max():.1f}")

    if family not in worst:
        check_family(family, directory, model, text)
    checkpoint, back = directory.with_suffix(".checkpoint"), directory.with_suffix(".back")
    run("llm-convert", "--from", "hf", "--to", "checkpoint", directory, checkpoint)
    run("llm-convert", "--to", "hf", checkpoint, back)
    ok(same_tensors(directory, back), f"{name}: through a checkpoint and back, byte for byte")
    again = float(np.abs(their_logits(read(back), ids) - want).max())
    ok(again == 0, f"{name}: the same model for transformers ({again:.1e})")
    check_gguf(name, directory, ids, want)
    for d in directory, checkpoint, back:
        shutil.rmtree(d)
    return difference


vocab = byte_tokenizer("tok")
text = make_shard()
worst = {}
for family, what, kind, arguments in MODELS:
    difference = check(family, what, kind, arguments, vocab)
    count, before = worst.get(family, (0, 0.0))
    worst[family] = count + 1, max(before, difference)
print(f"# {'family':12}{'models':>7}  largest difference of a logit, fp32")
for family, (count, difference) in worst.items():
    print(f"# {family:12}{count:7}  {difference:.1e}")
done()
