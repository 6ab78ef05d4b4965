#!/usr/bin/env bash
# GGUF files and llama2.c files: written and read again, made by other hands, crafted ones refused.
. "$LLM_SRC/tests/lib.sh"
. "$LLM_SRC/tests/cli/eval/model.bash"
fixture
ggufread=$LLM_BIN/tests/tools/ggufread
python3 "$LLM_SRC/tests/tools/gguf_make.py" made || diag 'gguf_make.py failed'

info() { # PATH FILTER
    llm-convert --info --json "$1" | jq -rc "$2"
}

# The weights alone, as a Hugging Face directory has them.
weights() { # MODEL DIRECTORY
    llm-convert -q --to hf "$1" "$2"
}

round_trip() { # NAME RUN
    local name=$1 run=$2 dtype
    ok "$name: written and compared" llm-convert -q --verify "$run" "$name.gguf"
    ok "$name: read" weights "$name.gguf" "$name-from"
    ok "$name: the checkpoint as a directory" weights "$run" "$name-hf"
    same "$name: the same bytes of weights" "$name-from/model.safetensors" "$name-hf/model.safetensors"
    same "$name: the same tokenizer" "$name-from/tokenizer.json" tok/tokenizer.json
    is "$name: one fingerprint" "$(info "$name.gguf" .tokenizer.fingerprint)" "$(info text.shard .fingerprint)"
    for dtype in bf16 fp16 q8_0; do
        ok "$name: $dtype, compared" llm-convert -q --verify --dtype $dtype "$run" "$name-$dtype.gguf"
    done
    ok "$name: fp32 is not q8_0" expect_code 4 llm-convert -q --verify "$run" "$name-q8_0.gguf"
}

llama3='"rope_parameters": {"rope_type": "llama3", "rope_theta": 500.0, "factor": 8.0,
    "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 64}'
yarn='"rope_parameters": {"rope_type": "yarn", "rope_theta": 10000.0, "factor": 4.0,
    "original_max_position_embeddings": 16}'
linear='"rope_parameters": {"rope_type": "linear", "rope_theta": 10000.0, "factor": 2.5}'
round_trip llama run
write_config tied.json 400 "\"tie_word_embeddings\": true, $linear"
write_config llama3.json 400 "\"attention_bias\": true, \"mlp_bias\": true, $llama3"
write_config yarn.json 400 "$yarn"
write_gpt2 gpt2.json 400
for name in tied llama3 yarn gpt2; do
    make_checkpoint run-$name $name.json >checkpoint.log 2>&1 || diag "$(cat checkpoint.log)"
    round_trip $name run-$name
done
for name in tied llama3 yarn; do
    is "$name: rotary scaling" "$(jq -c '.rope_parameters' $name-from/config.json)" "$(jq -c '.rope_parameters' $name-hf/config.json)"
done

is 'described' "$(info llama.gguf '[.kind, .version, .metadata["general.architecture"], .tensors.F32, .model.parameters]')" \
    "[\"gguf\",3,\"llama\",21,$(info run .model.parameters)]"
is 'types of q8_0' "$(info llama-q8_0.gguf .tensors)" '{"F32":5,"Q8_0":16}'
ok 'for people' bash -c 'llm-convert --info llama.gguf >text && grep -q "^kind *gguf" text && grep -q "llama.rope.freq_base *10000" text'

# Without tokenizer.json in it, what llama.cpp reads says the same.
sed 's/tokenizer.huggingface.json/tokenizer.huggingfac3.json/' llama.gguf >plain.gguf
is 'the vocabulary alone: the same fingerprint' "$(info plain.gguf .tokenizer.fingerprint)" "$(info llama.gguf .tokenizer.fingerprint)"
"$ggufread" file plain.gguf tokenizer.json >plain.json
jq -r .text pages.jsonl >pages.txt
ok 'and the same ids' bash -c 'llm-tokenize -q -t plain.json --ids pages.txt >a && llm-tokenize -q -t tok/tokenizer.json --ids pages.txt >b && cmp a b && [ -s a ]'

