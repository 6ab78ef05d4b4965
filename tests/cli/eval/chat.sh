#!/usr/bin/env bash
# Chat: messages in the model's template, talks through a pipe and in a terminal, MT-Bench answers.
. "$LLM_SRC/tests/lib.sh"
. "$LLM_SRC/tests/cli/eval/model.bash"
mkdir -p tok
# "T" is no special token: its text is encoded like any other. <|endoftext|> is one.
cat >tok/chat_template.jinja <<'EOT'
{%- for m in messages -%}
{%- if m.role == 'tool' %}{{ raise_exception('no tools here') }}{% endif -%}
{{ '<|endoftext|>' + m.role + ' T ' + m.content + '\n' }}
{%- endfor -%}
{%- if add_generation_prompt %}{{ 'assistant T ' }}{% endif -%}
EOT
fixture

ids() { # TEXT: its tokens as the tokenizer has them, special tokens where they are written
    printf '%s' "$1" >ids.txt
    llm-tokenize -q -t tok --ids --special tokenizer ids.txt
}

chat() {
    llm-eval -q --chat --max-new 12 "$@" run
}

text=$(printf '<|endoftext|>user T The name\nassistant T ')
ok 'a message' bash -c 'llm-eval -q --chat --max-new 12 --generate "The name" --json chat.json run >chat'
is 'its tokens are those of the rendered text' "$(jq -r '.prompt_ids | join(" ")' chat.json)" "$(ids "$text")"
is 'and one of them is special' "$(jq '.prompt_ids[0]' chat.json)" \
    "$(jq '.added_tokens[] | select(.content == "<|endoftext|>").id' tok/tokenizer.json)"
is 'the prompt is what was said' "$(jq -r .prompt chat.json)" 'The name'
ok 'with a system message' chat --generate 'The name' --system 'Be brief.' --json system.json
is 'that comes first' "$(jq -r '.prompt_ids | join(" ")' system.json)" \
    "$(ids "$(printf '<|endoftext|>system T Be brief.\n%s' "$text")")"
printf 'The name\nof\nThe name\n' >lines
ok 'messages in a file' llm-eval -q --chat --max-new 12 --prompts lines --json lines.json run
is 'are answered alike' "$(jq -s '.[0].text' lines.json)" "$(jq .text chat.json)"
is 'each by itself' "$(jq -s '.[2].text' lines.json)" "$(jq .text chat.json)"
is 'in their order' "$(jq -r .prompt lines.json | tr '\n' '|')" 'The name|of|The name|'

# What cannot be.
ok 'no template' bash -c 'cp -r tok bare && rm bare/chat_template.jinja'
ok 'a model without' "$mkcheckpoint" --std 0.1 --tokenizer bare config.json without
ok 'is refused' expect_code 3 llm-eval -q --chat --generate x without
err_like 'by name' 'no chat template there'
ok 'a system message needs --chat' expect_code 2 llm-eval --system x --generate y run
ok 'a chat has no shards' expect_code 2 llm-eval --chat run text.shard
ok 'a talk writes no JSON' expect_code 2 llm-eval --interactive --json x run
ok 'one way of writing' expect_code 2 llm-eval --interactive --generate x run

# A talk through a pipe: each answer goes on from all that was said.
ok 'a talk' bash -c 'printf "The name\nof\n" | llm-eval -q --interactive --chat --max-new 8 run >talk'
ok 'its first answer' bash -c 'llm-eval -q --chat --max-new 8 --generate "The name" run >first'
answer=$(cat first && printf x)
printf '<|endoftext|>user T The name\n<|endoftext|>assistant T %s\n<|endoftext|>user T of\nassistant T ' \
    "${answer%$'\nx'}" >second.txt
