#!/usr/bin/env bash
# What a document is in each format; charsets; faults and --on-error; the account.
. "$LLM_SRC/tests/lib.sh"
. "$LLM_SRC/tests/cli/tokenize/_tokenizer.bash"

texts() { # [options] FILE…: the documents as JSON lines
    llm-tokenize -q -t tok.json "$@" -o t.shard && llm-tokenize -q -t tok.json --decode \
        --format jsonl t.shard | sed 's/,"source":"default"}$/}/'
}

printf 'one\ntwo\r\n\nthree' >plain.txt
is "text: a file is a document" "$(texts plain.txt)" '{"text":"one\ntwo\r\n\nthree"}'
is "lines" "$(texts --format lines plain.txt)" '{"text":"one"}
{"text":"two"}
{"text":"three"}'
cat >a.jsonl <<'J'
{"id": 1, "text": "a \"q\" \\ \/ \n\t é 日本 \ud83d\ude00", "meta": {"text": "inner", "n": [1, 2.5e3, {}]}}

{"text": "lone \ud83d here \udc00"}
{"text": "", "x": null}
{"text": "last"}
J
is "jsonl: escapes, surrogates" "$(texts a.jsonl)" '{"text":"a \"q\" \\ / \n\t é 日本 😀"}
{"text":"lone � here �"}
{"text":"last"}'
is "jsonl: a nested field" "$(texts --json-field meta.text --on-error skip a.jsonl)" '{"text":"inner"}'
printf '\xef\xbb\xbfwith a mark' >bom.txt
is "a byte order mark is dropped" "$(texts bom.txt)" '{"text":"with a mark"}'
printf '\xef\xbb\xbf{"text": "x"}\n' >bom.jsonl
is "in jsonl, too" "$(texts bom.jsonl)" '{"text":"x"}'
printf '<!DOCTYPE html><html><head><title>t</title></head><body><nav>menu</nav><h1>H&eacute;</h1><p>a\nb<script>x<y</script> c</p></body></html>' >p
is "html is told by its data" "$(texts p)" '{"text":"Hé\n\na b c\n"}'
is "html as text when asked" "$(texts --format text p | head -c 40)" '{"text":"<!DOCTYPE html><html><head><tit'
printf '.\\" comment\n.TH X 1\n.SH NAME\nx \\- \\fBbold\\fR thing\n' >m
is "man is told by its data" "$(texts m)" '{"text":"NAME\n\nx - bold thing\n"}'

# what is dropped
mkdir drop
head -c 5000 /dev/urandom >drop/random
printf '%%PDF-1.4 text text text' >drop/a.pdf
printf '<?xml version="1.0"?><svg>text</svg>' >drop/a.svg
: >drop/empty
printf '<html><body></body></html>' >drop/e.html
for c in EUC-JP SHIFT_JIS ISO-2022-JP UTF-16; do
    printf 'これは日本語の文章です。漢字とかなが混ざっています。\n' | iconv -t $c >drop/$c.txt
done
printf 'caf\xe9 d\xe9j\xe0 vu, tr\xe8s bien, \xe0 bient\xf4t' >drop/latin1.txt
printf 'kept' >drop/kept.txt
ok "a mixed directory" expect_code 0 llm-tokenize -t tok.json --log log drop -o t.shard
for what in '2 binary' '1 XML' '2 empty' '1 euc-jp' '1 shift_jis' '1 iso-2022-jp' '1 utf-16' \
    '1 iso-8859-1' 'documents 11' 'out: documents 6, ' 'bos 600 <s>, eos 601 </s>'; do
    like "the account says '$what'" "$(tail -n 1 err)" "$what"
done
is "and so does the log" "$(jq -c 'select(.event=="tokenize")|[.documents_in,.documents,.dropped.binary,.dropped.empty,.converted["euc-jp"]]' log)" \
    '[11,6,2,2,1]'

# faults
printf 'good \xff\xfe\xe3\x81 bad\n' >bad.txt
is "ill-formed UTF-8 becomes U+FFFD" "$(texts --format text bad.txt)" '{"text":"good ��� bad\n"}'
ok "and is reported" expect_code 0 llm-tokenize -t tok.json --format text bad.txt -o t.shard
err_like "with its place" '^llm-tokenize: bad.txt: byte 5: not UTF-8 \(3 such places, now U\+FFFD\)$'
ok "--on-error stop" expect_code 3 llm-tokenize -t tok.json --format text --on-error stop bad.txt -o no.shard
err_like "says the same" '^llm-tokenize: bad.txt: byte 5: not UTF-8'
printf '{"text": "a"}\n{"text": "b}\n{"body": 1}\n{"text": 7}\n{"text": "e"} x\n{"text": "z", "text": 1}\n' >bad.jsonl
ok "malformed lines are skipped" expect_code 0 llm-tokenize -t tok.json bad.jsonl -o t.shard
err_like "with their place" '^llm-tokenize: bad.jsonl: line 2: byte 9: malformed JSON: string without end$'
like "and counted" "$(tail -n 1 err)" 'dropped: 3 malformed JSON, 2 without the JSON field'
ok "--on-error stop" expect_code 3 llm-tokenize -t tok.json --on-error stop bad.jsonl -o no.shard
err_like "at the first" '^llm-tokenize: bad.jsonl: line 2: '
gzip -c a.jsonl | head -c 60 >cut.jsonl.gz
ok "a broken archive stops" expect_code 3 llm-tokenize -t tok.json cut.jsonl.gz plain.txt -o no.shard
err_like "with its place" '^llm-tokenize: cut.jsonl.gz: gzip: truncated$'
ok "unless told to skip" expect_code 0 llm-tokenize -t tok.json --on-error skip cut.jsonl.gz plain.txt -o t.shard
like "which counts it" "$(tail -n 1 err)" 'out: documents 1,.*1 unreadable'
ok "no half-made file" [ ! -e no.shard ]
printf 'PAR1\0\0\1\2PAR1' >x.parquet
ok "Parquet is refused" expect_code 3 llm-tokenize -t tok.json x.parquet -o t.shard
err_like "with the way to convert it" "^llm-tokenize: x.parquet: is Parquet.*python3 -c .*pyarrow"
head -c 3000 /dev/zero | tr '\0' x >long.txt
ok "--max-member" expect_code 3 llm-tokenize -t tok.json --max-member 2K long.txt -o t.shard
err_like "names itself" '^llm-tokenize: long.txt: the member is larger than --max-member$'
ok "for a line, too" expect_code 3 llm-tokenize -t tok.json --format lines --max-member 1K long.txt -o t.shard

