#!/usr/bin/env bash
# --on-spike: a bad step stops the run, is skipped, or is undone back to a checkpoint; --skip replays it to the bit.
. "$LLM_SRC/tests/lib.sh"
. "$LLM_SRC/tests/cli/train/fixture.bash"
fixture

# Good text, then two steps of letters at random, then good text again.
python3 - >odd.jsonl <<'P'
import json
state = 1
def draw(n):
    global state
    state = state * 48271 % 2147483647
    return state % n
print(json.dumps({"text": "".join(chr(33 + draw(90)) for _ in range(1200))}))
P
llm-tokenize -t tok.json -q --format jsonl -o odd.shard odd.jsonl
llm-shuffle -q --seed 3 --split 0.5=second.shard -o first.shard train.shard
before=$(($(llm-convert --info --json first.shard | jq .tokens) / 512))
run() { # OUT OPTIONS…
    local out=$1
    shift
    llm-train -q --tokenizer tok.json --model llama.json --precision fp32 --save "$out" --log "$out.jsonl" \
        --seq-length 64 --global-batch 8 --reduce-groups 2 --lr 3e-3 --warmup 5 --threads 1 --steps $((before + 12)) \
        --save-every 0 "$@" first.shard odd.shard second.shard
}
events() { # EVENT LOG: the ranges of its events
    jq -r "select(.event == \"$1\") | .range" "$2" | paste -sd,
}
watch=(--spike-window 16 --spike-threshold 8)

expect_code 1 run stop "${watch[@]}"
like 'a spike stops the run' "$(cat err)" "step $((before + 1)): (loss|gradient norm) .* is beyond .* of the last 16 steps"
ok 'it is skipped' run skip "${watch[@]}" --on-spike skip
ranges=$(events skip skip.jsonl)
like 'what was skipped is told' "$ranges" "^$((before + 1))-"
first=${ranges%%-*} last=${ranges##*-}
ok '--skip of the same steps' run replay --skip "$first-$last"
is 'gives the same bits' "$(state_hash replay.jsonl | grep -c .) $(jq -rs 'map(select(.event == "step")) | .[-1].loss' skip.jsonl)" \
    "1 $(jq -rs 'map(select(.event == "step")) | .[-1].loss' replay.jsonl)"
is 'and the same state' "$(state_hash skip.jsonl)" "$(state_hash replay.jsonl)"
ok 'on two ranks' run two "${watch[@]}" --on-spike skip --ranks 2
is 'the same state, too' "$(state_hash two.jsonl)" "$(state_hash skip.jsonl)"
ok 'on two stages' run stages "${watch[@]}" --on-spike skip --ranks 2 --pipeline-parallel 2
is 'the same' "$(state_hash stages.jsonl)" "$(state_hash skip.jsonl)"
ok 'with --skip and a watch the window is the same' run both "${watch[@]}" --on-spike skip --skip "$first-$last"
cmp -s skip/step-*/spike.json both/step-*/spike.json
is 'to the byte' $? 0

# A stop behind the spike: list and window come from the checkpoint.
expect_code 1 run part --save-every 1 "${watch[@]}" --on-spike skip --spike-limit 0
like 'the limit is told' "$(cat err)" 'more than 0 bad steps in a row'
ok 'a resume with another limit' llm-train -q --resume part --log part.jsonl --spike-limit 3 first.shard odd.shard second.shard
is 'skips the same steps' "$(events skip part.jsonl)" "$ranges"
is 'and reaches the same state' "$(state_hash part.jsonl)" "$(state_hash skip.jsonl)"

# Back to the checkpoint three steps before.
every=$((before - 2))
ok 'a rewind' run rewind "${watch[@]}" --on-spike rewind --save-every $every
undone=$(events rewind rewind.jsonl)
like 'from the checkpoint on' "$undone" "^$((every + 1))-$((before + 1))"
ok '--skip of the steps undone' run undone --skip "$(jq -r 'select(.event == "rewind") | .range' rewind.jsonl | paste -sd,)"
is 'gives the same bits' "$(state_hash undone.jsonl)" "$(state_hash rewind.jsonl)"
# shellcheck disable=SC2016
ok 'from a pipe, on two ranks' sh -c 'cat first.shard odd.shard second.shard | llm-train -q --ranks 2 --tokenizer tok.json --model llama.json \
    --precision fp32 --save piped --log piped.jsonl --seq-length 64 --global-batch 8 --reduce-groups 2 --lr 3e-3 --warmup 5 --steps "$1" \
    --spike-window 16 --spike-threshold 8 --on-spike rewind --save-every "$2" -' _ $((before + 12)) $every
is 'the same' "$(state_hash piped.jsonl)" "$(state_hash rewind.jsonl)"

newest=$(printf '%s\n' piped/step-*/manifest.json | tail -n 1)
range="$((every + 1))-$(events rewind piped.jsonl | sed 's/.*-//')"
is 'the option in the record is one range' "$(jq -r '[.. | objects | select(has("skip")) | .skip] | last' "$newest")" "$range"
is 'as is the list of skipped steps' "$(jq -r '.skipped[] | "\(.first)-\(.last) \(.why)"' "$newest")" "$range --on-spike rewind"

# A learning rate and a decay that make huge weights: NaN, which no policy can help.
nan() { # OUT OPTIONS…
    run "$@" --lr 1e6 --weight-decay 1000 --warmup 0 --clip 0
}
expect_code 1 nan nan
like 'NaN stops a run' "$(cat err)" 'step 2: loss .*nan'
expect_code 1 nan nan-saved --save-every 1
ok 'what was being saved then is finished' [ -e nan-saved/step-00000001/manifest.json ]
expect_code 1 nan nan-skip --on-spike skip --spike-limit 2
like 'skipping NaN has an end' "$(cat err)" 'step 4: .* more than 2 bad steps in a row'
is 'two were skipped' "$(events skip nan-skip.jsonl)" '2-2,3-3'
expect_code 1 nan nan-rewind --on-spike rewind
like 'a rewind needs a checkpoint' "$(cat err)" 'no checkpoint to rewind to'
expect_code 2 llm-train --model llama.json --on-spike rewind --global-batch 8 --lr 1 train.shard
err_like 'and --save' '--on-spike rewind needs checkpoints'
