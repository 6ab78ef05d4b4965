#!/usr/bin/env bash
# kill -9 at a random moment, while training and saving: a resume reaches the same state.
# timeout: 240
. "$LLM_SRC/tests/lib.sh"
. "$LLM_SRC/tests/cli/train/fixture.bash"
fixture

run() { # RANKS DIR: one command that starts or goes on
    llm-train -q --ranks "$1" --reduce-groups 2 --model llama.json --tokenizer tok.json --resume "$2" --log "$2.jsonl" \
        --seq-length 64 --global-batch 8 --lr 3e-3 --warmup 5 --precision fp32 --steps 60 --save-every 3 train.shard
}

ok 'an unbroken run' run 1 whole
want=$(state_hash whole.jsonl)
RANDOM=${LLM_KILL_SEED:-11}
kills=${LLM_LONG:+10}
for i in $(seq "${kills:-5}"); do
    ranks=$((i % 2 + 1))
    run "$ranks" "killed-$i" >killed.log 2>&1 &
    pid=$!
    sleep "0.$((RANDOM % 7 + 2))"
    # The rank, or with several of them a random one; its parent takes the others down.
    victims=$(pgrep -P "$pid" -f "killed-$i"; pgrep -f -- "--resume killed-$i " | grep -vx "$pid")
    victim=$(printf '%s\n' $pid $victims | shuf -n 1 --random-source=<(yes "$RANDOM"))
    kill -9 "$victim" 2>>noise
    wait "$pid" 2>>noise
    for _ in $(seq 40); do
        pgrep -f -- "--resume killed-$i " >>noise || break
        sleep 0.05
    done
    ok "killed $i ($ranks ranks): goes on" run "$((3 - ranks))" "killed-$i"
    is "killed $i: state" "$(state_hash "killed-$i.jsonl")" "$want"
    is "killed $i: no debris" "$(find "killed-$i" -name 'step-*' -exec sh -c '[ -f "$1/manifest.json" ] || echo "$1"' _ {} \;)" ''
done
