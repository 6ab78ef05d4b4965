#!/usr/bin/env bash
# --profile: counts every operation, accounts for all of the time, changes no bit.
. "$LLM_SRC/tests/lib.sh"
. "$LLM_SRC/tests/cli/train/fixture.bash"
fixture

ok 'a run without' train plain --model llama.json --precision fp32 --steps 4
ok 'a run with --profile' train counted --model llama.json --precision fp32 --steps 4 --profile --threads 2
losses plain.jsonl >plain.losses
losses counted.jsonl >counted.losses
same 'the same losses' plain.losses counted.losses
is 'the same state' "$(state_hash counted.jsonl)" "$(state_hash plain.jsonl)"

jq -c 'select(.event == "profile")' counted.jsonl >profile.json
is 'one event' "$(wc -l <profile.json)" 1
is 'three steps behind the first' "$(jq .steps profile.json)" 3
is 'the time is all there, to a tenth' \
    "$(jq '([.operations[].seconds] | add) / (.seconds * .threads) | . > 0.9 and . < 1.1' profile.json)" true
is 'every kind of operation' "$(jq -r '[.operations[].operation] | sort | join(",")' profile.json)" \
    'activation backward,activation forward,adamw,add,all else,attention backward,attention forward,cross-entropy,gemm,norm backward,norm forward,other threads idle,rotary,sum of squares'
ok 'gpt2 in bf16' train gpt2 --model gpt2.json --precision bf16 --steps 2 --profile
is 'its biases are summed' \
    "$(jq 'select(.event == "profile") | [.operations[].operation] | contains(["column sum"])' gpt2.jsonl)" true
