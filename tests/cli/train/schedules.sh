#!/usr/bin/env bash
# Every schedule with its lengths in steps and in tokens, against formulas written down again here; what does not
# depend on the run's length.
. "$LLM_SRC/tests/lib.sh"
. "$LLM_SRC/tests/cli/train/fixture.bash"
fixture

# rates OUT OPTIONS…: steps of 256 tokens, 30 of them
rates() {
    local out=$1
    shift
    rm -f "$out.jsonl"
    llm-train -q --model llama.json --log "$out.jsonl" --seq-length 64 --global-batch 4 --lr 1e-2 --min-lr 1e-3 --threads 1 "$@" train.shard &&
        jq -r 'select(.event == "step") | .lr' "$out.jsonl" >"$out"
}
# close A B: as many lines, equal to 1e-12
close() {
    paste "$1" "$2" | awk 'NF != 2 || ($1 - $2) ^ 2 > 1e-24 { bad = 1; print NR, $0 } END { exit bad || NR == 0 }'
}
want() { # KIND WARMUP DECAY-BEGIN DECAY SHAPE
    python3 - "$@" <<'P'
import math, sys
kind, warmup, begin, decay, shape = sys.argv[1], *map(float, sys.argv[2:5]), sys.argv[5]
left = {"cosine": lambda x: 0.5 * (1 + math.cos(math.pi * x)), "linear": lambda x: 1 - x,
        "1-sqrt": lambda x: 1 - math.sqrt(x), "constant": lambda x: 1}[shape]
for step in range(1, 31):
    if step <= warmup:
        print(1e-2 * step / warmup)
    else:
        x = min(max((step - begin) / decay, 0), 1)
        print(1e-3 + 9e-3 * left(x))
P
}
# both NAME WANT LENGTHS-IN-STEPS LENGTHS-IN-TOKENS OPTIONS…
both() {
    local name=$1 expected=$2 steps=$3 tokens=$4
    shift 4
    # shellcheck disable=SC2086 # several words
    want $expected >want
    # shellcheck disable=SC2086
    ok "$name, in steps" rates steps $steps "$@"
    ok "$name: the formula" close steps want
    # shellcheck disable=SC2086
    ok "$name, in tokens" rates tokens $tokens "$@"
    ok "$name: the same rates" close tokens want
}
run='--steps 30'
both 'cosine to the end' 'cosine 6 6 24 cosine' "--warmup 6 $run" "--warmup 1536tok --tokens 7680"
both 'cosine, 15 steps of decay' 'cosine 6 6 15 cosine' "--warmup 6 --decay 15 $run" "--warmup 1536tok --decay 3840tok $run"
both 'cosine beyond the run' 'cosine 6 6 100 cosine' "--warmup 6 --decay 100 $run" "--warmup 1536tok --decay 25600tok $run"
both 'linear' 'linear 4 4 20 linear' "--warmup 4 --decay 20 $run" "--warmup 1024tok --decay 5120tok $run" --schedule linear
both 'constant' 'constant 5 5 1 constant' "--warmup 5 $run" "--warmup 1280tok $run" --schedule constant
both 'wsd, linear' 'wsd 5 20 10 linear' "--warmup 5 --decay 10 $run" "--warmup 1280tok --decay 2560tok --tokens 7680" --schedule wsd
both 'wsd, cosine' 'wsd 5 20 10 cosine' "--warmup 5 --decay 10 $run" "--warmup 1280tok --decay 2560tok $run" --schedule wsd \
    --wsd-decay-style cosine
both 'wsd, 1-sqrt' 'wsd 5 20 10 1-sqrt' "--warmup 5 --decay 10 $run" "--warmup 5 --decay 2560tok $run" --schedule wsd --wsd-decay-style 1-sqrt
want wsd 2.5 2.5 11.5 linear >want
ok 'a part of a step' rates odd --warmup 640tok --decay 2944tok $run --schedule linear
ok 'counts as such' close odd want

# Independent of the run's length: the first 12 steps of a shorter run are those of the longer one.
for schedule in cosine linear constant; do
    ok "$schedule, 30 steps" rates long --warmup 3 --decay 20 --schedule $schedule --steps 30
    ok "$schedule, 12 steps" rates short --warmup 3 --decay 20 --schedule $schedule --steps 12
    head -n 12 long >long.12
    same "$schedule: the same rates" short long.12
done
