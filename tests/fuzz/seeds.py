#!/usr/bin/env python3
"""seeds.py DIR: first inputs of the fuzz targets, DIR/TARGET/NAME."""
import bz2
import gzip
import io
import json
import lzma
import pathlib
import struct
import sys
import tarfile
import zipfile
import zlib

SRC = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(SRC / "tests/tools"))
import gguf_make  # noqa: E402

OUT = pathlib.Path(sys.argv[1])
sys.path.insert(0, str(SRC / "tests/peers"))
import _chat_random  # noqa: E402: found only now

TEXT = "The cat's 123 <s> ▁a  日本語ｶﾞ か\u3099 e\u0301 👩‍👧 🇯🇵 <0x41> \r\n\n end".encode()


def put(target, name, data):
    folder = OUT / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)


def with_tail(description, text=TEXT):
    return struct.pack("<H", len(text)) + description + text


# ---- protocol buffers -------------------------------------------------------------

def varint(n):
    n &= (1 << 64) - 1
    out = b""
    while n > 127:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])


def field(number, value):
    if isinstance(value, bytes):
        return varint(number << 3 | 2) + varint(len(value)) + value
    if isinstance(value, float):
        return varint(number << 3 | 5) + struct.pack("<f", value)
    return varint(number << 3) + varint(value)


def charsmap():
    """A double array of Darts that maps "A" to "a": the root's label is A, its leaf the value 0."""
    units = [0] * 256
    units[0] = 0x80 << 10  # offset 0x80
    units[0x80 ^ ord("A")] = ord("A") | 1 << 8 | 0x01 << 10
    units[0x80 ^ ord("A") ^ 1] = 1 << 31
    return struct.pack("<I", 4 * len(units)) + struct.pack("<256I", *units) + b"a\0"


def model(kind, fallback=True, mapped=False):
    pieces = [("<unk>", 0.0, 2), ("<s>", 0.0, 3), ("</s>", 0.0, 3)]
    pieces += [("<0x%02X>" % i, 0.0, 6) for i in range(256)] if fallback else []
    pieces += [(p, -float(i + 1), 1) for i, p in enumerate(
        ["▁", "a", "t", "e", "h", "c", "▁t", "he", "▁the", "at", "cat", "▁cat", "日", "本", "日本", "日本語", "語", "1", "12"])]
    pieces += [("<mask>", 0.0, 4), ("zz", -30.0, 5)]
    out = b"".join(field(1, field(1, p.encode()) + field(2, s) + field(3, t)) for p, s, t in pieces)
    out += field(2, field(3, kind) + field(4, len(pieces)) + (field(35, 1) if fallback else b""))
    normal = field(1, b"nfkc" if mapped else b"identity") + (field(2, charsmap()) if mapped else b"")
    return out + field(3, normal + field(3, 1) + field(4, int(mapped)) + field(5, 1))


# ---- archives ---------------------------------------------------------------------

def tar(files):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as t:
        for name, data in files:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            t.addfile(info, io.BytesIO(data))
    return out.getvalue()


def zip_of(files):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
        for name, data in files:
            z.writestr(name, data)
    return out.getvalue()


def ar(files):
    out = b"!<arch>\n"
    for name, data in files:
        out += b"%-16s%-12d%-6d%-6d%-8s%-10d`\n" % (name.encode(), 0, 0, 0, b"100644", len(data)) + data
        out += b"\n" * (len(data) % 2)
    return out


def archives():
    files = [("a.txt", b"alpha\n"), ("d/b", TEXT), ("../up", b"x")]
    zstd = bytes.fromhex("28b52ffd2406310000616c7068610a") + b"\x3c\x8b\x3a\x27"
    plain = {"tar": tar(files), "zip": zip_of(files), "ar": ar(files), "text": TEXT, "zstd": zstd}
    for name, data in list(plain.items()):
        plain[name + ".gz"] = gzip.compress(data, mtime=0)
        plain[name + ".bz2"] = bz2.compress(data)
        plain[name + ".xz"] = lzma.compress(data)
    plain["deb"] = ar([("debian-binary", b"2.0\n"), ("data.tar.xz", plain["tar.xz"])])
    plain["gggg"] = gzip.compress(gzip.compress(gzip.compress(plain["zip.gz"], mtime=0), mtime=0), mtime=0)
    plain["two"] = plain["text.gz"] + plain["text.gz"]
    return plain


