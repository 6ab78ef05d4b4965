#!/usr/bin/env bash
# WARC and WET: records, HTTP's codings, charsets, damage, memory.
. "$LLM_SRC/tests/lib.sh"
. "$LLM_SRC/tests/cli/tokenize/_tokenizer.bash"

texts() { # [options] FILE…: the documents as JSON lines
    llm-tokenize -q -t tok.json "$@" -o t.shard && llm-tokenize -q -t tok.json --decode \
        --format jsonl t.shard | sed 's/,"source":"default"}$/}/'
}

python3 - <<'P'
import gzip, zlib
def record(kind, block, content="application/http; msgtype=response", extra=""):
    head = "WARC/1.0\r\nWARC-Type: %s\r\nWARC-Target-URI: http://x/%s\r\n%sContent-Type: %s\r\nContent-Length: %d\r\n\r\n" % (
        kind, kind, extra, content, len(block))
    return head.encode() + block + b"\r\n\r\n"
def http(body, content="text/html", extra="", status="200 OK"):
    return ("HTTP/1.1 %s\r\nServer: x\r\nContent-Type: %s\r\n%s\r\n" % (status, content, extra)).encode() + body
def chunk(b, n=7):
    out = b"".join(b"%x;ext=1\r\n" % len(b[i:i + n]) + b[i:i + n] + b"\r\n" for i in range(0, len(b), n))
    return out + b"0\r\n\r\n"
def page(s):
    return "<html><head><title>t</title></head><body><p>%s</p></body></html>" % s
ja = "これは日本語の文章です。"
records = [
    record("warcinfo", b"software: x\r\n", "application/warc-fields"),
    record("request", b"GET / HTTP/1.1\r\n\r\n", "application/http; msgtype=request"),
    record("response", http(page("plain").encode())),
    record("response", http(page(ja).encode("euc_jp"), "text/html; charset=EUC-JP")),
    record("response", http(page("漢字").encode("cp932"), 'text/html; charset="Shift_JIS"')),
    record("response", http(chunk(page("chunked").encode()), extra="Transfer-Encoding: chunked\r\n")),
    record("response", http(gzip.compress(page("gzip").encode()), extra="Content-Encoding: gzip\r\n")),
    record("response", http(chunk(gzip.compress(page("both").encode())), extra="Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n")),
    record("response", http(zlib.compress(page("deflate").encode()), extra="Content-Encoding: deflate\r\n")),
    record("response", http(page("decoded already").encode(), extra="Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n")),
    record("response", http(b"\x89PNG\r\n\x1a\n" + bytes(50), "image/png")),
    record("response", http(b"body{}", "text/css")),
    record("response", http(page("gone").encode(), status="404 Not Found")),
    record("response", http(b"just text\n", "text/plain")),
    record("response", http(page("untyped").encode(), "")),
    record("metadata", b"fetchTimeMs: 1\r\n", "application/warc-fields"),
    record("revisit", http(b""), "application/http; msgtype=response"),
    record("response", b"dns\n", "text/dns"),
    record("resource", page("resource").encode(), "text/html"),
    record("conversion", ("WET " + ja + "\n<html> stays\n").encode(), "text/plain"),
]
open("a.warc", "wb").write(b"".join(records))
open("a.warc.gz", "wb").write(b"".join(gzip.compress(r) for r in records))
open("wet.warc", "wb").write(b"".join([records[0], records[-1], records[-1]]))
open("bad.warc", "wb").write(b"".join([
    record("response", http(gzip.compress(page("x" * 5000).encode())[:60], extra="Content-Encoding: gzip\r\n")),
    record("response", http(chunk(b"abc" * 30)[:40], "text/plain", "Transfer-Encoding: chunked\r\n")),
    record("response", http(chunk(b"cut " * 9)[:30], "text/plain", "Transfer-Encoding: chunked\r\n"), extra="WARC-Truncated: length\r\n"),
    record("response", b"no http at all"), records[2]]))
