#!/usr/bin/env python3
"""gguf_make.py DIR: small GGUF files, whole ones and crafted ones, written by hand.

DIR/good/*.gguf are models; DIR/bad/NAME.gguf are not, each with what must be said in
DIR/bad/NAME.txt. Also a llama2.c model with its tokenizer in DIR/llama2c. Nothing
but Python's own library is used: the layout here is the specification's.
"""
import pathlib
import random
import struct
import sys

U8, I8, U16, I16, U32, I32, F32, BOOL, STRING, ARRAY, U64, I64, F64 = range(13)
SCALARS = {U8: "B", I8: "b", U16: "H", I16: "h", U32: "I", I32: "i", F32: "f", BOOL: "?", U64: "Q",
           I64: "q", F64: "d"}


def string(s):
    data = s if isinstance(s, bytes) else s.encode()
    return struct.pack("<Q", len(data)) + data


def value(kind, v):
    if kind == STRING:
        return string(v)
    if kind == ARRAY:
        item, items = v
        return struct.pack("<IQ", item, len(items)) + b"".join(value(item, i) for i in items)
    return struct.pack("<" + SCALARS[kind], v)


def entry(key, kind, v):
    return string(key) + struct.pack("<I", kind) + value(kind, v)


def tensor(name, sizes, kind, offset):
    return (string(name) + struct.pack("<I", len(sizes)) + struct.pack("<%dQ" % len(sizes), *sizes)
            + struct.pack("<IQ", kind, offset))


def container(entries, tensors, data, version=3, counts=None, alignment=32):
    """entries: bytes each; tensors: bytes each."""
    n_tensors, n_entries = counts or (len(tensors), len(entries))
    head = b"GGUF" + struct.pack("<IQQ", version, n_tensors, n_entries) + b"".join(entries) + b"".join(tensors)
    return head + b"\0" * (-len(head) % alignment) + data


def floats(rng, n, scale=0.3):
    return struct.pack("<%df" % n, *(rng.uniform(-scale, scale) for _ in range(n)))


def tensor_list(weights):
    """(name, sizes, type, bytes) of each, laid out one behind the other."""
    infos, data = [], b""
    for name, sizes, kind, content in weights:
        infos.append(tensor(name, sizes, kind, len(data)))
        data += content + b"\0" * (-len(content) % 32)
    return infos, data


# ---- a model ----------------------------------------------------------------------

PIECES = ["<unk>", "<s>", "</s>"] + ["<0x%02X>" % i for i in range(256)]
WORDS = ["▁", "a", "t", "e", "h", "c", "▁t", "he", "▁the", "at", "cat", "▁cat", "▁a", "日", "本", "日本", ",", "."]


def sentencepiece():
    tokens = PIECES + WORDS
    scores = [0.0] * len(PIECES) + [-float(i + 1) for i in range(len(WORDS))]
    types = [2, 3, 3] + [6] * 256 + [1] * len(WORDS)
    return [entry("tokenizer.ggml.model", STRING, "llama"),
            entry("tokenizer.ggml.tokens", ARRAY, (STRING, tokens)),
            entry("tokenizer.ggml.scores", ARRAY, (F32, scores)),
            entry("tokenizer.ggml.token_type", ARRAY, (I32, types)),
            entry("tokenizer.ggml.bos_token_id", U32, 1), entry("tokenizer.ggml.eos_token_id", U32, 2),
            entry("tokenizer.ggml.unknown_token_id", U32, 0)], len(tokens)


def byte_chars():
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [b for b in range(256) if b not in plain]
    return {b: chr(b) if b in plain else chr(256 + rest.index(b)) for b in range(256)}


