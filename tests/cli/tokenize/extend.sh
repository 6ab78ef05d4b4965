#!/usr/bin/env bash
# --extend: old ids stay, new ones stand behind them; what is refused.
. "$LLM_SRC/tests/lib.sh"

awk 'BEGIN { for (i = 0; i < 400; i++) print "document " i ": a shorter story of one river " i % 7 }' >old.txt
awk 'BEGIN { for (i = 0; i < 400; i++) print "吾輩は猫である。名前はまだ無い。第" i "話 猫である" }' >new.txt

extend() { # BASE: into x.json
    llm-tokenize --extend "$1" --add 40 --format lines --log log -o x.json old.txt new.txt 2>report
}

ids() { # TOKENIZER TEXT
    printf '%s\n' "$2" | llm-tokenize -q -t "$1" --special none --format lines --ids
}

for kind in bytes words unigram; do
    training=(bpe)
    [ $kind = words ] && training=(bpe --pattern sentencepiece)
    [ $kind = unigram ] && training=(unigram)
    llm-tokenize -q --train "${training[@]}" --vocab-size 350 --format lines -o base.json old.txt
    rm -f log
    ok "$kind: extended" extend base.json
    like "$kind: says what was gained" "$(cat report)" \
        'held out, ja: [0-9.]+ bytes per token before, [0-9.]+ after \(documents [0-9]+, '
    like "$kind: so does the log" "$(grep '"event":"extend"' log)" '"language":"ja","documents":[0-9]+,'
    old='a shorter story of one river'
    is "$kind: an old text has its old ids" "$(ids x.json "$old")" "$(ids base.json "$old")"
    before=$(ids base.json '猫である' | wc -w)
    after=$(ids x.json '猫である' | wc -w)
    ok "$kind: a new one has fewer ($before, $after)" test "$after" -lt "$before"
    ids x.json '猫である。' >line
    is "$kind: which are text again" "$(llm-tokenize -q -t x.json --decode line)" '猫である。'
    like "$kind: the file says what is replaced" "$(tr -d ' \n' <x.json)" '"extension":\{"first":3[0-9]+,"replaces":\[\['
    extend base.json
    cp x.json first.json
    ok "$kind: again with other threads" llm-tokenize -q --extend base.json --add 40 --format lines --threads 3 -o x.json new.txt old.txt
    same "$kind: the same bytes in any order" first.json x.json
done

ok "no --add" expect_code 2 llm-tokenize --extend base.json new.txt -o o.json
err_like "says so" '^llm-tokenize: --extend needs --add N'
ok "--add alone" expect_code 2 llm-tokenize --add 5 -t base.json new.txt -o o.json
ok "with a --tokenizer" expect_code 2 llm-tokenize --extend base.json --add 5 -t base.json new.txt -o o.json
ok "with a vocabulary's size" expect_code 2 llm-tokenize --extend base.json --add 5 --vocab-size 900 new.txt -o o.json
ok "with --train" expect_code 2 llm-tokenize --extend base.json --add 5 --train bpe new.txt -o o.json
ok "no such base" expect_code 1 llm-tokenize --extend nothing --add 5 new.txt -o o.json
llm-tokenize -q --train bpe --vocab-size 300 --format lines -o bytes.json old.txt
ok "words of bytes" expect_code 2 llm-tokenize --extend bytes.json --add 5 --split-digits yes new.txt -o o.json
printf '{"version": "1.0", "model": {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "a"}}' >words.json
ok "a WordLevel base" expect_code 3 llm-tokenize --extend words.json --add 5 new.txt -o o.json
err_like "says why" '^llm-tokenize: words.json cannot be extended: it is neither BPE nor Unigram$'
sed 's/"first": [0-9]*,/"first": 1,/' x.json >bad.json
ok "ids replaced that come later" expect_code 3 ids bad.json a
err_like "say where" '^llm-tokenize: bad.json: model.extension.replaces\[[0-9]*\]\[[0-9]*\]: '
ok "nothing is left" test ! -e o.json