# ---- texts ------------------------------------------------------------------------

WIKI = """{{Infobox|a={{b|[[c]]}}}}'''T''' [[File:x|thumb|a [[b]]]] [[a|b]]<ref name="x">y</ref> {{lang|en|z}} （{{x}}、）
{| class="a"
|-
| b
|}
== H ==
* a
# b
<nowiki>[[x]]</nowiki> <math>a_1</math> <pre>
x</pre> &nbsp; [http://a b] __TOC__<!-- c -->
"""
HTML = "<!DOCTYPE html><html><head><title>t</title></head><body><h1>H&eacute;</h1><p class=x>a<br>b<pre> x\n</pre>" \
       "<table><tr><td>1<td>2</table><ul><li>a</ul><script>x<y</script></body></html>"
MAN = ".TH X 1\n.SH NAME\nx \\- \\fBbold\\fR\n.PP\n.nf\n a\n.fi\n.ds a b\n\\*a\n.TS\nl l.\na\tb\n.TE\n"
MDOC = ".Dd x\n.Dt X 1\n.Os\n.Sh NAME\n.Nm x\n.Nd y\n.Bl -tag -width a\n.It Fl a Ar b\nc\n.El\n"


def http(body, headers=""):
    return ("HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=EUC-JP\r\n%s\r\n" % headers).encode() + body


def warc(kind, block):
    return ("WARC/1.0\r\nWARC-Type: %s\r\nContent-Type: application/http; msgtype=response\r\nContent-Length: %d\r\n\r\n"
            % (kind, len(block))).encode() + block + b"\r\n\r\n"


# ---- models -----------------------------------------------------------------------