def byte_bpe(pre="gpt-2"):
    tokens = ["<|endoftext|>"] + [byte_chars()[b] for b in range(256)] + ["th", "the", "Ġthe", "in", "[PAD1]"]
    types = [3] + [1] * 260 + [5]
    merges = ["t h", "th e", "Ġ the", "i n"]
    return [entry("tokenizer.ggml.model", STRING, "gpt2"), entry("tokenizer.ggml.pre", STRING, pre),
            entry("tokenizer.ggml.tokens", ARRAY, (STRING, tokens)),
            entry("tokenizer.ggml.token_type", ARRAY, (I32, types)),
            entry("tokenizer.ggml.merges", ARRAY, (STRING, merges)),
            entry("tokenizer.ggml.eos_token_id", U32, 0),
            entry("tokenizer.chat_template", STRING, "{{ messages }}")], len(tokens)


def llama_values(architecture="llama", **changed):
    values = {"block_count": (U32, 2), "context_length": (U32, 64), "embedding_length": (U32, 32),
              "feed_forward_length": (U32, 64), "attention.head_count": (U32, 4),
              "attention.head_count_kv": (U32, 2), "attention.layer_norm_rms_epsilon": (F32, 1e-5),
              "rope.freq_base": (F32, 10000.0)}
    values.update(changed)
    return ([entry("general.architecture", STRING, architecture)]
            + [entry(f"{architecture}.{k}", *v) for k, v in values.items() if v is not None])


def llama_weights(vocab, hidden=32, inner=64, kv=16, layers=2):
    rng = random.Random(1)
    out = [("token_embd.weight", (hidden, vocab), 0, floats(rng, hidden * vocab)),
           ("output_norm.weight", (hidden,), 0, floats(rng, hidden, 1.0))]
    for i in range(layers):
        for name, rows, columns in [("attn_q", hidden, hidden), ("attn_k", kv, hidden), ("attn_v", kv, hidden),
                                    ("attn_output", hidden, hidden), ("ffn_gate", inner, hidden),
                                    ("ffn_up", inner, hidden), ("ffn_down", hidden, inner)]:
            out.append((f"blk.{i}.{name}.weight", (columns, rows), 0, floats(rng, rows * columns)))
        for name in "attn_norm", "ffn_norm":
            out.append((f"blk.{i}.{name}.weight", (hidden,), 0, floats(rng, hidden, 1.0)))
    return out


def model(tokenizer, weights=None, more=(), **changed):
    entries, vocab = tokenizer
    weights = llama_weights(vocab) if weights is None else weights
    infos, data = tensor_list(weights)
    return container(llama_values(**changed) + entries + list(more), infos, data)


def good():
    spm, bpe = sentencepiece(), byte_bpe("smollm")
    yield "sentencepiece", model(spm)
    yield "bytes", model(bpe)
    yield "version2", (lambda d: d[:4] + struct.pack("<I", 2) + d[8:])(model(spm))
    rng = random.Random(2)
    untied = llama_weights(spm[1]) + [("output.weight", (32, spm[1]), 0, floats(rng, 32 * spm[1]))]
    yield "untied", model(spm, untied)
    yield "arrays", model(spm, more=[entry("x.nested", ARRAY, (ARRAY, [(I32, [1, 2]), (STRING, ["a"])])),
                                     entry("x.flags", ARRAY, (BOOL, [True, False])),
                                     entry("x.wide", U64, 1 << 63), entry("x.minus", I64, -5)])


