#!/usr/bin/env bash
# What llm-convert refuses, and that a failure leaves nothing behind.
. "$LLM_SRC/tests/lib.sh"
. "$LLM_SRC/tests/cli/eval/model.bash"
fixture

refused() { # DESC STATUS REGEX ARGUMENTS
    local desc=$1 status=$2 regex=$3
    shift 3
    ok "$desc: status $status" expect_code "$status" llm-convert -q "$@"
    err_like "$desc: message" "^llm-convert: $regex"
}

refused 'no output' 2 'expected INPUT and OUTPUT' run
refused 'a missing input' 1 'none: No such file or directory' none made
refused 'a directory as gguf' 1 'run: ' --from gguf --to hf run made
refused 'a directory as llama2.c' 1 'run: ' --from llama2.c --to hf run made
for kind in megatron llm.c nanogpt ds; do
    refused "--from $kind" 2 'a shard knows its tokenizer' --from $kind --to shard run made
    refused "$kind of a model" 2 "checkpoint does not become $kind" --to $kind run made
done
refused 'a shard of a model' 2 'checkpoint does not become shard' run made.shard
refused 'a model of a shard' 2 'shard does not become hf' --to hf run.shard made
refused 'a shard of a shard' 2 'shard does not become shard' run.shard made.shard
refused 'to llama2.c' 2 '--to llama2.c: is read, not written' --to llama2.c run made
mkdir some && echo '{}' >some/config.json
refused 'an unsaid directory' 2 'some: looks like a Hugging Face directory: say --from hf' some made
refused 'an unsaid file' 2 'config.json: say what it is with --from' config.json made
refused 'an unsaid output' 2 'made: say what it becomes with --to' --from hf some made
refused 'a kind that is none' 2 '' --to onnx run made
refused '--dtype q8_0 of hf' 2 '--dtype q8_0: is a type of gguf alone' --dtype q8_0 run made
refused '--tokenizer' 2 '--tokenizer is for token formats' --tokenizer tok run made
refused '--eos' 2 '--eos is for token formats' --eos x run made
refused '--dtype of a checkpoint' 2 '--dtype: a checkpoint is in fp32' --to checkpoint --dtype bf16 run made
refused '--json alone' 2 '--json needs --info' --json run made
refused 'no size' 2 '--max-shard-size' --max-shard-size 0 run made
refused 'skip' 2 '--on-error skip' --on-error skip run made
llm-convert -q run hf
refused 'a file in the way' 2 'config.json: is not empty' run config.json
refused 'a file as directory' 1 'config.json' run config.json/out
ok 'nothing was written' [ ! -e made ]

# Damage: found, named, and no output.
cp -r run/step-00000005 bad
printf x | dd of=bad/weights-00001-of-00001.safetensors bs=1 seek=30000 conv=notrunc 2>/dev/null
refused 'a flipped bit' 3 'bad/weights-00001-of-00001.safetensors: tensor [a-z0-9_.]+: bytes [0-9]+-[0-9]+: checksum differs' bad made
truncate -s -1 bad/weights-00001-of-00001.safetensors
refused 'a checkpoint missing one byte' 3 'bad/weights-00001-of-00001.safetensors: [0-9]+ bytes, the manifest says [0-9]+' bad made
ok 'nothing was written' bash -c '[ ! -e made ] && [ -z "$(ls -A | grep tmp-)" ]'

# No room: a limit on the size of files stands for a full disk.
ok 'no room' expect_code 1 bash -c 'trap "" XFSZ; ulimit -f 20; exec llm-convert -q run made'
err_like 'says so' '^llm-convert: \.made\.tmp-[0-9]+/model.safetensors: cannot reserve'
ok 'nothing is left' bash -c '[ ! -e made ] && [ -z "$(ls -A | grep tmp-)" ]'
ok 'an unwritable place' expect_code 1 llm-convert -q run /proc/none/out

# A signal in the middle leaves nothing: a model large enough to be met writing.
write_config large.json 60000 '"tie_word_embeddings": true'
sed -i 's/"hidden_size": 32/"hidden_size": 256/' large.json
ok 'a larger checkpoint' "$mkcheckpoint" large.json large
llm-convert -q large made &
pid=$!
for _ in $(seq 200); do
    [ -z "$(find . -maxdepth 1 -name '.made.tmp-*')" ] || break
    sleep 0.01
done
kill -TERM $pid 2>/dev/null
wait $pid
status=$?
if [ $status -eq 0 ]; then
    skip 'stopped by a signal' 'it was faster'
else
    is 'stopped by a signal' $status 143
    ok 'nothing is left' bash -c '[ ! -e made ] && [ -z "$(ls -A | grep tmp-)" ]'
fi
