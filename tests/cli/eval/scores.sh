#!/usr/bin/env bash
# Scores from results that were made by hand: tables, JSON, Markdown, groups, comparisons and thresholds.
. "$LLM_SRC/tests/lib.sh"

row() { # WHICH IS RIGHT
    printf 'en\toriginal\t?\tThe %s fell on the hat because it was heavy.\t["The", "%s", "fell", "on", "the", "hat", "because", "it", "was", "heavy", "."]\t["it", [7, 8], ["it"]]\t[["The %s", [0, 2], ["The", "%s"], %s], ["the hat", [4, 6], ["the", "hat"], %s]]\n' "$1" "$1" "$1" "$1" "$2" "$3"
}
mkdir data
{ row cup true false; row box false true; row jar true false; row lid true false; row pan false true; } >data/dataset.tsv
cat >gsm.json <<'J'
{"task": "sums", "version": 2, "harness": "lm_eval 0.4.13", "output_type": "generate_until",
 "documents": {"splits": {"test": {"files": [["sums.jsonl"]], "format": "jsonl"}}},
 "test_split": "test", "num_fewshot": 0, "doc_to_text": "${question}", "doc_to_target": "${answer}",
 "generation_kwargs": {"until": ["\n"]}, "metrics": ["exact_match"]}
J
printf '{"question": "1+%d=", "answer": "%d"}\n' 1 2 2 3 3 4 4 5 >data/sums.jsonl
cat >both.json <<'J'
{"group": "both", "tasks": ["xwinograd_en", "gsm.json"], "average": "mean", "columns": [
  {"name": "W", "scores": [{"task": "xwinograd_en", "metric": "acc"}]},
  {"name": "S", "scores": [{"task": "sums", "metric": "exact_match"}], "scale": 100},
  {"name": "M", "scores": [{"task": "xwinograd_en", "metric": "acc"}, {"task": "sums", "metric": "exact_match"}], "weight_by_size": true}]}
J
eval_() { llm-eval -q --data data "$@"; }
ok 'requests of two tasks in one file' eval_ --task xwinograd_en --task gsm.json --make-requests requests.jsonl
is 'ten and four' "$(jq -r .id requests.jsonl | cut -d/ -f1 | sort | uniq -c | xargs)" '4 sums 10 xwinograd_en'
# The table's first candidate (the second option, as in Hugging Face's set) is the likelier one: right for three
# of five. Sums: three of four right.
jq -c 'if .until then {id, index, text: (if .ctx == "1+4=" then "6" else (.ctx[2:3] | tonumber + 1 | tostring) end), tokens: 1}
       else {id, index, log_likelihood: (if .index == 1 then -1.5 else -2 end), is_greedy: false, tokens: 3} end' requests.jsonl |
    sort -R --random-source=<(yes) >results.jsonl
scores=(--task xwinograd_en --task gsm.json --results results.jsonl)
ok 'scores from results' eval_ "${scores[@]}" --json a.jsonl
is 'accuracy' "$(jq -c 'select(.task == "xwinograd_en") | [.metric, .filter, .value, .samples, .shots]' a.jsonl)" '["acc","none",0.6,5,0]'
# sqrt(0.6 * 0.4 * 5 / 4) / sqrt(5)
ok 'its standard error' jq -es 'map(select(.task == "xwinograd_en"))[0].stderr - 0.2449489742783178 | . * . < 1e-30' a.jsonl
is 'exact match' "$(jq -c 'select(.task == "sums") | [.metric, .value, .version]' a.jsonl)" '["exact_match",0.75,2]'
eval_ "${scores[@]}" >table
is 'the table for people' "$(sed 's/  */ /g; s/ $//' table)" 'task version shots filter metric value stderr
xwinograd_en 1 0 none acc 0.6000 0.2449
sums 2 0 none exact_match 0.7500 0.2500'
ok 'a group by its file' eval_ --task both.json --results results.jsonl --json g.jsonl
is 'its columns' "$(jq -c 'select(.task == "both") | [.metric, .value, .samples]' g.jsonl | xargs -d '\n' -n 1)" '["W",0.6,5]
["S",75,4]
["M",0.6666666666666666,9]
["average",25.42222222222222,0]'
# Pooled: sqrt((5 * 4 * 0.06 + 4 * 3 * 0.0625) / (9 - 2) / 9), of variances of the means.
ok 'a pooled standard error' jq -es 'map(select(.metric == "M"))[0].stderr - 0.17593288763724918 | . * . < 1e-16' g.jsonl
ok 'Markdown' eval_ "${scores[@]}" --markdown table.md
is 'its rule' "$(sed -n 2p table.md)" '|:--|--:|--:|:--|:--|--:|--:|'
jq -c '.model = "other|one" | .value += 0.1' a.jsonl >b.jsonl
ok 'two models side by side' eval_ "${scores[@]}" --compare b.jsonl --markdown both.md
is 'with their names' "$(head -n 1 both.md)" '| task | version | shots | filter | metric | results.jsonl | stderr | other\|one |'
is 'and values' "$(sed -n 3p both.md | awk -F' [|] ' '{print $6, $8}')" '0.6000 0.7000 |'
ok 'a threshold that is reached' eval_ "${scores[@]}" --min-score xwinograd_en=0.6 --min-score sums/exact_match/none=0.7
ok 'one that is not: status 4' expect_code 4 eval_ "${scores[@]}" --min-score xwinograd_en=0.61 --min-score sums=0.5
err_like 'names it' 'xwinograd_en: acc \(none\) is 0.6, wanted at least 0.61$'
ok 'one of no task' expect_code 2 eval_ "${scores[@]}" --min-score nonesuch=1
ok 'one without a number' expect_code 2 eval_ "${scores[@]}" --min-score sums
ok 'samples' eval_ "${scores[@]}" --log-samples samples.jsonl
is 'one a document' "$(jq -c '[.doc_id, .acc // .exact_match]' samples.jsonl | xargs)" '[0,1] [1,0] [2,1] [3,1] [4,0] [0,1] [1,1] [2,1] [3,0]'
is 'named by task' "$(jq -r .task samples.jsonl | uniq -c | xargs)" '5 xwinograd_en 4 sums'
is 'with the answers as they came' "$(jq -c 'select(.exact_match != null) | .resps' samples.jsonl | tail -n 1)" '[["6"]]'

bad() { # DESC REGEX, results from standard input
    cat >bad.jsonl
    ok "$1: status 3" expect_code 3 eval_ --task xwinograd_en --task gsm.json --results bad.jsonl
    err_like "$1: message" "$2"
}
bad 'a result missing' '.*' < <(sed 1d results.jsonl)
bad 'a result twice' 'line 15: .*' < <(cat results.jsonl; head -n 1 results.jsonl)
bad 'a result of another request' 'there is no request with the id sums/9' < <(jq -c 'if .id == "sums/0" then .id = "sums/9" else . end' results.jsonl | sort)
bad 'an unknown key' 'line 1.*' < <(jq -c '.more = 1' results.jsonl)
jq '.tasks += ["both.json"]' both.json >nested.json
ok 'a group within a group' expect_code 3 llm-eval --task nested.json --info
err_like 'is refused' 'a group within a group'
jq '.columns[0].scores[0].task = "gsm8k"' both.json >stray.json
ok 'a column of no task' expect_code 3 llm-eval --task stray.json --info
err_like 'is refused by its place' "stray.json: columns.0..scores.0.: 'gsm8k' is not a task of the group"
