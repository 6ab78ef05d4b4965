#!/usr/bin/env bash
# --train unigram: the same file for any threads and order; what it learned it encodes.
. "$LLM_SRC/tests/lib.sh"

mkdir c
cp "$LLM_SRC"/common/base/*.h "$LLM_SRC"/README.md c
train() { llm-tokenize -q --train unigram --format text "$@"; }
for n in 1 2 3; do
    train --vocab-size 900 --threads $n c -o t$n.json
done
same "same file with 2 threads" t1.json t2.json
same "same file with 3 threads" t1.json t3.json
# shellcheck disable=SC2046
train --vocab-size 900 $(printf "%s\n" c/* | sort -r) >r.json
same "same file in another order" t1.json r.json
is "the default special token has the last id" \
    "$(printf '<|endoftext|>' | llm-tokenize -q -t t1.json --special none --ids)" 899
cat c/* >all
llm-tokenize -q -t t1.json --format text all | llm-tokenize -q -t t1.json --decode >back
same "text comes back" all back
n=$(llm-tokenize -q -t t1.json --format text --count all | jq .tokens)
ok "it compresses ($n tokens of $(stat -c %s all) bytes)" [ "$n" -lt $(($(stat -c %s all) / 2)) ]

pieces() { jq -r '.model.vocab[257:][][0]' "$1"; }
# A vocabulary of an option: NAME, what it must not or must have.
train --vocab-size 700 --split-digits yes c -o digits.json
is "--split-digits: no piece with two characters and a digit" \
    "$(pieces digits.json | grep -c '[0-9].\|.[0-9]')" 0
train --vocab-size 900 --max-piece-length 3 c -o short.json
is "--max-piece-length" "$(pieces short.json | grep -c '....')" 0
train --vocab-size 900 --split-by-script no c -o any.json
ok "--split-by-script no: letters with signs" \
    [ "$(pieces any.json | grep -c '[a-z][_(*]')" -gt "$(pieces t1.json | grep -c '[a-z][_(*]')" ]
train --vocab-size 900 --user-symbols 'size_t,<user>,struct str' c -o symbols.json
is "--user-symbols" "$(printf 'xsize_ty<user>struct str' |
    llm-tokenize -q -t symbols.json --special none --ids |
    tr ' ' '\n' | grep -cx '25[789]')" 3
train --vocab-size 600 --byte-fallback no c -o unk.json
is "--byte-fallback no" "$(jq .model.byte_fallback unk.json) $(jq '.model.vocab | length' unk.json)" \
    "false 599"
train --vocab-size 700 --normalization nfkc c -o nfkc.json
is "--normalization" "$(printf 'ﬁ' | llm-tokenize -q -t nfkc.json --special none --ids)" \
    "$(printf 'fi' | llm-tokenize -q -t nfkc.json --special none --ids)"
train --vocab-size 700 --limit-alphabet 30 c -o few.json
ok "--limit-alphabet" [ "$(pieces few.json | grep -cx '.')" -lt 60 ]
train --vocab-size 900 --seed-size 300 --shrink 0.9 --sub-iterations 1 c -o quick.json
ok "--seed-size, --shrink and --sub-iterations change it" expect_code 1 cmp -s quick.json t1.json

O=$(train --vocab-size 300 c 2>&1 >/dev/null)
like "too small for the characters" "$O" '--vocab-size or a smaller --character-coverage'
ok "with status 2" expect_code 2 train --vocab-size 300 c
ok "--pattern is for bpe" expect_code 2 train --vocab-size 900 --pattern gpt2 c
ok "--seed-size is for unigram" \
    expect_code 2 llm-tokenize -q --train bpe --vocab-size 900 --seed-size 300 c
O=$(llm-tokenize --train unigram --vocab-size 900 --format text c 2>&1 >/dev/null)
like "the account" "$O" '^llm-tokenize: in: documents [0-9]+, .*; out: documents'
ok "nothing to learn from" expect_code 0 train --vocab-size 300 /dev/null -o e.json
