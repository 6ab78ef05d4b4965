#!/usr/bin/env bash
# --train bpe: what each option does, for bytes and for words; what is refused.
. "$LLM_SRC/tests/lib.sh"

cat "$LLM_SRC"/README.md "$LLM_SRC"/man/*.[157] >text.txt
for i in $(seq 1960 2025); do
    printf '東京都の人口は%s万人。カタカナとひらがな、漢字。ﾊﾝｶｸ <user>\n' $i
done >ja.txt

train() { # OUT OPTIONS…
    llm-tokenize -q --train bpe --format lines -o "$1" "${@:2}" text.txt ja.txt
}

ids() { # TOKENIZER TEXT
    printf '%s\n' "$2" | llm-tokenize -q -t "$1" --special none --format lines --ids
}

pieces() { # TOKENIZER TEXT: the tokens' texts, bars between
    jq -r --arg ids "$(ids "$1" "$2")" '
        ([.model.vocab | to_entries[] | {key: (.value | tostring), value: .key}] +
         [.added_tokens[] | {key: (.id | tostring), value: .content}] | from_entries) as $text
        | $ids | split(" ") | map($text[.]) | join("|")' "$1"
}

size() {
    jq '[.model.vocab[], .added_tokens[].id] | unique | length' "$1"
}

ok "bytes" train bytes.json --vocab-size 600
is "as large as asked" "$(size bytes.json)" 600
for way in "bytes" "words --pattern sentencepiece"; do
    # shellcheck disable=SC2086
    set -- $way
    name=$1
    shift
    train one.json "$@" --vocab-size 700 --threads 1
    ok "$name: other threads and order" llm-tokenize -q --train bpe --format lines -o three.json "$@" --vocab-size 700 \
        --threads 3 ja.txt text.txt
    same "$name: the same bytes" one.json three.json
    text='東京都の人口は  2024万人。 tokens, 未知の𠀀'
    ids one.json "$text" >line
    is "$name: a text comes back" "$(llm-tokenize -q -t one.json --decode line)" "$text"
done

train t.json --vocab-size 600 --split-digits yes
is "digits by themselves" "$(pieces t.json '2024')" '2|0|2|4'
train t.json --vocab-size 600 --user-symbols '<user>,--train' --special-tokens '<a>,<b>'
is "symbols are one token" "$(pieces t.json 'x--train<user>')" 'x|--train|<user>'
is "and are no special ones" "$(jq -c '[.added_tokens[] | [.id, .content, .special]]' t.json)" \
    '[[596,"<user>",false],[597,"--train",false],[598,"<a>",true],[599,"<b>",true]]'
train t.json --vocab-size 600 --normalization nfkc
is "normalized" "$(ids t.json 'ﾊﾝｶｸ')" "$(ids t.json 'ハンカク')"
train t.json --vocab-size 600 --pattern '[a-z]|[^a-z]+'
is "by a regular expression" "$(pieces t.json 'the')" 't|h|e'
train t.json --vocab-size 5000 --min-frequency 300
ok "rare pairs are left" test "$(size t.json)" -lt 1000
train t.json --vocab-size 1500 --max-piece-length 3
is "short pieces" "$(jq '[.model.vocab | keys[] | length] | max' t.json)" 3

words() { # OPTIONS…
    train w.json --pattern sentencepiece "$@"
}
words --vocab-size 700
is "ids of SentencePiece" "$(jq -c '[.model.vocab | to_entries[] | select(.value < 4) | .key]' w.json)" \
    '["<unk>","<s>","</s>","<0x00>"]'
is "words as large as asked" "$(size w.json)" 700
like "begin with a mark" "$(pieces w.json 'the')" '^▁the$'
is "other characters are bytes" "$(pieces w.json '鬱')" '▁|<0xE9>|<0xAC>|<0xB1>'
words --vocab-size 500 --byte-fallback no
is "or unknown" "$(pieces w.json '鬱')" '▁|<unk>'
is "then there are no bytes" "$(jq '.model.vocab["<0x00>"]' w.json)" null
words --vocab-size 600 --limit-alphabet 60
is "few characters" "$(jq '[.model.vocab | keys[] | select(length == 1)] | length' w.json)" 60
words --vocab-size 900 --split-by-script no --max-piece-length 30
ok "scripts together" test "$(jq '[.model.vocab | keys[] | select(test("[ぁ-ん][ァ-ヴ]|。.|2.*万"))] | length' w.json)" -gt 0
words --vocab-size 600 --special-tokens '<a>' --user-symbols '<user>'
is "names of words" "$(jq -c '[.added_tokens[] | [.id, .content, .special]]' w.json)" \
    '[[0,"<unk>",true],[1,"<s>",true],[2,"</s>",true],[3,"<user>",false],[599,"<a>",true]]'

refused() { # STATUS REASON OPTIONS…
    ok "refused: ${*:3}" expect_code "$1" llm-tokenize -q --train bpe --format lines -o no.json "${@:3}" text.txt
    err_like "with the reason" "$2"
}
refused 2 "no pre-tokenizer pattern is called 'llama9'" --vocab-size 600 --pattern llama9
refused 2 "the pattern '\\(a'" --vocab-size 600 --pattern '(a'
refused 2 'does not hold 256 bytes and 1 special' --vocab-size 200
refused 2 'give a lower --character-coverage' --vocab-size 300 --pattern sentencepiece
refused 2 'is given twice' --vocab-size 600 --special-tokens '<a>,<a>'
refused 2 'is given twice' --vocab-size 600 --user-symbols '<s>' --pattern sentencepiece
refused 2 '--character-coverage is not for' --vocab-size 600 --character-coverage 0.99
refused 2 '--seed-size is not for' --vocab-size 600 --seed-size 5
ok "nothing is left" test ! -e no.json
