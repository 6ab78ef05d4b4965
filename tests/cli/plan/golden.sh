#!/usr/bin/env bash
# Plans of published runs against what was published. What cannot be had says why, and is not within its bound.
. "$LLM_SRC/tests/lib.sh"
. "$LLM_SRC/tests/cli/plan/golden.bash"

golden
is "rows" "$(wc -l <golden.tsv)" 43
while IFS=$'\t' read -r what planned published unit percent source reason; do
    differs=$(awk "BEGIN { printf \"%.2f\", 100 * ($planned / $published - 1) }")
    within=$(awk "BEGIN { print ($differs <= $percent && $differs >= -$percent) ? \"yes\" : \"no\" }")
    if [ "$reason" = - ]; then
        is "$what: $planned of $published $unit, within $percent % ($source)" "$within $differs" "yes $differs"
    else
        is "$what: $planned of $published $unit is not had ($reason)" "$within $differs" "no $differs"
    fi
done <golden.tsv
