#!/usr/bin/env bash
# Pipelines of 1 to 4 stages against one process, bit by bit, alone and over TCP.
# timeout: 240
. "$LLM_SRC/tests/lib.sh"

for n in 1 2 3 4; do
    ok "$n stages" mpiexec -n "$n" "$LLM_BIN/tests/mpi/pipeline"
done
UCX_TLS=tcp,self ok "2 stages over TCP" mpiexec -n 2 "$LLM_BIN/tests/mpi/pipeline"