ok 'its second is to all of it' bash -c 'llm-eval -q --max-new 8 --generate "$(cat second.txt)" run >second'
same 'the answers' talk <(cat first second)
ok 'a talk with another beginning' bash -c 'llm-eval -q --chat --max-new 8 --generate of run >other'
ok 'anew' bash -c 'printf "of\n/reset\n\nThe name\n" | llm-eval -q --interactive --chat --max-new 8 run >talk'
same 'knows nothing of before' talk <(cat other first)
ok 'the system message' bash -c 'printf "/system Be brief.\nThe name" | llm-eval -q --interactive --chat --max-new 12 run >talk'
is 'is said first' "$(cat talk)" "$(jq -r .text system.json)"
ok 'help' bash -c 'printf "/help\n/nothing\n" | llm-eval -q --interactive run >talk'
like 'names the commands' "$(cat talk)" '/reset'
like 'and what is none' "$(cat talk)" 'no such command'
ok 'without a template' bash -c 'printf "The\n//name\n" | llm-eval -q --interactive --max-new 5 run >talk'
is 'the text goes on' "$(sed -n 1p talk)" "$(llm-eval -q --generate The --max-new 5 run | head -1)"
printf 'a%.0s ' {1..100} | tr -d '\n' >long
printf '\nThe name\n' >>long
ok 'a message that is too long' bash -c 'llm-eval -q --interactive --chat --max-new 8 run <long >talk 2>talk.err'
like 'is refused' "$(cat talk.err)" 'leaves no room'
is 'and forgotten' "$(cat talk)" "$(cat first)"

# In a terminal: Ctrl-C ends an answer that would take hours, another one at the prompt the program.
ok 'a model of many positions' make_checkpoint endless <(jq '.max_position_embeddings = 400000' config.json)
ok 'a talk in a terminal' timeout 60 python3 "$LLM_SRC/tests/cli/eval/_talk.py" llm-eval -q --interactive --max-new 399000 endless

# MT-Bench.
cat >question.jsonl <<'JSON'
{"question_id": 12, "category": "writing", "turns": ["The name", "of"]}
{"question_id": 11, "category": "math", "turns": ["of"], "reference": ["x"]}

{"question_id": 13, "category": "unknown", "turns": ["a", "b", "c"]}
JSON
bench() { # OUTPUT OPTIONS
    local out=$1
    shift
    llm-eval -q --mt-bench question.jsonl --max-new 5 --json "$out" "$@" run
}
ok 'MT-Bench' bench answers.jsonl
is 'answers by number' "$(jq -r .question_id answers.jsonl | tr '\n' ' ')" '11 12 13 '
is 'an answer a turn' "$(jq -r '.choices[0].turns | length' answers.jsonl | tr '\n' ' ')" '1 2 3 '
is 'by category' "$(jq -r .generate_params.temperature answers.jsonl | tr '\n' ' ')" '0.1 0.5 0.7 '
is 'ids as FastChat has them' "$(jq -r .answer_id answers.jsonl | grep -cE '^[2-9A-HJ-NP-Za-km-z]{22}$')" 3
is 'of their own' "$(jq -r .answer_id answers.jsonl | sort -u | wc -l)" 3
ok 'one at a time' bench one.jsonl --batch 1 --threads 1
same 'the same' answers.jsonl one.jsonl
ok 'alone' bash -c 'grep \"writing\" question.jsonl >writing.jsonl; llm-eval -q --mt-bench writing.jsonl --max-new 5 --json writing.out run'
same 'the same' writing.out <(sed -n 2p answers.jsonl)
ok 'another seed' bench other.jsonl --seed 7
not_ok 'other answers' cmp -s answers.jsonl other.jsonl
ok 'greedy' bench greedy.jsonl --temperature 0 --repetition-penalty 1
ok 'the same of --chat' chat --generate 'The name' --max-new 5 --json first.json
blanks='gsub("[\\s[:cntrl:]]"; "")' # answers have none at their ends
is 'is the same' "$(jq "select(.question_id == 12).choices[0].turns[0] | $blanks" greedy.jsonl)" \
    "$(jq ".text | $blanks" first.json)"
ok 'no file of answers' expect_code 2 llm-eval --mt-bench question.jsonl run
echo '{"question_id": 1, "turns": []}' >bad.jsonl
ok 'no turns' expect_code 3 llm-eval -q --mt-bench bad.jsonl --json x run
err_like 'are refused' 'bad.jsonl: line 1'
not_ok 'and nothing is written' test -e x
