#!/usr/bin/env python3
# timeout: 900
"""llm-eval's requests against lm_eval's own task definitions: every prompt, continuation and stop text.

On rows of each data set's shape, written here as its authors publish them (our side) and as Hugging Face has
them (theirs), and on the real data in ../shared. LLM_LONG=1 compares all documents.

    tests/peers/eval_requests.py --write tests/cli/eval/tasks

writes fewer such rows and lm_eval's requests of them, which tests/cli/eval/tasks.sh compares with.
"""
import importlib.util
import random
import tempfile
import types

from _lm_eval import *

WRITE = pathlib.Path(sys.argv[2]) if sys.argv[1:2] == ["--write"] else None
LIMIT = 2 if WRITE else None if os.environ.get("LLM_LONG") else 60
DATA = WRITE / "data" if WRITE else pathlib.Path(tempfile.mkdtemp(prefix="tasks-", dir="."))
RNG = random.Random(7)
WORDS = ("the cat  sat [title] on [step] {mat} $5 ${x} \"it's\" — a|b: c\\d naïve 東京 都市、 質問：京都。 😀 "
         "1,234 '' `` s ' = = @-@ \t e\u0301 İstanbul ΟΔΟΣ <tag> & %").split(" ")


def text(n=8):
    return " ".join(RNG.choice(WORDS) for _ in range(RNG.randint(1, n))) or "x"


def size(n):
    return max(6, n // 4) if WRITE else n


def put(name, rows, whole=False):
    path = DATA / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(rows, ensure_ascii=False) if whole else
                    "".join(json.dumps(row, ensure_ascii=bool(i % 2)) + "\n" for i, row in enumerate(rows)),
                    encoding="utf-8")


def hellaswag():
    def row(i):
        return {"ind": i, "activity_label": text(2), "ctx_a": text(), "ctx_b": text(), "ctx": "",
                "endings": [text() for _ in range(4)], "source_id": str(i), "split_type": "indomain",
                "label": str(RNG.randrange(4))}
    train, valid = [row(i) for i in range(size(12))], [row(i + 12) for i in range(size(20))]
    train += valid[:4] + valid[:2]  # the evaluated document among the examples, some twice
    put("hellaswag/hellaswag_train.jsonl", [{**r, "label": int(r["label"])} for r in train])
    put("hellaswag/hellaswag_val.jsonl", [{**r, "label": int(r["label"])} for r in valid])
    return {"train": train, "validation": valid}


def jcommonsenseqa_rows():
    splits = {}
    for split, file in ("train", "train"), ("validation", "valid"):
        splits[split] = [{"q_id": i, "question": text(), **{f"choice{k}": text(3) for k in range(5)},
                          "label": RNG.randrange(5)} for i in range(size(15))]
        put(f"jglue/jcommonsenseqa-{file}-v1.3.json", splits[split])
    return splits


def gsm8k_rows():
    splits = {s: [{"question": text(), "answer": text() + "\n#### " + str(RNG.randrange(10000))} for _ in range(size(15))]
              for s in ("train", "test")}
    for split, rows in splits.items():
        put(f"gsm8k/{split}.jsonl", rows)
    return splits


def mgsm_rows():
    train = [{"question": "問題：" + text(), "answer": "ステップごとの答え：" + text(), "answer_number": i,
              "equation_solution": "1 + 1 = 2."} for i in range(size(8))]
    test = [{"question": text().replace("\t", " "), "answer": None, "answer_number": i * 700, "equation_solution": None}
            for i in range(size(15))]
    put("mgsm/exemplars_ja.jsonl", train)
    (DATA / "mgsm/mgsm_ja.tsv").write_text(
        "".join(f"{r['question']}\t{r['answer_number']:,}\n" for r in test), encoding="utf-8")
    return {"train": train, "test": test}


