#!/usr/bin/env bash
# A stop and a resume change nothing: SIGTERM, the time limit, from files and from a pipe that is fed again.
# timeout: 240
. "$LLM_SRC/tests/lib.sh"
. "$LLM_SRC/tests/cli/train/fixture.bash"
fixture

steps=(--model llama.json --precision fp32 --steps 40 --save-every 7)
ok 'an unbroken run' train whole "${steps[@]}"
want=$(state_hash whole.jsonl)

# Stops a run by SIGTERM once it has made a few steps, then goes on.
stop_and_resume() { # NAME RANKS
    local name=$1 ranks=$2 status
    llm-train -q --tokenizer tok.json --save "$name" --log "$name.jsonl" --seq-length 64 --global-batch 8 --lr 3e-3 \
        --warmup 5 "${steps[@]}" --ranks "$ranks" train.shard &
    local pid=$!
    for _ in $(seq 100); do
        [ "$(grep -c '"event":"step"' "$name.jsonl" 2>>noise)" -ge 3 ] && break
        sleep 0.05
    done
    kill -TERM "$pid"
    wait "$pid"
    status=$?
    # On a fast machine the run may be over before the signal comes.
    if [ "$status" -ne 0 ]; then
        is "$name: exit status" "$status" 75
        is "$name: last event" "$(jq -rs '.[-1] | "\(.event) \(.status)"' "$name.jsonl")" 'end 75'
        ok "$name: resume" llm-train -q --resume "$name" --log "$name.jsonl" train.shard
    fi
    is "$name: state" "$(state_hash "$name.jsonl")" "$want"
    losses whole.jsonl >whole.losses
    losses "$name.jsonl" >"$name.losses"
    same "$name: losses" whole.losses "$name.losses"
}
stop_and_resume stopped 1

expect_code 75 train limited "${steps[@]}" --time-limit 0.05s
ok 'resume behind a time limit' llm-train -q --resume limited --log limited.jsonl --time-limit 1h train.shard
is 'time limit: state' "$(state_hash limited.jsonl)" "$want"

# From a pipe, fed again from the start.
piped() { # OUT OPTIONS…
    local out=$1
    shift
    llm-train -q --tokenizer tok.json --save "$out" --log "$out.jsonl" --seq-length 64 --global-batch 8 --lr 3e-3 \
        --warmup 5 "$@" - <train.shard
}
ok 'a pipe' piped pipe "${steps[@]}"
is 'a pipe: state' "$(state_hash pipe.jsonl)" "$want"
expect_code 75 piped pipe-limited "${steps[@]}" --time-limit 0.05s
resume_pipe() { # DIR SHARD
    cat "$2" | llm-train -q --resume "$1" --log "$1.jsonl" --time-limit 1h -
}
ok 'a pipe fed again' resume_pipe pipe-limited train.shard
is 'a pipe fed again: state' "$(state_hash pipe-limited.jsonl)" "$want"

# Other data is refused.
llm-shuffle -q --seed 8 -o other.shard train.shard
expect_code 75 train wrong "${steps[@]}" --time-limit 0.05s
expect_code 3 llm-train -q --resume wrong other.shard
err_like 'other data is named' 'other.shard: is not the data this run was trained on'

# Options come from the checkpoint; what the command line changes is told.
llm-train --resume wrong --steps 12 --lr 1e-3 --log wrong.jsonl train.shard 2>told
is 'more options' $? 0
like 'a changed option is printed' "$(cat told)" '--lr .*0?\.?001.* \(was '
is 'history is recorded' "$(jq '.history | length' wrong/step-*12/manifest.json)" 2

# One command line for a job that is requeued.
requeue() {
    llm-train -q --model llama.json --tokenizer tok.json --resume job --log job.jsonl --seq-length 64 --global-batch 8 \
        --lr 3e-3 --warmup 5 --precision fp32 --steps 40 --save-every 7 "$@" train.shard
}
expect_code 75 requeue --time-limit 0.05s
ok 'the same command again' requeue
is 'requeued: state' "$(state_hash job.jsonl)" "$want"

# A damaged newest checkpoint is named; the one before is used.
newest=$(ls -d whole/step-* | tail -n 1)
printf 'x' | dd of="$(ls "$newest"/weights-*)" bs=1 seek=5000 conv=notrunc 2>>noise
llm-train --resume whole --log whole.jsonl train.shard 2>told
is 'goes on behind damage' $? 0
like 'damage is named' "$(cat told)" 'whole/step-00000040.*damaged'
is 'and reaches the same state' "$(state_hash whole.jsonl)" "$want"

# A signal to the whole pipe takes the feeder away as well: its missing tail is a stop, not corruption.
for _ in 1 2 3 4; do cat text.jsonl; done >long.jsonl
llm-tokenize -q -t tok.json --format jsonl -o long.shard long.jsonl
feed_slowly() {
    head -c $(($(wc -c <long.shard) * 4 / 5)) long.shard
    sleep 60
}
export -f feed_slowly
setsid bash -c 'feed_slowly | llm-train -q --tokenizer tok.json --save group --log group.jsonl --seq-length 64 \
    --global-batch 64 --micro-batch 16 --threads 1 --lr 3e-3 --warmup 5 --model llama.json --precision fp32 --steps 4000 --save-every 7 \
    --schedule constant -; echo ${PIPESTATUS[1]} >group.status' 2>group.err &
pid=$!
for _ in $(seq 100); do
    grep -q '"event":"step"' group.jsonl 2>>noise && break
    sleep 0.1
done
sleep 0.5
pkill -TERM -g "$pid" 'sleep|llm-train'
wait "$pid"
is 'a signal to the pipe: exit status' "$(cat group.status)" 75
is 'a signal to the pipe: last event' "$(jq -rs '.[-1] | "\(.event) \(.status)"' group.jsonl)" 'end 75'
done_steps=$(jq -rs 'map(select(.event == "step"))[-1].step' group.jsonl)
ok 'a signal to the pipe: the same data goes on' llm-train -q --resume group --log group.jsonl --steps $((done_steps + 2)) long.shard

# A signal to the trainer alone, while its feeder stalls.
setsid bash -c 'feed_slowly | llm-train -q --tokenizer tok.json --save stalled --log stalled.jsonl --seq-length 64 \
    --global-batch 64 --micro-batch 16 --threads 1 --lr 3e-3 --warmup 5 --model llama.json --precision fp32 --steps 4000 --save-every 0 \
    --schedule constant -; echo ${PIPESTATUS[1]} >stalled.status; pkill -g 0 sleep' 2>stalled.err &
pid=$!
before=-1
for _ in $(seq 200); do
    now=$(grep -c '"event":"step"' stalled.jsonl 2>>noise)
    [ "${now:-0}" -gt 0 ] && [ "$now" = "$before" ] && break
    before=$now
    sleep 0.3
done
pkill -TERM -g "$pid" llm-train
wait "$pid"
is 'a signal while the feeder stalls: exit status' "$(cat stalled.status)" 75
ok 'a signal while the feeder stalls: a checkpoint' test -f stalled/step-*/manifest.json
