"""The work of infer.sh, in its directory: ours and the peers' in alternation, medians.

Rates are tokens a second of CPU time, which other programs disturb least. Ours are differences of two runs of
different length, so that start and loading drop out. BENCH_ROUNDS (3); BENCH_COMPILE=1 tries torch.compile.
"""
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import time

import torch
from transformers import AutoModelForCausalLM
from transformers.utils import logging

ROUNDS = int(os.environ.get("BENCH_ROUNDS", 3))
LLAMA = os.environ.get("BENCH_LLAMA")
PREFILL, DECODE, START = 1024, 96, 8
torch.set_num_threads(1)
logging.set_verbosity_error()
logging.disable_progress_bar()


def cpu_seconds(command):
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{command}: status {status}")
    return usage.ru_utime + usage.ru_stime


def ours_prefill(precision):
    run = ["llm-eval", "-q", "--no-progress", "--threads", "1", "--precision", precision, "--seq-length", str(PREFILL),
           "--document-mask", "no", "plain"]
    return 3 * PREFILL / (cpu_seconds(run + ["4.shard"]) - cpu_seconds(run + ["1.shard"]))


def ours_decode(precision):
    run = ["llm-eval", "-q", "--threads", "1", "--precision", precision, "--generate", "The name", "hf", "--max-new"]
    return DECODE / (cpu_seconds(run + [str(START + DECODE)]) - cpu_seconds(run + [str(START)]))


@torch.no_grad()
def torch_prefill(model):
    ids = torch.randint(0, 32000, (1, PREFILL))
    start = time.process_time()
    model(ids, labels=ids, use_cache=False)
    return PREFILL / (time.process_time() - start)


@torch.no_grad()
def torch_decode(model):
    ids, cache, start = torch.randint(0, 32000, (1, START)), None, 0
    for i in range(START + DECODE):
        if i == START:
            start = time.process_time()
        out = model(ids, past_key_values=cache, use_cache=True)
        ids, cache = out.logits[:, -1:].argmax(-1), out.past_key_values
    return DECODE / (time.process_time() - start)


def compiled(model):
    """The compiled model, or None when it takes more than a minute to warm up."""
    start = time.time()
    fast = torch.compile(model)
    torch_prefill(fast)
    return fast if time.time() - start < 60 else None


def write_gguf(model, path):
    """The model in llama.cpp's format, matrices in BF16, with a vocabulary of placeholders."""
    import gguf
    c, state = model.config, model.state_dict()
    w = gguf.GGUFWriter(path, "llama")
    w.add_context_length(1024), w.add_embedding_length(c.hidden_size), w.add_block_count(c.num_hidden_layers)
    w.add_feed_forward_length(c.intermediate_size), w.add_head_count(c.num_attention_heads)
    w.add_head_count_kv(c.num_key_value_heads), w.add_layer_norm_rms_eps(1e-5), w.add_rope_freq_base(10000.0)
    w.add_rope_dimension_count(64), w.add_vocab_size(c.vocab_size), w.add_tokenizer_model("gpt2")
    w.add_tokenizer_pre("default"), w.add_token_list([f"t{i}" for i in range(c.vocab_size)])
    w.add_token_types([1] * c.vocab_size), w.add_token_merges(["t 0"]), w.add_bos_token_id(0), w.add_eos_token_id(1)

    def put(name, tensor):
        if tensor.ndim == 1:
            w.add_tensor(name, tensor.float().numpy())
        else:
            bits = tensor.to(torch.bfloat16).contiguous().view(torch.uint8).numpy()
            w.add_tensor(name, bits, raw_dtype=gguf.GGMLQuantizationType.BF16)

    put("token_embd.weight", state["model.embed_tokens.weight"])
    put("output_norm.weight", state["model.norm.weight"])
    names = {"self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
             "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
             "mlp.down_proj": "ffn_down", "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm"}
    for i in range(c.num_hidden_layers):
        for theirs, name in names.items():
            put(f"blk.{i}.{name}.weight", state[f"model.layers.{i}.{theirs}.weight"])
    w.write_header_to_file(), w.write_kv_data_to_file(), w.write_tensors_to_file(), w.close()


def llama_command(script, model):
    """llama.cpp through node-llama-cpp's prebuilt library, or None with the reason on standard output."""
    if not LLAMA or not shutil.which("node"):
        print("llama.cpp: SKIPPED (BENCH_LLAMA= names no node-llama-cpp, or there is no node)")
        return None
    here = pathlib.Path(LLAMA) / "llm-tools-infer.mjs"  # modules are found from where a script lies
    shutil.copy(script, here)
    write_gguf(model, "model.gguf")
    return ["node", str(here), os.path.abspath("model.gguf"), str(PREFILL), str(START), str(DECODE)]


def main():
    models, rates = {}, {}

    def add(name, rate):
        rates.setdefault(name, []).append(rate)

    for precision, dtype in ("bf16", torch.bfloat16), ("fp32", torch.float32):
        model = AutoModelForCausalLM.from_pretrained("plain", dtype=dtype).eval()
        models[precision] = {"torch": model}
        torch_prefill(model)
        if os.environ.get("BENCH_COMPILE") and (fast := compiled(model)):
            models[precision]["torch compiled"] = fast
    llama = llama_command(sys.argv[1], models["fp32"]["torch"])
    for _ in range(ROUNDS):
        for precision in models:
            add((precision, "prefill", "ours"), ours_prefill(precision))
            for name, model in models[precision].items():
                add((precision, "prefill", name), torch_prefill(model))
            add((precision, "decode", "ours"), ours_decode(precision))
            add((precision, "decode", "torch"), torch_decode(models[precision]["torch"]))
        if llama:
            out = subprocess.run(llama, capture_output=True, text=True)
            for line in out.stdout.splitlines():
                what, rate = line.split()
                add(("bf16", what, "llama.cpp"), float(rate))
            if out.returncode:
                print("llama.cpp: SKIPPED, it failed:", out.stderr.strip()[-300:])
                llama = None
    median = {key: statistics.median(values) for key, values in rates.items()}
    ratios = []
    for precision in models:
        for what in "prefill", "decode":
            peers = {k[2]: v for k, v in median.items() if k[:2] == (precision, what) and k[2] != "ours"}
            mine, best = median[precision, what, "ours"], max(peers, key=peers.get)
            peer_text = "  ".join(f"{name} {rate:.1f}" for name, rate in peers.items())
            print(f"{precision} {what:8} ours {mine:8.1f} tok/s   {peer_text}")
            ratios.append(f"{precision} {what} {mine / peers[best]:.2f} ({best})")
    print("ratio to the best peer: " + ", ".join(ratios))


main()
