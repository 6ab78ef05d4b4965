#!/usr/bin/env bash
# More ranks than cores: steps of 8 ranks beside those of 2 ranks, the same work and the same bits, taken in turns.
# Seconds are the least of a run's steps but the first; processor time is that of all ranks, and what is not of steps
# is subtracted (6 steps more). Last line: how many times as long (goal: at most 1.3 on 2 cores).
set -eu
. "$LLM_SRC/tests/cli/train/fixture.bash"
make_shards >fixture.log 2>&1
cat >model.json <<'END'
{"architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 2000, "hidden_size": 256,
 "intermediate_size": 768, "num_hidden_layers": 4, "num_attention_heads": 4, "num_key_value_heads": 2,
 "hidden_act": "silu", "max_position_embeddings": 256, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
 "initializer_range": 0.02, "tie_word_embeddings": false}
END

run() { # RANKS STEPS OPTIONS…: leaves the processor seconds in cpu, the log in run.jsonl
    local ranks=$1 steps=$2
    shift 2
    rm -f run.jsonl
    TIMEFORMAT='%U %S'
    { time llm-train -q --model model.json --ranks "$ranks" --threads 1 --seq-length 256 --global-batch 16 \
        --reduce-groups 8 --lr 1e-3 --schedule constant --steps "$steps" --precision bf16 --log run.jsonl "$@" train.shard \
        2>errors; } 2>took || { cat errors; exit 1; }
    cpu=$(awk '{ print $1 + $2 }' took)
}

steps() { # RANKS OPTIONS…: seconds and processor seconds of a step
    local few
    run "$1" 2 "${@:2}"
    few=$cpu
    run "$1" 8 "${@:2}"
    jq -c 'select(.event == "step") | [.loss, .grad_norm]' run.jsonl | tail -n 1 >>bits
    echo "$(jq -s 'map(select(.event == "step") | .seconds)[1:] | min' run.jsonl)" \
        "$(awk -v a="$few" -v b="$cpu" 'BEGIN { print (b - a) / 6 }')"
}

least() { # FILE COLUMN
    cut -d ' ' -f "$2" "$1" | sort -g | head -n 1
}

for layout in 'data parallel:--zero 1' 'pipeline of 2:--pipeline-parallel 2'; do
    rm -f 2 8 bits
    for _ in 1 2 3; do
        for ranks in 2 8; do
            # shellcheck disable=SC2086 # two words
            steps $ranks ${layout#*:} >>$ranks
        done
    done
    [ "$(sort -u bits | wc -l)" -eq 1 ] || { echo "the bits differ"; exit 1; }
    awk -v name="${layout%:*}" -v a="$(least 2 1)" -v b="$(least 8 1)" -v c="$(least 2 2)" -v d="$(least 8 2)" 'BEGIN {
        printf "%s: a step of 2 ranks %.3f s, of 8 ranks %.3f s: %.2f times as long; processor time %.2f times\n", name, a, b, b / a, d / c }'
done
