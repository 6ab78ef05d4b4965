#!/usr/bin/env bash
# llm-convert beside cp: a checkpoint's FP32 weights into a fresh directory, synced, beside
# `cp` of the same file and `sync`; interleaved. BENCH_PARAMETERS (100, millions).
set -eu
mkcheckpoint=$LLM_BIN/tests/tools/mkcheckpoint
[ -x "$mkcheckpoint" ] || { echo "mkcheckpoint is not built: make tests"; exit 1; }
parameters=${BENCH_PARAMETERS:-100}
layers=$((parameters * 1000000 / 12600000))

cat >config.json <<JSON
{"architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 1000, "hidden_size": 1024,
 "intermediate_size": 2816, "num_hidden_layers": $((layers > 0 ? layers : 1)), "num_attention_heads": 16,
 "num_key_value_heads": 16, "hidden_act": "silu", "max_position_embeddings": 1024, "rms_norm_eps": 1e-5,
 "tie_word_embeddings": true}
JSON
"$mkcheckpoint" config.json run
cat run/*/weights-*.safetensors >weights
rm -f run/*/none
size=$(stat -c %s weights)
sync

seconds() { # CMD…
    local start end
    start=$(date +%s.%N)
    "$@"
    end=$(date +%s.%N)
    echo "$start $end" | awk '{ print $2 - $1 }'
}
copy() { cp weights copied && sync -d copied; }
convert() { llm-convert -q "$@" run hf; }
least() { printf '%s\n' "$@" | sort -g | head -n 1; }

ours=() theirs=() half=()
for _ in 1 2 3; do
    rm -rf copied hf
    theirs+=("$(seconds copy)")
    ours+=("$(seconds convert)")
    rm -rf hf
    half+=("$(seconds convert --dtype bf16)")
done
awk -v size="$size" -v c="$(least "${theirs[@]}")" -v o="$(least "${ours[@]}")" -v h="$(least "${half[@]}")" 'BEGIN {
    printf "cp and sync        %6.2f s %6.0f MB/s\n", c, size / c / 1e6
    printf "llm-convert fp32   %6.2f s %6.0f MB/s\n", o, size / o / 1e6
    printf "llm-convert bf16   %6.2f s %6.0f MB/s\n", h, size / h / 1e6
    printf "ratio to cp %.2f\n", c / o }'
