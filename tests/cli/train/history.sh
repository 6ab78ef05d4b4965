#!/usr/bin/env bash
# llm-convert --info --history: what was in force from which step on, and command lines that come to the same state.
# timeout: 240
. "$LLM_SRC/tests/lib.sh"
. "$LLM_SRC/tests/cli/train/fixture.bash"
fixture

# A run with two resumes: changed rates, skipped steps, another layout, a switch of precision, and a stop in between.
begin() { # OUT OPTIONS…
    local out=$1
    shift
    llm-train -q --tokenizer tok.json --save "$out" --log "$out.jsonl" --model llama.json --seq-length 64 --global-batch 8 \
        --reduce-groups 4 --lr 3e-3 --warmup 5 --steps 40 --save-every 0 --threads 1 "$@" train.shard
}
stops_at() { # STEP CMD…
    local step=$1 status
    shift
    "$@" --stop-at "$step"
    status=$?
    [ $status -eq 75 ] || { echo "status $status, not 75"; return 1; }
}
go_on() { # OUT OPTIONS…
    local out=$1
    shift
    llm-train -q --resume "$out" --log "$out.jsonl" --threads 1 "$@" train.shard
}
ok 'a first part, stopped' stops_at 12 begin run --skip 3-4 --precision bf16,fp32@9 --zero 0
ok 'a second one: another rate, on two ranks' stops_at 25 go_on run --lr 1e-3 --ranks 2 --zero 0
ok 'which saves again without a change' stops_at 28 go_on run --ranks 2 --zero 0
ok 'a third one: the rate again, steps to skip, more decay' go_on run --lr 2e-3 --skip 3-4,30-31 --weight-decay 0.2 --freeze 'layers.0.*'
llm-convert --info --history run >told
is 'it is told' $? 0
line() { # REGEX: is it in the history, in its place?
    sed -n '/^history/,/^replay/p' told | grep -qE "$1"
}
ok 'the rate' line '^ +lr 0\.001 \(was 0\.003\)$'
ok 'at its step' line '^  step 12 .*layout: 2 ranks, data 2, zero 0 \(was 1 rank\)'
ok 'the layout back' line '^  step 28 .*layout: 1 rank \(was 2 ranks, data 2, zero 0\)'
ok 'the rate again' line '^ +lr 0\.002 \(was 0\.001\)$'
ok 'what was frozen' line '^ +freeze layers\.0\.\* \(was \(none\)\)$'
ok 'skipped steps' line '^  step 3 .*skipped to step 4: --skip'
ok 'more of them' line '^  step 30 .*skipped to step 31: --skip'
ok 'the precision' line '^  step 10 .*precision: fp32 \(was bf16\)'
is 'the same as JSON' "$(llm-convert --info --history --json run | jq -c '[(.history | map(.step)), (.skipped | map(.first)), (.precisions | map(.precision)),
    (.replay | length)]')" '[[0,12,28],[3,30],["bf16","fp32"],3]'
is 'which is silent without --history' "$(llm-convert --info --json run | jq 'has("history")')" false

# Does what it prints come to the same state, from a copy of the checkpoint alone and the data?
replay() { # DIR OUT
    llm-convert --info --history --json "$1" | jq -r '.replay[]' >commands
    while read -r command; do
        SHARDS=train.shard RUN=$2 bash -c "$command" </dev/null
        case $? in 0 | 75) ;; *) return 1 ;; esac
    done <commands
}
state() {
    llm-convert --info --json "$1" | jq -r .state_hash
}
cp -r run kept
ok 'the command lines run' replay kept/step-00000040 again
is 'and reproduce the state' "$(state again)" "$(state run)"
ok 'it is not the state without the change of rate' begin other --steps 40 --skip 3-4,30-31 --precision bf16,fp32@9
ok 'which is another' [ "$(state other)" != "$(state run)" ]

# A ramp, tokens, a branch; a rewound spike is skipped from the start on.
ok 'a trunk with a ramp' stops_at 15 begin trunk --schedule constant --ramp-batch 4:4:2000 --weight-decay-skip '*norm*'
ok 'its branch' llm-train -q --branch trunk --save branch --decay 1500tok --min-lr 0 --threads 1 train.shard
ok 'its command lines run' replay branch branch-again
is 'and reproduce the branch' "$(state branch-again)" "$(state branch)"
# Steps far from the others, by a narrow window, are skipped.
ok 'a spike' begin spike --steps 20 --save-every 8 --on-spike skip --spike-threshold 2 --spike-window 4 --lr 3e-2
ok 'steps were skipped' [ "$(llm-convert --info --history --json spike | jq '.skipped | length')" -gt 0 ]
ok 'its command lines run' replay spike spike-again
is 'and reproduce it' "$(state spike-again)" "$(state spike)"

ok 'a rewind' begin rewound --steps 20 --save-every 4 --on-spike rewind --spike-threshold 2 --spike-window 4 --lr 3e-2
ok 'steps were undone' [ "$(llm-convert --info --history --json rewound | jq '[.skipped[] | select(.why | test("rewind"))] | length')" -gt 0 ]
ok 'its command lines run' replay rewound rewound-again
is 'and reproduce it' "$(state rewound-again)" "$(state rewound)"

# From other weights: they are a variable.
llm-convert -q --to hf run hf
ok 'from other weights' llm-train -q --init hf --tokenizer tok.json --save tuned --seq-length 64 --global-batch 8 --lr 1e-3 --steps 5 \
    --save-every 0 --threads 1 train.shard
like 'the weights are named' "$(llm-convert --info --history tuned | tail -n 1)" '^llm-train --init="\$INIT" --tokenizer=.*/step-00000005 '
export INIT=hf
ok 'its command lines run' replay tuned tuned-again
is 'and reproduce it' "$(state tuned-again)" "$(state tuned)"

# What is not given because it is a default is one: the table of llm-convert against that of llm-train.
checked=0 wrong=
while IFS='|' read -r name value; do
    checked=$((checked + 1))
    [ "$(jq -r --arg n "$name" '.options[$n]' tuned/step-*5/manifest.json)" = "$value" ] || wrong="$wrong $name"
done < <(sed -n '/defaults\[\] = {/,/^};/p' "$LLM_SRC/cmd/llm-convert/replay.c" | grep -oE '\{"[a-z0-9-]+", "[^"]*"\}' | sed -E 's/^\{"([^"]*)", "([^"]*)"\}$/\1|\2/' |
    grep -vE '^(steps|seq-length)\|')
is "$checked defaults" "$wrong" ''

expect_code 2 llm-convert --history run out
expect_code 3 llm-convert --info --history hf
err_like 'of checkpoints alone' 'is not a checkpoint of llm-train'
