#!/usr/bin/env bash
# Tasks whose limits are counted in tokens: answers as long as the right one, examples that must fit.
. "$LLM_SRC/tests/lib.sh"
. "$LLM_SRC/tests/cli/eval/model.bash"
fixture

tokens() { # TEXT
    printf %s "$1" | llm-tokenize -q -t tok/tokenizer.json --special none --ids --format text | wc -w
}

task() { # MAX_GEN_TOKS FURTHER MEMBERS
    cat <<JSON
{"task": "t", "version": 1, "output_type": "generate_until", "test_split": "all",
 "documents": {"splits": {"all": {"files": ["all"], "format": "jsonl"}, "train": {"files": ["train"], "format": "jsonl"}}},
 "doc_to_text": "\${q}", "doc_to_target": "\${a}", "generation_kwargs": {"until": ["\\n"], "max_gen_toks": $1},
 "metrics": ["exact_match"]${2:+, $2}}
JSON
}

long='the option table of the programs'
jq -nc --arg a "$long" '{q: "Which?", a: ["table", $a]}, {q: "And?", a: "of"}' >all
task '"gold"' >gold.json
ok 'gold' llm-eval --task gold.json --data . --make-requests requests.jsonl run
is 'as many tokens as the longest right answer' "$(jq .max_new requests.jsonl | tr '\n' ' ')" "$(tokens "$long") $(tokens of) "
task '"gold+10"' >gold.json
ok 'gold+10' llm-eval --task gold.json --data . --make-requests requests.jsonl run
is 'ten more' "$(jq .max_new requests.jsonl | head -n 1)" "$(($(tokens "$long") + 10))"
ok 'without a model' expect_code 1 llm-eval --task gold.json --data . --make-requests requests.jsonl
err_like 'it is said that one is needed' 'task t: document 0: lengths of this task are counted in tokens.*a model is needed'
task '"gold-1"' >gold.json
ok 'neither' expect_code 3 llm-eval --task gold.json --data . --make-requests requests.jsonl run
err_like 'is refused' 'gold.json: generation_kwargs.max_gen_toks: expected a number'

# An example has some 28 tokens, the model 64 positions, the answer 10: of three examples one is left.
# random.Random(1234) of Python draws [3, 0, 2], then [0, 2], then [0] of range(4).
for i in 0 1 2 3; do
    jq -nc --arg i "$i" '{q: ("zqxjk" * 5 + $i), a: "w"}'
done >train
[ "$(tokens zqxjkzqxjkzqxjkzqxjkzqxjk0)" -gt 24 ] || skip_all 'the tokenizer has learned these words'
task 10 '"training_split": "train", "num_fewshot": 3, "fewshot_config": {"shrink_to_fit": true}' >fit.json
ok 'examples that must fit' llm-eval --task fit.json --data . --limit 1 --make-requests requests.jsonl run
is 'one is left, the last drawn' "$(jq -r .ctx requests.jsonl)" "zqxjkzqxjkzqxjkzqxjkzqxjk0 w

Which?"
