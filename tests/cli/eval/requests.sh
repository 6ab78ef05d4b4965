#!/usr/bin/env bash
# Requests: each answer depends on its request alone: not on the others, their order, threads, or ranks;
# ranks that hold one copy of the model together agree with one rank within rounding. timeout: 120
. "$LLM_SRC/tests/lib.sh"
. "$LLM_SRC/tests/cli/eval/model.bash"
fixture
jq -r .text headers.jsonl | head -c 1500 >long.txt

# Choices behind shared contexts (one of them the beginning of another), one-token choices, long texts, text.
jq -n -c --rawfile long long.txt '
    def choices($id; $ctx; $list): $list | to_entries[] | {id: $id, index: .key, ctx: $ctx, cont: .value};
    choices("a"; "The name of the file"; [" is read", " is read again", " is", " was not found", " is read"]),
    choices("b"; "The name of the file is read again, and"; [" so", " then", " it is not"]),
    choices("c"; $long[:400]; [" int", " char", " void"]),
    choices("d"; ""; ["An option", "The name"]),
    {id: "e", index: 0, text: $long}, {id: "e", index: 1, text: "The name"},
    {id: "f", index: 0, ctx: "The name of", until: ["\n"], max_new: 9},
    {id: "f", index: 1, ctx: "The name of the", until: [], max_new: 5, encode: "separate"}' >requests
answer() { # OUT OPTIONS
    local out=$1
    shift
    llm-eval -q --seq-length 48 "$@" run >"$out"
}
ok 'requests of every kind' answer one --threads 1 --requests requests
is 'an answer each, in order' "$(jq -c '[.id, .index]' one)" "$(jq -c '[.id, .index]' requests)"
is 'equal requests have equal answers' "$(jq -c 'select(.id == "a" and .index == 0) | .log_likelihood' one)" \
    "$(jq -c 'select(.id == "a" and .index == 4) | .log_likelihood' one)"
ok 'more tokens are less likely' jq -es 'map(select(.id == "a")) | .[1].log_likelihood < .[0].log_likelihood
    and .[0].log_likelihood < .[2].log_likelihood and .[2].tokens < .[1].tokens' one
ok 'a long text in windows' jq -es 'map(select(.id == "e"))[0] | .tokens > 200 and .log_likelihood < -200' one
ok 'text' jq -es 'map(select(.id == "f"))[1] | .tokens == 5 and (.text | length) > 0' one

ok 'three threads' answer threads --threads 3 --requests requests
same 'the same bytes on three threads' one threads
tac requests >backwards
ok 'the other order' answer tac --threads 1 --requests backwards
same 'the same answers in another order' one <(tac tac)
: >alone
while read -r line; do
    printf '%s\n' "$line" >single
    answer answer --threads 1 --requests single && cat answer >>alone
done <requests
same 'the same answers one by one' one alone
ok 'from standard input' answer piped --threads 1 --requests - <requests
same 'the same answers' one piped

for ranks in 2 3; do
    ok "$ranks ranks" answer ranks --threads 1 --ranks $ranks --requests requests
    same "the same bytes on $ranks ranks" one ranks
done
near() { # A B: log-likelihoods within 1e-5 a token, the rest equal
    paste -d '\n' "$1" "$2" | jq -es '[range(0; length; 2) as $i | .[$i] as $a | .[$i + 1] as $b |
        ($a.text == $b.text and $a.tokens == $b.tokens and $a.is_greedy == $b.is_greedy and
         (($a.log_likelihood // 0) - ($b.log_likelihood // 0) | . * . < ($a.tokens * 1e-5) * ($a.tokens * 1e-5)))] | all'
}
ok 'two ranks with one copy' answer tensor --threads 1 --ranks 2 --tensor-parallel 2 --requests requests
ok 'answers within 1e-5 a token' near one tensor
ok 'two copies on four ranks' answer copies --threads 1 --ranks 4 --tensor-parallel 2 --requests requests
same 'answers of one copy' tensor copies
ok 'shards, one rank' llm-eval -q --json shards1 run text.shard
ok 'shards, two ranks with one copy' llm-eval -q --ranks 2 --tensor-parallel 2 --json shards2 run text.shard
ok 'the same loss within 1e-5' jq -es '.[0].loss - .[1].loss | . * . < 1e-10' <(jq -c 'select(.source == "all")' shards1) \
    <(jq -c 'select(.source == "all")' shards2)

refused() { # WHAT STATUS PATTERN OPTIONS
    local what=$1 status=$2 pattern=$3
    shift 3
    expect_code "$status" llm-eval -q "$@" 2>err
    ok "$what: says so" grep -Eq -- "$pattern" err
}
refused 'ranks that do not divide' 2 'tensor-parallel 2: 3 ranks' --ranks 3 --tensor-parallel 2 --requests requests run
refused 'heads that do not divide' 3 'num_attention_heads \(4\) is not a multiple of tensor-parallel \(3\)' \
    --ranks 3 --tensor-parallel 3 --requests requests run
refused 'text by several ranks' 2 'tensor-parallel needs' --tensor-parallel 2 --generate x run
printf '{"ctx": "a", "cont": ""}\n' >bad
refused 'no continuation' 3 'request 1, index 0: the continuation has no token' --requests bad run
printf '{"ctx": "a", "until": [], "max_new": 64}\n' >bad
refused 'no room for a context' 3 'leaves no room' --requests bad run
