#!/usr/bin/env bash
# --precision fp8-hybrid and schedules: the same bits for ranks, threads, stops and ways to switch; what is recorded.
# timeout: 240
. "$LLM_SRC/tests/lib.sh"
. "$LLM_SRC/tests/cli/train/fixture.bash"
fixture

fp8=(--model llama.json --precision fp8-hybrid --reduce-groups 2 --steps 24)
ok 'one process' train whole "${fp8[@]}" --save-every 9 --keep-last 9
want=$(state_hash whole.jsonl)
losses whole.jsonl >whole.losses
for layout in '1 2' '2 1'; do
    read -r ranks threads <<<"$layout"
    ok "$ranks ranks, $threads threads" train "w-$ranks-$threads" "${fp8[@]}" --ranks "$ranks" --threads "$threads"
    losses "w-$ranks-$threads.jsonl" >got.losses
    same "$ranks ranks, $threads threads: losses" whole.losses got.losses
    is "$ranks ranks, $threads threads: state" "$(state_hash "w-$ranks-$threads.jsonl")" "$want"
    same "$ranks ranks, $threads threads: history" whole/step-00000024/fp8.safetensors "w-$ranks-$threads/step-00000024/fp8.safetensors"
done
ok 'recomputation' train full "${fp8[@]}" --recompute full
is 'recomputation: state' "$(state_hash full.jsonl)" "$want"
ok 'validation' train valid "${fp8[@]}" --valid valid.shard --valid-every 5
is 'validation changes nothing' "$(state_hash valid.jsonl)" "$want"
scored=$(jq -rs 'map(select(.event == "valid"))[-1].loss' valid.jsonl)
llm-eval -q --seq-length 64 --json eval.json valid/step-00000024 valid.shard >eval.out
is 'llm-eval gives the same validation loss' \
    "$(jq -rs --argjson v "$scored" '[.[] | select(.loss)][-1].loss | . - $v | fabs < 1e-12' eval.json)" true

# The history goes on from a checkpoint, on any layout.
mkdir resumed
cp -r whole/step-00000009 resumed/
ok 'resume' llm-train -q --resume resumed --log resumed.jsonl --ranks 2 --threads 1 train.shard
is 'resumed: state' "$(state_hash resumed.jsonl)" "$want"
same 'resumed: history' whole/step-00000024/fp8.safetensors resumed/step-00000024/fp8.safetensors
cp -r whole/step-00000009 lost
python3 - lost <<'P'
import json, os, sys
p = sys.argv[1] + "/fp8.safetensors"
n = int.from_bytes(open(p, "rb").read(8), "little")
header = json.loads(open(p, "rb").read()[8:8 + n])
assert header["scale"]["shape"] == [24] and header["amax_history"]["shape"] == [9, 24], header
data = bytearray(open(p, "rb").read())
data[-1] ^= 1
open(p, "wb").write(data)
P
is 'the file has 2 layers x 4 maps x 3 tensors, 9 steps' $? 0
expect_code 3 llm-train -q --resume lost --save nowhere train.shard
err_like 'a damaged history is found' 'fp8.safetensors: .*checksum'
ok 'the model of such a checkpoint' llm-convert -q whole/step-00000024 hf
ok 'is there' test -e hf/model.safetensors
not_ok 'but not its history' test -e hf/fp8.safetensors

# Schedules.
schedule=(--model llama.json --precision 'bf16,fp8-hybrid@10,bf16@18' --steps 24)
ok 'a schedule' train plan "${schedule[@]}" --save-every 5 --keep-last 9
want=$(state_hash plan.jsonl)
is 'switches are logged' "$(jq -rs 'map(select(.event == "step" and .precision) | "\(.step) \(.precision)") | join(", ")' plan.jsonl)" \
    '11 fp8-hybrid, 19 bf16'
is 'saturation is logged in FP8 only' \
    "$(jq -rs 'map(select(.event == "step" and .fp8_saturated != null).step) | "\(.[0]) \(.[-1])"' plan.jsonl)" '11 18'
is 'and the precision at the start' "$(jq -r 'select(.event == "start") | "\(.precision) \(.precision_schedule)"' plan.jsonl)" \
    'bf16 bf16,fp8-hybrid@10,bf16@18'
is 'the checkpoint says what was in force' \
    "$(for s in 05 10 15 20; do jq -r .training.precision plan/step-000000$s/manifest.json; done | paste -sd' ')" 'bf16 bf16 fp8-hybrid bf16'
for at in 10 15; do
    mkdir "from-$at"
    cp -r "plan/step-000000$at" "from-$at/"
    ok "resume at $at" llm-train -q --resume "from-$at" --log "from-$at.jsonl" --threads 1 train.shard
    is "resumed at $at: state" "$(state_hash "from-$at.jsonl")" "$want"
done
mkdir by-hand
cp -r plan/step-00000010 by-hand/
ok 'the same switch by hand' llm-train -q --resume by-hand --precision fp8-hybrid,bf16@18 --log by-hand.jsonl --threads 1 train.shard
is 'by hand: state' "$(state_hash by-hand.jsonl)" "$want"
ok 'fp32 and bf16' train wide --model llama.json --precision fp32,bf16@4,fp32@8 --steps 12
ok 'fp32 alone' train fp32 --model llama.json --precision fp32 --steps 12
is 'both are fp32 at first' "$(losses wide.jsonl | head -4)" "$(losses fp32.jsonl | head -4)"
ok 'and differ later' test "$(losses wide.jsonl | tail -1)" != "$(losses fp32.jsonl | tail -1)"

