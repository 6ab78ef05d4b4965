#!/usr/bin/env bash
# Checkpoint to Hugging Face directory: each family and type, shards, what is in the directory, --verify.
. "$LLM_SRC/tests/lib.sh"
. "$LLM_SRC/tests/cli/eval/model.bash"
fixture
write_gpt2 gpt2.json 400
write_config tied.json 400 '"tie_word_embeddings": true, "attention_bias": true, "mlp_bias": true'
# Slices of one block and many files, so that tensors lie across both.
ok 'a GPT-2 checkpoint' make_checkpoint gpt2 gpt2.json --slice-blocks 1 --file-bytes 40000
ok 'a tied one' make_checkpoint tied tied.json --slice-blocks 1 --file-bytes 40000

tensors() { # DIR: name, type and shape of each tensor, sorted
    local file
    for file in "$1"/*.safetensors; do
        llm-convert --info --json "$file" | jq -r '.tensors[] | "\(.name) \(.dtype) \(.shape)"'
    done | sort
}

for model in run gpt2 tied; do
    for dtype in fp32 bf16 fp16; do
        ok "$model to $dtype" llm-convert -q --verify --dtype $dtype $model $model-$dtype
    done
    ok "$model in shards" llm-convert -q --verify --max-shard-size 30K $model $model-shards
    is "$model: the same tensors in shards" "$(tensors $model-shards)" "$(tensors $model-fp32)"
    ok "$model: shards are no larger than asked for" bash -c \
        "for f in $model-shards/*.safetensors; do llm-convert --info --json \$f | jq -e '(.tensors | length) == 1 or .bytes < 35000' || exit 1; done"
    is "$model: the index names every tensor" \
        "$(jq -r '.weight_map | keys[]' $model-shards/model.safetensors.index.json | sort)" \
        "$(tensors $model-fp32 | cut -d' ' -f1)"
    is "$model: and their size" "$(jq .metadata.total_size $model-shards/model.safetensors.index.json)" \
        "$(llm-convert --info --json $model | jq '.model.parameters * 4')"
    is "$model: bf16 is half of fp32" "$(tensors $model-bf16)" "$(tensors $model-fp32 | sed 's/ F32 / BF16 /')"
done
like 'query, key and value stand apart' "$(tensors run-fp32)" '^model.layers.0.self_attn.k_proj.weight F32 \[16,32\]$'
like 'gate and up as well' "$(tensors run-fp32)" '^model.layers.1.mlp.up_proj.weight F32 \[64,32\]$'
like 'an untied head is stored' "$(tensors run-fp32)" '^lm_head.weight F32 \[400,32\]$'
is 'a tied one is not' "$(tensors tied-fp32 | grep -c lm_head)" 0
like 'GPT-2 is transposed' "$(tensors gpt2-fp32)" '^transformer.h.0.attn.c_attn.weight F32 \[32,96\]$'
is 'the tokenizer is copied' "$(cmp run/step-00000005/tokenizer.json run-fp32/tokenizer.json 2>&1)" ''
is 'files of a directory' "$(ls run-fp32 | tr '\n' ' ')" \
    'config.json generation_config.json model.safetensors tokenizer.json tokenizer_config.json '
is 'the type in config.json' "$(jq -r .dtype run-bf16/config.json)" bfloat16
ok 'a header of whole 8 bytes' bash -c '[ $(($(od -An -tu8 -N8 run-fp32/model.safetensors) % 8)) -eq 0 ]'
is 'nothing else is left' "$(find . -name '.*.tmp*')" ''
ok 'twice the same bytes' bash -c 'llm-convert -q run again && diff -r run-fp32 again'

# The loss is that of the checkpoint, from any form of the directory.
for dir in run-fp32 run-shards; do
    ok "$dir scored" llm-eval -q --json $dir.json $dir text.shard
done
ok 'the checkpoint scored' llm-eval -q --json run.json run text.shard
same 'the same loss' run-fp32.json run.json
same 'the same loss from shards' run-shards.json run.json

# --verify compares what is there.
ok 'compared without writing' llm-convert -q --verify run run-bf16
flip() { # FILE OFFSET
    printf '\377' | dd of="$1" bs=1 seek="$2" conv=notrunc 2>/dev/null
}
cp -r run-fp32 flipped
flip flipped/model.safetensors 30000
ok 'a changed weight' expect_code 4 llm-convert -q --verify run flipped
err_like 'is named' '^llm-convert: flipped: element [0-9]+ of [a-z0-9_.]+ is .*, in run/step-00000005 '
ok 'another checkpoint' make_checkpoint other config.json --seed 77
ok 'differs' expect_code 4 llm-convert -q --verify other run-fp32
ok 'another shape' expect_code 4 llm-convert -q --verify gpt2 run-fp32
err_like 'is said' '^llm-convert: run-fp32: another shape than gpt2/step-00000001: '
ok 'its probe within --memory' expect_code 1 llm-convert -q --verify --memory 1K run run-fp32

# --force: other files stay, older weights go.
ok 'not into a directory in use' expect_code 2 llm-convert -q run run-shards
err_like 'is said' '^llm-convert: run-shards: is not empty: --force writes into it'
echo mine >run-shards/notes
ok 'with --force' llm-convert -q --force --verify run run-shards
is 'the older shards are gone' "$(ls run-shards | tr '\n' ' ')" \
    'config.json generation_config.json model.safetensors notes tokenizer.json tokenizer_config.json '
mkdir hollow
ok 'an empty directory is taken' llm-convert -q run hollow
ok 'a path with a slash, below new directories' llm-convert -q --log log.jsonl run a/b/c/
is 'is made' "$(ls a/b/c | wc -l)" 5
is 'and logged' "$(jq -r .event log.jsonl)" convert