open("long.warc", "wb").write(b"".join([records[2], record("conversion", b"long " * 1000, "text/plain"), records[2]]))
whole = b"".join([records[2], records[19]])
open("cut.warc", "wb").write(whole[:-30])
open("cuthead.warc", "wb").write(whole + b"WARC/1.0\r\nWARC-Ty")
open("length.warc", "wb").write(records[2].replace(b"Content-Length: 1", b"Content-Length: 2") + records[2])
open("nolength.warc", "wb").write(records[2] + records[2].replace(b"Content-Length", b"Content-Ungth"))
P
cat >want <<'J'
{"text":"plain\n"}
{"text":"これは日本語の文章です。\n"}
{"text":"漢字\n"}
{"text":"chunked\n"}
{"text":"gzip\n"}
{"text":"both\n"}
{"text":"deflate\n"}
{"text":"decoded already\n"}
{"text":"just text\n"}
{"text":"untyped\n"}
{"text":"resource\n"}
{"text":"WET これは日本語の文章です。\n<html> stays\n"}
J
zstd -qc a.warc >a.warc.zst
{ head -c 3000 a.warc | zstd -qc; tail -c +3001 a.warc | zstd -qc; } >two.warc.zst
bzip2 -c a.warc >a.warc.bz2
xz -c a.warc >a.warc.xz
for file in a.warc a.warc.gz a.warc.zst two.warc.zst a.warc.bz2 a.warc.xz; do
    texts $file >got
    same "$file: the documents" want got
done
texts --format warc - <a.warc.gz >got
same "--format warc, from a pipe" want got
ok "the account" expect_code 0 llm-tokenize -t tok.json a.warc -o t.shard
for what in 'in: documents 15' 'out: documents 12' '2 binary' '5 other records' \
    '1 HTTP responses without success' '1 euc-jp, 1 shift_jis'; do
    like "says '$what'" "$(tail -n 1 err)" "$what"
done
is "two documents of a WET file" "$(texts wet.warc | wc -l)" 2

# damage
ok "faults of responses" expect_code 0 llm-tokenize -t tok.json bad.warc -o t.shard
n=$(grep -abo 'WARC/1.0' bad.warc | cut -d: -f1 | sed -n 4p)
like "have their places" "$(cat err)" "bad.warc: offset 0: the response's gzip or deflate coding ends early"
like "every one" "$(cat err)" "bad.warc: offset $n: not an HTTP response"
like "and are counted" "$(tail -n 1 err)" '2 unreadable'
is "what a crawler cut itself is taken" "$(texts bad.warc | sed -n 2p)" '{"text":"cut cut cu"}'
ok "--on-error stop" expect_code 3 llm-tokenize -t tok.json --on-error stop bad.warc -o t.shard
for file in cut cuthead length nolength; do
    ok "$file.warc" expect_code 3 llm-tokenize -t tok.json $file.warc -o t.shard
    err_like "its place" "^llm-tokenize: $file.warc: offset [0-9]+: .*(cut|not end|beginning|Content-Length)"
    ok "skipped" expect_code 0 llm-tokenize -t tok.json --on-error skip $file.warc -o t.shard
done
is "a second record's offset" "$(llm-tokenize -t tok.json cut.warc -o t.shard 2>&1 | head -n 1)" \
    "llm-tokenize: cut.warc: offset $(grep -abo 'WARC/1.0' cut.warc | tail -n 1 | cut -d: -f1): the record is cut"
ok "a long record" expect_code 3 llm-tokenize -t tok.json --max-member 4K long.warc -o t.shard
err_like "is named" '^llm-tokenize: long.warc: offset [0-9]+: the record is larger than --max-member$'
is "and the next ones are read" "$(texts --on-error skip --max-member 4K long.warc | wc -l)" 2

# memory: many records, in one stream
for _ in 1 2 3 4 5 6 7 8 9 10 11 12; do cat a.warc; done >b
for _ in 1 2 3 4 5 6 7 8 9 10 11 12; do cat b; done >c
many() { for _ in $(seq "$1"); do cat c; done; }
peak() { # MB
    many "$1" | python3 -c 'import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)' \
        llm-tokenize -q -t tok.json --threads 2 --count - | tail -n 1
}
if [ -n "${LLM_SANITIZE:-}" ]; then
    skip "constant memory" "sanitizers keep what is freed"
else
    few=$(peak 5) lots=$(peak $((40 + ${LLM_LONG:-0} * 1500)))
    ok "memory does not grow: $few MB, $lots MB" [ "$lots" -le $((few + 12)) ]
fi
