#!/usr/bin/env bash
# llm-train beside PyTorch: training steps of three models, precisions, threads, ranks, memory, and products
# alone. LLM_BENCH_ROWS chooses rows (train.py --list); the results are left in $LLM_BIN/bench-train.json, too.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-$here/../../build/venv/bin/python}
if ! why=$("$python" -c 'import torch' 2>&1); then
    echo "train: SKIPPED: no Python with torch (PYTHON=): ${why##*$'\n'}" >&2
    exit 0
fi
src=$here/../.. bin=${LLM_BIN:-$here/../../build}
"${CC:-cc}" -std=gnu11 -O2 -D_GNU_SOURCE -I"$src/common" -o "$bin/bench-products" \
    "$here/train_products.c" "$bin/libcommon.a" -lxxhash -lm -pthread
exec "$python" "$here/train.py" "$@"
