#!/usr/bin/env bash
# Two hosts of two ranks on one machine (LLM_LONG: and four): the communicator, a training with the same bits as one
# process, a slow link, and a link that is cut. timeout: 240
. "$LLM_SRC/tests/lib.sh"
. "$LLM_SRC/tests/cli/train/fixture.bash"
. "$LLM_SRC/tests/cli/parallel/hosts.bash"
fixture
bin="$LLM_BIN/tests/mpi"
hosts=$([ -n "${LLM_LONG:-}" ] && echo 4 || echo 2)
open_hosts "$hosts"

ok "two hosts start" on_hosts 2 2 hostname
is "two ranks each" "$(on_hosts 2 2 hostname | sort | uniq -c | tr -s ' \n' ' ')" " 2 host1 2 host2 "
ok "communicator" on_hosts 2 2 "$bin/comm"
ok "sums in rank order, by messages" on_hosts 2 2 "$bin/sum"
reduction() {
    on_hosts 2 2 "$bin/reduce" >reduce.log 2>&1 && return
    grep -A3 "^not ok" reduce.log
    return 1
}
ok "reduction" reduction
good=0
for i in 0 1 2 3; do
    on_hosts 2 2 "$bin/job" end 75:$i >out 2>err
    [ $? -eq 75 ] && good=$((good + 1))
done
is "endings with the agreed status" $good 4
expect_code 1 on_hosts 2 2 "$bin/job" silent 2
like "a silent rank of the other host is named" "$(cat err)" "silent: rank 2 on host2"

# A training: where its ranks are changes no bit.
options=(-q --model llama.json --tokenizer tok.json --seq-length 64 --global-batch 8 --reduce-groups 4 --lr 3e-3 --warmup 5
    --precision fp32 --threads 1 --steps 60 --save-every 10)
run() { # DIR OPTIONS…
    local dir=$1
    shift
    llm-train "${options[@]}" --resume "$dir" --log "$dir.jsonl" "$@" train.shard
}
trained() { # N PPN DIR OPTIONS…
    local n=$1 ppn=$2 dir=$3
    shift 3
    ${background:+exec} on_hosts "$n" "$ppn" llm-train "${options[@]}" --resume "$dir" --log "$dir.jsonl" "$@" train.shard
}
ok "a training in one process" run one
want=$(state_hash one.jsonl)
ok "on two hosts" trained 2 2 two
is "each with its name" "$(jq -r 'select(.event == "start") | [.ranks[].host] | join(" ")' two.jsonl)" "host1 host1 host2 host2"
is "the same state" "$(state_hash two.jsonl)" "$want"
ok "stages on two hosts, ZeRO-3 within them" trained 2 2 stages --pipeline-parallel 2 --zero 3
is "the same state" "$(state_hash stages.jsonl)" "$want"
if [ "$hosts" -ge 4 ]; then
    ok "on four hosts" trained 4 1 four
    is "the same state" "$(state_hash four.jsonl)" "$want"
    ok "two stages on four hosts" trained 4 1 four_stages --pipeline-parallel 2 --pipeline-schedule zero-bubble
    is "the same state" "$(state_hash four_stages.jsonl)" "$want"
fi

# Every stage of ZeRO between hosts: sums, weights and units come by messages; groups of one micro-batch.
short=(--micro-batch 2 --steps 12)
ok "groups of one micro-batch in one process" run short "${short[@]}"
for zero in 0 1 2 3; do
    ok "ZeRO-$zero on two hosts" trained 2 2 zero$zero --zero $zero "${short[@]}"
    is "the same state" "$(state_hash zero$zero.jsonl)" "$(state_hash short.jsonl)"
done

# A link is cut: both sides find out, the job ends with 1, and goes on behind it.
trained 2 2 cut --timeout 2 --steps 100000 --epochs 1000 >out 2>err &
job=$!
for _ in $(seq 200); do grep -q '"event":"save"' cut.jsonl 2>noise && break; sleep 0.05; done
cut_link 2
wait $job
is "a link is cut: status" $? 1
like "who is beyond it is named" "$(cat err)" "silent: rank 2 on host2.*, rank 3 on host2.*; waiting: rank 0 in .*, rank 1 in"
ranks_left() {
    ip netns pids "$host_prefix-2" | xargs -r ps -o comm= -p | grep -c llm-train
}
for _ in $(seq 200); do [ "$(ranks_left)" -eq 0 ] && break; sleep 0.1; done
is "no rank is left beyond it" "$(ranks_left)" 0
mend_link 2
at=$(find cut -name manifest.json | sort | tail -n 1 | sed 's/.*step-0*//; s/[/].*//')
ok "mended, it goes on from step $at" trained 2 2 cut --steps $((at + 20)) --epochs 1000
is "to its end" "$(jq -rs '.[-1] | "\(.event) \(.status) \(.step)"' cut.jsonl)" "end 0 $((at + 20))"

# A slow link: nothing changes but the time.
if command -v tc >where && cap_link 2 50mbit 2>capped; then
    ok "a link of 50 Mbit/s" trained 2 2 slow
    is "the same state" "$(state_hash slow.jsonl)" "$want"
else
    skip "a link of 50 Mbit/s" "tc: $(cat capped)"
fi
