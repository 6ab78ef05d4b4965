"""What the peers' tests of tokenizers share: TAP, our answers, texts that are hard and texts that are real."""
import json
import os
import pathlib
import random
import struct
import subprocess
import sys
import unicodedata

SRC = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("LLM_BIN", SRC / "build")).resolve()
PEERS = pathlib.Path(os.environ.get("LLM_PEERS", SRC / "build/peers"))
CORPUS = SRC.parent / "shared/data/corpus"
TOKENIZERS = SRC.parent / "shared/data/tokenizers"
LONG = bool(os.environ.get("LLM_LONG"))
sys.path.insert(0, str(SRC / "tests/unit/data"))
import tokenizer_fixtures as fixtures  # noqa: E402

count = 0


def ok(good, text):
    global count
    count += 1
    print("%sok %d - %s" % ("" if good else "not ", count, text), flush=True)


def skip(text):
    global count
    count += 1
    print("ok %d # SKIP %s" % (count, text), flush=True)


def diag(text):
    print("# " + text.replace("\n", "\\n"), flush=True)


# ---- ours ---------------------------------------------------------------------

def frames(tool, arguments, items):
    data = b"".join(struct.pack("<I", len(i)) + i for i in items)
    p = subprocess.run([str(BIN / "tests/tools" / tool)] + [str(a) for a in arguments], input=data,
                       stdout=subprocess.PIPE, check=True)
    return p.stdout


def answers(tokenizer, mode, number, items):
    out, got, at = frames("tokenizer_peer", [tokenizer, mode, number], items), [], 0
    while at < len(out):
        n, = struct.unpack_from("<I", out, at)
        got.append(out[at + 4:at + 4 + n])
        at += 4 + n
    return got


def pack(ids):
    return struct.pack("<%dI" % len(ids), *ids)


def unpack(data):
    return list(struct.unpack("<%dI" % (len(data) // 4), data))


# ---- the program --------------------------------------------------------------

def tool(*arguments):
    """What llm-tokenize writes; a failure is a failed test."""
    p = subprocess.run([str(BIN / "llm-tokenize"), "-q"] + [str(a) for a in arguments], stdout=subprocess.PIPE)
    if p.returncode:
        ok(False, "llm-tokenize %s: status %d" % (" ".join(map(str, arguments)), p.returncode))
    return p.stdout


def write_lines(path, texts):
    path.write_text("".join(json.dumps({"text": t}) + "\n" for t in texts))
    return path


def encode(file, texts, folder, *options):
    """Ids of each text by the command line; no special tokens around."""
    source = write_lines(folder / "encode.jsonl", texts)
    out = tool("-t", file, "--format", "jsonl", "--ids", "--special", "none", *options, source)
    return [[int(i) for i in line.split()] for line in out.decode().splitlines()]


def compare_ids(what, file, peer, texts, folder):
    """Texts of which the ids differ from the peer's, and the peer's ids."""
    ours = encode(file, texts, folder)
    theirs = [e.ids for e in peer.encode_batch(texts, add_special_tokens=False)]
    wrong = [i for i, (a, b) in enumerate(zip(ours, theirs)) if a != b]
    for i in wrong[:3]:
        diag("%s: %r: %r, expected %r" % (what, texts[i][:60], ours[i][:12], theirs[i][:12]))
    return len(wrong) + abs(len(ours) - len(theirs)), theirs


def same_ids(what, file, peer, texts, folder):
    texts = [t for t in texts if t]
    wrong, _ = compare_ids(what, file, peer, texts, folder)
    ok(not wrong, "%s: %d of %d texts differ, %.1f MB" % (
        what, wrong, len(texts), sum(len(t.encode()) for t in texts) / 1e6))


# ---- texts --------------------------------------------------------------------

HARD = fixtures.TEXTS + [
    "a" * 3000, " " * 3000, "1" * 3000, "!" * 3000, "\n" * 3000, "漢字" * 1500, "👨‍👩‍👧‍👦" * 200, "a b" * 3000,
    "a'" * 1000, " \n" * 1000, "\u3000" * 500 + "x", "か\u3099" * 500, "<|begin_of_text|>x<|endoftext|> <|im_start|>",
    "<tool_call>{}</tool_call>", "<|start|>user<|message|>hi<|end|>", "[INST] <<SYS>> </s><s> [/INST]",
    "'S 'T 'RE 'VE 'M 'LL 'D 's't", "ſ K Å ﬀ İ ı", "ABCdefGHI jklMNO ǅungla ǲ ʰʱ ªº", "x\u0301\u0301 \u0301y",
    "/usr/bin//\r\n/x ///\n//", "１２３４５ ①②③ ㊀ 三〇", "\u00ad\u200b\u200c\u200d\u2060\ufeff", "\x00\x01\x7f\x80\x9f",
    "\ufffd\ufffe\U0010ffff", "a\u2028\u2029b\u0085c", "  \t\t  \n\n  \r\r  end",
]

PARTS = [" ", "  ", "\n", "\r\n", "\t", "\u3000", "\u00a0", "\u2028", "\u0085", "'s", "'LL", "'ſ", "'", "a", "The", " the",
         "WORD", "wOrD", "123", "7", "²", "Ⅻ", "٣", "東京", "ひらがな", "カタカナ", "ｶﾞ", "が", "は\u3099", "\u0301", "é",
         "한국어", "\u1112\u1161\u11ab", "Ελλ", "ß", "ǅ", "ʰ", "👩‍👧", "🇯🇵", "▁", "<0x41>", "<s>", "</s>", "<mask>",
         "<strip>", "<word>", "<|endoftext|>", "<|im_start|>", "!", "...", "/", "//\n", "_", "-", "#", "{", "}", "=", "\x00",
         "\u200b", "\u180e", "\ufeff", "𝐀", "𠀀", "Ｎ", "ﬁ", "㌔", "Å", "word", "norm", "z"]


def random_texts(n, seed):
    r, out = random.Random(seed), []
    for _ in range(n):
        text = "".join(r.choice(PARTS) for _ in range(r.randrange(1, 40)))
        if r.random() < 0.3:  # some characters from anywhere
            text += "".join(c for c in (chr(r.randrange(0x20, 0x30000)) for _ in range(8))
                            if unicodedata.ucd_3_2_0.category(c) not in ("Cs", "Cn"))
        out.append(text)
    return out


def system_texts(most=150):
    out = []
    for folder in "/usr/share/common-licenses", "/usr/share/doc", "/usr/share/perl":
        for path in sorted(pathlib.Path(folder).rglob("*")):
            if len(out) < most and path.is_file() and path.suffix not in (".gz", ".xz"):
                try:
                    out.append(path.read_bytes()[:50000].decode())
                except (UnicodeDecodeError, OSError):
                    pass
    return out


def corpus_texts(name, limit):
    path = CORPUS / (name + ".jsonl.zst")
    if not path.exists():
        return []
    p = subprocess.Popen(["zstd", "-dcq", str(path)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    out, size = [], 0
    for line in p.stdout:
        text = json.loads(line)["text"]
        if not LONG:
            text = text[:100000]
        out.append(text)
        size += len(text.encode())
        if size > limit:
            break
    p.stdout.close()
    p.wait()
    return out
