#!/usr/bin/env bash
# Requests of the built-in tasks, on small data in the form of each data set. What is expected was made
# by lm_eval 0.4.13 from the same rows: tests/peers/eval_requests.py --write tests/cli/eval/tasks
. "$LLM_SRC/tests/lib.sh"

here=$LLM_SRC/tests/cli/eval/tasks

made() { # OUT ARGUMENTS
    local out=$1
    shift
    llm-eval --data "$here/data" --make-requests "$out" "$@"
}

for file in "$here"/*.jsonl; do
    name=$(basename "$file" .jsonl)
    task=${name%.*} shots=()
    [ "$task" = "$name" ] || shots=(--shots "${name##*.}")
    ok "$name" made requests.jsonl --task "$task" "${shots[@]}" --limit 2
    jq -cS . requests.jsonl >got
    jq -cS . "$file" >want
    same "$name: lm_eval's requests" got want
done

# llm-jp-eval 1.3.0: the first of the examples that Python's random.seed(42), shuffle leaves of 90 % (here
# of 6 the first 5), fixed for all; half-width colons; the digit of the choice is the answer.
ok 'llm_jp_eval_jcommonsenseqa' made requests.jsonl --task llm_jp_eval_jcommonsenseqa --shots 2
mapfile -t order < <(jq -r .q_id "$here/data/jglue/jcommonsenseqa-train-v1.3.json")
shot() { # NUMBER
    jq -rj --argjson i "$1" 'select(.q_id == $i) | "\n\n### 入力:\n質問：\(.question)\n選択肢：0.\(.choice0),1.\(.choice1),2.\(.choice2),3.\(.choice3),4.\(.choice4)\n\n### 応答:\n\(.label)"' \
        "$here/data/jglue/jcommonsenseqa-train-v1.3.json"
}
# random.Random(42).shuffle(list(range(6))) gives 3 1 2 4 0 5.
is 'the examples' "$(jq -r 'select(.id == "llm_jp_eval_jcommonsenseqa/0").ctx' requests.jsonl |
    sed -n '/^### 入力:/,$p' | head -n 14)" "$({ shot "${order[3]}"; shot "${order[1]}"; } | sed 1,2d; echo)"
is 'as many tokens as the answer may have' "$(jq -r .max_new requests.jsonl | sort -u)" 1
is 'all prompts begin alike' "$(jq -r '.ctx[:600] | split("### 入力:\n")[:3] | join("")' requests.jsonl | sort -u |
    grep -c '### 指示:')" 1

# Files as tasks, groups, information.
cat >own.json <<'END'
{"task": "own", "version": 1, "output_type": "multiple_choice", "test_split": "all",
 "documents": {"splits": {"all": {"files": ["own.jsonl"], "format": "jsonl"}}},
 "doc_to_text": "${q}", "doc_to_target": "${a}", "doc_to_choice": ["x", "y"], "metrics": ["acc"]}
END
echo '{"q": "Q", "a": "y"}' >own.jsonl
ok 'a task from a file' llm-eval --task own.json --data . --make-requests requests.jsonl
is 'its requests' "$(jq -r '.ctx + .cont' requests.jsonl | tr '\n' ,)" 'Q x,Q y,'
ok 'what a task wants' llm-eval --info --task gsm8k
like 'its files' "$(llm-eval --info --task gsm8k)" '^ *gsm8k/test.jsonl$'
like 'where they are published' "$(llm-eval --info --task gsm8k)" '^published: https://github.com/openai/grade-school-math$'
like 'all tasks' "$(llm-eval --info)" 'ja_leaderboard_jcommonsenseqa'

# What is refused.
refused() { # DESC STATUS REGEX SED-SCRIPT ON own.json
    sed "$4" own.json >bad.json
    ok "$1: status $2" expect_code "$2" llm-eval --task bad.json --data . --make-requests requests.jsonl
    err_like "$1: message" "^llm-eval: $3"
}
refused 'an unknown key' 3 'bad.json: shots: unknown key' 's/"version": 1/&, "shots": 1/'
refused 'a missing key' 3 'bad.json: version: missing' 's/"version": 1, //'
refused 'a path that leads out' 3 'bad.json: documents.splits.all.files\[0\]: a file name may not have' 's/own.jsonl/..\/own.jsonl/'
refused 'a missing file' 1 'task own: .*no such file there: none.jsonl' 's/own.jsonl/none.jsonl/'
refused 'a field that is not there' 3 'task own: document 0: doc_to_text: \$\{p\}: is not in the document' 's/{q}/{p}/'
refused 'a pipe that is not there' 3 'bad.json: doc_to_text: there is no pipe .sh.' 's/{q}/{q|sh}/'
refused 'a metric that is not there' 3 'bad.json: metrics.*' 's/"acc"/"shine"/'
refused 'more examples than documents' 3 'task own: document 0: 9 examples are to be drawn from 1 documents' 's/"version": 1/&, "num_fewshot": 9/'
refused 'not JSON' 3 'bad.json: ' 's/{//'
truncate -s 15 own.jsonl
refused 'a cut document' 3 'task own: .*own.jsonl: line 1' 's/x/x/'
