#!/usr/bin/env python3
# timeout: 600
"""llm-eval's scores and --log-samples against lm_eval's results and samples files, without a model.

A model that makes its answers up answers both: the harness asks it, and what it said is given to
llm-eval --results. Documents are those of eval_requests.py; bootstraps are the harness's 100,000 draws.
"""
import hashlib
import math
import random
import types

from _squad import squad_v2
from eval_requests import *
from lm_eval.api.model import LM

os.environ["DISABLE_MULTIPROC"] = "1"
NEEDED = ("emoji", "neologdn")
TASKS_SCORED = ["ja_leaderboard_jcommonsenseqa", "ja_leaderboard_mgsm", "gsm8k", "ja_leaderboard_xwinograd",
                "xwinograd_en", "hellaswag", "openbookqa", "triviaqa", "squadv2", "ja_leaderboard_jnli",
                "ja_leaderboard_marc_ja", "ja_leaderboard_jsquad", "ja_leaderboard_jaqket_v2",
                "ja_leaderboard_xlsum", "wikitext", "lambada_openai"]


class MadeUp(LM):
    """Answers that depend on the request alone; texts are often near the document's target."""

    def __init__(self):
        super().__init__()
        self.task, self.said = None, {}

    def _draw(self, request):
        return random.Random(hashlib.sha256(repr((request.doc_id, request.idx)).encode()).digest())

    def _keep(self, request, **result):
        self.said[request.doc_id, request.idx, request.request_type] = result

    def loglikelihood(self, requests):
        out = []
        for r in requests:
            draw = self._draw(r)
            value, greedy = -draw.choice([1.5, draw.expovariate(0.2)]), draw.random() < 0.3
            self._keep(r, log_likelihood=value, is_greedy=greedy, tokens=1)
            out.append((value, greedy))
        return out

    def loglikelihood_rolling(self, requests):
        out = []
        for r in requests:
            value = -self._draw(r).uniform(50, 900)
            self._keep(r, log_likelihood=value, tokens=9)
            out.append(value)
        return out

    def generate_until(self, requests):
        out = []
        for r in requests:
            draw = self._draw(r)
            target = self.task.doc_to_target(r.doc)
            target = target if isinstance(target, str) else str(target[0] if isinstance(target, list) else target)
            number = r.doc.get("answer_number", 7)
            words = target.split(" ")
            text = draw.choice([target, target.upper() + ".", f" {target}\u3000", " ".join(words[:-1]),
                                f"so {number} and\n#### {number}.", f"#### {number},", f"答えは{number}.0です。", "",
                                f"The {target}!", "#### 1,0" + "00", "none"])
            self._keep(r, text=text, tokens=len(text))
            out.append(text)
        return out


def write_results(requests, said):
    """What was said to each request, by document, index and type (squadv2 has two of index 0)."""
    with open("results.jsonl", "w", encoding="utf-8") as out:
        for r in requests:
            kind = "generate_until" if "until" in r else "loglikelihood" if "ctx" in r else "loglikelihood_rolling"
            document = int(r["id"].rsplit("/", 1)[1])
            result = said.get((document, r["index"], kind)) or said[document, 0, kind]
            out.write(json.dumps({"id": r["id"], "index": r["index"], **result}) + "\n")


def theirs(task, lm):
    import lm_eval
    from lm_eval.loggers import EvaluationTracker
    from lm_eval.tasks import get_task_dict
    lm.task, lm.said = get_task_dict([task], lm_eval.tasks.TaskManager())[task], {}
    out = lm_eval.simple_evaluate(lm, tasks=[task], limit=LIMIT, log_samples=True, task_manager=
                                  lm_eval.tasks.TaskManager())
    folder = pathlib.Path(tempfile.mkdtemp(prefix="samples-", dir="."))
    tracker = EvaluationTracker(output_path=str(folder))
    tracker.general_config_tracker.model_name_sanitized = "m"
    tracker.date_id = "now"
    tracker.save_results_samples(task, out["samples"][task])
    return out["results"][task], lines(folder / "m" / f"samples_{task}_now.jsonl")


