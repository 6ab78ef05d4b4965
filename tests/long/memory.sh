#!/usr/bin/env bash
# Memory of every rank on every layout: arenas as planned to the byte, and what was resident at most within 5 % of
# the plan. The table is written to $LLM_MEMORY_TABLE, too. timeout: 1200
. "$LLM_SRC/tests/lib.sh"
. "$LLM_SRC/tests/cli/train/fixture.bash"
. "$LLM_SRC/tests/cli/train/layouts.bash"
[ -z "${LLM_SANITIZE:-}" ] || skip_all 'sanitizers take memory of their own'
fixture
make_layout_models
table=${LLM_MEMORY_TABLE:-$LLM_BIN/tests/memory.md}
printf '| model | precision | layout | planned a rank, MB | measured, MB | farthest from the plan |\n' >"$table"
printf '|---|---|---|---|---|---|\n' >>"$table"

# Large enough that libraries and messages are little beside it.
sed 's/"hidden_size": 32/"hidden_size": 256/; s/"intermediate_size": 64/"intermediate_size": 768/
     s/403/16000/; s/"max_position_embeddings": 64/"max_position_embeddings": 256/' llama-gqa.json >llama-23m.json
sed 's/"n_embd": 32/"n_embd": 256/; s/403/16000/; s/"n_positions": 64/"n_positions": 256/' gpt2-tied.json >gpt2-11m.json
sed 's/"hidden_size": 32/"hidden_size": 256/; s/"intermediate_size": 48/"intermediate_size": 256/
     s/403/16000/; s/"max_position_embeddings": 64/"max_position_embeddings": 256/' moe.json >moe-16m.json

megabytes() { # KEY: of all ranks
    jq -r "select(.event == \"ranks\") | .$1 | map(. / 1e6 | round | tostring) | join(\" \")" run.jsonl
}

predicted() { # MODEL PRECISION LAYOUT
    local model=$1 precision=$2 name=$3 worst
    rm -f run.jsonl
    # shellcheck disable=SC2046 # several words
    ok "$model $precision: $name" llm-train -q --model "$model.json" --precision "$precision" --seq-length 256 \
        --global-batch 8 --reduce-groups 4 --lr 1e-3 --steps 3 --threads 1 --log run.jsonl $(layout_options "$name") train.shard
    is "$model $precision: $name: the arenas are what was planned" \
        "$(jq -c 'select(.event == "ranks") | .arenas' run.jsonl)" \
        "$(jq -c 'select(.event == "ranks") | .planned_arenas' run.jsonl)"
    worst=$(jq -r 'select(.event == "ranks") | [range(.planned | length) as $i | (.measured[$i] / .planned[$i] - 1) * 100]
                   | max_by(fabs) * 10 | round / 10' run.jsonl)
    ok "$model $precision: $name: within 5 % ($worst %)" awk -v w="${worst:-99}" 'BEGIN { exit !(w >= -5 && w <= 5) }'
    printf '| %s | %s | %s | %s | %s | %s %% |\n' "$model" "$precision" "$name" "$(megabytes planned)" "$(megabytes measured)" \
        "$worst" >>"$table"
}

for each in "${exact_layouts[@]}" "${bounded_layouts[@]}"; do
    predicted llama-23m bf16 "${each%%|*}"
done
for name in DP4 'DP4 ZeRO-3' 'PP4 interleaved' 'DP2 PP2' TP2; do
    predicted gpt2-11m fp32 "$name"
done
for name in 'DP4 ZeRO-1' 'DP2 PP2' EP2; do
    predicted moe-16m bf16 "$name"
done
diag "$(cat "$table")"
