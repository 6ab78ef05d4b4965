#!/usr/bin/env python3
"""Makes tokenizer_fixtures.json: small tokenizers, one for each component of
tokenizer.json, with ids and decoded texts as computed by Hugging Face's `tokenizers`.

    python3 tokenizer_fixtures.py > tokenizer_fixtures.json

tests/unit/tokenizer.c compares them; tests/peers/tokenizer.py takes the same
tokenizers with many more texts.
"""
import base64
import json
import sys

MODELS = {}

CORPUS = [
    "The quick brown fox jumps over the lazy dog. It's 12345 times, isn't it?",
    "吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。",
    "def main(argc, argv):\n    return argc + len(argv)  # the end\n\n",
    "Hello hello HELLO world worlds word-word under_score 東京都 東京 カタカナ がぎぐ",
]

LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
          r"|\s*[\r\n]+|\s+(?!\S)|\s+")
QWEN = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
O200K = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
         r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
         r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")
CL100K = (r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$"
          r"|\s*[\r\n]|\s+(?!\S)|\s")
DEEPSEEK = [r"\p{N}{1,3}", "[一-龥\u3040-ゟ゠-ヿ]+",
            "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+"
            "| ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+"]

TEXTS = [
    "", " ", "a", "Hello, world!", "  two  spaces  ", "It's DON'T we'Re 'ſ", "12345 ٣٤ Ⅻ ² ¾",
    "a\r\n\r\n b\n\n\tc \n", "a\u0085b\u2028c\u3000d\u00a0e", "x\u180ey", "吾輩は猫である。名前はまだ無い。",
    "が は\u3099 \u1112\u1161\u11ab ｶﾞ ㌔ Å Å ﬁ", "ǅabc ǅ ABC'd HelloWorld HELLOworld", "👨‍👩‍👧‍👦🇯🇵 é́",
    "▁a ▁ b▁", "<0x41> <s> </s> <unk>", "<s>hello</s> <mask> x<mask>", " <mask>  <strip> a<strip> b",
    "wordy <word> a<word>b <word>", "NORM norm Norm Ｎorm", "return argc + len(argv)\n    # the end",
    "!!! ... --- ___", "\ufeffBOM \0 nul", "a" * 110, " " * 100 + "x", "ab" * 60, "東京都東京都東京カタカナがぎぐ" * 3,
    "<a><e><e><a><a>e e.e aaaa aaaaa! aa! a b  b b", "<s>  </s>  <s> </s> x <s>\n\n\n", "a\0b a\0 b", "１２３ NORMS norms ﬁX", "²12 ½3 ¹x x³4",
    "İstanbul ΑΣ ß ẞ", "\u200b\u200d zero", "naïve café e\u0301", "\U0001d400\U00020000 rare",
]


def added(content, i, **flags):
    token = {"id": i, "content": content, "single_word": False, "lstrip": False, "rstrip": False,
             "normalized": False, "special": True}
    token.update(flags)
    return token