def near(a, b):
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        return len(a) == len(b) and all(near(x, y) for x, y in zip(a, b))
    if isinstance(a, (int, float)) and isinstance(b, (int, float)):
        return math.isclose(a, b, rel_tol=1e-12, abs_tol=1e-12)
    return a == b


def compare_scores(task, want, got):
    own = {f"{row['metric']},{row['filter']}": row for row in got}
    keys = [k for k in want if "," in k and not k.split(",")[0].endswith("_stderr")]
    ok(sorted(own) == sorted(keys), f"{task}: scores {' '.join(sorted(keys))}")
    for key in keys:
        metric, name = key.split(",")
        error = want[f"{metric}_stderr,{name}"]
        row = own.get(key, {"value": None, "stderr": None})
        if not ok(near(row["value"], want[key]) and (row["stderr"] is None if error == "N/A" else near(
                row["stderr"], float(error))), f"{task}: {key} {want[key]:.6f} ± {error}"):
            print(f"# ours {row['value']} ± {row['stderr']}")


def compare_samples(task, want, got):
    """Field by field; the data set's own columns are not ours to repeat, nor defaults of generation."""
    order = {(s["filter"], s["doc_id"]): s for s in got}
    wrong = []
    for s in want:
        own = order.get((s["filter"], s["doc_id"]))
        if own is None:
            wrong.append((s["doc_id"], "is missing"))
            continue
        if list(own) != list(s):
            wrong.append((s["doc_id"], "fields", list(s), list(own)))
        for key in s:
            a, b = s[key], own.get(key)
            if key in ("doc", "doc_hash"):
                continue
            if key == "arguments":
                a, b = ([x["arg_0"] for x in v.values()] + [x["arg_1"] for x in v.values() if isinstance(
                    x.get("arg_1"), str)] for v in (a, b))
            if task == "squadv2" and key in s["metrics"]:
                continue
            if not near(a, b):
                wrong.append((s["doc_id"], key, a, b))
    if not ok(len(want) == len(got) and not wrong, f"{task}: {len(want)} lines of samples"):
        print(f"# {len(want)} and {len(got)}")
        for w in wrong[:2]:
            print("#", json.dumps(w, ensure_ascii=False)[:600])


class SquadV2:
    """The hub's metric by the official script's definition, _squad.py's."""

    @staticmethod
    def compute(predictions, references):
        samples = [(r["answers"]["text"], p["prediction_text"], p["no_answer_probability"])
                   for p, r in zip(predictions, references)]
        return squad_v2(samples)


def main_samples():
    xwinograd_table()
    made = {key: make() for key, make in MADE.items()}
    japanese = all(importlib.util.find_spec(name) for name in NEEDED)
    tagger = types.SimpleNamespace(parse=lambda s: s)
    for name in (*NEEDED, "fugashi"):
        if name == "fugashi" or not importlib.util.find_spec(name):
            sys.modules[name] = types.SimpleNamespace(Tagger=lambda _: tagger)
    import evaluate
    evaluate.load = lambda name: SquadV2
    import lm_eval.tasks
    manager = lm_eval.tasks.TaskManager()
    lm_eval.tasks.TaskManager = lambda: manager
    use_local_data({key: (lambda rows=rows: rows) for key, rows in made.items()})
    lm = MadeUp()
    for task in TASKS_SCORED:
        if task == "ja_leaderboard_xlsum" and not japanese:
            skip(task, "emoji and neologdn are not installed")
            continue
        scores, samples = theirs(task, lm)
        write_results(ours(task, None, DATA), lm.said)
        limit = ["--limit", str(LIMIT)] if LIMIT else []
        run("llm-eval", "-q", "--task", task, "--data", DATA, *limit, "--results", "results.jsonl", "--json",
            "scores.jsonl", "--log-samples", "samples.jsonl", *(["--words-command", "cat"] if "xlsum" in task else []))
        compare_scores(task, scores, lines("scores.jsonl"))
        compare_samples(task, samples, lines("samples.jsonl"))


main_samples()
done()
