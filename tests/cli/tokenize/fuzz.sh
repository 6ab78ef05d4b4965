#!/usr/bin/env bash
# The fuzz targets over their first inputs, and over whatever they found once.
. "$LLM_SRC/tests/lib.sh"

python3 "$LLM_SRC/tests/fuzz/seeds.py" seeds
for source in "$LLM_SRC"/tests/fuzz/*.c; do
    target=$(basename "$source" .c)
    [ "$target" = replay ] && continue
    shopt -s nullglob
    files=(seeds/"$target"/* "$LLM_SRC/tests/fuzz/corpus/$target"/*)
    ok "$target: ${#files[@]} inputs" timeout 100 "$LLM_BIN/tests/fuzz/$target" "${files[@]}"
done
