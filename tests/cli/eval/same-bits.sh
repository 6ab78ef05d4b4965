#!/usr/bin/env bash
# A document's score and a prompt's continuation depend on nothing but themselves, in every
# kernel table and precision.
. "$LLM_SRC/tests/lib.sh"
. "$LLM_SRC/tests/cli/eval/model.bash"
fixture
printf 'The name\nof the file\nan option\nx\n' >prompts

rolling() { # SHARD OUT OPTIONS
    local shard=$1 out=$2
    shift 2
    llm-eval -q --rolling --json "$out" "$@" run "$shard"
}
line_of() { # FILE SOURCE
    jq -c "select(.source == \"$2\")" "$1"
}

for isa in ref avx2 avx512; do
    export LLM_ISA=$isa
    if ! rolling pages.shard try.json 2>version; then
        skip "$isa" "not on this CPU: $(cat version)"
        continue
    fi
    for precision in fp32 bf16; do
        options=(--precision "$precision")
        what="$isa $precision"
        ok "$what: two sources" rolling text.shard all.json "${options[@]}" --threads 1
        ok "$what: one of them" rolling pages.shard pages.json "${options[@]}" --threads 2
        ok "$what: the other" rolling headers.shard headers.json "${options[@]}" --threads 3
        is "$what: the same score alone" "$(line_of pages.json pages)" "$(line_of all.json pages)"
        is "$what: and behind others" "$(line_of headers.json headers)" "$(line_of all.json headers)"
        ok "$what: prompts" llm-eval -q "${options[@]}" --prompts prompts --max-new 12 --threads 2 --json many.json run
        : >each.json
        while read -r prompt; do
            llm-eval -q "${options[@]}" --generate "$prompt" --max-new 12 --threads 1 --json one.json run >/dev/null
            cat one.json >>each.json
        done <prompts
        same "$what: the same texts one by one" each.json many.json
    done
done
