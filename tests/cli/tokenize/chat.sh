#!/usr/bin/env bash
# --chat and --preference: shapes of conversations, what is scored, faults. Ids and masks are compared with
# transformers in tests/peers/chat_data.py; here the texts are written out.
. "$LLM_SRC/tests/lib.sh"
. "$LLM_SRC/tests/cli/tokenize/_tokenizer.bash"

cat >chatml.jinja <<'T'
{% for m in messages %}{{ '<s>' + m.role + '\n' + m.content + '</s>\n' }}{% endfor %}
{%- if add_generation_prompt %}{{ '<s>assistant\n' }}{% endif %}
T
cat >marked.jinja <<'T'
{{ bos_token }}{% for m in messages %}{{ m.role }}:
{%- if m.role == 'assistant' %}{% generation %}{{ m.content }}{{ eos_token }}{% endgeneration %}
{%- elif m.role == 'user' %}{{ m.content }}{{ '!' if loud }}{% else %}
{{- raise_exception('no ' + m.role) }}{% endif %}{% endfor %}
T
mkdir dir
cp tok.json dir/tokenizer.json
cp chatml.jinja dir/chat_template.jinja
printf '{"bos_token": "<s>", "eos_token": "</s>"}' >dir/tokenizer_config.json

shown() { # the documents' texts and scored parts
    llm-tokenize -q -t tok.json --decode --format jsonl "$@" | sed 's/,"source":"default"//'
}
chat() { # [options]: of standard input
    llm-tokenize -q --chat -t dir "$@" -o c.shard && shown c.shard
}

cat >turns.jsonl <<'J'
{"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "A"}, {"role": "user", "content": "more"}, {"role": "assistant", "content": "Bé日"}], "id": 7}
J
text='"text":"<s>user\nHi</s>\n<s>assistant\nA</s>\n<s>user\nmore</s>\n<s>assistant\nBé日</s>\n"'
is "messages: the assistant's words and the end of its turns" "$(chat <turns.jsonl)" "{$text,"'"scored":["A</s>\n","Bé日</s>\n"]}'
is "--loss last" "$(chat --loss last <turns.jsonl)" "{$text,"'"scored":["Bé日</s>\n"]}'
llm-tokenize -q --chat -t dir --loss all turns.jsonl -o all.shard
is "--loss all: no mask" "$(llm-convert --info --json all.shard | jq .loss_mask)" false
marked='"text":"<s>user:Hiassistant:A</s>user:moreassistant:Bé日</s>"'
is "{% generation %} blocks" "$(chat --chat-template marked.jinja <turns.jsonl)" "{$marked,"'"scored":["A</s>","Bé日</s>"]}'
is "the last of them" "$(chat --chat-template marked.jinja --loss last <turns.jsonl)" "{$marked,"'"scored":["Bé日</s>"]}'
like "--chat-variables" "$(chat --chat-template marked.jinja --chat-variables '{"loud": true}' <turns.jsonl)" 'user:Hi!'
like "--eos is the template's" "$(chat --chat-template marked.jinja --eos 'a' <turns.jsonl)" '"scored":\["Aa"'
like "a template for a file alone" "$(llm-tokenize -q --chat -t tok.json --chat-template marked.jinja <turns.jsonl | shown)" \
    '^\{"text":"<s>user:Hiassistant:A</s>'

is "ShareGPT, system" "$(chat <<'J'
{"system": "S", "conversations": [{"from": "human", "value": "Q"}, {"from": "gpt", "value": "A"}]}
J
)" '{"text":"<s>system\nS</s>\n<s>user\nQ</s>\n<s>assistant\nA</s>\n","scored":["A</s>\n"]}'
is "Alpaca" "$(chat <<'J'
{"instruction": "Add", "input": "1 2", "output": "3"}
{"instruction": "Say", "input": "", "output": "x"}
{"instruction": "Say", "output": ""}
J
)" '{"text":"<s>user\nAdd\n\n1 2</s>\n<s>assistant\n3</s>\n","scored":["3</s>\n"]}
{"text":"<s>user\nSay</s>\n<s>assistant\nx</s>\n","scored":["x</s>\n"]}
{"text":"<s>user\nSay</s>\n<s>assistant\n</s>\n","scored":["</s>\n"]}'