def xwinograd_table():
    table = []
    for i in range(24 if WRITE else 40):
        words = [RNG.choice([w for w in WORDS if w.strip() and w not in ("``", "''")]) for _ in range(8)]
        words[5] = "it"
        tokens = ["``" if w == '"it\'s"' else w for w in words]
        words = ['"' if w == '"it\'s"' else w for w in words]
        right = RNG.random() < .5
        table.append("\t".join([RNG.choice(["jp", "en", "fr"]), "x", "?", (" " if i % 2 else "").join(words),
                                *(json.dumps(x) for x in (tokens, ["it", [5, 6], ["it"]], [
                                    [words[0], [0, 1], [tokens[0]], right], [words[2], [2, 3], [tokens[2]], not right]]))]))
    (DATA / "xwinograd").mkdir(parents=True, exist_ok=True)
    (DATA / "xwinograd/dataset.tsv").write_text("\n".join(table) + "\n", encoding="utf-8")


def openbookqa():
    splits = {}
    for split, file in ("train", "train"), ("validation", "dev"), ("test", "test"):
        rows = [{"id": str(i), "question_stem": text(), "answerKey": RNG.choice([" B", "A", "C", "D"]),
                 "choices": {"text": [text() for _ in range(4)], "label": list("ABCD")}} for i in range(size(15))]
        put(f"openbookqa/{file}.jsonl", [
            {"id": r["id"], "answerKey": r["answerKey"], "question": {
                "stem": r["question_stem"], "choices": [
                    {"text": t, "label": l} for t, l in zip(r["choices"]["text"], r["choices"]["label"])]}}
            for r in rows])
        splits[split] = rows
    return splits


def triviaqa():
    splits = {}
    for split, file in ("train", "train"), ("validation", "dev"):
        splits[split] = []
        for part in "web", "wikipedia":
            rows = [{"question": text(), "answer": {"aliases": [text(3), text(3)]}} for _ in range(size(9))]
            put(f"triviaqa/{part}-{file}.json", {"Version": 1.0, "Data": [
                {"Question": r["question"], "Answer": {"Aliases": r["answer"]["aliases"], "Value": "x"}}
                for r in rows]}, whole=True)
            splits[split] += rows
    return splits


def squad_file(name, rows):
    """Rows in pairs of one paragraph, paragraphs in pairs of one article."""
    data = []
    for i in range(0, len(rows), 4):
        paragraphs = []
        for k in range(i, min(i + 4, len(rows)), 2):
            qas = [{"id": r["id"], "question": r["question"], "is_impossible": not r["answers"]["text"],
                    "answers": [{"text": t, "answer_start": 0} for t in r["answers"]["text"]]}
                   for r in rows[k:k + 2]]
            paragraphs.append({"context": rows[k]["context"], "qas": qas})
        data.append({"title": rows[i]["title"], "paragraphs": paragraphs})
    put(name, {"version": "v2.0", "data": data}, whole=True)


def squad_rows(n, answers):
    rows = []
    for i in range(n):
        count = RNG.choice(answers)
        rows.append({"id": str(i), "title": text(2) if i % 4 == 0 else rows[-1]["title"],
                     "context": text() + " [SEP] " + text(20) if i % 2 == 0 else rows[-1]["context"],
                     "question": text(), "answers": {"text": [text(3) for _ in range(count)],
                                                     "answer_start": [0] * count}})
    return rows


def squad(answers, names):
    splits = {"train": squad_rows(size(20), answers), "validation": squad_rows(size(22), answers)}
    for split, name in zip(splits, names):
        squad_file(name, splits[split])
    return splits


def jglue_pairs(name, version, labels, fields):
    splits = {}
    for split, file in ("train", "train"), ("validation", "valid"):
        rows = [{**{f: text() for f in fields}, "label": RNG.randrange(len(labels))} for _ in range(size(15))]
        put(f"jglue/{name}-{file}-{version}.json", [{**r, "label": labels[r["label"]]} for r in rows])
        splits[split] = rows
    return splits


