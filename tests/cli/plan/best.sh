#!/usr/bin/env bash
# --plan best: the best layout, by trying all of them one by one; what is fixed stays; what does not fit is told.
# timeout: 300
. "$LLM_SRC/tests/lib.sh"
. "$LLM_SRC/tests/cli/plan/golden.bash"

gpt 1000 64 8 4 128 >small.json
base=(--model small.json --precision bf16 --machine a100)

best() {
    llm-train -q --plan best --json "$@" >best.json
}

# seconds OPTIONS…: of one layout; nothing where it cannot be or does not fit
seconds() {
    llm-train -q --plan --json "$@" 2>/dev/null | jq 'select(.fits) | .step_seconds'
}

near() { # WANT: the first found takes as long
    jq --argjson want "$1" '.best[0].step_seconds / $want | . > 0.999999 and . < 1.000001' best.json
}

# Every layout of 8 ranks without context parallelism, of a batch of 8.
eight=("${base[@]}" --ranks 8 --global-batch 8 --context-parallel 1)
for tp in 1 2 4; do
    for pp in 1 2 4 8; do
        [ $((8 % (tp * pp))) -eq 0 ] || continue
        each=$((tp * pp))
        for schedule in 1f1b zero-bubble 'interleaved --virtual-stages 2' 'interleaved --virtual-stages 4'; do
            schedule="--pipeline-schedule $schedule"
            [ "$pp" -gt 1 ] || { [ "$schedule" = '--pipeline-schedule 1f1b' ] && schedule=; } || continue
            for micro in 1 2 4 8; do
                [ "$micro" -le "$each" ] || continue
                for zero in 0 3; do
                    [ "$zero" -eq 0 ] || [ $((tp * pp)) -lt 8 ] || continue
                    # shellcheck disable=SC2086 # several words, or none
                    seconds "${eight[@]}" --tensor-parallel $tp --pipeline-parallel $pp $schedule --micro-batch $micro \
                        --zero $zero --recompute none
                done
            done
        done
    done
done >all
ok "more than fifty layouts, one by one" test "$(wc -l <all)" -gt 50
best "${eight[@]}" --recompute none
least=$(sort -g all | head -n 1)
is "the best of all layouts of 8 ranks" "$(near "$least")" true
is "ten of them, in order" "$(jq '[.best[].step_seconds] | length == 10 and . == sort' best.json)" true
is "each with its reason" "$(jq '[.best[].why | length > 5] | all' best.json)" true
is "and what else it could be" "$(jq '.best[0].neighbours | length > 3' best.json)" true

# What is printed is what --plan says of it.
for i in 0 4 9; do
    read -ra words < <(jq -r ".best[$i].options" best.json)
    is "layout $i as --plan sees it" "$(seconds "${base[@]}" --ranks 8 --global-batch 8 "${words[@]}" |
        jq --slurpfile b best.json ". / \$b[0].best[$i].step_seconds | . > 0.999999 and . < 1.000001")" true
done
llm-train -q --plan=best "${eight[@]}" --recompute none >text
is "the first line are options" "$(head -n 1 text)" "$(jq -r '.best[0].options' best.json)"

# What is given stays.
best "${eight[@]}" --tensor-parallel 2 --pipeline-parallel 2 --zero 1 --micro-batch 2 --recompute full \
    --pipeline-schedule zero-bubble --sequence-parallel
is "options stay as they are" "$(jq -c '[.best[] | [.tensor_parallel, .pipeline_parallel, .zero, .micro_batch, .recompute, .schedule,
    .sequence_parallel]] | unique' best.json)" '[[2,2,1,2,"full","zero-bubble",true]]'
printf '%s\n' 'tensor-parallel = 4' 'micro-batch = 1' >run.conf
best --config run.conf "${eight[@]}"
is "but those of a --config do not" "$(jq '[.best[] | .tensor_parallel] | any(. != 4)' best.json)" true

# Memory: full on some stages where nothing less fits; nothing at all.
gpt 1000 1024 16 16 2048 >large.json
machine a100 'memory = 5000M' 'domains = 4' >small.machine
large=(--model large.json --precision bf16 --machine small.machine --ranks 4 --global-batch 16 --tensor-parallel 1
    --context-parallel 1 --pipeline-parallel 4 --pipeline-schedule 1f1b)
best "${large[@]}"
is "what does not fit is left out" "$(jq '.refused.does_not_fit > 0' best.json)" true
read -ra words < <(jq -r '.best[0].options' best.json)
ok "what is chosen fits" test -n "$(seconds --model large.json --precision bf16 --machine small.machine --ranks 4 --global-batch 16 "${words[@]}")"
machine a100 'memory = 100M' >tiny.machine
expect_code 1 llm-train --plan best --model large.json --global-batch 16 --ranks 4 --machine tiny.machine
err_like "nothing fits" "no layout fits: of [0-9]+ that were looked at the smallest needs .* of a node's 105 MB"
expect_code 2 llm-train --plan best --model small.json --global-batch 7 --ranks 8 --context-parallel 1 --pipeline-parallel 1 --tensor-parallel 1 --machine a100
err_like "nothing divides" "no layout of 8 ranks divides this model and batch"
expect_code 2 llm-train --plan best --model small.json --global-batch 8
err_like "a machine is needed" "plan best needs --machine"
