#!/usr/bin/env bash
# One behaviour for malformed text from every input format: U+FFFD for each malformed
# sequence (maximal subparts, as Unicode 3.9 has it) and lone surrogate, counted; NUL is an
# ordinary character; a byte order mark is dropped where a file begins, and only there.
# timeout: 300
. "$LLM_SRC/tests/lib.sh"
. "$LLM_SRC/tests/cli/tokenize/_tokenizer.bash"

# Each writes the documents as JSON lines to `got`, the messages to `err`, the event to `log`.
run() { # options FILE…
    rm -f log
    llm-tokenize -t tok.json --log log -o t.shard "$@" 2>err &&
        llm-tokenize -q -t tok.json --decode --format jsonl t.shard |
        sed 's/,"source":"default"}$/}/' >got
}

counted() { # how many places were replaced, by the log
    jq -s 'map(select(.event == "tokenize")) | .[0].replaced + .[0].replaced_surrogates' log
}

# What is before the malformed bytes makes clear that the text is UTF-8, not another charset.
before=これは日本語の文章です。漢字とかなが混ざっています。

# The bytes as a file of text, a line of lines, a string of jsonl.
check() { # DESC BYTES(printf) EXPECTED COUNT
    local want="{\"text\":\"$before$3\"}" way
    # shellcheck disable=SC2059
    printf "$before$2" >one
    printf '{"text": "' >one.jsonl
    sed 's/\x00/\\u0000/g' one >>one.jsonl # JSON writes control characters as escapes
    printf '"}\n' >>one.jsonl
    rm -rf box && mkdir box && cp one box/one && tar -cf one.tar box && gzip -kf one
    for way in "--format text one" "--format lines one" "--format jsonl one.jsonl" \
        "--format text one.tar" "--format text one.gz" "--format text -" "--format lines -" \
        "--format jsonl --threads 2 -"; do
        case $way in *jsonl*-) exec 5<one.jsonl ;; *) exec 5<one ;; esac
        # shellcheck disable=SC2086
        run $way <&5
        is "$1: $way" "$(cat got)" "$want"
        is "$1: $way: counted" "$(counted)" "$4"
    done
}

check "impossible bytes" 'a\xff\xfeb' 'a��b' 2
check "cut sequences" 'a\xe3\x81b\xf0\x9f\x98c\xc3' 'a�b�c�' 3
check "overlong forms" 'a\xc0\xafb\xe0\x80\x80c\xf0\x80\x80\x80d' 'a��b���c����d' 9
check "surrogates in UTF-8" 'a\xed\xa0\xbd\xed\xb8\x80b' 'a������b' 6
check "beyond U+10FFFF" 'a\xf4\x90\x80\x80b\xf8\x88\x80\x80\x80c' 'a����b�����c' 9
check "lone continuations" 'a\x80\xbfb' 'a��b' 2
check "NUL" 'a\x00b\x00' 'a\u0000b\u0000' 0
check "U+FEFF within, U+FFFE, U+FFFD itself" 'a\xef\xbb\xbfb\xef\xbf\xbec\xef\xbf\xbd' "$(printf 'a\xef\xbb\xbfb\xef\xbf\xbec\xef\xbf\xbd')" 0

# lone surrogates can be written in JSON alone
printf '%s\n' '{"text": "\ud83d x \ude00\ud83d\ud83d\ude00 \ud83d\u0041 \uDBFF"}' >s.jsonl
for way in s.jsonl "--format jsonl - "; do
    # shellcheck disable=SC2086
    run $way <s.jsonl
    is "lone surrogates: $way" "$(cat got)" '{"text":"� x ��😀 �A �"}'
    is "lone surrogates: $way: counted" "$(counted)" 5
done
ok "are reported" grep -q '5 lone surrogates' err
expect_code 3 llm-tokenize -t tok.json -o t.shard --on-error stop s.jsonl
err_like "--on-error stop: lone surrogates" 's.jsonl: line 1: .*surrogate'
printf '%sx\xffy' "$before" >one
expect_code 3 llm-tokenize -t tok.json -o t.shard --on-error stop --format text one
err_like "--on-error stop: malformed UTF-8" 'one: byte [0-9]+: not UTF-8'

# a byte order mark
printf '\xef\xbb\xbfmarked\n' >text.bom
printf '\xef\xbb\xbf{"text": "marked\\n"}\n' >jsonl.bom
run --format text text.bom
is "a mark before text" "$(cat got)" '{"text":"marked\n"}'
run --format text - <text.bom
is "a mark before text on standard input" "$(cat got)" '{"text":"marked\n"}'
run --format jsonl jsonl.bom
is "a mark before jsonl" "$(cat got)" '{"text":"marked\n"}'
run --format jsonl - <jsonl.bom
is "a mark before jsonl on standard input" "$(cat got)" '{"text":"marked\n"}'
run --format lines text.bom
is "a mark before lines" "$(cat got)" '{"text":"marked"}'
printf '\xef\xbb\xbfone\n\xef\xbb\xbftwo\n' >two.bom
run --format lines two.bom
is "of lines only the first may have one" "$(cat got)" "$(printf '{"text":"one"}\n{"text":"\xef\xbb\xbftwo"}')"
