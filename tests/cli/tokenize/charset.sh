#!/usr/bin/env bash
# Charsets: recognized and converted, the same text from each, in every format; faults.
. "$LLM_SRC/tests/lib.sh"
. "$LLM_SRC/tests/cli/tokenize/_tokenizer.bash"
PATH="$LLM_BIN/tests/tools:$PATH"

texts() { # [options] FILE…: the documents as JSON lines
    llm-tokenize -q -t tok.json "$@" -o t.shard && llm-tokenize -q -t tok.json --decode \
        --format jsonl t.shard | sed 's/,"source":"default"}$/}/'
}

python3 - <<'P'
import codecs
text = "これは日本語の文章です。漢字とかなが混ざっています。\nカタカナ、ＡＢＣ、表示と能力（ソ・十・表）、ﾊﾝｶｸも。\n" * 40
names = {"utf8": "utf-8", "bom": "utf-8-sig", "eucjp": "euc_jp", "sjis": "cp932", "jis": "iso2022_jp_ext",
         "utf16le": "utf-16-le", "utf16be": "utf-16-be"}
mark = {"utf16le": codecs.BOM_UTF16_LE, "utf16be": codecs.BOM_UTF16_BE}
def write(name, kind, suffix, s):
    open(kind + suffix, "wb").write(mark.get(kind, b"") + s.encode(names[kind]))
for kind in names:
    write("a", kind, ".txt", text)
    write("a", kind, ".jsonl", "".join('{"id":%d,"表":"ソ","text":"%s"}\n' % (i, s) for i, s in enumerate(text.split("\n")[:-1])))
    declared = "" if kind.startswith("utf16") else ' charset="%s"' % names[kind].replace("_ext", "").replace("cp932", "shift_jis").replace("_", "-")
    write("a", kind, ".html", "<!DOCTYPE html><html><head><meta%s><title>題</title></head><body><h1>表</h1><p>日本語。</p></body></html>" % declared)
# all characters of a charset, with what Python makes of them
def table(name, codec, sequences):
    good = []
    for s in sequences:
        try:
            good.append((s, s.decode(codec)))
        except UnicodeDecodeError:
            pass
    open(name + ".table", "wb").write(b"\n".join(s for s, _ in good))
    open(name + ".want", "w", encoding="utf-8", newline="").write("\n".join(t for _, t in good))
pairs = [bytes([a, b]) for a in range(0xA1, 0xFF) for b in range(0xA1, 0xFF)]
table("euc-jp", "euc_jp", pairs + [b"\x8f" + p for p in pairs if p != b"\xa2\xb7"] + [bytes([0x8E, b]) for b in range(0xA1, 0xE0)])
table("shift_jis", "cp932", [bytes([a, b]) for a in list(range(0x81, 0xA0)) + list(range(0xE0, 0xFD))
      for b in list(range(0x40, 0x7F)) + list(range(0x80, 0xFD))] + [bytes([b]) for b in range(0xA1, 0xE0)])
table("iso-8859-1", "cp1252", [bytes([b]) for b in range(0x20, 0x100)])
table("iso-2022-jp", "iso2022_jp_1", [b"\x1b$B%c%c\x1b(B" % (a, b) for a in range(0x21, 0x7F) for b in range(0x21, 0x7F)] +
      [b"\x1b$(D%c%c\x1b(B" % (a, b) for a in range(0x21, 0x7F) for b in range(0x21, 0x7F) if (a, b) != (0x22, 0x37)])
for wide in "utf-16le", "utf-16be":
    table(wide, wide, [chr(c).encode(wide) for c in [*range(0x20, 0x3000, 7), 0x3042, 0xFFFD, 0x1F600, 0x10FFFF]])
    t = open(wide + ".want", encoding="utf-8", newline="").read()
    open(wide + ".table", "wb").write(t.encode(wide))
P
texts utf8.txt >want.txt
texts utf8.jsonl >want.jsonl
texts --format lines utf8.txt >want.lines
texts utf8.html >want.html
is "the texts are there" "$(wc -l <want.txt) $(wc -l <want.jsonl) $(wc -l <want.lines) $(wc -l <want.html)" "1 80 80 1"
for kind in bom eucjp sjis jis utf16le utf16be; do
    texts $kind.txt >got
    same "$kind: a document" want.txt got
    texts $kind.jsonl >got
    same "$kind: jsonl" want.jsonl got
    texts --format lines $kind.txt >got
    same "$kind: lines" want.lines got
    texts $kind.html >got
    same "$kind: html" want.html got
