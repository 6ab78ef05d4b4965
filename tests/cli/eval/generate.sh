#!/usr/bin/env bash
# Generation: greedy and sampled, prompts, stops, whole characters.
. "$LLM_SRC/tests/lib.sh"
. "$LLM_SRC/tests/cli/eval/model.bash"
fixture

write() { # OPTIONS: text behind "The name"
    llm-eval -q --generate 'The name' --max-new 24 "$@" run
}

ok 'greedy' bash -c 'llm-eval -q --generate "The name" --max-new 24 run >greedy'
is 'twice the same' "$(write)" "$(cat greedy)"
is 'with other threads' "$(write --threads 1)" "$(cat greedy)"
is 'whatever the seed' "$(write --seed 5)" "$(cat greedy)"
is 'and from the likeliest one' "$(write --temperature 1 --top-k 1)" "$(cat greedy)"
is 'and with nearly no probability' "$(write --temperature 1 --top-p 0.000001)" "$(cat greedy)"
ok 'a sample' bash -c 'llm-eval -q --generate "The name" --max-new 24 --temperature 1 --seed 3 run >sample'
is 'twice the same' "$(write --temperature 1 --seed 3)" "$(cat sample)"
not_ok 'not the greedy one' cmp -s greedy sample
not_ok 'nor that of another seed' bash -c 'cmp -s sample <(llm-eval -q --generate "The name" --max-new 24 --temperature 1 --seed 4 run)'
ok 'JSON' write --json out.json
is 'as many tokens as asked for' "$(jq '.ids | length' out.json)" 24
is 'the prompt' "$(jq -r .prompt out.json)" 'The name'
is "its ids are the tokenizer's" "$(jq -r '.prompt_ids | join(" ")' out.json)" \
    "$(printf 'The name' >name.txt && llm-tokenize -q -t tok --ids --special none name.txt)"
is 'the text printed' "$(jq -rj .text out.json)" "$(cat greedy)"
ok 'fewer tokens' write --max-new 7 --json few.json
is 'are the first of them' "$(jq -c .ids few.json)" "$(jq -c '.ids[:7]' out.json)"

# A stop text ends before itself, wherever it stands.
stop=$(LC_ALL=C.UTF-8 jq -rj '.text[6:9]' out.json)
want=$(jq -rj --arg stop "$stop" '.text | split($stop)[0]' out.json)
is 'a stop' "$(write --stop "$stop")" "$want"
is 'the first of two stops' "$(write --stop 'never written' --stop "$stop")" "$want"

# Bytes of a character that is not complete are not printed one by one.
printf 'The name\n日本\n\nx y\n' | grep . >prompts
ok 'a file of prompts' bash -c 'llm-eval -q --prompts prompts --max-new 40 --temperature 2 --json many.json run >many'
is 'a result each' "$(jq -r .prompt many.json | tr '\n' '|')" 'The name|日本|x y|'
ok 'all is UTF-8' iconv -f UTF-8 -t UTF-8 many
is 'the same text in both' "$(jq -r .text many.json)" "$(cat many)"
ok 'it is a terminal: the prompt comes before it' bash -c \
    'script -qec "llm-eval -q --generate \"The name\" --max-new 24 run" /dev/null | tr -d "\r" >terminal'
is 'prompt and text' "$(cat terminal)" "The name$(cat greedy)"

# The model's 64 positions are the end.
printf 'a%.0s ' {1..30} | tr -d '\n' >long
echo >>long
ok 'a long prompt' llm-eval -q --prompts long --max-new 1000 --json full.json run
is 'fills the context' "$(jq '(.prompt_ids | length) + (.ids | length)' full.json)" 64
printf 'a%.0s ' {1..100} | tr -d '\n' >long
ok 'a longer one' expect_code 3 llm-eval -q --prompts long run
err_like 'is refused' '^llm-eval: long: line 1: a prompt of [0-9]+ tokens leaves no room'

# A model stops at its EOS.
eos=$(jq '.ids[3]' out.json)
ok 'a model with an EOS' make_checkpoint eos <(jq --argjson eos "$eos" '.eos_token_id = $eos' config.json)
ok 'is asked' llm-eval -q --generate 'The name' --max-new 24 --json eos.json eos
is 'and ends before it' "$(jq -c .ids eos.json)" "$(jq -c --argjson eos "$eos" '.ids | .[:index($eos)]' out.json)"
ok 'a model with several' make_checkpoint eos2 <(jq --argjson eos "$eos" '.eos_token_id = [399, $eos]' config.json)
ok 'is asked' llm-eval -q --generate 'The name' --max-new 24 --json eos2.json eos2
is 'and ends before the second of them' "$(jq -c .ids eos2.json)" "$(jq -c .ids eos.json)"
# A converted directory may list several in generation_config.json.
ok 'converted' llm-convert -q run several
jq --argjson eos "$eos" '.eos_token_id = [399, $eos]' several/generation_config.json >several/new
mv several/new several/generation_config.json
ok 'is asked' llm-eval -q --generate 'The name' --max-new 24 --json several.json several
is 'and ends before the listed one' "$(jq -c .ids several.json)" "$(jq -c .ids eos.json)"

