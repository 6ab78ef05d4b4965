#!/usr/bin/env bash
# llm-train --valid and llm-eval print the same number; skipped steps, epochs, schedules.
. "$LLM_SRC/tests/lib.sh"
. "$LLM_SRC/tests/cli/train/fixture.bash"
fixture

ok 'a run with validation' train run --model llama.json --precision fp32 --steps 10 --valid valid.shard --valid-every 5
is 'twice' "$(jq -rs 'map(select(.event == "valid") | .step) | join(" ")' run.jsonl)" '5 10'
ok 'llm-eval' llm-eval --precision fp32 --seq-length 64 --json eval.json run valid.shard
is 'the same loss' "$(jq -rs 'map(select(.event == "valid"))[-1].loss' run.jsonl)" \
    "$(jq -rs '.[0].loss' eval.json)"
ok 'two groups on one rank' train g1 --model llama.json --precision fp32 --steps 10 --valid valid.shard --valid-every 5 --reduce-groups 2
ok 'two groups on two ranks' train g2 --model llama.json --precision fp32 --steps 10 --valid valid.shard --valid-every 5 --reduce-groups 2 --ranks 2
is 'the same validation' "$(jq -r 'select(.event == "valid") | .loss' g2.jsonl)" "$(jq -r 'select(.event == "valid") | .loss' g1.jsonl)"

# Skipped steps take their data, not their update.
ok 'skipping' train skip --model llama.json --precision fp32 --steps 6 --skip 3-4
is 'events' "$(jq -r 'select(.event == "skip" or .event == "step") | "\(.event) \(.step) \(.tokens)"' skip.jsonl | tr '\n' ',')" \
    'step 1 512,step 2 1024,skip 3 1536,skip 4 2048,step 5 2560,step 6 3072,'
# Epochs: the position runs on.
tokens=$(llm-convert --info --json train.shard | jq .tokens)
ok 'three epochs' train epochs --model llama.json --precision fp32 --epochs 3 --global-batch 64 --seq-length 32
is 'steps of three epochs' "$(jq -rs 'map(select(.event == "step"))[-1].step' epochs.jsonl)" $(((3 * tokens - 1) / 2048))
is 'tokens by source' "$(jq -r '.data.sources[0].tokens' epochs/step-*/manifest.json)" \
    $(((3 * tokens - 1) / 2048 * 2048))
# The cosine schedule: warm-up, then from lr to min-lr.
ok 'a schedule' train cosine --model llama.json --precision fp32 --steps 25 --min-lr 3e-4
jq -r 'select(.event == "step") | "\(.step) \(.lr)"' cosine.jsonl | awk '
    function want(n) { return n <= 5 ? 3e-3 * n / 5 : 3e-4 + 0.5 * (3e-3 - 3e-4) * (1 + cos(3.14159265358979 * (n - 5) / 20)) }
    { d = $2 / want($1) - 1; if (d > 1e-9 || d < -1e-9) { print; bad = 1 } } END { exit bad }' >lr.log
is 'the learning rates' $? 0
