#!/usr/bin/env bash
# A Hugging Face directory into another: types, shards, and what is kept byte for byte.
. "$LLM_SRC/tests/lib.sh"
. "$LLM_SRC/tests/cli/eval/model.bash"
fixture
write_gpt2 gpt2.json 400
write_config tied.json 400 '"tie_word_embeddings": true, "attention_bias": true, "mlp_bias": true'
ok 'a GPT-2 checkpoint' make_checkpoint gpt2 gpt2.json
ok 'a tied one' make_checkpoint tied tied.json

for model in run gpt2 tied; do
    for dtype in fp32 bf16 fp16; do
        llm-convert -q --dtype $dtype $model $model-$dtype
    done
    for dtype in fp32 bf16 fp16; do
        ok "$model $dtype copied" llm-convert -q --from hf --to hf --verify $model-$dtype copy
        ok "$model $dtype: byte for byte" diff -r $model-$dtype copy
        rm -rf copy
        ok "$model fp32 to $dtype" llm-convert -q --from hf --to hf --verify --dtype $dtype $model-fp32 made
        ok "$model: the bytes that the checkpoint gives" cmp $model-$dtype/model.safetensors made/model.safetensors
        is "$model: config.json says $dtype" "$(jq -r .dtype made/config.json)" "$(jq -r .dtype $model-$dtype/config.json)"
        rm -rf made
    done
    ok "$model in shards" llm-convert -q --from hf --to hf --verify --max-shard-size 30K $model-bf16 shards
    ok "$model is in several" [ "$(find shards -name 'model-*.safetensors' | wc -l)" -gt 1 ]
    ok "$model put together again" llm-convert -q --from hf --to hf --verify shards whole
    ok "$model: the same bytes" diff -r $model-bf16 whole
    ok "$model from bf16 to fp32" llm-convert -q --from hf --to hf --verify --dtype fp32 $model-bf16 wide
    ok "$model and back" llm-convert -q --from hf --to hf --dtype bf16 wide back
    ok "$model: lost nothing" cmp $model-bf16/model.safetensors back/model.safetensors
    for threads in 1 3; do
        llm-convert -q --from hf --to hf --threads $threads --max-shard-size 30K $model-bf16 shards-$threads
        ok "$model with $threads threads" diff -r shards shards-$threads
    done
    rm -rf shards* whole wide back
done

# config.json: what is not ours stays, in its order; old keys stay old.
cp -r run-fp32 old
jq '{first: 1, torch_dtype: "float32", rope_theta: 20000.0} + (del(.dtype, .rope_parameters)) + {eos_token_id: [0, 1], last: [1.5e-5]}' \
    run-fp32/config.json >old/config.json
echo '{"temperature": 0.5}' >old/generation_config.json
echo '{{ messages }}' >old/chat_template.jinja
echo terms >old/LICENSE.txt
echo '{}' >old/trainer_state.json
ok 'an older directory' llm-convert -q --from hf --to hf --verify old new
ok 'its config.json' cmp old/config.json new/config.json
for file in generation_config.json chat_template.jinja LICENSE.txt tokenizer.json; do
    ok "its $file" cmp old/$file new/$file
done
ok 'nothing of a training' [ ! -e new/trainer_state.json ]
ok 'an older directory to bf16' llm-convert -q --from hf --to hf --verify --dtype bf16 old new-bf16
is 'only the type has changed' "$(jq -c . new-bf16/config.json)" "$(jq -c '.torch_dtype = "bfloat16"' old/config.json)"

# Out of range: told, not silent.
cp -r run-fp32 wild
python3 - <<'P'
import struct
with open("wild/model.safetensors", "r+b") as f:
    n, = struct.unpack("<Q", f.read(8))
    for i, x in enumerate((65519.0, 65520.0, -1e30, float("inf"), float("nan"))):
        f.seek(8 + n + 4 * (1000 * i + 7))
        f.write(struct.pack("<f", x))
P
ok 'weights beyond fp16' llm-convert --from hf --to hf --dtype fp16 wild tame
like 'are counted' "$(cat tap.log)" 'wild: 2 weights are beyond the range of fp16 and became infinite'
ok 'and bf16 has them' bash -c 'llm-convert --from hf --to hf --dtype bf16 wild tame-bf16 2>&1 | wc -c | grep -qx 0'

# Sources that cannot be.
refused() { # DESC STATUS REGEX ARGUMENTS
    local desc=$1 status=$2 regex=$3
    shift 3
    ok "$desc: status $status" expect_code "$status" llm-convert -q --from hf --to hf "$@"
    err_like "$desc: message" "^llm-convert: $regex"
    ok "$desc: nothing is left" bash -c '[ ! -e made ] && [ -z "$(ls -A | grep tmp-)" ]'
}
refused 'a checkpoint' 1 'run/step-00000005/model.safetensors: No such file' run/step-00000005 made
cp -r run-fp32 short
truncate -s -1 short/model.safetensors
refused 'a byte is missing' 3 'short/model.safetensors: [0-9]+ bytes of data, the header describes' short made
