#!/usr/bin/env bash
# BF16 GEMM and attention on AMX tiles, one thread. The last line: the slowest shape against the
# tile units' peak, or why nothing was measured.
set -eu
"${CC:-cc}" -std=gnu11 -O2 -D_GNU_SOURCE -I"$LLM_SRC/common" -I"$LLM_SRC" -o amx \
    "$LLM_SRC/tests/bench/amx.c" "$LLM_BIN/libcommon.a" -lxxhash -lm -pthread
./amx
