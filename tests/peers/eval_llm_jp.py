#!/usr/bin/env python3
"""The llm_jp_eval tasks against what llm-jp-eval 1.3.0 does, stated here again: it cannot be installed beside the others.

Its preparation: rows become (input, output), random.seed(42) and shuffle, nine tenths are examples, of which the first n
stand before every question. Made rows for all tasks; the real files of JCommonsenseQA and JEMHopQA where ../shared
has them.
"""
import random
import tempfile
from xml.sax.saxutils import escape

from _common import *
from _lm_eval import EVAL, lines

RNG = random.Random(3)
WORDS = "東京 都市、 Café 1,234 <a> & \"x\" 質問： [SEP] ${y} {z} を のは？ A|B \\n 😀".split(" ")
ALPACA = "以下は、タスクを説明する指示と、文脈のある入力の組み合わせです。要求を適切に満たす応答を書きなさい。"
TASKS = {  # instruction, most tokens
    "jcommonsenseqa": ("質問と回答の選択肢を入力として受け取り、選択肢から回答を選択してください。なお、回答は選択肢の番号（例：0）でするものとします。"
                       " 回答となる数値をint型で返し、他には何も含めないことを厳守してください。", 1),
    "jnli": ("前提と仮説の関係をentailment、contradiction、neutralの中から回答してください。それ以外には何も含めないことを厳守してください。\n\n"
             "制約：\n- 前提から仮説が、論理的知識や常識的知識を用いて導出可能である場合はentailmentと出力\n"
             "- 前提と仮説が両立しえない場合はcontradictionと出力\n- そのいずれでもない場合はneutralと出力", 3),
    "jsquad": ("質問に対する回答を文章から一言で抽出してください。回答は名詞で答えてください。 それ以外には何も含めないことを厳守してください。", 25),
    "jemhopqa": ("質問を入力とし、回答を出力してください。回答の他には何も含めないことを厳守してください。回答が'はい'と'いいえ'で答えることができる場合、"
                 "'YES'と'NO'で答えてください。", 15),
    "niilc": ("質問に対する答えを出力してください。回答の他には何も含めないことを厳守してください。答えが複数の場合、コンマ（,）で繋げてください。", 180),
}


def text(n=6):
    return "".join(RNG.choice(WORDS) for _ in range(RNG.randint(1, n)))


def put(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")


def jsonl(rows):
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def jcommonsenseqa(row):
    choices = ",".join(f"{i}.{row[f'choice{i}']}" for i in range(5))
    return f"質問：{row['question']}\n選択肢：{choices}", str(row["label"])


def made_jcommonsenseqa(data, n):
    rows = [{"question": text(), **{f"choice{i}": text(2) for i in range(5)}, "label": RNG.randrange(5)} for _ in range(n)]
    return jsonl(rows), [jcommonsenseqa(row) for row in rows]


def made_jnli(data, n):
    rows = [{"sentence1": text(), "sentence2": text(), "label": RNG.choice(["entailment", "contradiction", "neutral"])}
            for _ in range(n)]
    return jsonl(rows), [(f"前提：{r['sentence1']}\n仮説：{r['sentence2']}", r["label"]) for r in rows]


def made_jsquad(data, n):
    samples, articles = [], []
    while len(samples) < n:
        context = text() + " [SEP] " + text()
        qas = [{"question": text(), "answers": [{"text": text(2)}, {"text": "y"}]} for _ in range(RNG.randint(1, 3))]
        articles.append({"title": "t", "paragraphs": [{"context": context, "qas": qas}]})
        samples += [(f"文章：{context}\n質問：{q['question']}", q["answers"][0]["text"]) for q in qas]
    return json.dumps({"version": "1.1", "data": articles}), samples


def made_jemhopqa(data, n):
    rows = [{"qid": str(i), "question": text(), "answer": text(2)} for i in range(n)]
    return json.dumps(rows, indent=1), [(f"質問：{r['question']}", r["answer"]) for r in rows]


def made_niilc(data, n):
    out, samples = "<?xml version='1.0' encoding=\"UTF-8\"?>\n<questions>\n", []
    for i in range(n):
        question, answers = text(), RNG.choice([["-"], [text(2)], [text(2), "", text(2)]])
        inner = "".join(f"    <answer>{escape(a)}</answer>\n" for a in answers)
        out += f"<question id=\"{i}\">\n  <text>{escape(question)}</text>\n  <answers>\n{inner}  </answers>\n" \
               "  <meta>\n    <A.3></A.3>\n  </meta>\n</question>\n"
        if answers != ["-"]:
            samples.append((f"質問：{question}", ",".join(a for a in answers if a)))
    return out + "</questions>\n", samples


def expected(name, train, test, shots):
    instruction, length = TASKS[name]
    train = list(train)
    random.seed(42)
    random.shuffle(train)
    prompt = f"{ALPACA}\n\n### 指示:\n{instruction}"
    for question, answer in train[:int(len(train) * 0.9)][:shots]:
        prompt += f"\n\n### 入力:\n{question}\n\n### 応答:\n{answer}"
    return [{"id": f"llm_jp_eval_{name}/{i}", "index": 0, "ctx": f"{prompt}\n\n### 入力:\n{question}\n\n### 応答:\n",
             "until": ["\n\n"], "max_new": length} for i, (question, _) in enumerate(test)]


def compare(name, data, train, test, kind, shots=4):
    run("llm-eval", "--task", f"llm_jp_eval_{name}", "--data", data, "--shots", shots, "--make-requests", "r.jsonl")
    want, got = expected(name, train, test, shots), lines("r.jsonl")
    if not ok(want == got, f"{name}, {shots} examples, {kind} data: {len(want)} requests are equal"):
        for w, g in zip(want, got):
            if w != g:
                return print("#", json.dumps([w, g], ensure_ascii=False))


FILES = {"jcommonsenseqa": ("jglue/jcommonsenseqa-train-v1.1.json", "jglue/jcommonsenseqa-valid-v1.1.json"),
         "jnli": ("jglue/jnli-train-v1.3.json", "jglue/jnli-valid-v1.3.json"),
         "jsquad": ("jglue/jsquad-train-v1.1.json", "jglue/jsquad-valid-v1.1.json"),
         "jemhopqa": ("jemhopqa/train.json", "jemhopqa/dev.json"),
         "niilc": ("niilc/NIILC-ECQA2015_dev.xml", "niilc/NIILC-ECQA2015_test.xml")}


def main():
    data = pathlib.Path(tempfile.mkdtemp(prefix="llm-jp-", dir="."))
    for name, files in FILES.items():
        made = [globals()[f"made_{name}"](data, n) for n in (37, 21)]
        for file, (content, _) in zip(files, made):
            put(data / file, content)
        for shots in 4, 0:
            compare(name, data, made[0][1], made[1][1], "made", shots)
    if not EVAL.exists():
        return skip("requests of the real data", f"no {EVAL}")
    train, test = (lines(EVAL / f"jglue/jcommonsenseqa-{s}-v1.3.json") for s in ("train", "valid"))
    compare("jcommonsenseqa", EVAL, map(jcommonsenseqa, train), map(jcommonsenseqa, test), "real")
    train, test = (json.loads((EVAL / f"jemhopqa/{s}.json").read_text(encoding="utf-8")) for s in ("train", "dev"))
    train, test = ([(f"質問：{r['question']}", r["answer"]) for r in rows] for rows in (train, test))
    compare("jemhopqa", EVAL, train, test, "real")


main()
done()
