#!/usr/bin/env bash
# --ramp-batch: the sizes of Megatron-LM's rule, the same bits for every layout, resumed within it, from files and a pipe.
# timeout: 240
. "$LLM_SRC/tests/lib.sh"
. "$LLM_SRC/tests/cli/train/fixture.bash"
fixture

options=(-q --tokenizer tok.json --model gpt2.json --seq-length 64 --lr 3e-3 --schedule constant --precision fp32 --threads 1
    --micro-batch 1 --global-batch 16 --reduce-groups 2 --save-every 0 --ramp-batch 4:4:6000)
# ramp OUT INPUT OPTIONS…
ramp() {
    local out=$1 input=$2
    shift 2
    llm-train "${options[@]}" --save "$out" --log "$out.jsonl" "$@" "$input"
}
ok 'one process' ramp one train.shard --warmup 3000tok --steps 24
losses one.jsonl >one.losses

# Megatron-LM's RampupBatchsizeNumMicroBatchesCalculator: increments = (global - start) / increment; each lasts
# ramp / increments; behind the ramp the global size. Counted in tokens of sequences of 64.
python3 - >want <<'P'
start, increment, batch, ramp, consumed = 4, 4, 16, 6000, 0
each = ramp / ((batch - start) / increment)
for step in range(1, 25):
    size = batch if consumed > ramp else min(batch, start + int(consumed / each) * increment)
    consumed += size * 64
    print(step, size, consumed, "%.12g" % (3e-3 * min(1, consumed / 3000)))
P
jq -r 'select(.event == "step") | [.step, .global_batch, .tokens, .lr] | join(" ")' one.jsonl |
    awk '{ printf "%s %s %s %.12g\n", $1, $2, $3, $4 }' >got
same 'sizes, positions and the rate of a warm-up in tokens' want got
is "all sizes" "$(cut -d" " -f2 got | sort -nu | xargs)" "4 8 12 16"

for layout in '--ranks 2 --zero 0' '--ranks 2 --zero 3' '--ranks 2 --pipeline-parallel 2 --pipeline-schedule zero-bubble'; do
    # shellcheck disable=SC2086 # several words
    ok "$layout" ramp other train.shard --warmup 3000tok --steps 24 $layout
    losses other.jsonl >other.losses
    same "$layout: losses" one.losses other.losses
    is "$layout: state" "$(state_hash other.jsonl)" "$(state_hash one.jsonl)"
    rm -rf other other.jsonl
done
ok 'from a pipe on two ranks' ramp piped - --warmup 3000tok --steps 24 --ranks 2 <train.shard
is 'the same state' "$(state_hash piped.jsonl)" "$(state_hash one.jsonl)"

# Resumed within the ramp, twice, on other ranks; the record of the ramp is the checkpoint's.
ok 'a first part' ramp part train.shard --warmup 3000tok --steps 7
ok 'a second one' llm-train -q --resume part --log part.jsonl --ranks 2 --steps 13 train.shard
ok 'the rest' llm-train -q --resume part --log part.jsonl --threads 1 --steps 24 train.shard
losses part.jsonl >part.losses
same 'resumed: losses' one.losses part.losses
is 'resumed: state' "$(state_hash part.jsonl)" "$(state_hash one.jsonl)"

# Lengths in tokens are tokens: the fewest steps that reach them; the data's end is where no whole step is left.
ok 'a length in tokens' ramp tokens train.shard --tokens 5k
is 'ends behind it' "$(jq -r 'select(.event == "step") | .tokens' tokens.jsonl | tail -n 1)" \
    "$(awk '$3 >= 5000 { print $3; exit }' want)"
ok 'wsd, its decay in tokens' ramp wsd train.shard --schedule wsd --decay 4096tok --steps 24 --min-lr 0
decay=$(jq -r 'select(.event == "step") | [.tokens, .lr] | @tsv' wsd.jsonl | awk -v end="$(awk 'END { print $3 }' want)" '
    { left = (end - $1) / 4096; want = 3e-3 * (left < 1 ? left : 1); d = $2 - want; if (d < 0) d = -d; if (d > most) most = d }
    END { print (most < 1e-12 ? "right" : most) }')
is 'its rates' "$decay" right
ok 'a branch in tokens' llm-train -q --branch one --decay 3000tok --save branch --log branch.jsonl train.shard
is 'ends behind them' "$(jq -r 'select(.event == "step") | .step' branch.jsonl | tail -n 1)" 27

# What cannot be.
expect_code 2 ramp bad train.shard --steps 1 --ramp-batch 3:4:6000
err_like 'no way to the batch' 'do not meet --global-batch 16: nearest are 15 and 19'
expect_code 2 ramp bad train.shard --steps 1 --ramp-batch 7:3:6000
err_like 'no multiple of groups' 'start 7 is not a multiple of reduce groups × micro-batch \(2\): nearest are 6 and 8'
expect_code 2 ramp bad train.shard --steps 1 --ramp-batch 4:4
err_like 'a missing part' 'expected START:INCREMENT:TOKENS'
like 'the plan tells' "$(llm-train "${options[@]}" --plan)" 'from 4 sequences by 4 to 16, whole behind step 1[0-9]'
