#!/usr/bin/env bash
# --train bpe: the same file for any threads and order; it encodes and decodes what it learned.
. "$LLM_SRC/tests/lib.sh"

mkdir c
cp "$LLM_SRC"/common/base/*.h "$LLM_SRC"/README.md c
for n in 1 2 7; do
    llm-tokenize -q --train bpe --vocab-size 700 --threads $n --format text c -o t$n.json
done
same "same file with 2 threads" t1.json t2.json
same "same file with 7 threads" t1.json t7.json
# shellcheck disable=SC2046
llm-tokenize -q --train bpe --vocab-size 700 --format text $(printf "%s\n" c/* | sort -r) >r.json
same "same file in another order" t1.json r.json
is "the default special token has the last id" \
    "$(printf '<|endoftext|>' | llm-tokenize -q -t t1.json --special none --ids)" 699
is "others in their order" "$(llm-tokenize -q --train bpe --vocab-size 300 --special-tokens '<a>,<b>' c -o s.json
    printf '<b><a>' | llm-tokenize -q -t s.json --special none --ids)" "299 298"
cat c/* >all
llm-tokenize -q -t t1.json --format text all | llm-tokenize -q -t t1.json --decode >back
same "text comes back" all back
n=$(llm-tokenize -q -t t1.json --format text --count all | jq .tokens)
ok "it compresses ($n tokens of $(stat -c %s all) bytes)" [ "$n" -lt $(($(stat -c %s all) / 2)) ]
O=$(llm-tokenize --train bpe --vocab-size 300 --format text c 2>&1 >/dev/null)
like "the account" "$O" '^llm-tokenize: in: documents [0-9]+, .*; out: documents'
ok "nothing to learn from" expect_code 0 llm-tokenize --train bpe --vocab-size 257 /dev/null -o e.json
