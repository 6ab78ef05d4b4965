#!/usr/bin/env bash
# More ranks than cores: a step of 8 ranks beside one of 2 ranks, the same work and the same bits, taken in
# turns. Last line: how many times as long (goal: at most 1.3 on 2 cores).
set -eu
. "$LLM_SRC/tests/cli/train/fixture.bash"
make_shards >fixture.log 2>&1
cat >model.json <<'END'
{"architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 2000, "hidden_size": 256,
 "intermediate_size": 768, "num_hidden_layers": 4, "num_attention_heads": 4, "num_key_value_heads": 2,
 "hidden_act": "silu", "max_position_embeddings": 256, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
 "initializer_range": 0.02, "tie_word_embeddings": false}
END

steps() { # RANKS OPTIONS…: the least and the median of the steps' seconds, the first left out
    local ranks=$1
    shift
    llm-train -q --model model.json --ranks "$ranks" --threads 1 --seq-length 256 --global-batch 16 --reduce-groups 8 \
        --lr 1e-3 --steps 6 --precision bf16 --log "$ranks.jsonl" "$@" train.shard >/dev/null
    jq -rs 'map(select(.event == "step") | .seconds)[1:] | sort | "\(.[0]) \(.[length / 2 | floor])"' "$ranks.jsonl"
    jq -rs 'map(select(.event == "step") | [.loss, .grad_norm])' -c "$ranks.jsonl" >>bits
    rm -f "$ranks.jsonl"
}

ratio() { # NAME: what files 2 and 8 hold
    sort -g 2 | head -n 1 >two
    sort -g 8 | head -n 1 >eight
    paste -d ' ' two eight | awk -v name="$1" '{
        printf "%s: 2 ranks %.3f s, 8 ranks %.3f s a step (medians %.3f, %.3f): %.2f times as long\n", name, $1, $3, $2, $4, $3 / $1 }'
}

for layout in '--zero 1' '--zero 0'; do
    rm -f 2 8 bits
    for _ in 1 2 3; do
        for ranks in 2 8; do
            # shellcheck disable=SC2086 # two words
            steps $ranks $layout >>$ranks
        done
    done
    [ "$(sort -u bits | wc -l)" -eq 1 ] || { echo "the bits differ"; exit 1; }
    ratio "data parallel, $layout"
done
