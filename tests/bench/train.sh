#!/usr/bin/env bash
# llm-train beside PyTorch eager: tokens per second of a 107M Llama in fp32 and bf16, one thread.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-$here/../../build/venv/bin/python}
if ! "$python" -c 'import torch, transformers' 2>&1; then
    echo "train: no Python with torch and transformers (PYTHON=): skipped" >&2
    exit 0
fi
exec "$python" "$here/train.py" "$@"
