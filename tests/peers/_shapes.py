"""Tokenizers of the shapes that models have, trained on the spot on given texts."""
import base64
import io
import json

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from _texts import fixtures

SIZE = 3000
BYTES = sorted(pre_tokenizers.ByteLevel.alphabet())
CLIP = (r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+")
SPACES = Regex(r"\s+")


def charsmap(rule):
    """A precompiled charsmap as SentencePiece's trainer writes it; field 2 of field 3 of its file."""
    import sentencepiece

    def varint(data, at):
        value = shift = 0
        while True:
            byte = data[at]
            value |= (byte & 127) << shift
            at, shift = at + 1, shift + 7
            if byte < 128:
                return value, at

    def field(data, want):
        at = 0
        while at < len(data):
            key, at = varint(data, at)
            if key & 7 == 2:
                n, at = varint(data, at)
                if key >> 3 == want:
                    return data[at:at + n]
                at += n
            elif key & 7 == 0:
                _, at = varint(data, at)
            else:
                at += 4 if key & 7 == 5 else 8
        raise KeyError(want)

    out = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(fixtures.CORPUS * 3), model_writer=out, vocab_size=300, hard_vocab_limit=False,
        normalization_rule_name=rule, minloglevel=2)
    return field(field(out.getvalue(), 3), 2)


def precompiled(rule):
    return normalizers.Precompiled(charsmap(rule))


def byte_level(regex, behavior="isolated", invert=False):
    return pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(r), behavior, invert=invert) for r in regex]
                                   + [pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


def with_model(t, **members):
    """The same tokenizer with other members of its model."""
    data = json.loads(t.to_str())
    data["model"].update(members)
    return Tokenizer.from_str(json.dumps(data))


def with_bytes(t):
    """Byte tokens behind the vocabulary, as SentencePiece's byte fallback has them."""
    vocab = json.loads(t.to_str())["model"]["vocab"]
    for b in range(256):
        vocab.setdefault("<0x%02X>" % b, len(vocab))
    return with_model(t, vocab=vocab, byte_fallback=True, fuse_unk=True)


def around(t, before, behind):
    ids = [(name, t.token_to_id(name)) for name in dict.fromkeys(before + behind)]
    t.post_processor = processors.TemplateProcessing(single=" ".join(before + ["$A"] + behind),
                                                     pair=" ".join(before + ["$A", "$B"] + behind), special_tokens=ids)


def bytes_bpe(texts, pre, normalizer=None, special=("<|endoftext|>",), **options):
    t = Tokenizer(models.BPE(**options))
    if normalizer:
        t.normalizer = normalizer
    t.pre_tokenizer, t.decoder = pre, decoders.ByteLevel()
    t.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=SIZE, initial_alphabet=BYTES, show_progress=False,
                                                     special_tokens=list(special)))
    return t


def chars_bpe(texts, normalizer, pre, size=SIZE):
    t = Tokenizer(models.BPE(unk_token="<unk>"))
    t.pre_tokenizer = pre_tokenizers.Metaspace()
    t.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=size, show_progress=False, limit_alphabet=1500,
                                                     special_tokens=["<unk>", "<s>", "</s>"]))
    t = with_bytes(t)
    if normalizer:
        t.normalizer = normalizer
    data = json.loads(t.to_str())
    data["pre_tokenizer"], data["decoder"] = pre, fixtures.DECODE_SPM
    return Tokenizer.from_str(json.dumps(data))


def gpt2(texts):
    return bytes_bpe(texts, pre_tokenizers.ByteLevel(add_prefix_space=False))


def roberta(texts):
    t = bytes_bpe(texts, pre_tokenizers.ByteLevel(add_prefix_space=True), special=["<s>", "<pad>", "</s>", "<unk>"])
    t.add_special_tokens([AddedToken("<mask>", lstrip=True)])
    t.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    return t


def cl100k(texts):
    t = bytes_bpe(texts, byte_level([fixtures.LLAMA3]), ignore_merges=True)
    t.add_special_tokens(["<|begin_of_text|>", "<|end_of_text|>"])
    template = processors.TemplateProcessing(
        single="<|begin_of_text|> $A", pair="<|begin_of_text|> $A $B",
        special_tokens=[("<|begin_of_text|>", t.token_to_id("<|begin_of_text|>"))])
    t.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=False), template])
    return t


