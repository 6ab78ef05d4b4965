#!/usr/bin/env python3
"""Metrics, filters and standard errors of llm-eval beside the packages whose numbers they reproduce."""
import contextlib
import hashlib
import io
import json
import math
import os
import pathlib
import random
import re
import subprocess
import sys
import unicodedata

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("DISABLE_MULTIPROC", "1")

import numpy as np
import sacrebleu
import sklearn.metrics
from fuzzywuzzy import fuzz
from lm_eval.api import metrics as harness
from lm_eval.api.task import PerplexityTask
from lm_eval.filters.extraction import RegexFilter, WhitespaceFilter
from lm_eval.filters.transformation import LowercaseFilter, MapFilter
from lm_eval.utils import softmax
from rouge_score import rouge_scorer, scoring

from _squad import squad_f1, squad_v2

SRC = pathlib.Path(os.environ.get("LLM_SRC", pathlib.Path(__file__).resolve().parents[2]))
BIN = pathlib.Path(os.environ.get("LLM_BIN", SRC / "build")).resolve()
LONG = bool(os.environ.get("LLM_LONG"))
tests = failures = 0
rnd = random.Random(7)


def ok(passed, text):
    global tests, failures
    tests += 1
    failures += not passed
    print(f"{'' if passed else 'not '}ok {tests} - {text}", flush=True)
    return passed


def skip(text, why):
    global tests
    tests += 1
    print(f"ok {tests} - {text} # SKIP {why}", flush=True)


peer = subprocess.Popen([str(BIN / "tests/tools/eval_scores")], stdin=subprocess.PIPE,
                        stdout=subprocess.PIPE)


def ask(**question):
    peer.stdin.write(json.dumps(question).encode() + b"\n")
    peer.stdin.flush()
    return json.loads(peer.stdout.readline())


def call(name, **arguments):
    return ask(call=name, **arguments)["result"]


def score(output_type, samples, metrics, iterations=1000, words=None, **task):
    answer = ask(output_type=output_type, task={"metrics": metrics, **task}, samples=samples,
                 bootstrap_iters=iterations, words_command=words)
    if "error" in answer:
        sys.exit(f"eval_scores: {answer['error']}")
    answer["by_name"] = {(s["metric"], s["filter"]): s for s in answer["scores"]}
    return answer


def near(got, want, bound=1e-12):
    if want is None or got is None:
        return got is want
    return abs(got - want) <= bound * max(1.0, abs(want))


def all_equal(pairs, text):
    """pairs of (got, want, about)"""
    wrong = [p for p in pairs if p[0] != p[1]]
    for got, want, about in wrong[:3]:
        print(f"# {about!r}: got {got!r}, want {want!r}")
    ok(pairs and not wrong, f"{text} ({len(pairs)} cases)")


# ---- texts --------------------------------------------------------------------

POOL = ("東京都 大阪府の人口は約1,234万人です。 ﾃｽﾄ　テスト・Ａｂｃ ÀÉÎõü Straße ΣΑΣ ΟΔΟΣ İstanbul 100% "
        "「それは」、(これ) a an the The cat's don't 3.14 -5 --- 〜 ～ ー — 𠮷野家 😀🇯🇵 \t\u3000\u00a0\u2028\x1c "
        "ゔ か゛ ﾊﾟ ½ ² Ⅷ _ [x] {y} «q» ½ ß ŉ")
WORDS = ("東京 大阪 京都 は が の です ます 猫 犬 cat dog the a an quick Brown fox, jumps. over 12 3.5 1,000 "
         "lazy-dog e.g. \"quoted\" (paren) it's U.S. 2020-21 #### 42 18. $1,200").split()


def text(n):
    return "".join(rnd.choice(POOL) for _ in range(rnd.randrange(n)))


def sentence(n):
    return " ".join(rnd.choice(WORDS) for _ in range(rnd.randrange(n)))


