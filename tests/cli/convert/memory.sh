#!/usr/bin/env bash
# timeout: 600
# Memory does not grow with the model: 160 MB of weights (LLM_LONG=1: 2 GB), 64 MB at most.
. "$LLM_SRC/tests/lib.sh"
[ -z "${LLM_SANITIZE:-}" ] || { skip 'memory of a conversion' 'sanitizers have their own'; exit 0; }
layers=$((${LLM_LONG:-0} ? 40 : 3))

# A Llama of zeros, as files with holes, but for a few weights.
cat >make.py <<'P'
import json, os, struct, sys

directory, layers = sys.argv[1], int(sys.argv[2])
hidden, inner, vocab = 1024, 2816, 500
config = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": vocab,
          "hidden_size": hidden, "intermediate_size": inner, "num_hidden_layers": layers,
          "num_attention_heads": 16, "num_key_value_heads": 16, "max_position_embeddings": 128,
          "rms_norm_eps": 1e-5, "tie_word_embeddings": True, "dtype": "float32"}
shapes = {"model.embed_tokens.weight": [vocab, hidden], "model.norm.weight": [hidden]}
for i in range(layers):
    p = f"model.layers.{i}."
    shapes[p + "input_layernorm.weight"] = shapes[p + "post_attention_layernorm.weight"] = [hidden]
    for name in "qkvo":
        shapes[p + f"self_attn.{name}_proj.weight"] = [hidden, hidden]
    shapes[p + "mlp.gate_proj.weight"] = shapes[p + "mlp.up_proj.weight"] = [inner, hidden]
    shapes[p + "mlp.down_proj.weight"] = [hidden, inner]
head, at = {}, 0
for name, shape in shapes.items():
    n = 4
    for d in shape:
        n *= d
    head[name] = {"dtype": "F32", "shape": shape, "data_offsets": [at, at + n]}
    at += n
text = json.dumps(head).encode()
text += b" " * (-len(text) % 8)
os.mkdir(directory)
json.dump(config, open(directory + "/config.json", "w"))
with open(directory + "/model.safetensors", "wb") as f:
    f.write(struct.pack("<Q", len(text)) + text)
    f.truncate(8 + len(text) + at)
    for t in head.values():
        f.seek(8 + len(text) + t["data_offsets"][0])
        f.write(struct.pack("<3f", 1.0, -2.0, 0.3))
print(at)
P
cat >most.py <<'P'
import resource, subprocess, sys

status = subprocess.call(sys.argv[2:])
most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
print(f"{most / 1e6:.0f} MB")
sys.exit(status or most > int(sys.argv[1]))
P
size=$(python3 make.py model "$layers")
diag "$((size / 1000000)) MB of weights"

within() { # DESC ARGUMENTS
    local desc=$1
    shift
    ok "$desc: within 64 MB" python3 most.py 64000000 llm-convert -q --threads 2 "$@"
    diag "$desc: $(cat tap.log)"
}
within 'copied' --from hf --to hf model copy
ok 'and the same' llm-convert -q --from hf --to hf --verify model copy
rm -rf copy
within 'to bf16' --from hf --to hf --dtype bf16 model narrow
within 'back to fp32' --from hf --to hf --dtype fp32 narrow wide
rm -rf wide
within 'to a checkpoint' --from hf --to checkpoint narrow run
within 'and back, in files' --max-shard-size $((size / 3)) run files
rm -rf files
within 'the mean of two' --average --to hf --dtype bf16 run run mean
ok 'which are the same' cmp narrow/model.safetensors mean/model.safetensors