def qwen(texts):
    t = bytes_bpe(texts, byte_level([fixtures.QWEN]), normalizers.NFC())
    t.add_special_tokens(["<|im_start|>", "<|im_end|>"])
    t.add_tokens(["<tool_call>", "</tool_call>"])
    return t


def deepseek(texts):
    """DeepSeek-V3: an empty normalizer, three patterns, added tokens that are normalized and not special."""
    t = bytes_bpe(texts, byte_level(fixtures.DEEPSEEK), normalizers.Sequence([]),
                  special=["<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜▁pad▁｜>"])
    t.add_special_tokens(["<｜place▁holder▁no▁%d｜>" % i for i in range(800)])
    t.add_tokens([AddedToken(s, normalized=True) for s in (
        "<｜fim▁hole｜>", "<｜fim▁begin｜>", "<｜fim▁end｜>", "<｜User｜>", "<｜Assistant｜>", "<|EOT|>", "<｜tool▁calls▁begin｜>",
        "<｜tool▁calls▁end｜>", "<｜tool▁call▁begin｜>", "<｜tool▁call▁end｜>", "<｜tool▁outputs▁begin｜>",
        "<｜tool▁outputs▁end｜>", "<｜tool▁output▁begin｜>", "<｜tool▁output▁end｜>", "<｜tool▁sep｜>")])
    return t


def o200k(texts):
    return bytes_bpe(texts, byte_level([fixtures.O200K], "removed", True))


def claude(texts):
    t = bytes_bpe(texts, pre_tokenizers.ByteLevel(add_prefix_space=False), normalizers.NFKC(), special=["<EOT>", "<META>"])
    t.post_processor = processors.ByteLevel()
    return t


def neox(texts):
    t = bytes_bpe(texts, pre_tokenizers.ByteLevel(add_prefix_space=False), normalizers.NFC())
    t.add_tokens([AddedToken(" " * n, normalized=True) for n in range(24, 1, -1)])
    return t


def clip(texts):
    t = Tokenizer(models.BPE(unk_token="<|endoftext|>", end_of_word_suffix="</w>"))
    t.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Replace(SPACES, " "), normalizers.Lowercase()])
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(CLIP), "removed", invert=True),
                                               pre_tokenizers.ByteLevel(add_prefix_space=False)])
    t.decoder = decoders.ByteLevel()
    t.train_from_iterator(texts, trainers.BpeTrainer(
        vocab_size=SIZE, initial_alphabet=BYTES, end_of_word_suffix="</w>", show_progress=False,
        special_tokens=["<|startoftext|>", "<|endoftext|>"]))
    t.post_processor = processors.RobertaProcessing(("<|endoftext|>", 1), ("<|startoftext|>", 0), trim_offsets=False,
                                                    add_prefix_space=False)
    return t


def gemma(texts):
    """Gemma: spaces to ▁, a split that then finds none, thousands of added tokens, no prefix."""
    t = chars_bpe(texts, normalizers.Replace(" ", "▁"), fixtures.split(" ", "MergedWithPrevious", False, "String"))
    t.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    t.add_special_tokens(["<pad>", "<eos>", "<bos>", "<start_of_turn>", "<end_of_turn>"])
    t.add_special_tokens(["<unused%d>" % i for i in range(6242)])
    for run in "\n", "▁", "\t":
        t.add_tokens([AddedToken(run * n, normalized=False) for n in range(2, 32)])
    t.add_tokens([AddedToken("<%s>" % tag, normalized=False) for tag in ("table", "tr", "td", "h1", "/table", "/tr", "s")])
    around(t, ["<bos>"], [])
    return t


def spm_bpe(texts):
    t = chars_bpe(texts, normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]), None)
    t.add_special_tokens([AddedToken(s, normalized=True) for s in ("<unk>", "<s>", "</s>")])
    around(t, ["<s>"], [])
    return t


def spm_bpe_first(texts):
    t = chars_bpe(texts, None, fixtures.metaspace("first", False))
    around(t, ["<s>"], [])
    return t


