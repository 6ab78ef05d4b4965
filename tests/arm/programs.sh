#!/usr/bin/env bash
# The programs for aarch64 beside those of this machine: the same ids, shards and converted
# files; the same losses within FP32's bound; the same bits with vectors of 512 and 128 bits.
# timeout: 580
. "$LLM_SRC/tests/lib.sh"
. "$LLM_SRC/tests/arm/lib.bash"
. "$LLM_SRC/tests/cli/train/fixture.bash"

[ -z "${LLM_ARM_KERNELS-}" ] || skip_all 'no arm64 libraries here: kernels alone'
fixture

arm() { # BITS TOOL ARGUMENTS…
    local bits=$1 tool=$2
    shift 2
    emulated "$bits" "$LLM_ARM_BIN/$tool" "$@"
}

for bits in 512 128; do
    is "llm-train picks SVE, vectors: $bits" \
        "$(arm $bits llm-train --version | sed -n 's/^kernels  *//p')" sve
done
is 'llm-train picks plain C without SVE' "$(arm none llm-train --version | sed -n 's/^kernels  *//p')" ref

# ---- text to a shard ----
head -n 40 text.jsonl >some.jsonl
ok 'a tokenizer is trained' arm 512 llm-tokenize --train bpe --vocab-size 400 -q -o arm.json --format jsonl text.jsonl
same 'it is the one trained here' tok.json arm.json
ok 'a Unigram, too' arm 512 llm-tokenize --train unigram --vocab-size 400 -q -o arm-uni.json --format jsonl some.jsonl
ok 'trained here' llm-tokenize --train unigram --vocab-size 400 -q -o uni.json --format jsonl some.jsonl
same 'and is the same' uni.json arm-uni.json
ok 'text is encoded' arm 512 llm-tokenize -t tok.json -q --source code --format jsonl -o arm.shard text.jsonl
same 'to the same shard' all.shard arm.shard
ok 'it is shuffled and split' arm 512 llm-shuffle -q --seed 7 --split 0.1=arm-valid.shard -o arm-train.shard all.shard
same 'alike: the larger part' train.shard arm-train.shard
same 'alike: the smaller part' valid.shard arm-valid.shard

# ---- training ----
run() { # OUT COMMAND… with llm-train's options
    local out=$1
    shift
    "$@" -q --tokenizer tok.json --save "$out" --log "$out.jsonl" --seq-length 48 --global-batch 2 \
        --lr 3e-3 --warmup 2 --save-every 0 --threads 1 --steps 6 train.shard
}

# near BOUND HERE THERE: losses and norms of two logs, relative difference
near() {
    paste <(losses "$2") <(losses "$3") | awk -v bound="$1" '
        function far(a, b) { d = a > b ? a - b : b - a; return d / a }
        { l = far($2, $5); n = far($3, $6); worst = l > worst ? l : worst; norm = n > norm ? n : norm }
        END { printf "%d steps, losses differ by %.1e, norms by %.1e\n", NR, worst, norm
              exit !(NR == 6 && worst <= bound) }'
}

# compare NAME BOUND OPTIONS…
compare() {
    local name=$1 bound=$2
    shift 2
    ok "$name: 6 steps here" run "$name" llm-train "$@"
    ok "$name: vectors of 512 bits" run "$name-512" arm 512 llm-train "$@"
    ok "$name: vectors of 128 bits" run "$name-128" arm 128 llm-train "$@"
    losses "$name-512.jsonl" >512.losses
    losses "$name-128.jsonl" >128.losses
    same "$name: the same losses and norms with both" 512.losses 128.losses
    is "$name: the same state with both" "$(state_hash "$name-512.jsonl")" "$(state_hash "$name-128.jsonl")"
    ok "$name: near those of this machine ($(near "$bound" "$name.jsonl" "$name-512.jsonl"))" \
        near "$bound" "$name.jsonl" "$name-512.jsonl"
}

# fp32: tighter than the bound of the loss curves; bf16 rounds every activation.
compare llama-fp32 1e-5 --model llama.json --precision fp32
compare llama-bf16 5e-3 --model llama.json --precision bf16
compare gpt2-fp32 1e-5 --model gpt2.json --precision fp32
expect_code 1 run ranks arm 512 llm-train --model llama.json --ranks 2
err_like '--ranks 2 is refused' 'built without MPI'

# ---- the checkpoint ----
ok 'the checkpoint is converted' arm 512 llm-convert -q llama-fp32 arm-hf
ok 'here as well' llm-convert -q llama-fp32 hf
ok 'to the same files' diff -r hf arm-hf
evaluate() { # OUT COMMAND…
    local out=$1
    shift
    "$@" --json "$out" llama-fp32 valid.shard
}
ok 'the loss of a text, here' evaluate here.json llm-eval
ok 'and there' evaluate there.json arm 512 llm-eval
is 'agrees to 1e-5' "$(jq -s '[.[] | select(.source == "all") | .loss] | length == 2 and ((.[0] - .[1]) | fabs) < 1e-5 * .[0]' here.json there.json)" true
ok 'a text is written' arm 128 llm-eval --generate 'The' --max-new 20 llama-fp32