cp -r dir named
rm named/chat_template.jinja
jq '.chat_template = [{"name": "default", "template": "{% for m in messages %}d{{ m.content }}{% endfor %}"},
    {"name": "tool_use", "template": "{% for m in messages %}t{{ m.content }}{{ tools[0] }}{% endfor %}"}]' \
    dir/tokenizer_config.json >named/tokenizer_config.json
is "tools take the template for them" "$(llm-tokenize -q --chat -t named <<'J' | shown
{"messages": [{"role": "assistant", "content": "x"}]}
{"messages": [{"role": "assistant", "content": "y"}], "tools": [7]}
{"messages": [{"role": "assistant", "content": "z"}], "tools": "[8]"}
{"messages": [{"role": "assistant", "content": "x"}], "tools": null}
J
)" '{"text":"dx","scored":["dx"]}
{"text":"ty7","scored":["ty7"]}
{"text":"tz8","scored":["tz8"]}
{"text":"dx","scored":["dx"]}'

# figures, formats, determinism
awk '{ for (i = 1; i <= 800; i++) { line = $0; sub(/more/, "more " i, line); print line } }' turns.jsonl >many.jsonl
llm-tokenize --chat -t dir --threads 1 many.jsonl -o one.shard 2>err
err_like "the final line" 'documents 800, .* tokens [0-9]+, [0-9]+ of them scored'
llm-tokenize -q --chat -t dir --threads 3 many.jsonl -o three.shard
same "threads change no byte" one.shard three.shard
zstd -q many.jsonl
tar -cf many.tar many.jsonl.zst
llm-tokenize -q --chat -t dir many.tar -o tar.shard
same "compressed, in an archive" one.shard tar.shard
is "--ids" "$(llm-tokenize -q --chat -t dir --ids turns.jsonl)" "$(llm-tokenize -q --ids all.shard)"
is "--count" "$(llm-tokenize -q --chat -t dir --count many.jsonl)" "$(llm-tokenize -q --count one.shard)"
is "bytes are those of the text" "$(llm-tokenize -q --count one.shard | jq .bytes)" \
    "$(shown one.shard | jq -j .text | wc -c)"
like "provenance" "$(llm-convert --info one.shard)" 'provenance +llm-tokenize .* --chat yes \(chat template [0-9a-f]{16}\)$'

# faults
cat >faulty.jsonl <<'J'

