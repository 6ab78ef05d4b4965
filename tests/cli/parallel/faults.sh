#!/usr/bin/env bash
# A rank that is killed or hangs, and every way to stop a run: the job ends at once with the right status, says who it
# was, and a restart reaches the same bits. LLM_LONG: 50 kills instead of 5. timeout: 300
. "$LLM_SRC/tests/lib.sh"
. "$LLM_SRC/tests/cli/train/fixture.bash"
fixture
sed -i 's/"num_hidden_layers": 2/"num_hidden_layers": 4/' llama.json # stages for three ranks

ranks=3
options=(--reduce-groups 3 --model llama.json --tokenizer tok.json --seq-length 32 --global-batch 6 --lr 3e-3 --warmup 5
    --precision fp32 --threads 1 --epochs 20 --steps 240 --save-every 8)
run() { # DIR OPTIONS…: one command that starts or goes on
    local dir=$1
    shift
    ${background:+exec} llm-train -q --ranks "$ranks" --resume "$dir" --log "$dir.jsonl" "${options[@]}" "$@" train.shard
}
under_mpiexec() { # DIR OPTIONS…
    local dir=$1
    shift
    ${background:+exec} mpiexec -n "$ranks" llm-train -q --resume "$dir" --log "$dir.jsonl" "${options[@]}" "$@" train.shard
}
# Waits until the log has this many step events.
await_steps() { # DIR COUNT
    for _ in $(seq 400); do
        [ -f "$1.jsonl" ] && [ "$(grep -c '"event":"step"' "$1.jsonl")" -ge "$2" ] && return 0
        sleep 0.02
    done
    return 1
}
pid_of() { # DIR RANK
    jq -r --argjson r "$2" 'select(.event == "start") | .ranks[$r].pid' "$1.jsonl"
}
now() { # milliseconds
    echo $(($(date +%s%N) / 1000000))
}

ok 'an unbroken run' run whole
want=$(state_hash whole.jsonl)

# kill -9 of a random rank at a random moment, during steps and saves, again and again, in one layout after the other.
layouts=("--zero 1" "--pipeline-parallel 3" "--zero 3" "--pipeline-parallel 3 --pipeline-schedule zero-bubble" "--zero 0")
RANDOM=${LLM_KILL_SEED:-7}
slowest=0 named=0 failed=0 kills=0 chains=1
[ -n "${LLM_LONG:-}" ] && chains=10
for chain in $(seq $chains); do
    for layout in "${layouts[@]}"; do
        rm -f "killed$chain.jsonl"
        # shellcheck disable=SC2086 # several words
        background=1 run "killed$chain" $layout 2>err &
        job=$!
        await_steps "killed$chain" 2
        rank=$((RANDOM % ranks))
        victim=$(pid_of "killed$chain" $rank)
        sleep "0.$((RANDOM % 2))$((RANDOM % 10))"
        kill -9 "$victim" 2>noise || { wait $job; continue; } # it was faster
        start=$(now)
        wait $job 2>noise
        code=$?
        took=$(($(now) - start))
        [ $took -gt $slowest ] && slowest=$took
        [ $code -eq 1 ] || failed=$((failed + 1))
        grep -Eq "rank $rank \(pid $victim\) died" err && named=$((named + 1))
        kills=$((kills + 1))
    done
    ok "killed again and again: goes on" run "killed$chain"
    # Not from the log: what was killed last may have been complete already.
    is "and reaches the same state" "$(llm-convert --info --json "killed$chain" | jq -r .state_hash)" "$want"
done
ok "$kills ranks were killed" test $kills -ge $((chains * 2))
is "each time the status was 1" $failed 0
ok "the job ended within 2 s (at most $slowest ms)" test $slowest -lt 2000
ok "the dead rank was named ($named of $kills)" test $((5 * named)) -ge $((4 * kills))

# A rank that hangs.
for rank in 1 0; do
    background=1 run "hung$rank" --timeout 2 2>err &
    job=$!
    await_steps "hung$rank" 2
    victim=$(pid_of "hung$rank" $rank)
    kill -STOP "$victim"
    wait $job
    is "rank $rank hangs: status" $? 1
    like "it is named with its host" "$(cat err)" "silent: rank $rank on $(hostname)"
    for _ in $(seq 40); do kill -0 "$victim" 2>noise || break; sleep 0.05; done
    not_ok "and is gone" kill -0 "$victim"
done

# Every way to stop: status 75 and a consistent checkpoint, from which the next one goes on.
stopped() { # NAME STATUS
    is "$1: status" "$2" 75
    is "$1: last event" "$(jq -rs '.[-1] | "\(.event) \(.status)"' stops.jsonl)" "end 75"
    rm stops.jsonl
}
background=1 run stops 2>err &
job=$!
await_steps stops 2
kill -USR1 $job
wait $job
stopped "SIGUSR1 to the launcher" $?
background=1 run stops 2>err &
job=$!
await_steps stops 2
kill -TERM "$(pid_of stops 2)"
wait $job
stopped "SIGTERM to one rank" $?
background=1 under_mpiexec stops 2>err &
job=$!
await_steps stops 2
kill -TERM $job
wait $job
stopped "SIGTERM to mpiexec" 75 # its own status under signals is not reliable: the log's is
run stops --time-limit 0.2s 2>err
stopped "--time-limit" $?
ok "behind all of them the run ends" run stops --time-limit 1d
is "with the same state" "$(state_hash stops.jsonl)" "$want"

# The status of a whole run, over shared memory and TCP.
times=$([ -n "${LLM_LONG:-}" ] && echo 50 || echo 5)
for transport in shared tcp; do
    [ $transport = tcp ] && export UCX_TLS=tcp,self
    good=0
    for i in $(seq "$times"); do
        rm -rf end end.jsonl
        timeout 20 mpiexec -n 3 llm-train -q --save end --log end.jsonl "${options[@]}" --steps 3 \
            --time-limit "$((i % 2 ? 100 : 0)).001s" train.shard 2>err
        [ $? -eq $((i % 2 ? 0 : 75)) ] && good=$((good + 1))
    done
    is "$transport: status right in $times of $times runs" "$good" "$times"
done
