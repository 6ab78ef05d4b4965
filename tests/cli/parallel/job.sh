#!/usr/bin/env bash
# How a job of several ranks starts, is stopped, breaks, and ends. timeout: 240
. "$LLM_SRC/tests/lib.sh"

job="$LLM_BIN/tests/mpi/job"
times=$([ -n "${LLM_LONG:-}" ] && echo 20 || echo 4)

# Runs a command; its status is in code, its milliseconds in took.
timed() {
    local start
    start=$(date +%s%N)
    "$@" >out 2>err
    code=$?
    took=$((($(date +%s%N) - start) / 1000000))
}

# Every ending, over shared memory and TCP: the right status each time, no hang.
for transport in shared tcp; do
    [ $transport = tcp ] && export UCX_TLS=tcp,self
    for status in 0 3 75; do
        good=0
        for i in $(seq "$times"); do
            timeout 10 mpiexec -n 3 "$job" end $status:$((i % 3)) >out 2>err
            [ $? -eq $status ] && good=$((good + 1))
        done
        is "$transport: status $status, $times times by mpiexec" "$good" "$times"
        good=0
        for i in $(seq "$times"); do
            timeout 10 "$job" --ranks 2 end $status:$((i % 2)) >out 2>err
            [ $? -eq $status ] && good=$((good + 1))
        done
        is "$transport: status $status, $times times by --ranks" "$good" "$times"
    done
    unset UCX_TLS
done

# Standard input reaches rank 0 as a stream.
head -c 300000000 /dev/zero | tr '\0' '\3' >three
# shellcheck disable=SC2016 # $0 is the inner shell's
timed sh -c 'cat three | timeout 60 "$0" --ranks 2 stdin -' "$job"
is "300 MB through a pipe to rank 0" "$code $(cat out)" "0 300000000 900000000"
timed timeout 60 "$job" --ranks 2 stdin - <three
is "and from a file" "$code $(cat out)" "0 300000000 900000000"
rm three
# shellcheck disable=SC2016
timed sh -c '(echo abc; sleep 3; echo abc) | timeout 60 "$0" --ranks 2 stdin -' "$job"
is "from a slow pipe, beyond the watchdog's time" "$code $(cat out)" "0 8 608"
expect_code 2 timeout 20 mpiexec -n 2 "$job" stdin - </dev/null
err_like "by mpiexec '-' is refused with what works" "mpiexec cannot carry a stream.*--ranks N"
is "by one rank" "$(wc -l <err)" 1
echo localhost >hosts
# shellcheck disable=SC2016
timed sh -c 'echo abc | timeout 60 "$0" --ranks 2 --hosts hosts stdin -' "$job"
is "with a file of hosts" "$code $(cat out)" "0 4 304"

# What ranks print goes where we print.
ok "standard error of rank 0 is our terminal" \
    sh -c "script -qec '$job --ranks 2 terminal' typescript </dev/null | grep -q '^terminal'"
timed timeout 20 "$job" --ranks 2 terminal
is "or our file" "$(cat err)" "no terminal"

# Signals to the parent reach the ranks; the status is that of the ranks.
for signal in TERM INT USR1; do
    # A shell starts background jobs with SIGINT ignored: this one asks for it again.
    python3 -c 'import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execv(sys.argv[1], sys.argv[1:])' "$job" --ranks 2 wait >out 2>err &
    parent=$!
    for _ in $(seq 100); do grep -q ready out && break; sleep 0.1; done
    kill -$signal $parent
    wait $parent
    is "SIG$signal to the parent: 75" "$?" 75
done

# A parent that is killed takes the ranks with it, at once.
"$job" --ranks 2 wait >out 2>err &
parent=$!
for _ in $(seq 100); do grep -q ready out && break; sleep 0.1; done
read -r _ first second <out
ok "two ranks run" kill -0 "$first" "$second"
kill -KILL $parent
wait $parent 2>killed
for _ in $(seq 20); do kill -0 "$first" 2>gone || kill -0 "$second" 2>gone || break; sleep 0.1; done
not_ok "kill -9 of the parent ends rank 0" kill -0 "$first"
not_ok "and rank 1" kill -0 "$second"

# What breaks ends soon, says why, and is a failure.
timed timeout 20 "$job" --ranks 3 kill 1
ok "a killed rank ends the job within 2 s ($took ms)" test "$took" -lt 2000
is "as a failure" "$code" 1
like "that says so" "$(cat err)" "rank 1 .pid [0-9]*. died"
timed timeout 20 "$job" --ranks 3 abort 3
ok "a rank that gives up ends the job within 2 s ($took ms)" test "$took" -lt 2000
is "with its status" "$code" 3
like "and its message" "$(cat err)" "job: rank 1: rank 1 gives up"
timed timeout 20 "$job" --ranks 3 silent 1
is "a silent rank is found by the watchdog" "$code" 1
like "and named" "$(cat err)" "barrier: nothing arrived for .*silent: rank 1 on $(hostname).*; waiting: rank 0 in barrier, rank 2 in barrier"
timed timeout 20 "$job" --ranks 3 silent 0
is "rank 0, too" "$code" 1
like "and named" "$(cat err)" "silent: rank 0 on $(hostname)"

for rank in 0 1; do
    expect_code 0 timeout 20 "$job" --ranks 3 slow $rank
    is "rank $rank takes long but lives: nobody gives up" "$(cat err)" ""
done

# No mpiexec, and one of another MPI.
expect_code 1 env PATH=/nowhere "$job" --ranks 2 end 0:0
err_like "no mpiexec: said" "mpiexec: not found"
mkdir other
printf '#!/bin/sh\nshift 2\nexec "$@"\n' >other/mpiexec
chmod +x other/mpiexec
expect_code 1 env PATH="$PWD/other:$PATH" "$job" --ranks 2 end 0:0
err_like "an mpiexec that starts no ranks of ours: said" "mpiexec: it belongs to another MPI"