def bad():
    """Names, bytes, and what the message holds."""
    spm = sentencepiece()
    whole = model(spm)
    one = [entry("general.architecture", STRING, "llama")]
    huge = 1 << 62
    yield "empty", b"", "the file ends before"
    yield "magic", b"GGML" + whole[4:], "not a GGUF file"
    yield "version1", whole[:4] + struct.pack("<I", 1) + whole[8:], "version 1 is not supported"
    yield "big_endian", whole[:4] + struct.pack(">I", 3) + whole[8:], "big endian is not"
    for part in (10, 30, 200, 5000, len(whole) - 1):
        yield f"cut_{part}", whole[:part], "offset|tensor"
    yield "values_beyond", container(one, [], b"", counts=(0, 1 << 60)), "more values or tensors"
    yield "tensors_beyond", container(one, [], b"", counts=(huge, 1)), "more values or tensors"
    yield "long_key", container([struct.pack("<Q", 2**64 - 1) + b"abc"], [], b"" * 64), "the file ends"
    yield "long_string", container([string("k") + struct.pack("<IQ", STRING, 2**63) + b"abc"], [], b""), "the file ends"
    yield "long_array", container([string("k") + struct.pack("<IIQ", ARRAY, U32, 2**62) + b"abcd"], [], b""), "an array longer"
    yield "array_overflow", container([string("k") + struct.pack("<IIQ", ARRAY, U64, 2**61 + 1) + b"abcdefgh"], [], b""), "an array longer"
    yield "strings_beyond", container([string("k") + struct.pack("<IIQ", ARRAY, STRING, 1 << 40)], [], b""), "an array longer"
    deep = string("k") + struct.pack("<I", ARRAY) + struct.pack("<IQ", ARRAY, 1) * 100 + struct.pack("<IQ", U8, 0)
    yield "deep_arrays", container([deep], [], b""), "nested too deep"
    yield "unknown_value", container([string("k") + struct.pack("<I", 13)], [], b"\0" * 64), "unknown type"
    yield "unknown_item", container([string("k") + struct.pack("<IIQ", ARRAY, 99, 0)], [], b"\0" * 64), "unknown type"
    yield "half_true", container([string("k") + struct.pack("<IB", BOOL, 2)], [], b"\0" * 64), "neither 0 nor 1"
    yield "not_utf8", container([entry("k", STRING, b"\xff\xfe")], [], b""), "not UTF-8"
    yield "key_not_utf8", container([entry(b"\xc0\x80", U8, 1)], [], b""), "not UTF-8"
    yield "zero_in_key", container([entry("a\0b", U8, 1)], [], b""), "zero byte"
    yield "key_twice", container([entry("a", U8, 1), entry("a", U8, 2)], [], b""), "key a stands twice"
    row = lambda name="t", sizes=(32,), kind=0, offset=0: tensor(name, sizes, kind, offset)  # noqa: E731
    data = b"\0" * 4096
    yield "name_twice", container(one, [row(), row(offset=128)], data), "tensor t stands twice"
    yield "five_dimensions", container(one, [row(sizes=(1, 1, 1, 1, 1))], data), "more than four"
    yield "unknown_tensor_type", container(one, [row(kind=4)], data), "unknown type 4"
    yield "high_tensor_type", container(one, [row(kind=0xFFFFFFFF)], data), "unknown type"
    yield "half_block", container(one, [row(sizes=(33,), kind=8)], data), "not whole blocks"
    # products of sizes, sums of offsets and sizes: the classes of CVE-2026-33298, CVE-2025-53630, CVE-2026-27940
    yield "product", container(one, [row(sizes=(1 << 32, 1 << 32))], data), "overflows"
    yield "product_to_zero", container(one, [row(sizes=(1 << 32, 1 << 31, 2, 1))], data), "overflows"
    yield "bytes_overflow", container(one, [row(sizes=(1 << 62,))], data), "overflow|bytes from"
    yield "sum", container(one, [row(offset=2**64 - 64)], data), "bytes from"
    yield "sum_wraps", container(one, [row(sizes=(1 << 40,), offset=2**64 - 2**42)], data), "bytes from"
    yield "behind_the_end", container(one, [row(sizes=(1024,), offset=32)], data), "bytes from"
    yield "not_aligned", container(one, [row(offset=4)], data), "not aligned"
    yield "overlap", container(one, [row(), row("u", offset=96)], data), "lies over another"
    yield "alignment_0", container([entry("general.alignment", U32, 0)], [], data), "general.alignment"
    yield "alignment_3", container([entry("general.alignment", U32, 3)], [], data), "power of two"
    yield "alignment_text", container([entry("general.alignment", STRING, "32")], [], data), "expected an integer"
    yield "path_as_name", container(one, [row("../../etc/passwd")], data), "token_embd.weight is missing"
    # models that are not
    yield "no_architecture", container([], [], data), "general.architecture: missing"
    yield "architecture", model(spm, architecture="mamba"), '"mamba" is not supported'
    yield "no_layers", model(spm, **{"block_count": None}), "llama.block_count: missing"
    yield "many_layers", model(spm, **{"block_count": (U32, 4000000000)}), "llama.block_count: expected 1 to"
    yield "missing_layer", model(spm, **{"block_count": (U32, 3)}), "blk.2.attn_norm.weight is missing"
    yield "wrong_heads", model(spm, **{"attention.head_count": (U32, 3)}), ""
    yield "heads_0", model(spm, **{"attention.head_count": (U32, 0)}), "head_count: expected 1 to"
    yield "text_as_size", model(spm, **{"block_count": (STRING, "2")}), "expected an integer"
    yield "layers_differ", model(spm, **{"feed_forward_length": (ARRAY, (I32, [64, 32]))}), "different sizes"
    yield "alibi", model(spm, **{"attention.max_alibi_bias": (F32, 8.0)}), "is not supported"
    yield "longrope", model(spm, **{"rope.scaling.type": (STRING, "longrope")}), '"longrope" is not supported'
    weights = llama_weights(spm[1])
    yield "stranger", model(spm, weights + [("blk.0.other.weight", (32,), 0, b"\0" * 128)]), "blk.0.other.weight does not belong"
    yield "integers", model(spm, [(n, s, 26 if n == "output_norm.weight" else k, d) for n, s, k, d in weights]), "type I32 is not supported"
    yield "shape", model(spm, [(n, (s[1], s[0]) if n.endswith("ffn_up.weight") else s, k, d) for n, s, k, d in weights]), "do not fit"


