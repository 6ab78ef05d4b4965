#!/usr/bin/env bash
# Every layout against one process: the same bits (steps 1 to 4 on one layout, 5 to 8 on the next one), or losses
# within 1e-5. Llama with grouped queries on all layouts, GPT-2 (tied) and experts on three each.
# The whole tables: tests/long/layouts.sh. timeout: 600
. "$LLM_SRC/tests/lib.sh"
. "$LLM_SRC/tests/cli/train/fixture.bash"
. "$LLM_SRC/tests/cli/train/layouts.bash"
fixture
make_layout_models
steps=8

one_process() { # MODEL
    ok "$1: one process" run_layout "$1-one" --model "$1.json" --precision fp32 --steps $steps
    bits_of "$1-one" >"$1.want"
    is "$1: its steps, validations and state" "$(wc -l <"$1.want")" $((steps + 3))
}

# Each layout from scratch, then the next one from its checkpoint.
same_bits() { # MODEL LAYOUT…
    local model=$1 first second out
    shift
    for first in "$@"; do
        second=${2:-$last}
        out=$model-${first// /-}
        ok "$model: $first, then $second" run_halves "$out" "$(layout_options "$first")" \
            "$(layout_options "$second")" --model "$model.json" --precision fp32
        bits_of "$out" >"$out.got"
        same "$model: $first, then $second: the bits of one process" "$out.got" "$model.want"
        rm -rf "$out"
        shift
    done
}

near_loss() { # MODEL LAYOUT…
    local model=$1 name out difference
    shift
    for name in "$@"; do
        out=$model-${name// /-}
        # shellcheck disable=SC2046 # several words
        ok "$model: $name" run_layout "$out" $(layout_options "$name") --model "$model.json" --precision fp32 --steps $steps
        difference=$(loss_difference "$out.jsonl" "$model-one.jsonl")
        ok "$model: $name: losses within 1e-5 ($difference)" within "$difference" 1e-5
        rm -rf "$out"
    done
}

one_process llama-gqa
last=DP3
same_bits llama-gqa DP2 'PP4 interleaved' 'DP4 ZeRO-3' PP2 'DP4 ZeRO-2' 'PP4 zero-bubble' 'DP4 ZeRO-1' 'DP2 PP2' DP4 DP3
ok 'llama-gqa: 4 ranks, then 3, 1 and 4' run_elastic elastic --model llama-gqa.json --precision fp32
bits_of elastic >elastic.got
same 'llama-gqa: 4 ranks, then 3, 1 and 4: the bits of one process' elastic.got llama-gqa.want
near_loss llama-gqa TP2 TP4 'TP2 SP' CP2 CP4 'TP2 PP2 DP2'
one_process gpt2-tied
last='DP4 ZeRO-3'
same_bits gpt2-tied 'PP4 interleaved' 'DP2 PP2' 'DP4 ZeRO-3'
one_process moe
last=DP3
same_bits moe 'DP2 PP2' DP3
near_loss moe EP2
