# shellcheck shell=bash
# Runs of the presets made small (_recipe_scale.py): text to tokens, 100 steps on the recipe's own schedule, batch
# ratio and axes, Hugging Face, evaluation. Needs fixture.bash and its fixture.

# What a recipe that goes on from Llama-2 begins with: 30 steps of its small model in one language; a third more
# tokens for the other, as 11,176 are to 32,000; both languages as 90:10.
make_base() {
    make_japanese &&
        llm-train -q --config small.conf --ranks 1 --tensor-parallel 1 --pipeline-parallel 1 --steps 30 --warmup 3 \
            --decay 27 --tokenizer tok.json --threads 1 --save base --epochs 9 train.shard &&
        llm-convert --to hf -q base base-hf &&
        llm-tokenize -q --extend tok.json --add 140 --format jsonl -o more.json ja.jsonl &&
        llm-tokenize -q -t more.json --source en --format jsonl -o en.shard text.jsonl &&
        llm-tokenize -q -t more.json --source ja --format jsonl -o ja.shard ja.jsonl &&
        llm-shuffle -q --seed 1 --split 0.1=valid-more.shard -o mix.shard ja=ja.shard:0.9 en=en.shard:0.1
}

# Loss at a step of the logs, behind a branch its own.
loss_at() { # STEP LOG…
    local step=$1
    shift
    jq -s --argjson step "$step" 'map(select(.event == "step" and .step == $step))[-1].loss' "$@"
}

close() { # A B RELATIVE
    awk -v a="$1" -v b="$2" -v most="$3" 'BEGIN { exit !(a > 0 && (a - b) ^ 2 <= (most * b) ^ 2) }'
}

recipe() { # PRESET
    local name=$1 trunk branch_steps sequence layout axes start=(--tokenizer tok.json) data=train.shard valid=valid.shard
    local logs=(run.jsonl) from=run loss first switched
    rm -rf run run.jsonl branch branch.jsonl hf base base-hf
    eval "$(python3 "$LLM_SRC/tests/cli/train/_recipe_scale.py" "$name" 400)"
    case $name in
    swallow-*)
        ok "$name: a model to go on from, in two languages" make_base
        start=(--init base-hf --extend-vocabulary more.json) data=mix.shard valid=valid-more.shard
        ;;
    esac
    # A trunk stops behind its branch's start; the branch is the last tenth, by 1 - sqrt to 0.
    ok "$name: trains${axes:+ ($axes)}" llm-train -q --config small.conf "${start[@]}" --threads 1 --save run \
        --log run.jsonl --epochs 99 --valid "$valid" --valid-every 0 "$data"
    if [ -n "$trunk" ]; then
        # shellcheck disable=SC2086 # several words
        ok "$name: decays in a branch" llm-train -q --branch run/step-00000090 $layout --decay "$branch_steps" --min-lr 0 \
            --wsd-decay-style 1-sqrt --threads 1 --save branch --log branch.jsonl --valid "$valid" --valid-every 0 "$data"
        logs+=(branch.jsonl) from=branch
    fi
    first=$(loss_at 1 "${logs[@]}")
    loss=$(jq -s 'map(select(.event == "step" and .step > 95).loss) | add / length' "${logs[@]}")
    ok "$name: the loss falls ($first to $loss)" awk -v a="$first" -v b="$loss" 'BEGIN { exit !(b > 0 && b < a - 0.5) }'
    is "$name: 100 steps" "$(jq -s 'map(select(.event == "step").step) | unique | length' "${logs[@]}")" 100
    if grep -q '^z-loss' small.conf; then
        ok "$name: with z-loss" jq -es 'map(select(.event == "step").z_loss) | min > 0' run.jsonl
    fi
    switched=$(sed -n 's/^precision = .*,\(.*\)@\([0-9]*\)$/\1 \2/p' small.conf)
    if [ -n "$switched" ]; then
        is "$name: changes precision" "$(jq -r 'select(.event == "step" and has("precision")) | "\(.precision) \(.step - 1)"' run.jsonl |
            tail -n 1)" "$switched"
    fi
    ok "$name: to Hugging Face" llm-convert --to hf --dtype fp32 -q "$from" hf
    ok "$name: is read by llm-eval" llm-eval -q --precision "$(final_precision)" --seq-length "$sequence" --threads 2 \
        --json scores.json hf "$valid"
    # A token near a tie goes to another expert when sequences are put together otherwise.
    ok "$name: which scores what training did" close "$(jq -s 'last(.[] | objects).loss' scores.json)" \
        "$(jq -s 'map(select(.event == "valid"))[-1].loss' "${logs[@]: -1}")" "$(grep -q num_experts small.json && echo 5e-3 || echo 2e-3)"
    recipe_row "$name" "$axes" "${logs[@]}"
}

# What validation computes in: fp8-hybrid is bf16 there.
final_precision() {
    sed -n 's/^precision = \([a-z0-9]*\).*/\1/p' small.conf
}

# A line of the table of loss curves.
recipe_row() { # NAME AXES LOG…
    local name=$1 axes=$2 step row
    shift 2
    row="| $name | ${axes:-one rank} |"
    for step in 1 25 50 75 100; do
        row+=$(printf ' %.3f |' "$(loss_at "$step" "$@")")
    done
    row+=$(printf ' %.3f |' "$(jq -s 'map(select(.event == "valid"))[-1].loss' "${@: -1}")")
    echo "$row" >>"${recipe_table:-recipes.md}"
}