{"messages": []}
{"messages": [{"role": "user"}]}
{"messages": [{"role": "user", "content": 5}]}
{"messages": [{"content": "x"}]}
{"messages": "x"}
{"conversations": [{"from": "martian", "value": "x"}]}
{"instruction": "x"}
{"text": "x"}
[1]
{"messages"
{"messages": [{"role": "user", "content": "x"}], "tools": 4}
{"messages": [{"role": "system", "content": "x"}], "system": "y"}
{"messages": [{"role": "user", "content": "alone"}]}
J
llm-tokenize --chat -t dir faulty.jsonl -o f.shard 2>err
like "faults are counted" "$(cat err)" \
    'out: documents 1, .*dropped: 1 malformed JSON, 10 that are no conversation, 1 refused by the chat template; 1 without a scored token'
like "their place" "$(cat err)" 'faulty.jsonl: line 4: JSON: messages\[0\].content: expected a string'
ok "--on-error stop" expect_code 3 llm-tokenize --chat -t dir --on-error stop faulty.jsonl -o g.shard
ok "leaves nothing" [ ! -e g.shard ]
echo '{"messages": [{"role": "tool", "content": "x"}]}' >tool.jsonl
ok "raise_exception" expect_code 3 llm-tokenize --chat -t dir --chat-template marked.jinja --on-error stop tool.jsonl -o g.shard
err_like "says what it says" 'tool.jsonl: line 1: marked.jinja: .*no tool'
printf '[\n{"messages": []}\n]\n' >list.json
ok "a list of conversations" expect_code 3 llm-tokenize --chat -t dir --on-error stop list.json -o g.shard
err_like "is told how to become lines" "jq -c '.\[\]' FILE"
printf '{"messages": [{"role": "user", "content": "日本語 \xff 日本"}]}\n' >bad.jsonl
llm-tokenize --chat -t dir bad.jsonl -o g.shard 2>err
like "bad UTF-8 is replaced" "$(shown g.shard)" '語 � 日'
cat >rewriting.jinja <<'T'
{% for m in messages %}{{ m.role ~ (m.content if loop.last else m.content[:1]) }}{% endfor %}
T
llm-tokenize --chat -t dir --chat-template rewriting.jinja turns.jsonl -o g.shard 2>err
err_like "a template that rewrites earlier messages" 'what message 2 adds cannot be told'
like "is counted" "$(cat err)" '1 refused by the chat template'
echo "{{ strftime_now('%Y') }}{% for m in messages %}{{ m.content }}{% endfor %}" >date.jinja
ok "a template that asks for the date" expect_code 2 llm-tokenize --chat -t dir --chat-template date.jinja turns.jsonl -o g.shard
err_like "needs it" 'give it as --chat-date YYYY-MM-DD'
like "and gets it" "$(chat --chat-template date.jinja --chat-date 1999-12-31 <turns.jsonl)" '"text":"1999Hi'

# hostile lines: each is a document or a counted fault
hostile_lines() { # one JSON line of each kind
    local deep
    deep=$(printf '[%.0s' $(seq 500))
    echo "{\"messages\": $deep"
    echo '{"messages": [{"role": "user", "content": "a\u0000b"}, {"role": "assistant", "content": "\u0000"}]}'
    echo '{"messages": [{"role": "us\u0000er", "content": "x"}]}'
    echo '{"messages": [{"role": "user", "content": "\ud800"}]}'
    echo '{"messages": [{"role": "user", "content": "x", "content": "y"}]}'
    echo '{"messages": [{"role": "user", "content": [[[]], {}, null, 1e999]}]}'
    echo '{"messages": [{"role": "user", "content": null, "tool_calls": 7}]}'
    echo '{"messages": [null], "tools": "[["}'
    echo '{"messages": [], "chat_template_kwargs": [], "documents": {}}'
    echo '{"messages": [{"role": "assistant", "content": "x"}], "chat_template_kwargs": {"messages": 4, "bos_token": [], "": {}}}'
    echo '{"messages": {"role": "user"}, "conversations": 7, "instruction": {}}'
    echo '{"prompt": {}, "chosen": [[]], "rejected": [null]}'
    echo '{"prompt": [], "chosen": [{"role": "assistant", "content": ""}], "rejected": ""}'
    echo '{"chosen": "", "rejected": "x"}'
    echo '{"chosen": "\u3042", "rejected": "\u3044"}'
    printf '{"messages": [{"role": "assistant", "content": "%s"}]}\n' "$(head -c 300000 /dev/zero | tr '\0' 'x')"
    echo '7'
    echo '""'
    printf '{"messages": [{"role": "user", "content": "\0"}]}\n'
}
hostile_lines >hostile.jsonl
for mode in "--chat" "--chat --chat-template marked.jinja" "--chat --loss last --chat-template rewriting.jinja" --preference; do
    # shellcheck disable=SC2086
    ok "hostile lines: $mode" expect_code 0 llm-tokenize $mode -t dir hostile.jsonl -o h.shard
    in=$(sed -n 's/.*in: documents \([0-9]*\),.*/\1/p' err)
    is "all are counted" "$in" 19
done

# pairs
pairs() {
    llm-tokenize -q --preference -t dir "$@" -o p.shard && shown p.shard
}
pair='{"text":"<s>user\nQ</s>\n<s>assistant\nyes</s>\n<s>user\nQ</s>\n<s>assistant\nno</s>\n","scored":["yes</s>\n","no</s>\n"]}'
is "pairs in four shapes" "$(pairs <<'J' | sort -u
{"prompt": [{"role": "user", "content": "Q"}], "chosen": [{"role": "assistant", "content": "yes"}], "rejected": [{"role": "assistant", "content": "no"}]}
{"prompt": "Q", "chosen": [{"role": "assistant", "content": "yes"}], "rejected": [{"role": "assistant", "content": "no"}]}
{"prompt": [{"role": "user", "content": "Q"}], "chosen": "yes", "rejected": "no"}
{"chosen": [{"role": "user", "content": "Q"}, {"role": "assistant", "content": "yes"}], "rejected": [{"from": "human", "value": "Q"}, {"from": "gpt", "value": "no"}]}
{"prompt": "Q", "chosen": [{"role": "user", "content": "Q"}, {"role": "assistant", "content": "yes"}], "rejected": [{"role": "user", "content": "Q"}, {"role": "assistant", "content": "no"}]}
J
)" "$pair"
is "only the last answer is scored; {% generation %} does not count" "$(pairs --chat-template marked.jinja <<'J'
{"prompt": [{"role": "user", "content": "Q"}, {"role": "assistant", "content": "A"}, {"role": "user", "content": "R"}], "chosen": "yes", "rejected": "no"}
J
)" '{"text":"<s>user:Qassistant:A</s>user:Rassistant:yes</s><s>user:Qassistant:A</s>user:Rassistant:no</s>","scored":["assistant:yes</s>","assistant:no</s>"]}'
is "texts" "$(pairs <<'J'
{"prompt": "One:", "chosen": " a", "rejected": " b</s>"}
{"chosen": "H: x A: yes", "rejected": "H: x A: no"}
J
)" '{"text":"One: a</s>One: b</s>","scored":[" a</s>"," b</s>"]}
{"text":"H: x A: yes</s>H: x A: no</s>","scored":[" yes</s>"," no</s>"]}'
cat >pairs.jsonl <<'J'
{"prompt": "", "chosen": "a", "rejected": "b"}
{"prompt": "x", "chosen": "a"}
{"prompt": "x", "chosen": "a", "rejected": 4}
{"prompt": "x", "chosen": "a", "rejected": "a"}
{"chosen": [{"role": "user", "content": "Q"}], "rejected": [{"role": "user", "content": "Q"}]}
{"chosen": [{"role": "assistant", "content": "Q"}], "rejected": [{"role": "assistant", "content": "R"}]}
{"chosen": [{"role": "user", "content": "Q"}, {"role": "assistant", "content": "A"}], "rejected": [{"role": "user", "content": "R"}, {"role": "assistant", "content": "A"}]}
{"chosen": [{"role": "user", "content": "Q"}, {"role": "assistant", "content": "A"}], "rejected": [{"role": "user", "content": "Q"}, {"role": "assistant", "content": "A"}]}
J
llm-tokenize --preference -t dir pairs.jsonl -o p.shard 2>err
like "faulty pairs" "$(cat err)" 'out: documents 0, .*dropped: 7 that are no conversation, 1 refused by the chat template'
like "one without a prompt" "$(cat err)" 'pairs.jsonl: line 1: not a prompt and behind it an answer, twice'

while read -r options; do
    # shellcheck disable=SC2086
    ok "refused: $options" expect_code 2 llm-tokenize $options -o o.shard turns.jsonl
done <<'O'
--chat
--chat --preference -t dir
--chat -t dir --decode
--chat -t dir --special document
--chat -t dir --format lines
--chat -t dir --json-field text
--chat -t dir --chat-date 1999-13-01
--chat -t dir --chat-variables [1]
--preference -t dir --loss last
-t dir --loss last
O
mkdir bare
cp tok.json bare/tokenizer.json
ok "no chat template" expect_code 3 llm-tokenize --chat -t bare turns.jsonl -o o.shard
ok "a shard as input" expect_code 3 llm-tokenize --chat --ids -t dir one.shard
ok "no file appears" [ ! -e o.shard ]