def variant(s):
    """s with some characters and words changed."""
    words = [w for w in s.split(" ") if rnd.random() > 0.15]
    if rnd.random() < 0.3:
        rnd.shuffle(words)
    out = list(" ".join(words))
    for _ in range(rnd.randrange(3)):
        if out:
            out[rnd.randrange(len(out))] = rnd.choice(POOL)
    return "".join(out)


def pairs_of(n, words=12):
    found = []
    for _ in range(n):
        a = rnd.choice([sentence, text])(words * rnd.choice([1, 1, 4]))
        found.append((a, rnd.choice([variant(a), sentence(words), a, text(words)])))
    return found


def generated(pairs, **more):
    return [{"targets": t if isinstance(t, list) else [t],
             "results": [{"text": a}], **more} for t, a in pairs]


# ---- Python's strings -----------------------------------------------------------

def python_strings():
    samples = [text(30) for _ in range(1000)]
    all_equal([(call("strip", text=s), s.strip(), s) for s in samples], "strip()")
    all_equal([(call("rstrip", text=s), s.rstrip(), s) for s in samples], "rstrip()")
    all_equal([(call("lower", text=s), s.lower(), s) for s in samples], "lower()")
    all_equal([(call("squeeze", text=s), " ".join(s.split()), s) for s in samples], "split()")
    all_equal([(call("length", text=s), len(s), s) for s in samples], "len()")
    all_equal([(call("blank_parts", text=s), PerplexityTask.count_words(s), s) for s in samples],
              "the harness's count_words")
    characters = [chr(c) for c in range(1, 0x110000) if not 0xD800 <= c < 0xE000
                  and unicodedata.category(chr(c)) not in ("Cn", "Co")]
    blocks = ["a".join(characters[i:i + 500]) for i in range(0, len(characters), 500)]
    all_equal([(call("lower", text=s), s.lower(), s[:1]) for s in blocks], "lower() of all characters")
    for pattern in (r"\w", r"\W", r"\s", r"\S", r"\d", r"\D", r"[\w-]", r"[^\s]", r"."):
        all_equal([(call("pattern", pattern=pattern, text=s), re.findall(pattern, s), s[:1])
                   for s in blocks[::1 if LONG else 4]], f"{pattern} of all characters")


def first_group(match):
    if isinstance(match, tuple):
        return next((m for m in match if m), "")
    return match


def python_patterns():
    patterns = [r"#### (\-?[0-9\.\,]+)", r"(-?[$0-9.,]{2,})|(-?[0-9]+)", r"(\-?[0-9\.\,]+)", ",",
                r"\$", r"(?s).*#### ", r"\.$", r"^\s+", r"\s+$", r"\b(a|an|the)\b", r"x*", r"[a-z]*?",
                r"(?i)THE|cat", r"答えは(\-?[0-9\.\,]+)です。", r"(?m)^.", r"(?m)$", r"(?:a|b)+", r"(\w)\1",
                r"(?P<y>[一-龠]+)(?=は)", r"\u3042|\U0001f600|\x41", r"[^\]\[]+", r"[[:a]+", r"\B.", r"\Z",
                r"a{,2}", r"a{2,}", r"{", r"(?<!\d)\d", r"[\s\d.]+", r"(?i:the)x?", r"\t|\n|\\"]
    rows = []
    for pattern in patterns:
        for _ in range(40):
            s = sentence(12) + rnd.choice(["", "\n"]) + text(20) + rnd.choice(["", "\n", "aab"])
            got = ask(call="pattern", pattern=pattern, text=s)
            rows.append((got.get("result"), [first_group(m) for m in re.findall(pattern, s)],
                         (pattern, s)))
            rows.append((got.get("deleted"), re.sub(pattern, "", s), (pattern, s)))
    all_equal(rows, f"findall and sub of {len(patterns)} patterns")
    for pattern in (r"\K", r"\Qa\E", r"(?R)", r"\pL", r"\h", r"(*FAIL)", r"(?|a|b)", "(", "[a", "a(?i)b",
                    r"\Ra", r"(?C1)", r"\ud800", "a**"):
        got = ask(call="pattern", pattern=pattern, text="a")
        if not ok("error" in got, f"refuses {pattern!r}"):
            print(f"# {got}")
    ok("too long" in ask(call="pattern", pattern="(a+)+$", text="a" * 5000 + "b").get("error", ""),
       "a pattern without end ends")