# languages and samples
printf '{"text":"これは日本語の文です。とても短い。"}\n{"text":"The cat sat on the mat and it was not what they had in mind."}\n{"text":"Der Hund und die Katze sind nicht in dem Haus, aber sie werden es sein."}\n' >l.jsonl
is "--lang ja" "$(texts --lang ja l.jsonl | wc -l)" 1
is "--lang en,de" "$(texts --lang en,de l.jsonl | wc -l)" 2
seq 1 4000 | sed 's/.*/{"text":"document &"}/' >s.jsonl
texts --sample 0.25 s.jsonl >s1
n=$(wc -l <s1)
ok "--sample 0.25 of 4000 keeps about 1000 ($n)" [ "$n" -gt 890 -a "$n" -lt 1110 ]
texts --sample 0.5 s.jsonl >s2
is "a smaller sample is part of a larger" "$(sort s1 s2 | uniq -d | wc -l)" "$n"
is "--sample 0" "$(texts --sample 0 s.jsonl | wc -l)" 0
is "--sample 1" "$(texts --sample 1 s.jsonl | wc -l)" 4000

# sources
N=$(llm-tokenize -q -t tok.json --special document --ids plain.txt | wc -w)
is "--source NAME:LANG" "$(llm-tokenize -q -t tok.json --source wiki:ja-JP plain.txt | llm-tokenize --count)" \
    '{"source":"wiki","language":"ja-JP","documents":1,"bytes":15,"tokens":'"$N}"
is "--source with a colon that begins no tag" \
    "$(llm-tokenize -q -t tok.json --source a:1x plain.txt | llm-tokenize --count | jq -c '[.source,.language]')" \
    '["a:1x",""]'
is "--count of text" "$(llm-tokenize -q -t tok.json --count --source s:en plain.txt)" \
    '{"source":"s","language":"en","documents":1,"bytes":15,"tokens":'"$N}"
is "--count without a tokenizer" "$(llm-tokenize -q --count plain.txt)" \
    '{"source":"default","language":"","documents":1,"bytes":15,"tokens":null}'

# lists of files
mkdir -p many/d
for i in $(seq -w 0 9999); do echo "document $i" >"many/$((10#$i % 7))-$i.txt"; done
printf 'odd' >'many/d/a
b.txt'
find many -maxdepth 1 -name '*.txt' | sort -t- -k2 >list
(ulimit -n 24; llm-tokenize -q -t tok.json --files-from list -o many.shard)
is "--files-from: 10,000 files, in the list's order, few descriptors" \
    "$(llm-tokenize -q -t tok.json --decode --format text many.shard | sha256sum)" "$(seq -f 'document %04.0f' 0 9999 | sha256sum)"
mapfile -t names <list
llm-tokenize -q -t tok.json --threads 1 "${names[@]}" -o same.shard
same "the same as operands" many.shard same.shard
is "a directory of them, twice the same" "$(llm-tokenize -q -t tok.json many | sha256sum)" \
    "$(llm-tokenize -q -t tok.json --threads 3 many | sha256sum)"
is "--null" "$(find many/d -name '*.txt' -print0 | llm-tokenize -q --count --null --files-from - plain.txt | jq .documents)" 2
ok "a NUL without it" expect_code 3 bash -c "find many/d -name '*.txt' -print0 | llm-tokenize --count --files-from -"
err_like "is told" 'a NUL in a name \(--null\?\)$'
printf '\n\n' >none
ok "a list of nothing" expect_code 3 llm-tokenize --count --files-from none
ok "a list that is not there" expect_code 1 llm-tokenize --count --files-from nothing
ok "standard input twice" expect_code 2 llm-tokenize --count --files-from - -
echo nothing >>list
ok "a missing file in the list" expect_code 1 llm-tokenize -t tok.json --files-from list -o no.shard
err_like "is named" '^llm-tokenize: nothing: No such file or directory$'

# JSON lines in any compression, nested fields
for i in 1 2 3; do printf '{"a":{"b":{"text":"d%d"}},"text":"no"}\n' $i; done >n.jsonl
texts --json-field a.b.text n.jsonl >want
for c in gzip bzip2 xz zstd; do
    $c -c n.jsonl >n.jsonl.$c
    texts --json-field a.b.text n.jsonl.$c >got
    same "jsonl in $c" want got
done
