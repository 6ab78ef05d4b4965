#!/usr/bin/env bash
# Files made to break the reader: each ends with status 3 and the place, in little time
# and memory. timeout: 240
. "$LLM_SRC/tests/lib.sh"
. "$LLM_SRC/tests/cli/tokenize/_tokenizer.bash"
printf 'some text\n' >a.txt

python3 - "$LLM_SRC/tests/fuzz" <<'P'
import gzip, io, json, pathlib, struct, sys, tarfile, zipfile
sys.argv[1:] = [sys.argv[1]]
folder = sys.argv[1]
source = pathlib.Path(folder, "seeds.py").read_text().rsplit("\nmain()", 1)[0]
sys.argv[1] = "seeds"
exec(compile(source.replace("pathlib.Path(__file__)", "pathlib.Path(folder, 'seeds.py')"), "seeds.py", "exec"))
pathlib.Path("t").mkdir(); pathlib.Path("m").mkdir(); pathlib.Path("z").mkdir()

# ---- tokenizer.json -------------------------------------------------------------
BYTE = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
def bpe(vocab, merges, **more):
    return {"version": "1.0", "added_tokens": [], "pre_tokenizer": BYTE, "decoder": BYTE,
            "model": dict({"type": "BPE", "vocab": vocab, "merges": merges}, **more)}
def unigram(vocab, unk=0):
    return {"version": "1.0", "model": {"type": "Unigram", "unk_id": unk, "vocab": vocab}}
