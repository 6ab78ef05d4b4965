#!/usr/bin/env python3
"""Trains tokenizers of 32,000 tokens on the same texts, by llm-tokenize and by its peers.

Half Japanese, half English, of ../shared/data/corpus; the last 3 MB of each are kept for
measuring. Both sides get the same file, a line a text (SentencePiece knows no other
unit), and the same number of threads. Reported: seconds of the clock and of the
processors, largest memory, bytes per token of the lines that were kept. The closing
line has the ratios ours / theirs: processor time, memory, tokens, which is worst of each.

LLM_BENCH_MB (20): how much text; as much as there is beyond 102.
LLM_BENCH_THREADS (2), LLM_BENCH_VOCAB (32000).
LLM_BENCH_ROWS: of unigram, bpe, words (SentencePiece's BPE), all by default.
"""
import importlib.util
import json
import os
import pathlib
import resource
import subprocess
import sys
import time

SRC = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("LLM_BIN", SRC / "build")).resolve()
CORPUS = pathlib.Path(os.environ.get("LLM_SHARED", SRC.parent / "shared")) / "data/corpus"
MB = float(os.environ.get("LLM_BENCH_MB", 20))
THREADS = os.environ.get("LLM_BENCH_THREADS", "2")
VOCAB = os.environ.get("LLM_BENCH_VOCAB", "32000")
ROWS = os.environ.get("LLM_BENCH_ROWS", "unigram bpe words").split()
KEPT = 3_000_000  # bytes of each language


# ---- the peers, each in a process of its own ------------------------------------

def sentencepiece_train(kind, out):
    import sentencepiece
    sentencepiece.SentencePieceTrainer.train(
        input="train.txt", model_prefix=out, vocab_size=int(VOCAB), model_type=kind, byte_fallback=True,
        normalization_rule_name="identity", remove_extra_whitespaces=False, allow_whitespace_only_pieces=True,
        max_sentence_length=1 << 24, num_threads=int(THREADS), minloglevel=2)


def huggingface_train(out):
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers
    sys.path.insert(0, str(SRC / "tests/unit/data"))
    import tokenizer_fixtures as fixtures
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(fixtures.LLAMA3), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    t.train(["train.txt"], trainers.BpeTrainer(
        vocab_size=int(VOCAB) - 1, min_frequency=2, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False))
    t.save(out)


PEERS = {
    "sentencepiece-unigram": lambda: sentencepiece_train("unigram", "peer-unigram"),
    "sentencepiece-bpe": lambda: sentencepiece_train("bpe", "peer-words"),
    "huggingface-bpe": lambda: huggingface_train("peer-bpe.json"),
}

TABLE = {  # ours, its options; the peer, its module and file
    "unigram": (["unigram"], "sentencepiece-unigram", "sentencepiece", "peer-unigram.model"),
    "bpe": (["bpe"], "huggingface-bpe", "tokenizers", "peer-bpe.json"),
    "words": (["bpe", "--pattern", "sentencepiece"], "sentencepiece-bpe", "sentencepiece", "peer-words.model"),
}


# ---- texts and measures ---------------------------------------------------------

def write_texts():
    size = {}
    with open("train.txt", "wb") as train:
        for language in "ja", "en":
            text = subprocess.run(["zstd", "-dcq", str(CORPUS / (language + ".jsonl.zst"))], stdout=subprocess.PIPE,
                                  check=True).stdout.splitlines()
            lines = [line for doc in text for line in json.loads(doc)["text"].encode().split(b"\n")
                     if line and b"\r" not in line]
            kept = taken = 0
            with open("kept.%s.txt" % language, "wb") as file:
                while kept < KEPT:
                    kept += len(lines[-1]) + 1
                    file.write(lines.pop() + b"\n")
            for line in lines:
                if taken >= MB * 500_000:
                    break
                taken += len(line) + 1
                train.write(line + b"\n")
            size[language] = (taken, kept)
    return size


def measure(command):
    """Seconds of the clock, of the processors, megabytes."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.time()
    env = dict(os.environ, RAYON_NUM_THREADS=THREADS, OMP_NUM_THREADS=THREADS)
    # of several children getrusage has the largest memory: each has a parent of its own
    code = ("import resource, subprocess, sys; r = subprocess.run(sys.argv[1:]).returncode; "
            "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss); sys.exit(r)")
    p = subprocess.run([sys.executable, "-c", code] + command, env=env, stdout=subprocess.PIPE)
    if p.returncode:
        sys.exit("%s: status %d" % (" ".join(command), p.returncode))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return time.time() - start, cpu, int(p.stdout.split()[-1]) / 1024


def our_tokens(file, kept):
    p = subprocess.run([str(BIN / "llm-tokenize"), "-q", "-t", file, "--special", "none", "--format", "lines",
                        "--count", kept], stdout=subprocess.PIPE, check=True)
    return json.loads(p.stdout)["tokens"]


def their_tokens(file, kept):
    if file.endswith(".json"):
        return our_tokens(file, kept)
    import sentencepiece
    model = sentencepiece.SentencePieceProcessor(model_file=file)
    return sum(len(model.encode(line.rstrip("\n"))) for line in open(kept, newline="\n"))


def report(what, seconds, tokens, kept):
    print("%-24s %8.1f s %8.1f s cpu %7.0f MB   bytes per token %s" % (
        what, *seconds, "  ".join("%s %.4f" % (k, kept[k] / tokens[k]) for k in tokens)), flush=True)


def row(name, size):
    ours, peer, module, file = TABLE[name]
    if not importlib.util.find_spec(module):
        print("%s: skipped, no Python with %s" % (name, module))
        return None
    kept = {k: v[1] for k, v in size.items()}
    a = measure([str(BIN / "llm-tokenize"), "-q", "--train", *ours, "--vocab-size", VOCAB, "--threads", THREADS,
                 "--format", "lines", "-o", name + ".json", "train.txt"])
    b = measure([sys.executable, __file__, peer])
    x = {k: our_tokens(name + ".json", "kept.%s.txt" % k) for k in size}
    y = {k: their_tokens(file, "kept.%s.txt" % k) for k in size}
    report("llm-tokenize " + name, a, x, kept)
    report(peer, b, y, kept)
    ratios = a[1] / b[1], a[0] / b[0], a[2] / b[2], max(x[k] / y[k] for k in size)
    print("%-24s cpu %.3f, clock %.3f, memory %.3f, tokens %.4f" % ("ratios", *ratios), flush=True)
    return ratios


def main():
    if len(sys.argv) > 1:
        PEERS[sys.argv[1]]()
        return
    if not (CORPUS / "ja.jsonl.zst").exists():
        print("train_tokenizer: skipped, no ../shared/data/corpus")
        return
    import importlib.metadata
    size = write_texts()
    versions = [m + " " + importlib.metadata.version(m) for m in ("sentencepiece", "tokenizers")
                if importlib.util.find_spec(m)]
    print("%s; %s threads, %s tokens; %s" % (
        ", ".join("%s %.1f MB" % (k, v[0] / 1e6) for k, v in size.items()), THREADS, VOCAB, ", ".join(versions)))
    results = {name: row(name, size) for name in TABLE if name in ROWS}
    print("cpu time, memory and tokens, ours / theirs: " + "; ".join(
        "%s %.3f %.3f %.4f" % (name, r[0], r[2], r[3]) if r else name + " skipped" for name, r in results.items()))


main()
