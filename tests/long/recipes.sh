#!/usr/bin/env bash
# Every preset, made small, from text to an evaluated Hugging Face directory; the table of loss curves is written to
# $LLM_TABLE, too. LLM_RECIPES='NAME…' are some of them. timeout: 1800
. "$LLM_SRC/tests/lib.sh"
. "$LLM_SRC/tests/cli/train/fixture.bash"
. "$LLM_SRC/tests/cli/train/recipes.bash"
fixture
# shellcheck disable=SC2034 # recipe's
recipe_table=${LLM_TABLE:-$LLM_BIN/tests/recipes.md}
{
    echo '| preset | ranks | step 1 | 25 | 50 | 75 | 100 | validation |'
    echo '|---|---|---|---|---|---|---|---|'
} >"$recipe_table"
for preset in ${LLM_RECIPES:-$(basename -s .conf -a "$LLM_SRC"/cmd/llm-train/presets/*.conf)}; do
    recipe "$preset"
done
diag "$(cat "$recipe_table")"
