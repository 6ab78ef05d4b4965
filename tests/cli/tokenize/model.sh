#!/usr/bin/env bash
# A SentencePiece .model through all tools: shard, training, evaluation, conversion.
. "$LLM_SRC/tests/lib.sh"
. "$LLM_SRC/tests/cli/eval/model.bash"

cp "$LLM_SRC/README.md" text.txt
jq -Rs '{text: .}' -c "$LLM_SRC"/man/llm-s*.[157] >pages.jsonl
llm-tokenize -q --train unigram --vocab-size 700 --special-tokens '<s>,</s>' -o unigram.json text.txt
mkdir -p model json
llm-tokenize -q -t unigram.json --export sentencepiece -o model/tokenizer.model
cp unigram.json json/tokenizer.json

facts() { # TOKENIZER: what --info says of it
    llm-convert --info --json "$1" | jq -c '.tokenizer // . | [.vocabulary, .bos, .eos, .unk, .fingerprint]'
}
is 'a file and a directory' "$(facts model)" "$(facts model/tokenizer.model)"
is 'the fingerprint of the json' "$(facts model | jq .[4])" "$(facts json | jq .[4])"
ok 'a shard' llm-tokenize -q -t model -o text.shard pages.jsonl
is 'with its fingerprint' "$(facts text.shard)" "$(facts model)"
ok 'there' bash -c 'llm-tokenize -q -t model --decode --format jsonl text.shard | jq -c "{text}" >back'
same 'and back' pages.jsonl back
ok 'tokens of another form of the vocabulary' bash -c 'llm-tokenize -q -t json --decode text.shard | cmp - <(llm-tokenize -q -t model --decode text.shard)'

write_config config.json 700
ok 'training' llm-train --ranks 1 --threads 1 --model config.json --tokenizer model --save run --seq-length 32 \
    --global-batch 2 --steps 2 --lr 1e-3 --precision fp32 text.shard
same 'the checkpoint has the model' model/tokenizer.model run/step-00000002/tokenizer.model
ok 'evaluation' llm-eval --precision fp32 --seq-length 32 run text.shard
ok 'generation' llm-eval -q --precision fp32 --generate 'The shard' --max-new 8 run
ok 'conversion' llm-convert -q --verify run hf
same 'carries it along' model/tokenizer.model hf/tokenizer.model
is 'which is found there' "$(facts hf)" "$(facts model)"
ok 'and evaluates alike' llm-eval -q --precision fp32 --generate 'The shard' --max-new 8 hf

printf '{"eos_token": "<s>"}' >model/tokenizer_config.json
is 'tokenizer_config.json decides over EOS' "$(facts model | jq .[2])" "$(facts model/tokenizer.model | jq .[1])"
printf 'x\n' >model/tokenizer_config.json
ok 'a faulty one' expect_code 3 llm-tokenize -t model -o no.shard pages.jsonl
rm model/tokenizer_config.json
head -c 3000 model/tokenizer.model >cut.model
ok 'a model cut off' expect_code 3 llm-tokenize -t cut.model -o no.shard pages.jsonl
err_like 'says where' '^llm-tokenize: cut.model: offset [0-9]+: '
