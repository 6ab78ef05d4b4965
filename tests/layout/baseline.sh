#!/usr/bin/env bash
# Code that runs on every x86-64 processor has baseline instructions only: wider ones stand in
# common/kernels/<isa>, behind the choice of a table.
. "$LLM_SRC/tests/lib.sh"
[ "$(uname -m)" = x86_64 ] || skip_all 'not x86-64'
[ -z "${LLM_SANITIZE:-}" ] || skip_all 'the sanitizers build has objects of its own'
[ -d "$LLM_BIN/obj/common" ] || skip_all "no objects in $LLM_BIN"
command -v objdump >/dev/null || skip_all 'no objdump'
if tr ' ' '\n' <"$LLM_BIN/flags" | grep -q '^-m'; then
    skip_all "built for another processor: $(tr ' ' '\n' <"$LLM_BIN/flags" | grep '^-m' | tr '\n' ' ')"
fi

# VEX and EVEX instructions begin with v, masks with k; BMI and the like have names of their own.
# tzcnt is how compilers write bsf of a number that is not zero: the same on every processor.
wide='[[:space:]](v[a-z0-9]+|k(mov|and|or|xor|not|test|shift)[a-z]*|tile[a-z]+|tdp[a-z0-9]+|andn|bextr|blsr|blsi|blsmsk|bzhi|mulx|pdep|pext|rorx|sarx|shlx|shrx|lzcnt|popcnt|crc32[bwlq]?|pshufb|pmuludq)[[:space:]]'
allowed='[[:space:]](ver[rw]|vm[a-z]+|pmuludq)[[:space:]]' # system instructions; SSE2's own

wide_ones() { # OBJECT…: offending instructions, with their file
    local object
    for object in "$@"; do
        objdump -d --no-show-raw-insn "$object" | grep -E "$wide" | grep -vE "$allowed" |
            head -3 | sed "s|^|${object#"$LLM_BIN"/obj/}: |"
    done
}

mapfile -t objects < <(find "$LLM_BIN/obj/common" "$LLM_BIN/obj/cmd" -name '*.o' \
    ! -path '*/kernels/avx2/*' ! -path '*/kernels/avx512/*' ! -path '*/kernels/amx/*')
found=$(wide_ones "${objects[@]}")
is "${#objects[@]} objects have baseline instructions only" "$found" ''
# The search itself finds what it looks for.
mapfile -t objects < <(find "$LLM_BIN/obj/common/kernels/avx2" -name 'fp32.o')
like 'the AVX2 kernels have wider ones' "$(wide_ones "${objects[@]}" | head -1)" 'avx2/fp32.o: .*v'
