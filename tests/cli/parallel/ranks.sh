#!/usr/bin/env bash
# Communicators, sums and the gradient reduction on 1 to 4 ranks, alone and over TCP. timeout: 300
. "$LLM_SRC/tests/lib.sh"

for n in 1 2 3 4; do
    ok "communicator, $n ranks" mpiexec -n "$n" "$LLM_BIN/tests/mpi/comm"
    ok "reduction, $n ranks" mpiexec -n "$n" "$LLM_BIN/tests/mpi/reduce"
    ok "weights, $n ranks" mpiexec -n "$n" "$LLM_BIN/tests/mpi/weights"
done
for n in 1 2 3 5; do
    ok "sums in rank order, $n ranks" mpiexec -n "$n" "$LLM_BIN/tests/mpi/sum"
done
for n in 2 3 4; do
    ok "tensor and sequence parallelism, $n ranks" mpiexec -n "$n" "$LLM_BIN/tests/mpi/tensor"
done
for n in 2 4; do
    ok "inference on tensor ranks, $n ranks" mpiexec -n "$n" "$LLM_BIN/tests/mpi/walk"
done
for n in 2 3 4; do
    ok "context parallelism, $n ranks" mpiexec -n "$n" "$LLM_BIN/tests/mpi/context"
done
for n in 1 2 4; do
    ok "expert parallelism, $n ranks" mpiexec -n "$n" "$LLM_BIN/tests/mpi/expert"
done
ok "context parallelism and pieces, 2 ranks" mpiexec -n 2 "$LLM_BIN/tests/mpi/tensor" 2
ok "context and tensor parallelism, 4 ranks" mpiexec -n 4 "$LLM_BIN/tests/mpi/tensor" 2
export UCX_TLS=tcp,self
ok "context parallelism, 2 ranks over TCP" mpiexec -n 2 "$LLM_BIN/tests/mpi/context"
ok "communicator, 3 ranks over TCP" mpiexec -n 3 "$LLM_BIN/tests/mpi/comm"
ok "sums in rank order, 2 ranks over TCP" mpiexec -n 2 "$LLM_BIN/tests/mpi/sum"
ok "reduction, 2 ranks over TCP" mpiexec -n 2 "$LLM_BIN/tests/mpi/reduce"
ok "weights, 2 ranks over TCP" mpiexec -n 2 "$LLM_BIN/tests/mpi/weights"
unset UCX_TLS
ok "communicator, one process without a launcher" "$LLM_BIN/tests/mpi/comm"