# Several texts at once give what each gives alone, whatever the batch, threads and order; some share
# their beginning, one of them twice.
{
    shared=$(printf 'the name of a file %.0s' 1 2 3 4) # all fit with what is written
    echo "$shared"
    echo "${shared}and another"
    echo "${shared}or none"
    printf 'The name\n日本\nThe name\nx\nThe file is read and then written\n'
    echo "${shared}or none at all"
} >texts
ok 'texts, one at a time' bash -c 'llm-eval -q --prompts texts --batch 1 --max-new 16 --json one.json run >one'
for batch in 0 3 8; do
    ok "$batch at a time" bash -c "llm-eval -q --prompts texts --batch $batch --max-new 16 --json batch.json run >batch"
    same 'are the same' one batch
    same 'and so is the JSON' one.json batch.json
done
ok 'with one thread' bash -c 'llm-eval -q --prompts texts --threads 1 --max-new 16 --json batch.json run >batch'
same 'they are the same' one.json batch.json
tac texts >reversed
ok 'in another order' llm-eval -q --prompts reversed --batch 4 --max-new 16 --json reversed.json run
same 'they are the same' <(tac one.json) reversed.json
ok 'each as it comes' bash -c 'while IFS= read -r line; do llm-eval -q --generate "$line" --max-new 16 run; done <texts >stream'
same 'is the same' one stream
ok 'samples, one at a time' bash -c 'llm-eval -q --prompts texts --temperature 1.5 --top-p 0.9 --top-k 50 --batch 1 --max-new 16 --json one.json run >one'
ok 'samples, many at a time' llm-eval -q --prompts texts --temperature 1.5 --top-p 0.9 --top-k 50 --batch 8 --threads 1 --max-new 16 --json batch.json run
same 'are the same' one.json batch.json
is 'the same prompt twice is drawn twice' "$(jq -s '.[3].ids != .[5].ids' one.json)" true

# Little memory means fewer at a time, and too little none.
ok 'little memory' bash -c 'llm-eval -q --prompts texts --memory 1G --max-new 16 run >batch'
ok 'too little' expect_code 1 llm-eval -q --prompts texts --memory 1M --max-new 16 run

# The penalty on what has been: a large one allows no token twice, 1 changes nothing.
is 'no penalty' "$(write --repetition-penalty 1)" "$(cat greedy)"
ok 'a large penalty' llm-eval -q --generate 'The name' --max-new 24 --repetition-penalty 100 --json penalty.json run
is 'no token comes twice' "$(jq '(.prompt_ids + .ids) | length - (unique | length)' penalty.json)" 0
ok 'for several' llm-eval -q --prompts texts --repetition-penalty 1.3 --batch 1 --max-new 16 --json one.json run
ok 'several at a time' llm-eval -q --prompts texts --repetition-penalty 1.3 --batch 8 --max-new 16 --json batch.json run
same 'are the same' one.json batch.json

# Requests for text: the same texts, whatever the batch, threads and ranks.
jq -Rc '{ctx: ., until: ["e", "never written"], max_new: 12}' texts >requests
ok 'requests' bash -c 'llm-eval -q --requests requests --batch 1 run >results'
ok 'the same as prompts' llm-eval -q --prompts texts --stop e --stop 'never written' --max-new 12 --json batch.json run
is 'are the same' "$(jq .text results)" "$(jq .text batch.json)"
is 'with the numbers of their tokens' "$(jq .tokens results)" "$(jq '.ids | length' batch.json)"
for how in '--batch 3' '--batch 8 --threads 1' '--ranks 2 --threads 1'; do
    ok "with $how" bash -c "llm-eval -q --requests requests $how run >more"
    same 'are the same' results more
done
jq -c '. + {temperature: 1.5, top_p: 0.9, top_k: 40, repetition_penalty: 1.2}' requests >drawn
ok 'drawn' bash -c 'llm-eval -q --requests drawn --batch 1 run >results'
not_ok 'others' cmp -s results more
for how in '--batch 8' '--ranks 2 --threads 1'; do
    ok "with $how" bash -c "llm-eval -q --requests drawn $how run >more"
    same 'are the same' results more
done
# A context that is too long loses its beginning.
printf '{"ctx": "%s", "until": [], "max_new": 8}\n' "$(printf 'a%.0s ' {1..200})" >long.jsonl
ok 'a long context' bash -c 'llm-eval -q --requests long.jsonl run >results'
is 'is continued' "$(jq .tokens results)" 8
printf '{"ctx": "x", "until": [], "max_new": 64}\n' >long.jsonl
ok 'no room for a context' expect_code 3 llm-eval -q --requests long.jsonl run