def jaqket():
    splits = {}
    for split in "train", "validation":
        rows = [{"question": text(), "answers": {"text": [text(2)], "answer_start": [0]},
                 "ctxs": {"text": [text() for _ in range(3)], "title": ["t"] * 3}} for _ in range(size(12))]
        put(f"jaqket_v2/{split}.jsonl", [
            {"question": r["question"], "answers": [{"text": t} for t in r["answers"]["text"]],
             "ctxs": [{"text": t} for t in r["ctxs"]["text"]]} for r in rows])
        splits[split] = rows
    return splits


def xlsum():
    splits = {s: [{"text": text(20), "summary": text()} for _ in range(size(9))]
              for s in ("train", "validation", "test")}
    for split, rows in splits.items():
        put(f"xlsum_ja/{split}.jsonl", rows)
    return splits


def wikitext():
    """Pages as EleutherAI/wikitext_document_level cuts them, of a text made here."""
    lines = [" "]
    for i in range(size(8)):
        lines += [f" = Title {i} = ", " "]
        lines += [text(40) + " ( a ) , [ b ] { c } \" d \" ' e ' : ; . ! ? N 's 5 @,@ 3 \u00b0 C " for _ in range(3)]
        lines += [" = = Part = = ", " = = = Section = = = ", text(20) + " "]
    whole = "\n".join(lines) + "\n"
    path = DATA / "wikitext/wiki.test.raw"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(whole, encoding="utf-8")
    pages, current = [], []
    for line in whole.split("\n"):
        closed = line.replace("= = =", "===").replace("= =", "==").strip()
        if closed.startswith("= ") and closed.endswith(" ="):
            if "\n".join(current).strip():
                pages.append({"page": "\n".join(current)})
            current = []
        current.append(line)
    return {split: pages + [{"page": "\n".join(current)}] for split in ("train", "validation", "test")}


def lambada():
    rows = [{"text": text(30) if i else "word"} for i in range(size(20))]
    put("lambada/lambada_test.jsonl", rows)
    return {"test": rows}


MADE = {
    ("Rakuten/JGLUE", "JCommonsenseQA"): jcommonsenseqa_rows,
    ("openai/gsm8k", "main"): gsm8k_rows,
    ("juletxara/mgsm", "ja"): mgsm_rows,
    ("Rowan/hellaswag", None): hellaswag,
    ("allenai/openbookqa", "main"): openbookqa,
    ("mandarjoshi/trivia_qa", "rc.nocontext"): triviaqa,
    ("lighteval/squad_v2", None): lambda: squad((0, 1, 3), ("squad/train-v2.0.json", "squad/dev-v2.0.json")),
    ("Rakuten/JGLUE", "JSQuAD"): lambda: squad((1, 2), ("jglue/jsquad-train-v1.3.json", "jglue/jsquad-valid-v1.3.json")),
    ("Rakuten/JGLUE", "JNLI"): lambda: jglue_pairs("jnli", "v1.3", ("entailment", "contradiction", "neutral"),
                                                   ("sentence1", "sentence2")),
    ("Rakuten/JGLUE", "MARC-ja"): lambda: jglue_pairs("marc_ja", "v1.0", ("positive", "negative"), ("sentence",)),
    ("kumapo/JAQKET", "v2.0"): jaqket,
    ("mkshing/xlsum_ja", None): xlsum,
    ("EleutherAI/wikitext_document_level", "wikitext-2-raw-v1"): wikitext,
    ("EleutherAI/lambada_openai", "default"): lambada,
    ("Muennighoff/xwinograd", "jp"): lambda: xwinograd("jp", DATA),
    ("Muennighoff/xwinograd", "en"): lambda: xwinograd("en", DATA),
    ("polm-stability/xwinograd-ja", None): lambda: xwinograd_ja(DATA),
}

REAL_TASKS = [("ja_leaderboard_jcommonsenseqa", None), ("ja_leaderboard_mgsm", None), ("gsm8k", None), ("xwinograd_jp", None),
              ("xwinograd_en", None), ("xwinograd_en", 4), ("ja_leaderboard_xwinograd", None)]
