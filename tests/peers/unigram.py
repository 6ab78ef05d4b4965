#!/usr/bin/env python3
# timeout: 1500
"""Compares Unigram ids with Hugging Face's `tokenizers`, and with `sentencepiece` where sums grow long.

LLM-jp's tokenizer.json files of ../shared/data/tokenizers, and Unigrams trained on the
spot and then changed: with ties everywhere, scores whose digits the peer reads its own
way, unknown characters, byte fallback in whole and in part. Texts: hard ones, random
ones, the corpus, and all of it as one document. No difference is allowed.
"""
import json
import os
import pathlib
import random
import subprocess
import tempfile

import sentencepiece
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

import _texts
from _texts import (BIN, HARD, LONG, TOKENIZERS, answers, corpus_texts, diag, fixtures, ok, pack, random_texts, skip,
                    system_texts, unpack)

RANDOM = int(os.environ.get("LLM_PEER_RANDOM", 100000 if LONG else 2500))
MEGABYTES = float(os.environ.get("LLM_PEER_MB", 1000 if LONG else 0.5))
LETTERS = ["ab" * 700, "abcabcab" * 90, "aab" * 500, "漢字漢" * 300, "Ω", "ΩΩ", "ΩΩΩ", "xΩΩy", "q<unk>Ω", "<unk><unk>", "<unk>",
           "<0x41>Ω<0xAD>", "ⓐⓑⓒ a ⓓ", "🏴\U000e0067", "\U0001F9FF" * 400]


def runs(n, seed):
    """Runs of few characters: ties that only the arithmetic decides."""
    r = random.Random(seed)
    return ["".join(r.choice("aabbc-=  ーーの!") * r.randrange(1, 9) for _ in range(r.randrange(1, 60))) for _ in range(n)]


def compare(name, file, texts, theirs, flags=1):
    ours = [unpack(a) for a in answers(file, "encode", flags, [t.encode() for t in texts])]
    wrong = [i for i in range(len(texts)) if ours[i] != theirs[i]]
    for i in wrong[:3]:
        a, b = ours[i], theirs[i]
        at = next((k for k in range(min(len(a), len(b))) if a[k] != b[k]), min(len(a), len(b)))
        diag("%s: %r: from token %d: %r, expected %r" % (name, texts[i][:60], at, a[at:at + 6], b[at:at + 6]))
    ok(not wrong and len(ours) == len(texts), "%s: %d texts, %.1f MB: %d differ"
       % (name, len(texts), sum(len(t.encode()) for t in texts) / 1e6, len(wrong)))


def hugging_face(name, file, texts):
    peer = Tokenizer.from_file(str(file))
    peer.no_truncation()
    peer.no_padding()
    good, theirs = [], []
    for text in texts:
        try:
            theirs.append(peer.encode(text).ids)
            good.append(text)
        except Exception:  # a character without a token, and no unknown token
            pass
    compare(name, file, good, theirs)
    lists = [i for i in theirs if i][:2000]
    want = [peer.decode(i, skip_special_tokens=False) for i in lists]
    got = [g.decode() for g in answers(file, "decode", 0, [pack(i) for i in lists])]
    ok(got == want, "%s: %d decoded: %d differ" % (name, len(lists), sum(a != b for a, b in zip(got, want))))
    return [t for t in texts if t not in set(good)]


# ---- trained on the spot --------------------------------------------------------

def train(texts, metaspace):
    t = Tokenizer(models.Unigram())
    if metaspace:
        t.pre_tokenizer = pre_tokenizers.Metaspace()
        t.decoder = decoders.Metaspace()
    else:
        t.normalizer = normalizers.Replace(" ", "▁")
    t.train_from_iterator(texts, trainers.UnigramTrainer(
        vocab_size=3000, unk_token="<unk>", special_tokens=["<unk>", "<s>", "</s>"], show_progress=False, max_piece_length=12))
    return json.loads(t.to_str())


def bytes_for(vocab, count):
    return vocab + [["<0x%02X>" % i, -20.0] for i in range(count)]


def digits(score, r):
    """A score of 17 digits, which the peer does not round as others do."""
    return score - r.random()


