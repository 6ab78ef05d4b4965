"""lm_eval's own task definitions on local data: its data sets are read from ../shared (or $LLM_SHARED_DATA).

`datasets.load_dataset` is replaced, so that YAML, prompts, samplers, filters and metrics are the
harness's own; only where the rows come from changes.
"""
import csv
import json
import pathlib

from _common import *

SHARED = pathlib.Path(os.environ.get("LLM_SHARED_DATA", SRC.parent / "shared/data"))
EVAL = SHARED / "eval"


def lines(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def jcommonsenseqa():
    folder = EVAL / "jglue"
    return {"train": lines(folder / "jcommonsenseqa-train-v1.3.json"),
            "validation": lines(folder / "jcommonsenseqa-valid-v1.3.json")}


def gsm8k():
    return {split: lines(EVAL / f"gsm8k/{split}.jsonl") for split in ("train", "test")}


def mgsm(language):
    """As juletxara/mgsm has it: exemplars have texts, problems of the test a number alone."""
    train = [{"question": row["question"], "answer": row["answer"],
              "answer_number": row["answer_number"], "equation_solution": row.get("equation_solution", "")}
             for row in lines(EVAL / f"mgsm/exemplars_{language}.jsonl")]
    test = []
    for row in csv.reader(open(EVAL / f"mgsm/mgsm_{language}.tsv", encoding="utf-8"), delimiter="\t",
                          quoting=csv.QUOTE_NONE):
        test.append({"question": row[0], "answer": None, "answer_number": int(row[1].replace(",", "")),
                     "equation_solution": None})
    return {"train": train, "test": test}


def xwinograd(language, folder=EVAL):
    """An independent reading of dataset.tsv, in the order of Muennighoff/xwinograd."""
    rows = []
    for line in (folder / "xwinograd/dataset.tsv").read_text(encoding="utf-8").split("\n")[:-1]:
        row = line.split("\t")
        if row[0] != language:
            continue
        sentence, tokens, pronoun, candidates = row[3], *map(json.loads, row[4:7])
        at, spans = 0, []
        for token in tokens:
            token = '"' if token in ("``", "''") and sentence.find(token, at) < 0 else token
            begin = sentence.index(token, at)
            at = begin + len(token)
            spans.append((begin, at))
        first, last = pronoun[1]
        rows.append({"sentence": sentence[:spans[first][0]] + "_" + sentence[spans[last - 1][1]:],
                     "option1": candidates[1][0], "option2": candidates[0][0],
                     "answer": "1" if candidates[1][3] else "2"})
    return {"test": rows}


def xwinograd_ja(folder=EVAL):
    return {"test": [{"sentence1": r["sentence"].replace("_", r["option1"], 1),
                      "sentence2": r["sentence"].replace("_", r["option2"], 1), "answer": r["answer"]}
                     for r in xwinograd("jp", folder)["test"]]}


LOCAL = {
    ("Rakuten/JGLUE", "JCommonsenseQA"): jcommonsenseqa,
    ("openai/gsm8k", "main"): gsm8k,
    ("juletxara/mgsm", "ja"): lambda: mgsm("ja"),
    ("juletxara/mgsm", "en"): lambda: mgsm("en"),
    ("Muennighoff/xwinograd", "jp"): lambda: xwinograd("jp"),
    ("Muennighoff/xwinograd", "en"): lambda: xwinograd("en"),
    ("polm-stability/xwinograd-ja", None): xwinograd_ja,
}


def use_local_data(further=None):
    """`further` maps (path, name) to a function that returns {split: rows}."""
    import datasets
    known = {**LOCAL, **(further or {})}

    def load_dataset(path=None, name=None, **_):
        splits = known[(path, name)]()
        return datasets.DatasetDict({k: datasets.Dataset.from_list(v) for k, v in splits.items()})

    datasets.load_dataset = load_dataset
    datasets.disable_progress_bars()


def evaluate(model, tasks, limit, shots=None, batch=8, dtype="float32"):
    """lm_eval's results, samples included."""
    import lm_eval
    from lm_eval.models.huggingface import HFLM
    lm = HFLM(pretrained=str(model), dtype=dtype, batch_size=batch, device="cpu")
    return lm_eval.simple_evaluate(lm, tasks=tasks, limit=limit, num_fewshot=shots, log_samples=True,
                                   bootstrap_iters=100)


def requests_of(task, limit, shots=None):
    """The arguments of every request of a task's first documents, without a model."""
    from lm_eval.tasks import TaskManager, get_task_dict
    t = get_task_dict([task], TaskManager())[task]
    if shots is not None:
        t.set_config(key="num_fewshot", value=shots)
    t.set_fewshot_seed(seed=1234)
    t.build_all_requests(limit=limit, rank=0, world_size=1)
    return [(i.doc_id, i.idx, i.request_type, i.args) for i in t.instances]
