#!/usr/bin/env bash
# The manual pages: clean for mandoc's linter, complete, and their cross references lead somewhere.
. "$LLM_SRC/tests/lib.sh"

command -v mandoc >/dev/null || skip_all "no mandoc here"
shopt -s nullglob
pages=("$LLM_SRC"/man/*.[157])
for page in llm-tokenize.1 llm-shuffle.1 llm-train.1 llm-eval.1 llm-convert.1 llm-shard.5 \
    llm-checkpoint.5 llm-task.5 llm-tools.7; do
    ok "there is $page" test -f "$LLM_SRC/man/$page"
done

for page in "${pages[@]}"; do
    name=$(basename "$page")
    # Pages that refer to each other are not installed where tests run.
    is "$name is clean" "$(mandoc -T lint "$page" | grep -v 'referenced manual not found: Xr llm-')" ""
    is "$name refers to pages that exist" "$(sed -n 's/^\.Xr \(llm-[a-z]*\) \([0-9]\).*/\1.\2/p' "$page" |
        sort -u | while read -r other; do [ -f "$LLM_SRC/man/$other" ] || echo "$other"; done)" ""
    is "$name names itself" "$(sed -n 's/^\.Dt \([A-Z-]*\) \([0-9]\).*/\1.\2/p' "$page" | tr '[:upper:]' '[:lower:]')" "$name"
    like "$name has a description" "$(cat "$page")" '^\.Sh DESCRIPTION'
    case $name in
    *.1)
        like "$name has examples" "$(cat "$page")" '^\.Sh EXAMPLES'
        like "$name tells the exit status" "$(cat "$page")" '^\.Sh EXIT STATUS'
        ;;
    esac
done
