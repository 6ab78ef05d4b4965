#!/usr/bin/env bash
# --health-every: figures of every group of tensors; the same for all layouts; what they warn of.
# timeout: 240
. "$LLM_SRC/tests/lib.sh"
. "$LLM_SRC/tests/cli/train/fixture.bash"
. "$LLM_SRC/tests/cli/train/layouts.bash"
fixture
make_layout_models

# A few steps of a small model: short NAME OPTIONS…
short() {
    local out=$1
    shift
    train "$out" --model llama.json --precision fp32 --seq-length 32 --steps 3 "$@" 2>"$out.err"
}

# Members of the events of a log, one event a line: health LOG FILTER
health() {
    jq -rc "select(.event == \"tensor_health\") | $2" "$1.jsonl"
}

# ---- when, and what ----

ok 'every second step' short run --health-every 2 --save-every 2 --keep-last 9 --steps 4
is 'an event at the first step and at each second one' "$(health run .step | xargs)" '1 2 4'
is 'the groups of a layer' "$(health run '[.groups[] | select(.layer == 1).kind] | join(" ")' | uniq)" \
    'norm qkv output up down'
is 'the others' "$(health run '[.groups[] | select(.layer == null).kind] | join(" ")' | uniq)" 'embedding norm'
is 'elements are the parameters' "$(health run .elements | uniq)" \
    "$(jq 'select(.event == "plan").parameters' run.jsonl)"
is 'each element is in one group' "$(health run '([.groups[].elements] | add) == .elements' | uniq)" true
is "the gradient's norm is the step's" "$(health run '[.step, .grad_norm] | @tsv')" \
    "$(losses run.jsonl | awk '$1 != 3 { print $1 "\t" $3 }')"
for norm in grad_norm weight_norm; do
    is "$norm of the groups makes that of all" \
        "$(health run "(([.groups[].$norm | . * .] | add | sqrt) / .$norm - 1 | fabs) < 1e-12" | uniq)" true
done
is 'only qkv has a logit' "$(health run '[.groups[] | select(.max_logit).kind] | unique | join(" ")' | uniq)" qkv
is 'the largest logit is that of a layer' \
    "$(health run '([.groups[] | select(.kind == "qkv").max_logit] | max) == .max_logit' | uniq)" true
is 'a quiet run warns of nothing' "$(cat run.err)" ''

ok 'no health' short none --health-every 0 --steps 4
is 'then no event' "$(health none .step)" ''
losses run.jsonl >run.losses
losses none.jsonl >none.losses
same 'the same losses' run.losses none.losses
is 'the same state' "$(state_hash none.jsonl)" "$(state_hash run.jsonl)"

rm -rf run/step-*4
ok 'resumed' llm-train -q --resume run --log again.jsonl --threads 1 train.shard
is 'a resumed run begins with an event' "$(health again .step | xargs)" '3 4'
is 'which has the bits it had' "$(health again 'select(.step == 4)')" "$(health run 'select(.step == 4)')"

ok 'some tensors frozen' short frozen --freeze 'layers.0.*' --steps 1
is 'have no norms' "$(health frozen '[.groups[] | select(.grad_norm == null) | "\(.kind) \(.layer)"] | join(", ")')" \
    'norm 0, qkv 0, output 0, up 0, down 0'
is 'but a logit' "$(health frozen '.groups[] | select(.kind == "qkv") | .max_logit > 0' | xargs)" 'true true'

ok 'learned positions, tied' short gpt2 --model gpt2.json --steps 1
is 'stand beside the embedding' "$(health gpt2 '.groups[] | select(.kind == "embedding").elements')" $(((400 + 64) * 32))

# ---- layouts ----

steps=2 batch=4
layout() { # OUT MODEL OPTIONS…
    local out=$1 model=$2
    shift 2
    run_layout "$out" --model "$model.json" --seq-length 32 --health-every 1 --steps 2 --precision fp32 "$@"
}
# The largest relative difference of any number in the events at the first step. In that step AdamW's update
# is almost the gradient's sign: an element near 0 turns on its last bit, so update_ratio may differ ten times as much.
difference() { # LOG LOG
    python3 - "$1" "$2" <<'P'
import json, sys
def numbers(x, key=None):
    if isinstance(x, dict):
        return [n for k in sorted(x) for n in numbers(x[k], k)]
    if isinstance(x, list):
        return [n for y in x for n in numbers(y)]
    return [(x, 0.1 if key == "update_ratio" else 1)] if isinstance(x, (int, float)) else []
a, b = ([numbers(e) for e in map(json.loads, open(f)) if e["event"] == "tensor_health"][0] for f in sys.argv[1:])
print("none" if len(a) != len(b) or len(a) < 50 else
      max(abs(x - y) / max(abs(x), abs(y), 1e-30) * part for (x, part), (y, _) in zip(a, b)))
P
}

