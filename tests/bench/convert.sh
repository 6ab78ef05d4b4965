#!/usr/bin/env bash
# llm-convert of a model of BENCH_PARAMETERS (100, millions) beside the machine and the field, each
# into a fresh place and synced, taking turns, the least of BENCH_ROUNDS (3) counts:
#   cp                    the same bytes and sync
#   hf fp32 to hf fp32    beside cp, beside safetensors' load_file + save_file and transformers'
#                         from_pretrained + save_pretrained (their time behind the imports)
#   hf bf16 to hf fp32    beside cp of what is written
#   checkpoint to hf      fp32, every byte's checksum verified, beside cp
# The last line is the first's ratio to cp.
set -eu
mkcheckpoint=$LLM_BIN/tests/tools/mkcheckpoint
[ -x "$mkcheckpoint" ] || { echo "mkcheckpoint is not built: make tests"; exit 1; }
parameters=${BENCH_PARAMETERS:-100} rounds=${BENCH_ROUNDS:-3}
layers=$((parameters * 1000000 / 12600000))

cat >config.json <<JSON
{"architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 1000, "hidden_size": 1024,
 "intermediate_size": 2816, "num_hidden_layers": $((layers > 0 ? layers : 1)), "num_attention_heads": 16,
 "num_key_value_heads": 16, "hidden_act": "silu", "max_position_embeddings": 1024, "rms_norm_eps": 1e-5,
 "tie_word_embeddings": true}
JSON
"$mkcheckpoint" config.json run
llm-convert -q run fp32
llm-convert -q --dtype bf16 run bf16
size=$(stat -c %s fp32/model.safetensors)

cat >peer.py <<'P'
import os, sys, time
kind, source, target = sys.argv[1:]
def sync(path):
    fd = os.open(path, os.O_RDONLY)
    os.fsync(fd)
    os.close(fd)
if kind == "safetensors":
    from safetensors.torch import load_file, save_file
    begin = time.time()
    save_file(load_file(source + "/model.safetensors"), target, metadata={"format": "pt"})
    sync(target)
else:
    import torch
    from transformers import AutoModelForCausalLM
    begin = time.time()
    AutoModelForCausalLM.from_pretrained(source, dtype=torch.float32).save_pretrained(target)
    sync(target + "/model.safetensors")
print(time.time() - begin)
P
python=${PYTHON:-python3} peers=yes
if ! "$python" -c 'import torch, transformers, safetensors' 2>/dev/null; then
    echo 'no Python with torch, transformers and safetensors: without the peers'
    peers=
fi

seconds() { # CMD…
    local start end
    start=$(date +%s.%N)
    "$@" >&2
    end=$(date +%s.%N)
    echo "$start $end" | awk '{ print $2 - $1 }'
}
copy() { cp fp32/model.safetensors out && sync -d out; }
peer() { "$python" peer.py "$1" fp32 out 2>/dev/null; }
fresh() { rm -rf out && sync; }
least() { printf '%s\n' "$@" | sort -g | head -n 1; }

cp=() same=() wide=() run=() raw=() model=()
for _ in $(seq "$rounds"); do
    fresh && cp+=("$(seconds copy)")
    fresh && same+=("$(seconds llm-convert -q --from hf --to hf fp32 out)")
    fresh && wide+=("$(seconds llm-convert -q --from hf --to hf --dtype fp32 bf16 out)")
    fresh && run+=("$(seconds llm-convert -q run out)")
    [ -z "$peers" ] || { fresh && raw+=("$(peer safetensors)"); }
    [ -z "$peers" ] || { fresh && model+=("$(peer transformers)"); }
done

row() { # NAME SECONDS…
    local name=$1
    shift
    [ $# -eq 0 ] || awk -v n="$name" -v s="$(least "$@")" -v c="$(least "${cp[@]}")" -v o="$(least "${same[@]}")" -v b="$size" \
        'BEGIN { printf "%-32s %6.2f s %6.0f MB/s  cp takes %4.2f of it, llm-convert %4.2f\n", n, s, b / s / 1e6, c / s, o / s }'
}
echo "$((size / 1000000)) MB written, least of $rounds, synced"
row 'cp and sync' "${cp[@]}"
row 'llm-convert hf fp32 to hf fp32' "${same[@]}"
row 'llm-convert hf bf16 to hf fp32' "${wide[@]}"
row 'llm-convert checkpoint to hf' "${run[@]}"
row 'safetensors load + save' "${raw[@]}"
row 'from_pretrained + save_pretrained' "${model[@]}"
echo "ratio to cp $(awk -v c="$(least "${cp[@]}")" -v o="$(least "${same[@]}")" 'BEGIN { printf "%.2f", c / o }')"
