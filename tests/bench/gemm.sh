#!/usr/bin/env bash
# Rates of the kernels on one thread: GEMM beside OpenBLAS called directly, attention,
# and the passes over memory. The last line: how near GEMM comes to OpenBLAS.
set -eu
"${CC:-cc}" -std=gnu11 -O2 -D_GNU_SOURCE -I"$LLM_SRC/common" -I"$LLM_SRC" -o kernels \
    "$LLM_SRC/tests/bench/kernels.c" "$LLM_BIN/libcommon.a" -lxxhash -lm -pthread
./kernels "attention passes"
./kernels gemm