def models():
    from tokenizers import Tokenizer, models as m, pre_tokenizers, trainers

    def train(pre, size, alphabet, specials=()):
        t = Tokenizer(m.BPE(unk_token="<unk>" if specials else None))
        t.pre_tokenizer = pre
        t.train_from_iterator(CORPUS * 2, trainers.BpeTrainer(
            vocab_size=size, initial_alphabet=alphabet, show_progress=False, special_tokens=list(specials)))
        return json.loads(t.to_str())["model"]

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    byte = train(pre_tokenizers.ByteLevel(add_prefix_space=False), 256 + 90, alphabet)
    char = train(pre_tokenizers.Metaspace(), 230, ["▁"], ["<unk>", "<s>", "</s>"])
    MODELS["bytes"] = byte
    MODELS["bytes_ignore_merges"] = dict(byte, ignore_merges=True)
    few = dict(byte, vocab={k: v for k, v in byte["vocab"].items() if k != "z"})
    few["vocab"] = {k: i for i, k in enumerate(few["vocab"])}
    few["merges"] = [p for p in byte["merges"] if "z" not in p[0] + p[1]]
    few["merges"] = [p for p in few["merges"] if p[0] in few["vocab"] and p[1] in few["vocab"]
                     and p[0] + p[1] in few["vocab"]]
    MODELS["bytes_without_z"] = few
    MODELS["chars"] = char
    MODELS["chars_fused"] = dict(char, fuse_unk=True)
    with_bytes = dict(char["vocab"])
    for b in range(256):
        with_bytes.setdefault("<0x%02X>" % b, len(with_bytes))
    MODELS["chars_fallback"] = dict(char, vocab=with_bytes, byte_fallback=True, fuse_unk=True)
    partial = {k: i for i, k in enumerate(k for k in with_bytes if k != "<0xE3>")}
    MODELS["chars_partial_fallback"] = dict(char, vocab=partial, byte_fallback=True)
    crossing = dict(with_bytes)
    crossing["e▁"] = len(crossing)
    MODELS["chars_crossing"] = dict(char, vocab=crossing, byte_fallback=True,
                                    merges=[["e", "▁"]] + char["merges"])
    MODELS["legacy_merges"] = dict(byte, merges=["%s %s" % tuple(p) for p in byte["merges"]])
    del MODELS["legacy_merges"]["type"]
    MODELS["merges_with_version"] = dict(byte, merges=["#version: 0.2"] + ["%s %s" % tuple(p) for p in byte["merges"]])

    def train_words(model, trainer):
        t = Tokenizer(model)
        t.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        t.train_from_iterator(CORPUS * 2, trainer(vocab_size=220, show_progress=False,
                                                  special_tokens=["[UNK]", "[CLS]", "[SEP]"]))
        return json.loads(t.to_str())["model"]

    MODELS["pieces"] = train_words(m.WordPiece(unk_token="[UNK]"), trainers.WordPieceTrainer)
    MODELS["short_pieces"] = dict(MODELS["pieces"], max_input_chars_per_word=5)
    MODELS["words"] = train_words(m.WordLevel(unk_token="[UNK]"), trainers.WordLevelTrainer)
    for name in "pieces", "words":
        MODELS["untyped_" + name] = {k: v for k, v in MODELS[name].items() if k != "type"}
    t = Tokenizer(m.BPE(end_of_word_suffix="</w>", continuing_subword_prefix="@@", unk_token="<unk>"))
    t.pre_tokenizer = pre_tokenizers.ByteLevel()
    t.train_from_iterator(CORPUS, trainers.BpeTrainer(
        vocab_size=900, special_tokens=["<unk>"], end_of_word_suffix="</w>", continuing_subword_prefix="@@",
        show_progress=False, initial_alphabet=alphabet))
    MODELS["affixed_bytes"] = json.loads(t.to_str())["model"]
    affixed = {"<unk>": 0}
    for w in ["h", "##e", "##l", "##o", "##o</w>", "##l</w>", "h</w>", "he", "##ll", "##llo</w>", "hello</w>"]:
        affixed[w] = len(affixed)
    MODELS["affixes"] = {"type": "BPE", "dropout": None, "unk_token": "<unk>",
                         "continuing_subword_prefix": "##", "end_of_word_suffix": "</w>", "fuse_unk": False,
                         "byte_fallback": False, "ignore_merges": False, "vocab": affixed,
                         "merges": [["h", "##e"], ["##l", "##l"], ["##ll", "##o</w>"], ["he", "##llo</w>"]]}


