#!/usr/bin/env bash
# llm-train on 2 ranks: scaling beside PyTorch's DDP and FSDP over gloo, sums beside MPI's and gloo's all_reduce,
# checkpoints beside cp and torch.distributed.checkpoint. LLM_BENCH_ROWS chooses rows (parallel.py --list); the
# results are left in $LLM_BIN/bench-parallel.json, too.
set -eu
here=$(cd "$(dirname "$0")" && pwd) src=$(cd "$(dirname "$0")/../.." && pwd)
python=${PYTHON:-$src/build/venv/bin/python}
if ! why=$("$python" -c 'import torch.distributed' 2>&1); then
    echo "parallel: SKIPPED: no Python with torch (PYTHON=): ${why##*$'\n'}" >&2
    exit 0
fi
bin=${LLM_BIN:-$src/build}
if ! command -v mpiexec >/dev/null || ! "$bin/llm-train" --version | grep -q MPI; then
    echo "parallel: SKIPPED: llm-train was built without MPI, or there is no mpiexec" >&2
    exit 0
fi
make -s -C "$src" "${bin#"$src"/}/tests/mpi/bandwidth" "${bin#"$src"/}/tests/mpi/speed"
exec "$python" "$here/parallel.py" "$@"