# ---- metrics of texts --------------------------------------------------------------

def string_ratios():
    pairs = []

    alphabet = [chr(c) for c in (*range(0x3041, 0x3097), *range(0x30A1, 0x30FB), *range(0x4E00, 0x4E80),
                                 *range(0xFF10, 0xFF1A))] + list("、。「」・ 　aA1é")
    for _ in range(1000):
        a = "".join(rnd.choice(alphabet) for _ in range(rnd.randrange(30)))
        b = list(a)
        for _ in range(rnd.randrange(8)):
            b.insert(rnd.randrange(len(b) + 1), rnd.choice(alphabet))
            if rnd.random() < 0.6:
                del b[rnd.randrange(len(b))]
        pairs.append((a, rnd.choice(["".join(b), a[::-1], a[len(a) // 2:] + " " + a[:len(a) // 2]])))
    pairs += pairs_of(1000) + [("東京都", "東京"), ("。。", "、"), ("", ""), ("", "a")]
    all_equal([(call("token_sort_ratio", text=a, other=b), fuzz.token_sort_ratio(a, b), (a, b))
               for a, b in pairs], "fuzzywuzzy's token_sort_ratio")
    values = [fuzz.token_sort_ratio(unicodedata.normalize("NFKC", a.strip()),
                                    unicodedata.normalize("NFKC", t)) / 100.0 for t, a in pairs]
    got = score("generate_until", generated(pairs),
                [{"metric": "token_sort_ratio", "name": "char_f1"}, "exact_match", "set_f1"],
                filters={"none": ["remove_whitespace", "take_first"]}, normalise=["nfkc"])
    char_f1 = got["by_name"]["char_f1", "none"]
    ok(near(char_f1["value"], sum(values) / len(values)) and got["values"][0::3] == values,
       "llm-jp-eval's char_f1 over a task, with NFKC and strip")
    ok(near(char_f1["stderr"], harness.mean_stderr(values)), "its standard error")
    exact = [unicodedata.normalize("NFKC", a.strip()) == unicodedata.normalize("NFKC", t)
             for t, a in pairs]
    ok(got["values"][1::3] == [float(x) for x in exact], "llm-jp-eval's exact_match")


def set_f1(answer, target):
    p = list({x.strip() for x in answer.split("\n")})
    t = [x.strip() for x in target.split("\n")]
    precision = sum(1 if y in t else 0 for y in p) / len(p)
    recall = sum(1 if y in t else 0 for y in p) / len(t)
    return 2 * (precision * recall) / (precision + recall) if precision + recall else 0


def set_scores():
    lines = [" a", "b ", "東京\u3000", "", "c d", "a"]
    pairs = [("\n".join(rnd.choices(lines, k=rnd.randrange(1, 5))),
              "\n".join(rnd.choices(lines, k=rnd.randrange(1, 5)))) for _ in range(300)]
    got = score("generate_until", generated(pairs), ["set_f1"])
    ok(all(near(g, set_f1(a, t)) for g, (t, a) in zip(got["values"], pairs)), "set_f1 (300 cases)")


def exact_match():
    options = [{}, {"ignore_case": True}, {"ignore_punctuation": True}, {"ignore_numbers": True},
               {"ignore_case": True, "ignore_punctuation": True, "ignore_numbers": True},
               {"ignore_case": True, "regexes_to_ignore": [",", "\\$", "(?s).*#### ", "\\.$"]},
               {"regexes_to_ignore": ["^\\s+", "\\s+$"]}]
    for option in options:
        pairs = []
        for _ in range(200):
            # numpy cuts a text which grows in lower case
            target = rnd.choice([sentence(5), " " + text(5).replace("İ", ""), "18", "The cat.",
                                 "x #### 1,800."])
            answer = rnd.choice([target, target.upper(), target + ".", target.strip(), "1800",
                                 f"so\n#### {target}", "$1,8" + "00", "THE CAT"])
            targets = [target] + [sentence(3) for _ in range(rnd.choice([0, 0, 2]))]
            pairs.append((targets, answer))
        got = score("generate_until", generated(pairs), [{"metric": "exact_match", **option}])
        want = []
        for targets, answer in pairs:
            found = harness.exact_match_hf_evaluate(predictions=[answer] * len(targets),
                                                    references=targets, **option)["exact_match"]
            want.append(1.0 if found > 0 else 0.0)
        all_equal(list(zip(got["values"], want, pairs)), f"exact_match {option}")
        ok(near(got["scores"][0]["value"], harness.mean(want))
           and near(got["scores"][0]["stderr"], harness.mean_stderr(want)), "its mean and error")


def mgsm():
    sys.path.insert(0, str(pathlib.Path(harness.__file__).parents[1] / "tasks/japanese_leaderboard"))
    import ja_leaderboard_mgsm as task
    pieces = ["答えは", "18", "1,234", "-5", "3.0", "3.5", "1.2.3", ".", ",", "-", "9.", "です。", "12 ", "--7", "0"]
    rows = []
    for _ in range(1000):
        rows.append((rnd.choice([18, 1234, -5, 3, 9, 0, 12, 7]),
                     "".join(rnd.choices(pieces, k=rnd.randrange(5)))))
    got = score("generate_until", generated([(str(n), a) for n, a in rows]),
                [{"metric": "integer_match", "name": "acc"}])
    all_equal([(g, float(task.process_results({"answer_number": n}, [a])["acc"]), (n, a))
               for g, (n, a) in zip(got["values"], rows)], "mgsm's acc")


def squad():
    samples = []
    for i in range(600):
        target = rnd.choice([sentence(5), "The cat", "a", "an apple!"])
        targets = [] if i % 3 == 0 else [target, sentence(4), "the"][:rnd.randrange(1, 4)]
        answer = rnd.choice([target, variant(target), "", "unanswerable", sentence(4)])
        samples.append((targets, answer, rnd.choice([0.25, rnd.random()])))
    rows = [{"targets": t, "results": [{"text": a}, {"log_likelihood": math.log(p)}]}
            for t, a, p in samples]
    got = score("generate_until", rows, ["squad_v2"])
    want = squad_v2([(t, a, math.exp(math.log(p))) for t, a, p in samples])
    ok(len(want) == 8, "SQuAD 2.0: eight scores")
    for name, value in want.items():
        ok(near(got["by_name"][name, "none"]["value"], value), f"SQuAD 2.0: {name}")
    kept = [s for s in samples if s[0]]
    got = score("generate_until", generated([(t, a) for t, a, _ in kept]), ["squad"])
    ok(near(got["by_name"]["f1", "none"]["value"], 100 * np.mean(
        [max(squad_f1(a, t) for t in ts) for ts, a, _ in kept])), "SQuAD 1.1: f1")


# ---- translation and summaries --------------------------------------------------------

def harness_error(f, items, iterations):
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        return harness.bootstrap_stderr(f, items, iters=iterations)


def translation():
    for name, aggregate in (("bleu", harness.bleu), ("chrf", harness.chrf), ("chrf++", harness.chrfpp),
                            ("ter", harness.ter)):
        for n, words, references in ((60, 14, 1), (40, 30, 1), (40, 12, 3), (3, 3, 1), (30, 60, 2)):
            if name == "ter" and words > 30:
                n = 10
            items = []
            for target, answer in pairs_of(n, words):
                more = [variant(target) for _ in range(references - 1)]
                items.append(([target] + more if references > 1 else target, answer))
            got = score("generate_until", generated(items), [name])["scores"][0]
            want = aggregate(items)
            if not ok(near(got["value"], want, 1e-10), f"{name}: {n} sentences, {references} references"):
                print(f"# got {got['value']}, want {want}")
            if words == 14 and name != "ter":
                ok(near(got["stderr"], harness_error(aggregate, items, 100), 1e-10),
                   f"{name}: bootstrap error")
    items = pairs_of(50, 14)
    for tokenizer in ("none", "char"):
        got = score("generate_until", generated(items), [{"metric": "bleu", "tokenize": tokenizer}])
        want = sacrebleu.corpus_bleu([a for _, a in items], [[t for t, _ in items]],
                                     tokenize=tokenizer, force=True).score
        ok(near(got["scores"][0]["value"], want, 1e-10), f"bleu of tokenizer {tokenizer}")


class Blanks:
    @staticmethod
    def tokenize(s):
        return s.split()


def summaries():
    pairs = pairs_of(150, 25) + [("", ""), ("a", ""), ("x y", "x y")]
    for name in ("rouge1", "rouge2", "rougeL"):
        for words, tokenizer in ((None, None), ("tr 'あ-ん' ' '", Blanks())):
            scorer = rouge_scorer.RougeScorer([name], tokenizer=tokenizer)
            def split(s):
                s = s.replace("\n", " ").replace("\r", " ")
                return subprocess.run(["tr", "あ-ん", " "], input=s.encode(), capture_output=True).stdout.decode(
                    errors="replace")
            if words:
                words = "sed 's/[はがの]/ & /g'"
                split = lambda s: re.sub("([はがの])", r" \1 ", re.sub("[\n\r]", " ", s))
            ours = pairs
            scores = [scorer.score(split(t) if words else t, split(a) if words else a) for t, a in ours]
            metric = {"metric": name, **({"words": "command"} if words else {})}
            got = score("generate_until", generated(ours), [metric], words=words)
            if not words:
                all_equal([(g, s[name].fmeasure, p) for g, s, p in zip(got["values"], scores, ours)],
                          f"{name} of rouge_score")
            else:
                ok(all(near(g, s[name].fmeasure) for g, s in zip(got["values"], scores)),
                   f"{name} with words by a command")
            aggregator = scoring.BootstrapAggregator()
            for s in scores:
                aggregator.add_scores(s)
            np.random.seed(1234)
            want = aggregator.aggregate()[name].mid.fmeasure
            if not ok(near(got["scores"][0]["value"], want), f"{name}: bootstrap median"):
                print(f"# got {got['scores'][0]['value']}, want {want}")


def commands():
    rows = generated([("a b", "a b")] * 3)
    for command, expected in (("exit 3", "status 3"), ("head -1", "lines"), ("kill -9 $$", "signal 9"),
                              ("no-such-command-here", "status 127")):
        got = ask(output_type="generate_until", task={"metrics": [{"metric": "word_f1", "words": "command"}]},
                  samples=rows, words_command=command)
        if not ok(expected in got.get("error", ""), f"a command that fails: {command}"):
            print(f"# {got}")
    got = ask(output_type="generate_until", task={"metrics": [{"metric": "word_f1", "words": "command"}]},
              samples=rows)
    ok("--words-command" in got.get("error", ""), "without a command it is asked for")
    big = generated([("語 " * 20000, "語 " * 20000)] * 50)
    got = score("generate_until", big, [{"metric": "word_f1", "words": "command"}], words="cat")
    ok(got["scores"][0]["value"] == 1, "two megabytes through a command")


def japanese():
    try:
        import emoji
        import neologdn
    except ImportError as missing:
        skip("neologdn and emoji", f"{missing.name} is not installed")
        return
    characters = [chr(c) for c in range(1, 0x20000) if not 0xD800 <= c < 0xE000]
    all_equal([(call("neologdn", text="x" + c + "y"), neologdn.normalize("x" + c + "y"), c)
               for c in characters[:0x3200] + characters[0xFD00:0xFFF0]], "neologdn of single characters")
    alphabet = "ｶﾞｷﾊﾟハ゛゜うー－—ｰ~〜 　aZ1*é。、日本ＡＢ!-‐−˗ﾞ"
    texts = ["".join(rnd.choices(alphabet, k=rnd.randrange(1, 12))) for _ in range(5000)]
    texts = [t for t in texts if t.strip(" 　")]
    all_equal([(call("neologdn", text=t), neologdn.normalize(t), t) for t in texts], "neologdn of texts")
    pattern = re.compile("[\U0001F600-\U0001F64F\U0001F300-\U0001F5FF\U0001F680-\U0001F6FF"
                         "\U0001F1E0-\U0001F1FF\U00002702-\U000027B0]+")
    blocks = ["".join(characters[i:i + 300]) for i in range(0, len(characters), 300)]
    all_equal([(call("no_emoji", text=b), pattern.sub("", "".join(
        "" if emoji.is_emoji(c) else c for c in b)), b[:1]) for b in blocks], "emoji removal")


# ---- choices and likelihoods --------------------------------------------------------

def choices():
    for classes in (2, 3, 5):
        rows, gold, lls = [], [], []
        names = ["含意", "矛盾です", "neutral", "é", "x y"][:classes]
        for i in range(400):
            ll = [rnd.choice([-1.5, -2.0, rnd.gauss(-5, 3)]) for _ in range(classes)]
            if i % 50 == 0:
                ll[1] = ll[0]
            lls.append(ll)
            gold.append(rnd.choice([0, 0, classes - 1, rnd.randrange(classes)]))
            un = [rnd.gauss(-4, 1) for _ in ll]
            rows.append({"choices": names, "label": gold[-1],
                         "results": [{"log_likelihood": x, "is_greedy": rnd.random() < 0.3} for x in ll]
                         + [{"log_likelihood": x} for x in un]})
        names_of = ["acc", "acc_norm", "acc_bytes", "acc_mutual_info", "exact_match", "balanced_acc", "mcc",
                    "macro_f1", "brier_score"] + (["f1"] if classes == 2 else [])
        got = score("multiple_choice", rows, names_of, iterations=2000)["by_name"]
        ll = np.array(lls)
        pred = {"acc": ll.argmax(1), "acc_norm": (ll / [float(len(n)) for n in names]).argmax(1),
                "acc_bytes": (ll / [float(len(n.encode())) for n in names]).argmax(1),
                "acc_mutual_info": np.array([[r["results"][k]["log_likelihood"]
                                              - r["results"][k + classes]["log_likelihood"]
                                              for k in range(classes)] for r in rows]).argmax(1)}
        for name, chosen in pred.items():
            values = [1.0 if p == g else 0.0 for p, g in zip(chosen, gold)]
            ok(near(got[name, "none"]["value"], harness.mean(values))
               and near(got[name, "none"]["stderr"], harness.mean_stderr(values)), f"{name}, {classes} choices")
        values = [int(r["results"][r["label"]]["is_greedy"]) for r in rows]
        ok(near(got["exact_match", "none"]["value"], harness.mean(values)), "exact_match of choices")
        items = list(zip(gold, pred["acc"].tolist()))
        ok(near(got["mcc", "none"]["value"], sklearn.metrics.matthews_corrcoef(gold, pred["acc"])), "mcc")
        ok(near(got["macro_f1", "none"]["value"],
                sklearn.metrics.f1_score(gold, pred["acc"], average="macro")), "macro_f1")
        ok(near(got["balanced_acc", "none"]["value"],
                sklearn.metrics.balanced_accuracy_score(gold, pred["acc"])), "balanced_acc")
        brier = harness.brier_score([(g, softmax(x)) for g, x in zip(gold, lls)])
        ok(near(got["brier_score", "none"]["value"], float(brier)), "brier_score")
        if classes == 3:
            small = score("multiple_choice", rows, ["mcc"], iterations=100)["scores"][0]["stderr"]
            ok(near(small, harness_error(harness.matthews_corrcoef, items, 100)), "mcc: bootstrap error")
        if classes == 2:
            ok(near(got["f1", "none"]["value"], harness.f1_score(items)), "f1")
            small = score("multiple_choice", rows, ["f1"], iterations=100)["scores"][0]["stderr"]
            ok(near(small, harness_error(harness.f1_score, items, 100)), "f1: bootstrap error")
    nan = [{"choices": ["a", "b", "c"], "label": 1,
            "results": [{"log_likelihood": -1.0}, {"log_likelihood": -1.0}, {"log_likelihood": -1.0}]}] * 2
    ok(score("multiple_choice", nan, ["acc"])["scores"][0]["value"] == 0.0, "the first of equal choices")


def likelihoods():
    lls = [rnd.gauss(-3, 2) for _ in range(500)]
    greedy = [rnd.random() < 0.4 for _ in lls]
    rows = [{"results": [{"log_likelihood": x, "is_greedy": g}]} for x, g in zip(lls, greedy)]
    iterations = 100000 if LONG else 3000
    got = score("loglikelihood", rows, ["perplexity", "acc"], iterations=iterations)["by_name"]
    ok(near(got["perplexity", "none"]["value"], harness.perplexity(lls)), "perplexity")
    ok(near(got["perplexity", "none"]["stderr"], harness_error(harness.perplexity, lls, iterations)),
       f"perplexity: bootstrap error of {iterations} draws")
    ok(near(got["acc", "none"]["stderr"], harness.mean_stderr([int(g) for g in greedy])), "acc of greedy")
    texts = [text(200) for _ in range(50)]
    lls = [rnd.gauss(-300, 50) for _ in texts]
    rows = [{"original": t, "results": [{"log_likelihood": x}]} for t, x in zip(texts, lls)]
    got = score("loglikelihood_rolling", rows, ["word_perplexity", "byte_perplexity", "bits_per_byte"])["by_name"]
    words = [(x, len(re.split(r"\s+", t))) for t, x in zip(texts, lls)]
    size = [(x, len(t.encode())) for t, x in zip(texts, lls)]
    ok(near(got["word_perplexity", "none"]["value"], harness.weighted_perplexity(words)), "word_perplexity")
    ok(near(got["byte_perplexity", "none"]["value"], harness.weighted_perplexity(size)), "byte_perplexity")
    ok(near(got["bits_per_byte", "none"]["value"], harness.bits_per_byte(size)), "bits_per_byte")
    ok(got["bits_per_byte", "none"]["stderr"] is None, "no error of bits_per_byte")


def groups():
    for weight in (True, False):
        values = [rnd.random() for _ in range(8)]
        errors = [rnd.random() / 50 for _ in values]
        sizes = [rnd.randrange(2, 3000) for _ in values]
        got = call("group", values=values, stderrs=errors, samples=sizes, weight=weight)
        error = (harness.pooled_sample_stderr(errors, sizes) if weight
                 else harness.unweighted_mean_stderr(errors))
        ok(near(got[0], harness.aggregate_subtask_metrics(values, sizes, weight)) and near(got[1], float(error)),
           f"a group, {'weighted' if weight else 'plain'}")


# ---- filters and samples ------------------------------------------------------------

def filters():
    chains = {
        "strict-match": ([{"function": "regex", "regex_pattern": r"#### (\-?[0-9\.\,]+)"}, "take_first"],
                         [RegexFilter(r"#### (\-?[0-9\.\,]+)")]),
        "flexible-extract": ([{"function": "regex", "group_select": -1,
                               "regex_pattern": r"(-?[$0-9.,]{2,})|(-?[0-9]+)"}, "take_first"],
                             [RegexFilter(r"(-?[$0-9.,]{2,})|(-?[0-9]+)", -1)]),
        "spaces": (["remove_whitespace", "lowercase", "take_first"], [WhitespaceFilter(), LowercaseFilter()]),
        "mapped": (["remove_whitespace", {"function": "map", "mapping_dict": {"18": "yes", "東京": "no"},
                                          "default_value": "?"}, "take_first"],
                   [WhitespaceFilter(), MapFilter({"18": "yes", "東京": "no"}, "?")]),
        "empty-groups": ([{"function": "regex", "regex_pattern": "(a*)(b*)", "fallback": "none"}, "take_first"],
                         [RegexFilter("(a*)(b*)", 0, "none")]),
    }
    answers = [rnd.choice([sentence(8), "so #### " + sentence(2), " 18 ", "東京\u3000", text(20), "x $1,200. y 3", ""])
               for _ in range(400)]
    rows = [{"targets": ["18"], "target": "18", "doc": {"q": "?"}, "requests": [{"ctx": "c"}],
             "results": [{"text": a}]} for a in answers]
    got = score("generate_until", rows, ["exact_match"], filters={k: v[0] for k, v in chains.items()})
    lines = [json.loads(line) for s in got["samples"] for line in s.split("\n") if line]
    for name, (_, theirs) in chains.items():
        resps = [[a] for a in answers]
        for f in theirs:
            resps = f.apply(resps, [{}] * len(resps))
        mine = [line["filtered_resps"] for line in lines if line["filter"] == name]
        all_equal([(m, list(r), a) for m, r, a in zip(mine, resps, answers)], f"filter {name}")


def samples():
    doc = {"q": "質問\n\"x\"\t\\ \x7f é", "n": 3, "f": 0.1, "list": [], "obj": {}, "deep": {"a": [1, None, True]},
           "big": 1e22, "small": 1e-7}
    rows = [{"doc": doc, "choices": ["a", "b"], "label": 1, "target": "1",
             "requests": [{"ctx": "前", "cont": " a"}, {"ctx": "前", "cont": " b"}],
             "results": [{"log_likelihood": -1.25, "is_greedy": True}, {"log_likelihood": -0.1}]}]
    line = json.loads(score("multiple_choice", rows, ["acc", "mcc"])["samples"][0])
    want = {"doc_id": 0, "doc": doc, "target": "1",
            "arguments": {"gen_args_0": {"arg_0": "前", "arg_1": " a"}, "gen_args_1": {"arg_0": "前", "arg_1": " b"}},
            "resps": [[["-1.25", "True"]], [["-0.1", "False"]]],
            "filtered_resps": [["-1.25", "True"], ["-0.1", "False"]], "filter": "none",
            "metrics": ["acc", "mcc"],
            "doc_hash": hashlib.sha256(json.dumps(doc, indent=2, ensure_ascii=False).encode()).hexdigest(),
            "prompt_hash": hashlib.sha256("前".encode()).hexdigest(),
            "target_hash": hashlib.sha256(b"1").hexdigest(), "acc": 1.0, "mcc": [1, 1]}
    for key in want:
        all_equal([(line.get(key), want[key], key)], f"samples: {key}")
    ok(list(line) == list(want), "samples: no other fields")


python_strings()
python_patterns()
string_ratios()
set_scores()
exact_match()
mgsm()
squad()
translation()
summaries()
commands()
japanese()
choices()
likelihoods()
groups()
filters()
samples()
peer.stdin.close()
ok(peer.wait() == 0, "the program ends well")
print(f"1..{tests}")
sys.exit(failures > 0)