BYTE = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
BYTE_ONLY = dict(BYTE, use_regex=False)
DECODE_SPM = {"type": "Sequence", "decoders": [
    {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"},
    {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}]}
SPM = {"type": "Sequence", "normalizers": [
    {"type": "Prepend", "prepend": "▁"}, {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]}


def split(regex, behavior="Isolated", invert=False, kind="Regex"):
    return {"type": "Split", "pattern": {kind: regex}, "behavior": behavior, "invert": invert}


def sequence(*steps):
    return {"type": "Sequence", "pretokenizers": list(steps)}


def metaspace(scheme="always", cut=True):
    return {"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": cut}


def template(before, behind):
    ids = {t: {"id": t, "ids": [i], "tokens": [t]} for t, i in before + behind}
    token = lambda t: {"SpecialToken": {"id": t, "type_id": 0}}
    single = [token(t) for t, _ in before] + [{"Sequence": {"id": "A", "type_id": 0}}] + [token(t) for t, _ in behind]
    return {"type": "TemplateProcessing", "single": single,
            "pair": single + [{"Sequence": {"id": "B", "type_id": 1}}], "special_tokens": ids}


def charsmap(pairs):
    """A precompiled charsmap (a Darts double array and its texts), in base64."""
    units, texts, tree = [1 << 31] * 1024, b"", {}  # the highest bit: nobody's child
    taken, bases = [False] * 1024, set()
    for key, text in sorted(pairs.items()):
        node = tree
        for byte in key.encode():
            node = node.setdefault(byte, {})
        node[0] = len(texts)
        texts += text.encode() + b"\0"

    def place(node, at):
        base = next(b for b in range(1, 768) if b not in bases and not any(taken[b ^ label] for label in node))
        bases.add(base)
        for label in node:
            taken[base ^ label] = True
        units[at] |= (at ^ base) << 10 | (0 in node) << 8
        for label, below in node.items():
            units[base ^ label] = below | 1 << 31 if label == 0 else label
        for label, below in node.items():
            if label:
                place(below, base ^ label)

    units[0], taken[0] = 0, True
    place(tree, 0)
    array = b"".join(u.to_bytes(4, "little") for u in units)
    return base64.b64encode(len(array).to_bytes(4, "little") + array + texts).decode()


CHARSMAP = {"ﬁ": "fi", "㌔": "キロ", "Ｎ": "N", "１": "1", "\u3000": " ", "\u00a0": " ", "か\u3099": "が", "が": "が", "e\u0301": "é",
            "ﾊ": "ハ", "\u200b": "", "\u00ad": "", "²": "2", "\r\n": "\n", "\t": " ", "\x01": "", "Å": "Å", "é": "e"}


def normalize(*steps):
    return {"type": "Sequence", "normalizers": list(steps)}


def fixtures():
    """Yields (name, members); members["model"] names one of MODELS."""
    if not MODELS:
        models()

    def make(name, model, **members):
        base = {"version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": None,
                "pre_tokenizer": None, "post_processor": None, "decoder": None, "model": model}
        base.update(members)
        return name, base

    def bytes_with(name, **members):
        members.setdefault("pre_tokenizer", BYTE)
        members.setdefault("decoder", BYTE_ONLY)
        return make(name, members.pop("model", "bytes"), **members)

    def chars_with(name, **members):
        members.setdefault("decoder", DECODE_SPM)
        return make(name, members.pop("model", "chars_fallback"), **members)

    def n(model):
        return len(MODELS[model]["vocab"])

    yield bytes_with("gpt2")
    yield bytes_with("gpt2 prefix space", pre_tokenizer=dict(BYTE, add_prefix_space=True))
    yield bytes_with("legacy merges", model="legacy_merges")
    yield bytes_with("missing byte", model="bytes_without_z")
    for name, regex in ("llama3", LLAMA3), ("qwen", QWEN), ("o200k", O200K), ("cl100k", CL100K):
        yield bytes_with(name, pre_tokenizer=sequence(split(regex), BYTE_ONLY))
    yield bytes_with("llama3 ignore_merges", model="bytes_ignore_merges",
                     pre_tokenizer=sequence(split(LLAMA3), BYTE_ONLY))
    yield bytes_with("o200k removed inverted", pre_tokenizer=sequence(split(O200K, "Removed", True), BYTE_ONLY))
    yield bytes_with("deepseek", pre_tokenizer=sequence(*[split(r) for r in DEEPSEEK], BYTE_ONLY))
    for behavior in "Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous":
        for invert in False, True:
            yield bytes_with("split %s %s" % (behavior, invert),
                             pre_tokenizer=sequence(split(r"[aeiou]|\s+", behavior, invert), BYTE_ONLY))
        yield bytes_with("split string " + behavior,
                         pre_tokenizer=sequence(split(" ", behavior, False, "String"), BYTE_ONLY))
    for name, regex in (
            ("class intersection", r"[\p{L}&&[^a-z]]+|[^\p{L}&&[a-z]]"), ("nested class", r"[a-f[x-z]]+|\w+"),
            ("repeated braces", r"\p{L}{1,3}+|\d{,2}x"), ("line borders", r"^\s*|$"),
            ("look behind", r"(?<=[a-z])(?=[A-Z])|(?<!\w)\d"), ("words", r"\w+|\W+"),
            ("scripts", r"\p{Han}+|\p{Hiragana}+|\p{Katakana}+|\p{^L}+"), ("lazy", r"a+?b|(?>l+)|.{2}"),
            ("case", r"(?i:hello|W[oO]r)|\x{41}|\u3042"), ("white space", r"[^\S\n]+|\S"), ("newline", r"(\r?\n|\t)")):
        yield bytes_with("regex " + name, pre_tokenizer=sequence(split(regex), BYTE_ONLY))
    for name, step in (
            ("digits", {"type": "Digits", "individual_digits": True}),
            ("digits together", {"type": "Digits", "individual_digits": False}),
            ("punctuation", {"type": "Punctuation", "behavior": "Isolated"}),
            ("punctuation together", {"type": "Punctuation", "behavior": "Contiguous"}),
            ("whitespace", {"type": "Whitespace"}), ("whitespace split", {"type": "WhitespaceSplit"}),
            ("bert", {"type": "BertPreTokenizer"}),
            ("fixed length", {"type": "FixedLength", "length": 3})):
        yield bytes_with("pre " + name, pre_tokenizer=sequence(step, BYTE_ONLY))
    yield bytes_with("byte level first", pre_tokenizer=sequence(BYTE, {"type": "Digits", "individual_digits": True}))
    for form in "NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents", "Nmt":
        yield bytes_with(form, normalizer={"type": form}, pre_tokenizer=sequence(split(QWEN), BYTE_ONLY))
    for left, right in (True, True), (True, False), (False, True):
        yield bytes_with("strip %d%d" % (left, right),
                         normalizer={"type": "Strip", "strip_left": left, "strip_right": right})
    for accents in None, True, False:
        yield bytes_with("bert normalizer %s" % accents, normalizer={
            "type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": accents,
            "lowercase": accents is not False})
    yield bytes_with("replace", normalizer={"type": "Sequence", "normalizers": [
        {"type": "Replace", "pattern": {"Regex": r"\s{2,}"}, "content": " "},
        {"type": "Replace", "pattern": {"String": "o"}, "content": ""}]})
    # with ByteLevel behind it, the peer doubles what is put in at the very beginning, or panics
    yield chars_with("replace nothing", normalizer={"type": "Sequence", "normalizers": [
        {"type": "Replace", "pattern": {"Regex": r"(?<!\n)^"}, "content": "▁"},
        {"type": "Replace", "pattern": {"Regex": " "}, "content": "▁"},
        {"type": "Replace", "pattern": {"Regex": "(?=e)"}, "content": "."}]})
    yield make("byte level normalizer", "bytes", normalizer={"type": "ByteLevel"}, decoder=BYTE_ONLY,
               pre_tokenizer=split("Ġ", "MergedWithNext", False, "String"))
    yield chars_with("mistral", normalizer=SPM, post_processor=template([("<s>", 1)], []),
                     added_tokens=[added("<unk>", 0), added("<s>", 1), added("</s>", 2)])
    yield chars_with("mistral normalized specials", normalizer=SPM,
                     added_tokens=[added("<s>", 1, normalized=True), added("</s>", 2, normalized=True)])
    yield chars_with("crossing merge", model="chars_crossing", normalizer=SPM)
    yield chars_with("unk", model="chars", normalizer=SPM)
    yield chars_with("unk fused", model="chars_fused", normalizer=SPM)
    yield chars_with("partial fallback", model="chars_partial_fallback", normalizer=SPM)
    yield chars_with("gemma", normalizer={"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
                     pre_tokenizer=split(" ", "MergedWithPrevious", False, "String"))
    for scheme in "always", "first", "never":
        for cut in True, False:
            yield chars_with("metaspace %s %s" % (scheme, cut), pre_tokenizer=metaspace(scheme, cut),
                             decoder=metaspace(scheme, cut), added_tokens=[added("<s>", 1), added("</s>", 2)])
    yield chars_with("delimiter", pre_tokenizer={"type": "CharDelimiterSplit", "delimiter": "e"}, decoder=None)
    yield make("affixes", "affixes", pre_tokenizer={"type": "WhitespaceSplit"},
               decoder={"type": "BPEDecoder", "suffix": "</w>"})
    yield bytes_with("merges with a version", model="merges_with_version")
    yield make("affixed bytes", "affixed_bytes", pre_tokenizer=dict(BYTE, add_prefix_space=True),
               decoder={"type": "BPEDecoder", "suffix": "</w>"})
    bert = {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None,
            "lowercase": True}
    for model in "pieces", "short_pieces", "untyped_pieces", "words", "untyped_words":
        yield make(model, model, normalizer=bert, pre_tokenizer={"type": "BertPreTokenizer"},
                   decoder={"type": "WordPiece", "prefix": "##", "cleanup": True},
                   added_tokens=[added("[UNK]", 0), added("[CLS]", 1), added("[SEP]", 2)],
                   post_processor={"type": "BertProcessing", "sep": ["[SEP]", 2], "cls": ["[CLS]", 1]})
    yield make("pieces of bytes", "pieces", pre_tokenizer=BYTE, decoder={"type": "WordPiece", "prefix": "##", "cleanup": False})
    yield make("words whitespace", "words", pre_tokenizer={"type": "Whitespace"})
    precompiled = {"type": "Precompiled", "precompiled_charsmap": charsmap(CHARSMAP)}
    yield chars_with("precompiled", normalizer=precompiled)
    yield chars_with("precompiled metaspace", normalizer=normalize(precompiled, {"type": "Replace", "pattern": {
        "Regex": " {2,}"}, "content": " "}), pre_tokenizer=sequence({"type": "WhitespaceSplit"}, metaspace()))
    steps = {
        "strip": {"type": "Strip", "strip_left": True, "strip_right": True}, "NFKC": {"type": "NFKC"},
        "NFD": {"type": "NFD"}, "NFC": {"type": "NFC"}, "nmt": {"type": "Nmt"}, "bert": bert, "charsmap": precompiled,
        "cut": {"type": "Replace", "pattern": {"Regex": "^[a-z ]"}, "content": ""},
        "grow": normalize({"type": "Replace", "pattern": {"Regex": "[a-z ]"}, "content": "yy"}, {"type": "NFKD"},
                          {"type": "StripAccents"}),
        "prepend": normalize({"type": "Prepend", "prepend": "x y"}, {"type": "Strip", "strip_left": True,
                                                                    "strip_right": False})}
    for name, step in steps.items():
        for cut, pre in (("", metaspace("first")), (" behind a split", sequence(split(r"\w|\W"), metaspace("first")))):
            yield chars_with("first %s%s" % (name, cut), normalizer=step, pre_tokenizer=pre, added_tokens=[
                added("<s>", 1), added("norm", n("chars_fallback"), normalized=True)])
    yield chars_with("first twice", pre_tokenizer=sequence(metaspace("first", False), split("."), metaspace("first")))
    yield chars_with("first bytes", normalizer={"type": "NFKC"}, pre_tokenizer=sequence(
        dict(BYTE_ONLY, add_prefix_space=True), split("."), metaspace("first")))
    yield chars_with("scripts", pre_tokenizer={"type": "UnicodeScripts"})
    yield chars_with("scripts metaspace", pre_tokenizer=sequence({"type": "UnicodeScripts"}, metaspace()))
    for behavior in "Removed", "MergedWithPrevious", "MergedWithNext":
        yield bytes_with("punctuation " + behavior, pre_tokenizer=sequence(
            {"type": "Punctuation", "behavior": behavior}, BYTE_ONLY))
    former = {"type": "Metaspace", "replacement": "▁", "add_prefix_space": True, "str_rep": "▁"}
    yield chars_with("metaspace former", pre_tokenizer=former, decoder=former)
    former = dict(former, add_prefix_space=False, prepend_scheme="never")
    yield chars_with("metaspace former never", pre_tokenizer=former, decoder=former)
    for cleanup in True, False:
        for name, decoder in (
                ("wordpiece", {"type": "WordPiece", "prefix": "▁", "cleanup": cleanup}),
                ("ctc", {"type": "CTC", "pad_token": "e", "word_delimiter_token": "▁", "cleanup": cleanup}),
                ("empty ctc", {"type": "CTC", "pad_token": "", "word_delimiter_token": "", "cleanup": cleanup})):
            yield chars_with("decoder %s %s" % (name, cleanup), pre_tokenizer=metaspace(), decoder=decoder)
    yield chars_with("decoder of nothing", decoder={"type": "BPEDecoder", "suffix": ""})
    yield chars_with("decoder sequence", pre_tokenizer=metaspace(), decoder={"type": "Sequence", "decoders": [
        {"type": "Sequence", "decoders": [{"type": "ByteFallback"}, {"type": "Metaspace", "replacement": "▁"}]},
        {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 2, "stop": 0}]})
    b = n("bytes")
    one, b_e = added("<e>", b + 1), MODELS["bytes"]["vocab"]["e"]
    yield bytes_with("added tokens overlapping", added_tokens=[
        added("e", b_e, special=False, single_word=True), added("<a>", b), one, added("<a><e>", b + 2), added("aa", b + 3),
        added("aaa", b + 4, special=False), added("aaaa!", b + 5), added(" b ", b + 6, lstrip=True, rstrip=True),
        added("<s>", b + 7, lstrip=True), added("</s>", b + 8, rstrip=True), added("\n\n", b + 9, special=False), one,
        added("", b + 10), added("a\0b", b + 10), added("the", b + 11 if "the" not in MODELS["bytes"]["vocab"] else
                                                        MODELS["bytes"]["vocab"]["the"], normalized=True, single_word=True)])
    yield bytes_with("added tokens normalized overlapping", normalizer=normalize({"type": "NFKC"}, {"type": "Lowercase"}),
                     added_tokens=[added("NORM", b, normalized=True), added("norms", b + 1, normalized=True, special=False),
                                   added("<S>", b + 2, normalized=True), added("<s>", b + 3), added("１２", b + 4, normalized=True),
                                   added("ﬁx", b + 5, normalized=True, lstrip=True), added("wORD", b + 6, normalized=True,
                                                                                         single_word=True)])
    tokens = [added("<s>", b), added("</s>", b + 1), added("<mask>", b + 2, lstrip=True),
              added("<strip>", b + 3, lstrip=True, rstrip=True), added("<word>", b + 4, single_word=True),
              added("norm", b + 5, normalized=True, special=False), added("  ", b + 6, special=False),
              added("the", b + 7, special=False, single_word=True), added("<mask>x", b + 8)]
    b_known = MODELS["bytes"]["vocab"].get("the")
    if b_known is not None:
        tokens[7]["id"] = b_known
        tokens[8]["id"] = b + 7
    yield bytes_with("added tokens", added_tokens=tokens, pre_tokenizer=sequence(split(LLAMA3), BYTE_ONLY))
    yield bytes_with("added tokens normalized", normalizer={"type": "Sequence", "normalizers": [
        {"type": "NFKC"}, {"type": "Lowercase"}]}, added_tokens=tokens)
    yield bytes_with("roberta", added_tokens=tokens, post_processor={
        "type": "RobertaProcessing", "sep": ["</s>", b + 1], "cls": ["<s>", b], "trim_offsets": True,
        "add_prefix_space": False})
    yield bytes_with("bert processing", added_tokens=tokens, post_processor={
        "type": "BertProcessing", "sep": ["</s>", b + 1], "cls": ["<s>", b]})
    yield bytes_with("post sequence", added_tokens=tokens, post_processor={"type": "Sequence", "processors": [
        BYTE, template([("<s>", b)], [("</s>", b + 1), ("<mask>", b + 2)])]})
    yield chars_with("strip decoder", normalizer=SPM, decoder={"type": "Sequence", "decoders": [
        {"type": "Replace", "pattern": {"Regex": "▁+"}, "content": " "},
        {"type": "Strip", "content": " ", "start": 1, "stop": 0}]})


def complete(members):
    return dict(members, model=MODELS[members["model"]])


def main():
    import tokenizers
    from tokenizers import Tokenizer
    out = {"made_with": "tokenizers " + tokenizers.__version__, "models": None, "fixtures": []}
    for name, members in fixtures():
        t = Tokenizer.from_str(json.dumps(complete(members)))
        cases = []
        for text in TEXTS:
            try:
                ids = t.encode(text).ids
                whole, skipped = t.decode(ids, skip_special_tokens=False), t.decode(ids)
                # null: the text itself; the same as before
                cases.append([text, ids, None if whole == text else whole, None if skipped == whole else skipped])
            except BaseException as e:  # the peer panics on some texts: there is nothing to compare then
                print("%s: %r: %s" % (name, text[:40], e), file=sys.stderr)
        out["fixtures"].append({"name": name, "tokenizer": members, "cases": cases})
    out["models"] = MODELS
    json.dump(out, sys.stdout, ensure_ascii=False, separators=(",", ":"))
    print()


if __name__ == "__main__":
    main()