def changed(base, other):
    r = random.Random(5)
    vocab = base["model"]["vocab"]

    def model(name, vocab, source=base, **members):
        return name, {**source, "model": {**source["model"], "vocab": vocab, **members}}

    yield "metaspace", base
    yield "without pre-tokenizer", other
    yield model("byte fallback", bytes_for(vocab, 256), byte_fallback=True)
    yield model("byte fallback of ASCII alone", bytes_for(vocab, 128), byte_fallback=True)
    yield model("byte tokens without fallback", bytes_for(vocab, 256))
    yield model("ties", [[s, float(round(x))] for s, x in vocab])
    yield model("all alike", [[s, -1.0] for s, x in other["model"]["vocab"]], other)
    yield model("scores by length", [[s, -float(len(s))] for s, x in other["model"]["vocab"]], other)
    yield model("17 digits", [[s, digits(x, r)] for s, x in vocab])
    yield model("17 digits, other", [[s, digits(x, r)] for s, x in other["model"]["vocab"]], other)
    yield model("positive scores", [[s, x + 12] for s, x in vocab])
    yield model("runs of unknown characters", vocab + [["ΩΩ", -90.0], ["xΩ", -3.0], ["ⓐⓑ", -100.0]])
    yield model("another unknown", vocab, unk_id=300)
    last = [v for v in vocab if v[0] != "<unk>"]
    yield model("no unknown", last, unk_id=None)
    yield model("no unknown, byte fallback", bytes_for(last, 256), unk_id=None, byte_fallback=True)


def fails(name, file, texts):
    """What the peer cannot encode for want of an unknown token, neither do we."""
    for text in texts[:20]:
        p = subprocess.run([str(BIN / "tests/tools/tokenizer_peer"), str(file), "encode", "0"], stdout=subprocess.PIPE,
                           input=len(text.encode()).to_bytes(4, "little") + text.encode(), stderr=subprocess.DEVNULL)
        if p.returncode != 3:
            return ok(False, "%s: status %d for %r" % (name, p.returncode, text[:60]))
    return ok(bool(texts), "%s: %d texts are refused" % (name, len(texts[:20])))


def trained(folder, texts):
    learn = [line for t in texts[:300] for line in t.splitlines() if line][:20000]
    if not learn:
        learn = fixtures.TEXTS * 50
    base, other = train(learn, True), train(learn, False)
    some = HARD + LETTERS + random_texts(min(RANDOM, 5000) // 5, 7) + runs(800, 8) + texts[300:340]
    for name, description in changed(base, other):
        file = folder / "unigram.json"
        # the added tokens keep the texts <unk> and <s> from the model: without them it meets them
        description = {**description, "added_tokens": [] if "unknown" in name else description["added_tokens"]}
        file.write_text(json.dumps(description, ensure_ascii=False))
        refused = hugging_face("trained, " + name, file, some)
        if name.startswith("no unknown"):
            fails("trained, " + name, file, refused)


def long_documents(file, parts):
    """SentencePiece's float sums, as far from zero as they get, and begun anew many times."""
    peer = sentencepiece.SentencePieceProcessor(model_file=str(file))
    whole = "\n".join(parts)
    texts = [whole, whole[::-1], " ".join(runs(20000, 9)), "a" * 1000000, "漢" * 300000, " " * 500000, "=-" * 200000] + parts
    compare(file.stem[:30], file, texts, peer.encode(texts), 0)


def main():
    texts = []
    for name in "ja", "en", "code":
        texts += corpus_texts(name, MEGABYTES * 1e6)
    texts = texts or system_texts()
    random.Random(1).shuffle(texts)
    with tempfile.TemporaryDirectory() as temp:
        trained(pathlib.Path(temp), texts)
    for file in sorted(TOKENIZERS.glob("*hf_fast*.json")):
        hugging_face(file.stem[:30], file, HARD + LETTERS + runs(1000, 4) + random_texts(RANDOM, 3) + texts)
    for file in sorted(TOKENIZERS.glob("*.model")):
        long_documents(file, texts)
    if not TOKENIZERS.exists():
        skip("LLM-jp's tokenizers: no ../shared/data/tokenizers")
    print("1..%d" % _texts.count)


main()
