#!/usr/bin/env bash
# Checkpoints from any layout to any other, saved at once and behind a state that changes.
. "$LLM_SRC/tests/lib.sh"

for n in 3 4; do
    ok "layouts, $n ranks" mpiexec -n "$n" "$LLM_BIN/tests/mpi/checkpoint"
done
ok "one process without a launcher" "$LLM_BIN/tests/mpi/checkpoint"
