#!/usr/bin/env bash
# Four recipes, made small, from text to an evaluated Hugging Face directory. All of them: tests/long/recipes.sh.
# timeout: 400
. "$LLM_SRC/tests/lib.sh"
. "$LLM_SRC/tests/cli/train/fixture.bash"
. "$LLM_SRC/tests/cli/train/recipes.bash"
fixture
for preset in fugaku-13b llm-jp-172b llm-jp-v4-8b llm-jp-v4-291b-a27b; do
    recipe "$preset"
done
diag "$(cat recipes.md)"