def added(i, text="<x>"):
    return {"id": i, "content": text, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
def put(name, value):
    text = value if isinstance(value, str) else json.dumps(value)
    pathlib.Path("t", name + ".json").write_text(text)
abc = {"a": 0, "b": 1, "c": 2, "ab": 3, "abc": 4}
put("huge-id", bpe(dict(abc, x=4000000000), ["a b"]))
put("negative-id", bpe(dict(abc, x=-1), ["a b"]))
put("double-id", bpe(dict(abc, x=3), ["a b"]))
put("id-not-a-number", bpe(dict(abc, x="3"), ["a b"]))
put("huge-added-id", dict(bpe(abc, ["a b"]), added_tokens=[added(2**31)]))
put("huge-id-beyond-64-bits", json.dumps(bpe(abc, ["a b"])).replace('"c": 2', '"c": 99999999999999999999'))
put("duplicate-merge", bpe(abc, ["a b", "a b"]))
put("cyclic-merge", bpe({"a": 0, "aa": 1}, ["aa a", "a a", "aa aa"]))
put("merge-of-nothing", bpe(abc, ["a z"]))
put("merge-into-nothing", bpe(abc, ["b c"]))
put("merge-of-three", bpe(abc, ["a b c"]))
put("empty-merge", bpe(abc, [""]))
put("empty-piece", bpe(dict(abc, **{"": 5}), ["a b"]))
put("unigram-empty-piece", unigram([["<unk>", 0.0], ["", -1.0]]))
for word in "NaN", "Infinity", "-Infinity", "1e999":
    put("score-" + word, json.dumps(unigram([["<unk>", 0.0], ["a", -1.5]])).replace("-1.5", word))
put("unk-outside", unigram([["<unk>", 0.0]], 7))
put("unk-negative", unigram([["<unk>", 0.0]], -2))
for name, blob in {"empty": b"", "short": b"\4", "size": struct.pack("<I", 1 << 30) + b"xxxx",
                   "outside": struct.pack("<I", 16) + struct.pack("<4I", 0xFFFFFFFF, 0x7FFFFFFF, 1 << 30, 0xFFFFFC00),
                   "odd": struct.pack("<I", 3) + b"xxx"}.items():
    import base64
    put("charsmap-" + name, dict(bpe(abc, ["a b"]), normalizer={"type": "Precompiled", "precompiled_charsmap": base64.b64encode(blob).decode()}))
put("charsmap-no-base64", dict(bpe(abc, ["a b"]), normalizer={"type": "Precompiled", "precompiled_charsmap": "!!!!"}))
put("depth-arrays", "[" * 200000)
put("depth-objects", '{"a":' * 200000)
text = json.dumps(bpe(abc, ["a b"]))
put("depth-sequences", text[:-1] + ',"normalizer":' + '{"type":"Sequence","normalizers":[' * 5000 + '{"type":"NFC"}' + "]}" * 5000 + "}")
put("long-string", '{"version":"' + "x" * 100000000)
# what the reference loads is loaded
put("good-long-piece", json.dumps(bpe(abc, ["a b"])).replace('"c"', '"' + "z" * 100000000 + '"'))
put("bad-regex", dict(bpe(abc, ["a b"]), pre_tokenizer={"type": "Split", "pattern": {"Regex": "(" * 5000}, "behavior": "Isolated", "invert": False}))
put("repeat-bomb", dict(bpe(abc, ["a b"]), pre_tokenizer={"type": "Split", "pattern": {"Regex": "((((a{1000}){1000}){1000}){1000}){1000}"}, "behavior": "Isolated", "invert": False}))
put("truncated", text[:-20])
put("nothing", "")
put("no-model", "{}")
put("lone-surrogate", text.replace('"a": 0', '"\\ud800": 0'))
put("nul-key", text.replace('"a": 0', '"\\u0000": 0, "a": 9'))
put("unknown-model", dict(bpe(abc, []), model={"type": "Magic", "vocab": {}}))

# ---- .model ----------------------------------------------------------------------
def model_file(name, data):
    pathlib.Path("m", name + ".model").write_bytes(data)
good = model(1)
piece = lambda p, s, t=1: field(1, field(1, p) + field(2, s) + field(3, t))
for cut in 1, 10, 300, len(good) - 5:
    model_file("cut-%d" % cut, good[:cut])
model_file("length-beyond", good + varint(2 << 3 | 2) + varint(1 << 40))
model_file("length-63-bits", good + varint(2 << 3 | 2) + b"\xff" * 8 + b"\x7f")
model_file("varint-without-end", good + b"\x0a" + b"\xff" * 20)
model_file("inner-length-beyond", b"\x0a\x05\x0a\x7fabc" + good)
model_file("empty-piece", piece(b"", 0.0) + good)
model_file("double-piece", good + piece(b"cat", -1.0))
for word in "nan", "inf", "-inf":
    model_file("score" + word, good + piece(b"dog", float(word)))
model_file("not-utf8", good + piece(b"\xff\xfe", -1.0))
model_file("bad-type", good + piece(b"dog", -1.0, 9))
model_file("no-unknown", piece(b"a", -1.0))
model_file("no-pieces", field(2, field(3, 1)))
model_file("group", good + b"\x0b")
for name, blob in {"size": struct.pack("<I", 1 << 30) + b"xxxx", "short": b"\1\2",
                   "outside": struct.pack("<I", 1024) + struct.pack("<256I", *[0x7FFFFFFF] * 256) + b"a\0",
                   "value": struct.pack("<I", 1024) + struct.pack("<256I", *([0x80 << 10] + [0] * 0xC0 + [ord("A") | 1 << 8 | 1 << 10] + [(1 << 31) | 99999] * 62)) + b"a\0"}.items():
    model_file("charsmap-" + name, model(1)[:0] + good + field(3, field(1, b"x") + field(2, blob)))

# ---- archives --------------------------------------------------------------------
zeros = gzip.compress(b"x" * (200 << 20), 9)
pathlib.Path("z/bomb.gz").write_bytes(zeros)
pathlib.Path("z/bomb3.gz").write_bytes(gzip.compress(gzip.compress(zeros)))
with zipfile.ZipFile("z/bomb.zip", "w", zipfile.ZIP_DEFLATED) as z:
    for i in range(4):
        z.writestr("%d.txt" % i, b"x" * (100 << 20))
with zipfile.ZipFile("z/nested.zip", "w") as z:
    z.write("z/bomb.zip", "bomb.zip")
with tarfile.open("z/bomb.tar.xz", "w:xz") as t:
    info = tarfile.TarInfo("big")
    info.size = 300 << 20
    t.addfile(info, io.BytesIO(b"x" * (300 << 20)))
gg = b"text\n"
for _ in range(20):
    gg = gzip.compress(gg)
pathlib.Path("z/twenty.gz").write_bytes(gg)
pathlib.Path("z/depth.gz").write_bytes(gzip.compress(gzip.compress(gzip.compress(b"fine\n"))))
with tarfile.open("z/up.tar", "w") as t:
    for name in "../../../up.txt", "/etc/up.txt", "a/../../b.txt", "d" * 5000 + "/x\n\x1b[31m.txt":
        info = tarfile.TarInfo(name); info.size = 3
        t.addfile(info, io.BytesIO(b"up\n"))
    link = tarfile.TarInfo("link"); link.type = tarfile.SYMTYPE; link.linkname = "/etc/passwd"
    t.addfile(link)
# a size of 8 EB in a tar header
h = bytearray(tar([("x", b"abc")]))
h[124:136] = b"\x80" + b"\x00" * 3 + b"\x7f" + b"\xff" * 7
h[148:156] = b" " * 8
h[148:156] = b"%06o\0 " % sum(h[:512])
pathlib.Path("z/size.tar").write_bytes(bytes(h))
P

# Each is refused, with its name in the message, within seconds and 700 MB.
refused() { # FILE CMD…
    local file=$1
    shift
    ([ -n "${LLM_SANITIZE:-}" ] || ulimit -v 1500000; timeout 60 "$@") >out 2>err
    echo $? >status
    is "$file: status 3" "$(cat status)" 3
    like "$file: the place" "$(tail -n 1 err | cut -c1-300)" "^llm-tokenize: ${file}[:!].*"
}
for file in t/*.json; do
    case $file in */good-*)
        ok "$file loads" timeout 60 llm-tokenize -q -t "$file" --eos none --special none a.txt -o good.shard
        continue ;;
    esac
    refused "$file" llm-tokenize -q -t "$file" --eos none --special none a.txt -o no.shard
done
for file in m/*.model; do
    refused "$file" llm-tokenize -q -t "$file" a.txt -o no.shard
done
for file in z/bomb.gz z/bomb3.gz z/bomb.zip z/bomb.tar.xz z/twenty.gz z/size.tar; do
    refused $file llm-tokenize -q -t tok.json $file -o no.shard
done
refused z/nested.zip llm-tokenize -q -t tok.json --max-ratio 500 z/nested.zip -o no.shard
ok "no shard appears" [ ! -e no.shard ]
is "gzip of gzip of gzip is read" "$(llm-tokenize -q -t tok.json z/depth.gz | llm-tokenize -q -t tok.json --decode --format text -)" fine
ok "names with ../ are names" expect_code 0 llm-tokenize -t tok.json z/up.tar -o up.shard
is "all are read, links are not, nothing is written outside" \
    "$(llm-tokenize --count up.shard | jq .documents) $(find / -xdev -maxdepth 2 -name up.txt 2>/dev/null)" "4 "
