#!/usr/bin/env bash
# The committed completions are those that the programs' option tables give, and
# the shells accept them.
. "$LLM_SRC/tests/lib.sh"

completes() { # TOOL WORDS… LAST: what bash offers for the last word
    local tool=$1 words=("$@")
    # shellcheck disable=SC1090
    . "$LLM_SRC/completions/$tool.bash"
    # shellcheck disable=SC2034 # read by the completion function
    COMP_WORDS=("${words[@]}") COMP_CWORD=$((${#words[@]} - 1))
    "_${tool//-/_}"
    echo "${COMPREPLY[*]}"
}

for tool in llm-tokenize llm-shuffle llm-train llm-eval llm-convert; do
    "$LLM_SRC/completions/generate" made "$tool"
    for file in $tool.bash _$tool $tool.fish; do
        same "completions/$file is up to date (make completions)" "$LLM_SRC/completions/$file" "made/$file"
    done
    ok "bash reads $tool.bash" bash -n "made/$tool.bash"
    for shell in zsh fish; do
        file=made/$([ $shell = zsh ] && echo "_$tool" || echo "$tool.fish")
        if command -v $shell >/dev/null; then
            ok "$shell reads $file" $shell -n "$file"
        else
            skip "$shell reads $file" "no $shell here"
        fi
    done
    is "bash completes $tool --vers" "$(completes "$tool" --vers)" --version
    is "bash completes $tool --on-error s" "$(completes "$tool" --on-error s)" "stop skip"
done