for model in llama-gqa moe; do
    ok "$model: one process" layout one-$model $model --ranks 1
    health one-$model . >one-$model.health
done
is 'steps take no memory for it' "$(jq 'select(.event == "memory").step_allocations' one-llama-gqa.jsonl)" 0
is 'two events' "$(wc -l <one-llama-gqa.health)" 2
is 'groups of a layer with experts' \
    "$(health one-moe '[.groups[] | select(.layer == 7).kind] | join(" ")' | uniq)" 'norm qkv output router experts'
for name in DP2 'DP4 ZeRO-3' 'PP2'; do
    # shellcheck disable=SC2046 # several words
    ok "$name" layout other llama-gqa $(layout_options "$name")
    health other . >other.health
    same "$name: the same bits" one-llama-gqa.health other.health
    rm -rf other other.jsonl
done
ok 'DP2, two threads, mixture of experts' layout other moe --ranks 2 --threads 2
health other . >other.health
same 'two threads, mixture of experts: the same bits' one-moe.health other.health
for name in 'llama-gqa|TP2 SP' 'llama-gqa|CP2' 'moe|EP2'; do
    rm -rf other other.jsonl
    # shellcheck disable=SC2046
    ok "$name" layout other "${name%|*}" $(layout_options "${name#*|}")
    d=$(difference "one-${name%|*}.jsonl" other.jsonl)
    ok "$name: within 1e-6 ($d)" within "$d" 1e-6
done

# ---- what goes wrong ----

# LLM-jp-3 172B's eps: gradients of a large model were below it. Here the loss is scaled down instead: by
# clipping, which comes before AdamW.
for eps in 1e-8 1e-5; do
    ok "eps $eps" short "eps-$eps" --eps $eps --clip 1e-3 --health-every 1
done
ok 'an eps of 1e-5 hides most elements' \
    test "$(health eps-1e-5 '.eps_share > 0.8' | uniq)" = true -a "$(health eps-1e-8 '.eps_share < 0.02' | uniq)" = true
is 'it is said once' "$(grep -c 'eps 1e-05 is larger' eps-1e-5.err)" 1
is 'and not of a good one' "$(cat eps-1e-8.err)" ''

ok 'large weights' short large --init-std 4 --health-every 1
is 'large logits are said once' "$(grep -c 'largest attention logit of layer' large.err)" 1

# Gradients of 1e-20: their squares lie below the normal numbers, and must be flushed by all threads of all ranks.
ok 'tiny weights' short tiny --init-std 1e-20 --health-every 1 --ranks 2 --threads 2 --zero 1
is 'no denormal is left' "$(health tiny '.denormal_gradients + .denormal_moments' | uniq)" 0
ok 'they are zero' test "$(health tiny '.zero_share > 0.2' | tail -1)" = true

fp8() { # OUT OPTIONS…
    local out=$1
    shift
    short "$out" --precision fp8-hybrid --fp8-amax-history-len 1 --health-every 1 --zero 0 --ranks 2 --reduce-groups 2 "$@"
}
ok 'FP8' fp8 fp8
is 'saturated operands by group' \
    "$(health fp8 '[.groups[] | (.saturated_inputs // 0) + (.saturated_gradients // 0)] | add' | xargs)" \
    "$(jq 'select(.event == "step").fp8_saturated' fp8.jsonl | xargs)"
for what in inputs weights gradients; do
    ok "there are $what" test "$(health fp8 ".saturated_$what" | tail -1)" -gt 0
    is "$what of the groups make those of all" \
        "$(health fp8 "([.groups[].saturated_$what // 0] | add) == .saturated_$what" | uniq)" true
done
# What tensor ranks hold in common counts once: about as many as above, not once and a half times.
ok 'FP8 among tensor ranks' fp8 fp8-tensor --tensor-parallel 2
saturated() {
    health "$1" '.saturated_inputs + .saturated_weights + .saturated_gradients' | awk '{ n += $1 } END { print n }'
}
ok "as many saturate ($(saturated fp8-tensor), $(saturated fp8))" \
    awk -v a="$(saturated fp8-tensor)" -v b="$(saturated fp8)" 'BEGIN { exit !(a > 0.85 * b && a < 1.15 * b) }'
