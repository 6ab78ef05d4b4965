#!/usr/bin/env bash
# The gradient reduction of 2 ranks on one host (33.6 MB) beside torch's gloo all_reduce,
# taken in turns. Last line: how many times as fast.
set -eu

"$PYTHON" -c 'import torch.distributed' 2>/dev/null || { echo "skipped: $PYTHON has no torch"; exit 0; }
make -s -C "$LLM_SRC" "${LLM_BIN#"$LLM_SRC"/}/tests/mpi/speed"
cat >gloo.py <<'END'
import os, statistics, sys, time
import torch
import torch.distributed as dist

def work(rank):
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{os.getcwd()}/meet", rank=rank, world_size=2)
    x = torch.ones(8_400_000)
    took = []
    for _ in range(15):
        dist.barrier()
        start = time.monotonic()
        dist.all_reduce(x)
        took.append(time.monotonic() - start)
    if rank == 0:
        print(f"{1e3 * statistics.median(took):.2f}")
    dist.barrier()
    dist.destroy_process_group()

if __name__ == "__main__":
    work(int(sys.argv[1]))
END
best_ours=999999 best_gloo=999999
for _ in 1 2 3; do
    mpiexec -n 2 "$LLM_BIN/tests/mpi/speed" 8.4 | tee ours
    ours=$(sed -n 's/^shared memory: \([0-9.]*\) ms.*/\1/p' ours)
    rm -f meet
    "$PYTHON" gloo.py 1 &
    gloo=$("$PYTHON" gloo.py 0 2>log)
    wait
    echo "gloo: $gloo ms"
    best_ours=$(printf '%s\n' "$best_ours" "$ours" | sort -g | head -n 1)
    best_gloo=$(printf '%s\n' "$best_gloo" "$gloo" | sort -g | head -n 1)
done
awk -v a="$best_ours" -v b="$best_gloo" 'BEGIN {
    printf "reduction %.2f ms, gloo all_reduce %.2f ms: %.2f times as fast\n", a, b, b / a }'