done
for name in euc-jp shift_jis iso-8859-1 iso-2022-jp utf-16le utf-16be; do
    totext from:$name $name.table >got
    same "$name: each character is Python's" $name.want got
done

ok "all charsets in one run" expect_code 0 llm-tokenize -t tok.json utf8.txt ./*.txt -o t.shard
like "are counted by name" "$(tail -n 1 err)" \
    'converted: 1 utf-16le, 1 utf-16be, 1 iso-2022-jp, 1 euc-jp, 1 shift_jis;'
is "threads do not matter" "$(llm-tokenize -q -t tok.json --threads 3 ./*.txt ./*.jsonl | sha256sum)" \
    "$(llm-tokenize -q -t tok.json --threads 1 ./*.txt ./*.jsonl | sha256sum)"

# what standards lack
is "EUC-JP with NEC's row 13" "$(printf '\xad\xa1\xad\xea\xb0\xa1' >r13; totext from:euc-jp r13)" '①㈱亜'
is "ISO-2022-JP with it" "$(printf '\e$B-!-j0!\e(B.' >r13; totext from:iso-2022-jp r13)" '①㈱亜.'
is "half-width kana by escape and by shift" "$(printf '\e(I1\e(B a \x0e1\x0f b' >k; totext from:iso-2022-jp k)" 'ｱ a ｱ b'
is "JIS X 0201's Roman set" "$(printf '\e(Ja\\~\e(B\\~' >k; totext from:iso-2022-jp k)" 'a¥‾\~'
is "JIS X 0213" "$(printf '\e$(Q.!\e(B \e$(P!!\e(B' >k; totext from:iso-2022-jp k)" \
    "$(python3 -c 'print(b"\x1b$(Q.!\x1b(B \x1b$(P!!\x1b(B".decode("iso2022_jp_2004"))')"
is "Windows-1252" "$(printf '\x93caf\xe9\x94 \x80' >w; totext from:iso-8859-1 w)" '“café” €'
is "declared charsets" "$(printf '<html><meta charset=koi8-r><p>\xf0\xf2\xe9\xf7\xe5\xf4</p>' >k; texts k)" '{"text":"ПРИВЕТ\n"}'

# faults
for _ in 1 2 3 4 5 6; do printf 'これは日本語の文章です。漢字とかなが混ざっています。\n'; done >long
iconv -t EUC-JP long >bad.txt
printf 'a\xa4b\xff\xa9\xa1.\xa4' >>bad.txt
n=$(iconv -t EUC-JP long | wc -c)
ok "malformed EUC-JP" expect_code 0 llm-tokenize -t tok.json bad.txt -o t.shard
err_like "has its place" "^llm-tokenize: bad.txt: byte $((n + 1)): not euc-jp \(4 such places, now U\+FFFD\)\$"
like "is counted" "$(tail -n 1 err)" '4 malformed sequences replaced'
like "becomes U+FFFD" "$(texts bad.txt)" 'a�b��\.�"}$'
ok "--on-error stop" expect_code 3 llm-tokenize -t tok.json --on-error stop bad.txt -o no.shard
ok "malformed lines" expect_code 0 llm-tokenize -t tok.json --format lines bad.txt -o t.shard
err_like "have theirs" '^llm-tokenize: bad.txt: line 7: byte 1: not euc-jp \(4 such places'
{ iconv -t SHIFT_JIS long; printf '\x82\xff\x81\x20'; } >bad.txt
like "malformed Shift_JIS" "$(texts bad.txt)" 'n��� "}$'
like "three places" "$(llm-tokenize -t tok.json bad.txt -o t.shard 2>&1)" 'not shift_jis \(3 such'
{ iconv -t ISO-2022-JP long; printf '\e$BAA\x01A\e(B\e$Z.'; } >bad.txt
like "malformed ISO-2022-JP" "$(llm-tokenize -t tok.json bad.txt -o t.shard 2>&1)" 'not iso-2022-jp'
printf '\xff\xfea\0b\0\x00\xd8c\0d' >bad.txt
is "UTF-16: a lone surrogate, a byte at the end" "$(texts bad.txt)" '{"text":"ab�c�"}'
printf '<html><meta charset=iso-8859-7><p>\xc7\xd1\xb1\xdb</p>' >bad.txt
ok "a charset that is not supported" expect_code 0 llm-tokenize -t tok.json bad.txt -o t.shard
err_like "is named" '^llm-tokenize: bad.txt: charset not supported'
ok "and stops when asked" expect_code 3 llm-tokenize -t tok.json --on-error stop bad.txt -o no.shard