# The recipe's options change the run and are recorded.
for change in '--fp8-margin 2' '--fp8-amax-history-len 1' '--fp8-amax-compute-algo most_recent' '--fp8-recipe tensorwise'; do
    read -ra words <<<"$change"
    ok "$change" train changed "${fp8[@]}" "${words[@]}"
    ok "$change: another state" test "$(state_hash changed.jsonl)" != "$(state_hash whole.jsonl)"
    is "$change: recorded" "$(jq -r ".options.\"${words[0]#--}\"" changed/step-00000024/manifest.json)" "${words[1]}"
    rm -rf changed changed.jsonl
done
ok 'a current scale needs no history' train now "${fp8[@]}" --fp8-recipe tensorwise --save-every 9 --keep-last 9
ok 'no file of it' test ! -e now/step-00000024/fp8.safetensors
mkdir now2
cp -r now/step-00000009 now2/
ok 'resume' llm-train -q --resume now2 --log now2.jsonl --ranks 2 --threads 1 train.shard
is 'resumed: state' "$(state_hash now2.jsonl)" "$(state_hash now.jsonl)"

# Cut among tensor-parallel ranks: the scales are those of the whole tensors. A weight's largest magnitude at the
# first step is the same number; activations and gradients are rounded in other places by then.
for layout in '2 --tensor-parallel 2' '2 --tensor-parallel 2 --sequence-parallel' '4 --tensor-parallel 2 --pipeline-parallel 2'; do
    read -ra words <<<"$layout"
    rm -rf cut cut.jsonl
    ok "$layout" train cut "${fp8[@]}" --ranks "${words[@]}"
    python3 - <<'P'
import json, struct
def history(path):
    d = open(path, "rb").read()
    n, = struct.unpack("<Q", d[:8])
    h = {k: v for k, v in json.loads(d[8:8 + n]).items() if "history" in k}
    (a, b), = [v["data_offsets"] for v in h.values()]
    (steps, tensors), = [v["shape"] for v in h.values()]
    return struct.unpack("<%df" % tensors, d[8 + n + a:8 + n + a + 4 * tensors])
one, cut = history("whole/step-00000024/fp8.safetensors"), history("cut/step-00000024/fp8.safetensors")
assert len(one) == len(cut) and one[1::3] == cut[1::3], (one[1::3], cut[1::3])
assert all(abs(a / b - 1) < 0.2 for a, b in zip(one, cut)), [a / b for a, b in zip(one, cut)]
P
    is "$layout: the scales of whole tensors" $? 0
    ok "$layout: losses within 1 % of one process" awk 'NR == FNR { a[FNR] = $2; next }
        ($2 / a[FNR] - 1) ^ 2 > 1e-4 { bad = 1 } END { exit bad || FNR != 24 }' whole.losses <(losses cut.jsonl)
done
expect_code 2 train cut2 "${fp8[@]}" --ranks 2 --tensor-parallel 2 --fp8-recipe tensorwise
err_like 'the tensor in hand is not cut' 'tensorwise does not go with tensor parallelism'

# 200 steps: within 1 % of bf16.
for p in bf16 fp8-hybrid; do
    ok "200 steps of $p" train "long-$p" --model llama.json --precision "$p" --steps 200 --global-batch 4
done
loss() { jq -rs 'map(select(.event == "step").loss)[-20:] | add / 20' "long-$1.jsonl"; }
diag "mean loss of the last 20 of 200 steps: bf16 $(loss bf16), fp8-hybrid $(loss fp8-hybrid)"
ok 'fp8-hybrid is within 1 % of bf16' awk "BEGIN { d = $(loss fp8-hybrid) / $(loss bf16) - 1; exit !(d < 0.01 && d > -0.01) }"

# The plan.
llm-train --plan --model llama.json --global-batch 8 --precision bf16,fp8-hybrid@10 >plan.txt
like 'the plan names the schedule' "$(cat plan.txt)" 'precision  *bf16,fp8-hybrid@10'

# Nonsense.
refused() { # OPTIONS… MESSAGE
    local message=${*: -1}
    expect_code 2 train refused --model llama.json "${@:1:$#-1}"
    err_like "refused: ${*:1:$#-1}" "$message"
}
refused --precision fp8 "'fp8': expected fp32, bf16 or fp8-hybrid"
refused --precision '' "expected fp32, bf16 or fp8-hybrid"
refused --precision bf16, "expected fp32, bf16 or fp8-hybrid"
refused --precision bf16@5 'the first precision begins at once'
refused --precision bf16,fp8-hybrid "needs the step it follows"
refused --precision bf16,fp8-hybrid@0 'expected a number of steps'
refused --precision bf16,fp8-hybrid@x 'expected a number of steps'
refused --precision bf16,fp8-hybrid@9,bf16@9 'steps must ascend'
refused --precision bf16,bf16@9 'bf16 follows bf16'
refused --precision bf16 --fp8-margin 1 '--fp8-margin: --precision bf16 has no fp8-hybrid'
refused --precision fp8-hybrid --fp8-recipe tensorwise --fp8-margin 1 '--fp8-margin: is for --fp8-recipe delayed'
refused --precision fp8-hybrid --fp8-margin 99 'fp8-margin'
refused --precision fp8-hybrid --fp8-amax-history-len 0 'fp8-amax-history-len'
refused --precision fp8-hybrid --fp8-amax-compute-algo mean 'fp8-amax-compute-algo'