def configs():
    """A config.json of each family, with what it may have."""
    sizes = {"vocab_size": 100, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
             "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 64, "rms_norm_eps": 1e-5}
    experts = {**sizes, "num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 24}
    scalings = [{"rope_type": "llama3", "factor": 8, "low_freq_factor": 1, "high_freq_factor": 4,
                 "original_max_position_embeddings": 16}, {"type": "linear", "factor": 2.5},
                {"type": "dynamic", "factor": 2}, {"rope_type": "proportional", "partial_rotary_factor": 0.5},
                {"rope_type": "yarn", "factor": None, "original_max_position_embeddings": 16, "beta_fast": 8,
                 "beta_slow": 2, "truncate": False, "mscale": 0.7, "mscale_all_dim": 0.3},
                {"rope_type": "longrope", "short_factor": [1, 1.5, 2, 3], "long_factor": [1, 2, 3, 4],
                 "original_max_position_embeddings": 32, "attention_factor": 1.25}]
    yield from ({"model_type": "llama", **sizes, "rope_theta": 500, "rope_scaling": s, "head_dim": 8} for s in scalings)
    yield {"architectures": ["MistralForCausalLM"], **sizes, "sliding_window": 7, "layer_types": ["sliding_attention"] * 2}
    yield {"model_type": "mixtral", **sizes, "num_local_experts": 4, "tie_word_embeddings": True}
    yield {"model_type": "qwen2", **sizes, "use_sliding_window": True, "max_window_layers": 0, "sliding_window": 9}
    yield {"model_type": "qwen2_moe", **experts, "shared_expert_intermediate_size": 40, "mlp_only_layers": [1], "qkv_bias": False}
    yield {"model_type": "qwen3", **sizes, "head_dim": 8, "attention_bias": True, "layer_types": ["full_attention"] * 2}
    yield {"model_type": "qwen3_moe", **experts, "decoder_sparse_step": 2, "norm_topk_prob": True}
    yield {"model_type": "gpt2", "n_embd": 32, "n_layer": 2, "n_head": 4, "vocab_size": 100, "activation_function": "gelu"}
    yield {"model_type": "gpt_neox", **sizes, "rotary_pct": 0.25, "rotary_emb_base": 500, "use_parallel_residual": False,
           "hidden_act": "gelu_fast", "attention_bias": False}
    yield {"model_type": "gpt_neox", **sizes, "rope_parameters": {"rope_theta": 500, "partial_rotary_factor": 1.0}}


def tasks():
    """Built-in tasks whose files are all `d`, each with a document or two."""
    rows = {
        "jsonl": [b'{"question":"q [title] a","answer":"x #### 7","answer_number":7,"label":1,"text":"a b c","summary":"s",'
                  b'"choice0":"a","choice1":"b","choice2":"c","choice3":"d","choice4":"e","sentence":"s","endings":["a","b"],'
                  b'"sentence1":"s","sentence2":"t","activity_label":"l","ctx_a":"A","ctx_b":"B"}\n' * 9],
        "json": [b'{"data":[{"title":"T","paragraphs":[{"context":"C [SEP] D","qas":[{"question":"q","answers":[{"text":"a"}]}]}]}]}',
                 b'{"Data":[{"Question":"q","Answer":{"Aliases":["a","it\'s"]}}]}', b'[{"question":"q","answer":"a"}]'],
        "tsv": [b"q\t7\r\nr\t8\n"],
        "xml": [b"<?xml version='1.0'?><questions><question id='1'><text>q&lt;&#x41;</text><answers><answer>a</answer>"
                b"<answer/></answers></question><!-- c --><question><text>r</text><answers><answer>-</answer></answers></question></questions>"],
        "xwinograd": [b'jp\tx\t?\tA "b" it.\t["A","``","b","\'\'","it","."]\t["it",[4,5],["it"]]\t[["A",[0,1],["A"],true],["b",[2,3],["b"],false]]\n'],
        "wikitext": [b" \n = One = \n a @-@ b ( c ) \n = = Two = = \n = Three = \n d \n"],
    }
    for path in sorted((SRC / "cmd/llm-eval/tasks").glob("*.json")):
        task = json.loads(path.read_text(encoding="utf-8"))
        if "task" not in task:
            continue
        task["num_fewshot"] = min(task.get("num_fewshot", 0), 1)
        formats = set()
        for split in task["documents"]["splits"].values():
            split["files"] = ["d"]
            formats.add(split["format"])
        for k, data in enumerate(sum((rows[f] for f in sorted(formats)), [])):
            yield "%s-%d" % (path.stem, k), json.dumps(task, ensure_ascii=False).encode() + b"\0" + data


# ---- safetensors ---------------------------------------------------------------------

GPT2 = {"wte.weight": [2, 2], "wpe.weight": [1, 2], "h.0.ln_1.weight": [2], "h.0.ln_1.bias": [2],
        "h.0.attn.c_attn.weight": [2, 6], "h.0.attn.c_attn.bias": [6], "h.0.attn.c_proj.weight": [2, 2],
        "h.0.attn.c_proj.bias": [2], "h.0.ln_2.weight": [2], "h.0.ln_2.bias": [2],
        "h.0.mlp.c_fc.weight": [2, 8], "h.0.mlp.c_fc.bias": [8], "h.0.mlp.c_proj.weight": [8, 2],
        "h.0.mlp.c_proj.bias": [2], "ln_f.weight": [2], "ln_f.bias": [2]}


def safetensors_file(tensors, metadata=None):
    head, at = {}, 0
    if metadata is not None:
        head["__metadata__"] = metadata
    for name, (kind, shape, size) in tensors.items():
        head[name] = {"dtype": kind, "shape": shape, "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(head).encode()
    return struct.pack("<Q", len(text)) + text + bytes(range(at % 256)) + b"\0" * (at - at % 256)


def safetensors():
    def product(shape):
        n = 1
        for d in shape:
            n *= d
        return n

    names = list(GPT2.items())
    out = {"none": safetensors_file({}), "types": safetensors_file(
        {"a": ("F32", [2, 3], 24), "b": ("BF16", [4], 8), "c": ("F16", [], 2), "d": ("F64", [1], 8),
         "e": ("F4", [4], 2), "f": ("U8", [0, 9], 0), "../g": ("I64", [1], 8)}, {"format": "pt"})}
    for part in 0, 1:
        out["part%d" % part] = safetensors_file(
            {"transformer." + n: ("F32", s, 4 * product(s)) for n, s in names[part::2]}, {"format": "pt"})
    out["whole"] = safetensors_file({"transformer." + n: ("F16", s, 2 * product(s)) for n, s in names})
    return out


def indexes():
    files = "a.safetensors", "b.safetensors"
    good = {"transformer." + n: files[i % 2] for i, n in enumerate(GPT2)}
    return {"good": json.dumps({"metadata": {"total_size": 1}, "weight_map": good}),
            "up": json.dumps({"weight_map": dict(good, more="../a.safetensors")}),
            "other": json.dumps({"weight_map": {n: files[0] for n in good}}),
            "short": json.dumps({"weight_map": dict(list(good.items())[:3])})}


def main():
    for name, data in tasks():
        put("task", name, data)
    for i, config in enumerate(configs()):
        ids = {"bos_token_id": None, "eos_token_id": [1, 2], "pad_token_id": 3}
        put("config_json", "%02d" % i, json.dumps({**config, **ids}).encode())
    all_ = json.loads((SRC / "tests/unit/data/tokenizer_fixtures.json").read_text(encoding="utf-8"))
    for i, f in enumerate(all_["fixtures"]):
        t = dict(f["tokenizer"])
        if isinstance(t.get("model"), str):
            t["model"] = all_["models"][t["model"]]
        put("tokenizer_json", "%02d" % i, with_tail(json.dumps(t, ensure_ascii=False, separators=(",", ":")).encode()))
        put("encoders", "%02d" % i, bytes([i, i]) + TEXT)
    put("encoders", "long", b"\0\0" + b"a" * 3000 + " ".encode() * 500 + "漢字".encode() * 300)
    for kind in 1, 2, 3, 4:
        for fallback in False, True:
            for mapped in False, True:
                put("sp_model", "%d%d%d" % (kind, fallback, mapped), with_tail(model(kind, fallback, mapped)))
    for name, data in archives().items():
        put("archive", name, data)
    for i, line in enumerate(['{"text":"a\\n\\u3042\\ud83d\\ude00"}', '{"a":{"b":"x","c":[1,-2.5e3,{}]},"text":null}', ' {"a":{"b":{"c":{"d":"deep"}}}} ']):
        for k in range(3):
            put("jsonl", "%d%d" % (i, k), bytes([k]) + line.encode())
    for i, pattern in enumerate([r"#### (\-?[0-9\.\,]+)", r"(-?[$0-9.,]{2,})|(-?[0-9]+)", r"(?s).*#### ", r"^\s+|\W*$",
                                 r"(a+)+$", r"[^\]\w-]\b(?P<x>.)\1{,2}", r"(?i:\u3042)(?<!x)(?>y*)\Z"]):
        put("eval_filter", "%d" % i, pattern.encode() + b"\0" + "a aa ########## $1,234.5 東京ﾃｽﾞ😀 İΣ\n".encode() * 3)
    page = "<html><p>これは日本語</p></html>".encode("euc_jp")
    chunks = b"5\r\n" + page[:5] + b"\r\n%x\r\n" % len(page[5:]) + page[5:] + b"\r\n0\r\n\r\n"
    for name, block in {"plain": http(page), "chunks": http(chunks, "Transfer-Encoding: chunked\r\n"),
                        "gzip": http(gzip.compress(page, mtime=0), "Content-Encoding: gzip\r\n"),
                        "deflate": http(zlib.compress(page), "Content-Encoding: deflate\r\n")}.items():
        put("warc", name, warc("response", block) + warc("conversion", TEXT))
    for i, codec in enumerate(["utf-8", "utf-16-le", "utf-16-be", "iso2022_jp_ext", "euc_jp", "cp932", "latin-1", "iso8859-2",
                               "iso8859-9", "iso8859-15", "cp1251", "koi8-r", "euc_kr", "gb18030", "big5"]):
        for first in i, 200:
            put("charset", "%s-%d" % (codec, first), bytes([first]) + "これは日本語ｶﾅの文章。caf\u00e9\nline 2\n".encode(codec, "ignore"))
    wiki = "<page><title>T</title><ns>0</ns><revision><model>wikitext</model><text>%s</text></revision></page>" % \
        WIKI.replace("&", "&amp;").replace("<", "&lt;")
    for i, text in enumerate([HTML, MAN, WIKI, wiki]):
        put("markup", str(i), bytes([i]) + text.encode())
    put("markup", "mdoc", b"\1" + MDOC.encode())
    for name, data in safetensors().items():
        put("safetensors", name, data)
        for which in 0, 1:
            put("hf_index", "%s-%d" % (name, which), bytes([which]) + data)
    for name, data in indexes().items():
        put("hf_index", name, b"\2" + data.encode())
    for name, data, *_ in [*gguf_make.good(), *gguf_make.bad()]:
        put("gguf", name, data)
    for seed in range(120):
        put("chat", str(seed), _chat_random.program(seed).encode())


main()