def mistral_legacy(texts):
    """Old files: merges in strings, no type of the model, Metaspace with its former keys."""
    data = json.loads(chars_bpe(texts, None, None).to_str())
    del data["model"]["type"]
    data["model"]["merges"] = [" ".join(p) for p in data["model"]["merges"]]
    former = {"type": "Metaspace", "replacement": "▁", "add_prefix_space": True, "str_rep": "▁"}
    data["pre_tokenizer"] = data["decoder"] = former
    return Tokenizer.from_str(json.dumps(data)), json.dumps(data)


def bert(texts, lower=True):
    t = Tokenizer(models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=100))
    t.normalizer = normalizers.BertNormalizer(lowercase=lower)
    t.pre_tokenizer, t.decoder = pre_tokenizers.BertPreTokenizer(), decoders.WordPiece()
    t.train_from_iterator(texts, trainers.WordPieceTrainer(
        vocab_size=SIZE, limit_alphabet=1000, show_progress=False,
        special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]))
    t.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return t


def bert_cased(texts):
    return bert(texts, False)


def unigram(texts, normalizer, pre, byte_fallback=False):
    t = Tokenizer(models.Unigram())
    if normalizer:
        t.normalizer = normalizer
    t.pre_tokenizer, t.decoder = pre, decoders.Metaspace()
    t.train_from_iterator(texts, trainers.UnigramTrainer(
        vocab_size=SIZE, show_progress=False, unk_token="<unk>", special_tokens=["<pad>", "</s>", "<unk>", "<s>"]))
    return t


def t5(texts):
    pre = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
    t = unigram(texts, precompiled("nmt_nfkc"), pre)
    t.add_special_tokens(["<extra_id_%d>" % i for i in range(99, -1, -1)])
    around(t, [], ["</s>"])
    return t


def xlm_roberta(texts):
    normalizer = normalizers.Sequence([precompiled("nmt_nfkc"), normalizers.Strip(left=False, right=True),
                                       normalizers.Replace(Regex(" {2,}"), "▁")])
    t = unigram(texts, normalizer, pre_tokenizers.Metaspace(prepend_scheme="first"))
    t.add_special_tokens([AddedToken("<mask>", lstrip=True)])
    around(t, ["<s>"], ["</s>"])
    return t


def albert(texts):
    normalizer = normalizers.Sequence([
        normalizers.Replace("``", '"'), normalizers.Replace("''", '"'), normalizers.NFKD(), normalizers.StripAccents(),
        normalizers.Lowercase(), precompiled("nfkc_cf")])
    t = unigram(texts, normalizer, pre_tokenizers.Metaspace())
    around(t, ["<s>"], ["</s>"])
    return t


def big_bird(texts):
    pre = pre_tokenizers.Sequence([pre_tokenizers.UnicodeScripts(), pre_tokenizers.Digits(individual_digits=True),
                                   pre_tokenizers.Metaspace(prepend_scheme="never")])
    return unigram(texts, normalizers.Nmt(), pre)


def word_level(texts):
    t = Tokenizer(models.WordLevel(unk_token="[UNK]"))
    t.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Whitespace(), pre_tokenizers.Punctuation("contiguous")])
    t.train_from_iterator(texts, trainers.WordLevelTrainer(vocab_size=SIZE, show_progress=False, special_tokens=["[UNK]"]))
    return t


def wav2vec(texts):
    """One token a character, decoded as the output of a CTC head."""
    characters = sorted(set("".join(texts[:200])) - set("| "))[:400]
    vocab = {c: i for i, c in enumerate(["<pad>", "<unk>", "|"] + characters)}
    t = Tokenizer(models.WordLevel(vocab, unk_token="<unk>"))
    t.normalizer = normalizers.Replace(" ", "|")
    t.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    t.decoder = decoders.CTC()
    return t


SHAPES = [gpt2, roberta, cl100k, qwen, deepseek, o200k, claude, neox, clip, gemma, spm_bpe, spm_bpe_first, mistral_legacy,
          bert, bert_cased, t5, xlm_roberta, albert, big_bird, word_level, wav2vec]


def shapes(texts, wanted=lambda name: True):
    """Yields (name, what the peer loads)."""
    for make in SHAPES:
        if not wanted(make.__name__):
            continue
        made = make(texts)
        yield make.__name__, made[1] if isinstance(made, tuple) else made.to_str()