# ---- llama2.c ---------------------------------------------------------------------

def llama2c(dim=32, hidden=48, layers=2, heads=4, kv_heads=2, vocab=len(PIECES) + len(WORDS), positions=64,
            shared=True):
    rng = random.Random(3)
    kv = dim // heads * kv_heads
    n = (vocab * dim + layers * (2 * dim + 2 * dim * dim + 2 * kv * dim + 3 * hidden * dim) + dim
         + positions * (dim // heads) + (0 if shared else vocab * dim))
    return struct.pack("<7i", dim, hidden, layers, heads, kv_heads, vocab if shared else -vocab,
                       positions) + floats(rng, n)


def llama2c_tokenizer():
    texts = ["<unk>", "\n<s>\n", "\n</s>\n"] + PIECES[3:] + [w.replace("▁", " ") for w in WORDS]
    scores = [0.0] * len(PIECES) + [-float(i + 1) for i in range(len(WORDS))]
    out = struct.pack("<i", max(len(t.encode()) for t in texts))
    for text, score in zip(texts, scores):
        data = text.encode()
        out += struct.pack("<fi", score, len(data)) + data
    return out


def main():
    root = pathlib.Path(sys.argv[1])
    for folder in "good", "bad", "llama2c":
        (root / folder).mkdir(parents=True, exist_ok=True)
    for name, data in good():
        (root / "good" / (name + ".gguf")).write_bytes(data)
    for name, data, text in bad():
        (root / "bad" / (name + ".gguf")).write_bytes(data)
        (root / "bad" / (name + ".txt")).write_text(text + "\n")
    (root / "llama2c" / "model.bin").write_bytes(llama2c())
    (root / "llama2c" / "untied.bin").write_bytes(llama2c(shared=False))
    (root / "llama2c" / "tokenizer.bin").write_bytes(llama2c_tokenizer())


if __name__ == "__main__":
    main()
