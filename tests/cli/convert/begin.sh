#!/usr/bin/env bash
# A Hugging Face directory as a checkpoint: training begins with it, and nothing is lost on the way back.
. "$LLM_SRC/tests/lib.sh"
. "$LLM_SRC/tests/cli/eval/model.bash"
fixture
write_gpt2 gpt2.json 400
ok 'a GPT-2 checkpoint' make_checkpoint gpt2 gpt2.json
info() { llm-convert --info --json "$1" | jq -rc "$2"; }

for model in run gpt2; do
    for dtype in fp32 bf16; do
        llm-convert -q --dtype $dtype $model $model-$dtype
        ok "$model $dtype" llm-convert -q --from hf --to checkpoint --verify $model-$dtype $model-$dtype-0
        is "$model $dtype: step 0" "$(info $model-$dtype-0 '[.kind, .step, .position, .path]')" \
            "[\"checkpoint\",0,0,\"$model-$dtype-0/step-00000000\"]"
        ok "$model $dtype: whole" bash -c "[ \$(llm-convert --info --verify --json $model-$dtype-0 | jq .verified) = true ]"
        ok "$model $dtype and back" llm-convert -q --dtype $dtype --verify $model-$dtype-0 back
        ok "$model $dtype: the same bytes" cmp $model-$dtype/model.safetensors back/model.safetensors
        for file in config.json generation_config.json tokenizer_config.json; do
            is "$model $dtype: $file says the same" "$(jq -Sc . back/$file)" "$(jq -Sc . $model-$dtype/$file)"
        done
        rm -rf back
    done
    is "$model: the weights that the training had" \
        "$(tail -c 50000 $model-fp32-0/step-00000000/weights-00001-of-00001.safetensors | md5sum)" \
        "$(tail -c 50000 $model/step-*/weights-00001-of-00001.safetensors | md5sum)"
done
is 'the fingerprint is known' "$(info run-fp32-0 .fingerprint)" "$(info text.shard .fingerprint)"
for threads in 1 3; do
    llm-convert -q --from hf --to checkpoint --threads $threads --max-shard-size 64K run-bf16 small-$threads
done
ok 'the same with 1 thread and 3' diff -r small-1 small-3
ok 'in more files' [ "$(find small-1 -name 'weights-*' | wc -l)" -gt 1 ]
is 'the same state' "$(info small-1 .state_hash)" "$(info run-bf16-0 .state_hash)"
ok 'zeros take no room' [ "$(du -k run-fp32-0/step-00000000/moment1-* | cut -f 1)" -le 16 ]

# The loss is the same, and training from it is training from the directory.
ok 'the directory scored' llm-eval -q --json hf.json run-fp32 text.shard
ok 'the checkpoint scored' llm-eval -q --json checkpoint.json run-fp32-0 text.shard
same 'the same loss' checkpoint.json hf.json
train() { # DIR OPTION…
    local dir=$1
    shift
    llm-train -q --save "$dir" --precision fp32 --seq-length 32 --global-batch 2 --steps 3 --lr 1e-3 "$@" text.shard
}
ok 'trained from the directory' train from-hf --init run-fp32
ok 'trained from the checkpoint' train from-checkpoint --init run-fp32-0
cp -r run-fp32-0 resumed
ok 'gone on from it' train resumed --resume resumed
is 'the same weights' "$(info from-checkpoint .state_hash)" "$(info from-hf .state_hash)"
is 'also gone on' "$(info resumed .state_hash)" "$(info from-hf .state_hash)"

# An older directory: what config.json says beside stays, also of old keys and lists.
cp -r run-bf16 old
jq 'del(.dtype, .rope_parameters) + {rope_theta: 20000, eos_token_id: [0, 1], note: [1.5e-5]}' \
    run-bf16/config.json >old/config.json
llm-convert -q --from hf --to checkpoint old old-0
ok 'its config.json is kept' cmp old/config.json old-0/step-00000000/config.json
llm-convert -q --dtype bf16 old-0 old-back
is 'and what it says' "$(jq -c '[.rope_parameters.rope_theta == 20000, .rope_theta == 20000, .dtype, .torch_dtype, .eos_token_id, .note]' old-back/config.json)" \
    '[true,true,"bfloat16","bfloat16",[0,1],[1.5e-05]]'

ok 'not beside later steps' expect_code 2 llm-convert -q --force --from hf --to checkpoint run-fp32 run
err_like 'why' 'run: holds a checkpoint of step 5, and this would be step 0'
ok 'replaced by force' llm-convert -q --force --verify --from hf --to checkpoint gpt2-fp32 run-fp32-0
ok 'a full disk' expect_code 1 bash -c 'trap "" XFSZ; ulimit -f 20; exec llm-convert -q --from hf --to checkpoint run-fp32 made'
ok 'leaves no checkpoint' [ ! -e made/step-00000000 ]