# task, examples (None: the task's); squadv2 with examples fails in 0.4.13 itself
MADE_TASKS = [*REAL_TASKS, ("hellaswag", None), ("hellaswag", 4), ("openbookqa", 3), ("triviaqa", None), ("triviaqa", 4),
              ("squadv2", None), ("ja_leaderboard_jnli", None), ("ja_leaderboard_marc_ja", None),
              ("ja_leaderboard_jsquad", None), ("ja_leaderboard_jaqket_v2", None), ("ja_leaderboard_xlsum", None),
              ("wikitext", None), ("lambada_openai", None)]


def ours(task, shots, data):
    args = ["--shots", str(shots)] if shots is not None else []
    args += ["--limit", str(LIMIT)] if LIMIT else []
    run("llm-eval", "--task", task, "--data", data, *args, "--make-requests", "requests.jsonl")
    return lines("requests.jsonl")


def same(want, got):
    document, _, kind, args = want
    if kind == "generate_until":
        stops = args[1]["until"]
        return got.get("ctx") == args[0] and got.get("until") == ([stops] if isinstance(stops, str) else stops) and \
            "max_new" not in got and "temperature" not in got and "do_sample" in {**args[1], "do_sample": False}
    if kind == "loglikelihood":
        return (got.get("ctx"), got.get("cont")) == args
    return got.get("text") == args[0]


def compare(task, shots, data):
    want, got = requests_of(task, LIMIT, shots), ours(task, shots, data)
    wrong = [(w, g) for w, g in zip(want, got) if not same(w, g) or g["id"] != f"{task}/{w[0]}"]
    name = f"{task}{'' if shots is None else f', {shots} examples'}, {'real' if data == EVAL else 'made'} data"
    if not ok(len(want) == len(got) and not wrong, f"{name}: {len(want)} requests are equal"):
        print(f"# {len(want)} and {len(got)} requests, {len(wrong)} differ")
        for w, g in wrong[:1]:
            print("# theirs", json.dumps(w[3], ensure_ascii=False))
            print("# ours  ", json.dumps(g, ensure_ascii=False))


def write(task, shots):
    """lm_eval's requests in the form of --make-requests."""
    out, numbers = [], {}
    for document, _, kind, args in requests_of(task, LIMIT, shots):
        index = numbers[document] = numbers.get(document, -1) + 1
        request = {"id": f"{task}/{document}", "index": index}
        if kind == "generate_until":
            stops = args[1]["until"]
            request.update(ctx=args[0], until=[stops] if isinstance(stops, str) else stops)
        elif kind == "loglikelihood":
            request.update(ctx=args[0], cont=args[1])
        else:
            request.update(text=args[0])
        out.append(json.dumps(request, ensure_ascii=False) + "\n")
    path = WRITE / f"{task}{'' if shots is None else f'.{shots}'}.jsonl"
    path.write_text("".join(out), encoding="utf-8")


def harness():
    for name in "emoji", "neologdn", "fugashi":  # xlsum's metric wants them, its prompts do not
        if importlib.util.find_spec(name) is None:
            sys.modules[name] = types.SimpleNamespace(Tagger=None)
    import lm_eval.tasks
    manager = lm_eval.tasks.TaskManager()
    lm_eval.tasks.TaskManager = lambda: manager  # finding all tasks takes seconds


def main():
    if importlib.util.find_spec("lm_eval") is None:
        return skip("requests", "lm_eval is not installed")
    harness()
    xwinograd_table()
    made = {key: make() for key, make in MADE.items()}
    use_local_data({key: lambda rows=rows: rows for key, rows in made.items()})
    for task, shots in MADE_TASKS:
        write(task, shots) if WRITE else compare(task, shots, DATA)
    if WRITE:
        return
    if not EVAL.exists():
        return skip("requests of the real data", f"no {EVAL}")
    use_local_data()
    for task, shots in REAL_TASKS:
        compare(task, shots, EVAL)


if __name__ == "__main__":
    main()
    if not WRITE:
        done()