# llm-eval takes the file as it is.
ok 'scored' bash -c 'llm-eval -q llama.gguf text.shard >a && llm-eval -q run text.shard >b && cmp a b && [ -s a ]'
ok 'generated' bash -c 'llm-eval -q --generate "The option" --max-new 20 llama.gguf >a && llm-eval -q --generate "The option" --max-new 20 run >b && cmp a b && [ -s a ]'

# Files of other hands, and crafted ones.
for file in made/good/*.gguf; do
    name=$(basename "$file" .gguf)
    ok "good: $name" llm-convert -q --verify --to hf "$file" "made-$name"
    ok "good: $name: its weights again" llm-convert -q --verify "$file" "$name-again.gguf"
done
same 'version 2 is version 3' made-version2/model.safetensors made-sentencepiece/model.safetensors
is 'SentencePiece: ids' "$("$ggufread" file made/good/sentencepiece.gguf tokenizer.json >sp.json && printf 'the cat,日本é' | llm-tokenize -q -t sp.json --eos none --ids)" \
    '1 267 270 275 274 198 172'
for file in made/bad/*.gguf; do
    name=$(basename "$file" .gguf)
    llm-convert -q --to hf "$file" bad-out >out 2>err
    status=$?
    ok "bad: $name: status 3" [ $status -eq 3 ]
    err_like "bad: $name: $(cat "made/bad/$name.txt")" "^llm-convert: $file: .*($(cat "made/bad/$name.txt"))"
done
ok 'nothing was written' [ ! -e bad-out ]

# llama2.c
ok 'llama2.c' llm-convert -q --verify --from llama2.c --to hf made/llama2c/model.bin from-llama2c
ok 'recognized by its size' llm-eval -q --generate 'the cat' --max-new 4 made/llama2c/model.bin
ok 'and of two embeddings' llm-convert -q --verify --from llama2.c made/llama2c/untied.bin untied-llama2c.gguf
is 'its tokenizer' "$(jq -c '[.model.type, (.model.vocab | length), .added_tokens[1].content]' from-llama2c/tokenizer.json)" '["BPE",277,"<s>"]'
head -c -4 made/llama2c/model.bin >cut.bin
ok 'a cut one' expect_code 3 llm-convert -q --from llama2.c --to hf cut.bin cut-out
err_like 'says so' '^llm-convert: cut.bin: not a llama2.c file: [0-9]+ bytes, its sizes make [0-9]+$'
cp made/llama2c/model.bin alone.bin
ok 'without its tokenizer' bash -c 'mkdir x && mv alone.bin x && llm-convert -q --from llama2.c --to hf x/alone.bin without && [ ! -e without/tokenizer.json ]'

# What GGUF cannot say, and the disk that is full.
write_gpt2 erf.json 400
sed -i 's/gelu_new/gelu/' erf.json
make_checkpoint run-erf erf.json >checkpoint.log 2>&1
ok 'the exact GELU in GPT-2' expect_code 3 llm-convert -q run-erf erf.gguf
err_like 'says so' 'GGUF cannot say that GPT-2'
write_config dynamic.json 400 '"rope_parameters": {"rope_type": "dynamic", "rope_theta": 10000.0, "factor": 2.0}'
make_checkpoint run-dynamic dynamic.json >checkpoint.log 2>&1
ok 'dynamic scaling' expect_code 3 llm-convert -q run-dynamic dynamic.gguf
sed 's/"llama"/"mistral"/; s/LlamaFor/MistralFor/; s/"hidden_act"/"sliding_window": 16, "hidden_act"/' config.json >mistral.json
make_checkpoint run-mistral mistral.json >checkpoint.log 2>&1
ok 'a window' expect_code 0 llm-convert -q --verify run-mistral mistral.gguf
err_like 'which llama.cpp does not know' 'llama.cpp does not know the sliding window: beyond 16 tokens'
is 'is kept' "$(info mistral.gguf '.metadata["llama.attention.sliding_window"]')" 16
ok 'a file in the way' expect_code 2 llm-convert -q run llama.gguf
ok 'no room' expect_code 1 bash -c 'trap "" XFSZ; ulimit -f 20; exec llm-convert -q run full.gguf'
ok 'nothing is left' bash -c '[ ! -e full.gguf ] && [ ! -e erf.gguf ] && [ -z "$(ls -A | grep tmp-)" ]'
