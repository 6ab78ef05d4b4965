#!/usr/bin/env bash
# Equal --reduce-groups: the same bits for 1, 2 and 4 ranks, 1 and 2 threads.
# timeout: 240
. "$LLM_SRC/tests/lib.sh"
. "$LLM_SRC/tests/cli/train/fixture.bash"
fixture

# layouts NAME CONFIG OPTIONS…: one process against other ranks and threads
layouts() {
    local name=$1 config=$2 layout ranks threads
    shift 2
    ok "$name: one process" train "$name" --model "$config" --reduce-groups 4 --threads 1 "$@"
    losses "$name.jsonl" >"$name.losses"
    is "$name: 20 steps" "$(wc -l <"$name.losses")" 20
    for layout in '1 2' '2 1' '4 1' '3 1'; do
        read -r ranks threads <<<"$layout"
        ok "$name: $ranks ranks, $threads threads" \
            train "$name-$ranks-$threads" --model "$config" --reduce-groups 4 --ranks "$ranks" --threads "$threads" "$@"
        losses "$name-$ranks-$threads.jsonl" >got.losses
        same "$name: $ranks ranks, $threads threads: losses" "$name.losses" got.losses
        is "$name: $ranks ranks, $threads threads: state" "$(state_hash "$name-$ranks-$threads.jsonl")" \
            "$(state_hash "$name.jsonl")"
        rm -rf "$name-$ranks-$threads"
    done
}

layouts llama-fp32 llama.json --precision fp32 --steps 20
layouts llama-bf16 llama.json --precision bf16 --steps 20
layouts gpt2-fp32 gpt2.json --precision fp32 --steps 20 --micro-batch 2

ok 'the files are the same as well' train again --model llama.json --reduce-groups 4 --ranks 2 --precision fp32 --steps 20
# All but the layout, which the manifest tells, and its own hash.
sums() {
    (cd "$1" && find . -type f ! -name manifest.json -exec md5sum {} + | sort
        jq 'del(.manifest_hash) | walk(if type == "object" then del(.layout) else . end)' step-*/manifest.json)
}
sums llama-fp32 >one.sums
sums again >two.sums
same 'checkpoint files' one.sums two.sums
losses llama-fp32.jsonl | awk 'NR == 1 { a = $2 } END { exit !($2 < a - 0.5) }'
is 'the loss falls' $? 0
