#!/usr/bin/env bash
# The unit tests of the kernels and of what rests on them, for aarch64: with vectors of 512
# bits, of 128, and on a processor without SVE.     (timeout: 580)
. "$LLM_SRC/tests/lib.sh"
. "$LLM_SRC/tests/arm/lib.bash"

# The lines of a program's TAP become ours: a failure is shown with its text.
unit() { # BITS NAME
    local desc="$2, vectors: $1" status
    emulated "$1" "$LLM_ARM_BIN/tests/unit/$2" >out 2>&1
    status=$?
    ok "$desc: $(grep -c '^ok' out) tests" test "$status" -eq 0
    [ "$status" -eq 0 ] || diag "$(grep -v '^ok' out | head -n 20)"
}

# QEMU works through a vector number by number: 128 bits are quicker, and kernels_sve proves that
# 512 bits give the same.
unit 512 kernels_sve
unit 512 kernels_check
read -ra names <<<"$LLM_ARM_UNIT_TESTS"
for name in "${names[@]}"; do
    [ "$name" = kernels_sve ] || unit 128 "$name"
done
unit none kernels_check
emulated none "$LLM_ARM_BIN/tests/unit/kernels_check" >out
like 'without SVE plain C runs, and SVE is refused' "$(grep 'sve' out)" 'this CPU does not run it'
