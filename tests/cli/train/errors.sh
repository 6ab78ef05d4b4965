#!/usr/bin/env bash
# Exit codes and first lines of what goes wrong.
. "$LLM_SRC/tests/lib.sh"
. "$LLM_SRC/tests/cli/train/fixture.bash"
fixture
base=(--tokenizer tok.json --seq-length 64 --global-batch 4 --lr 1e-3 --steps 2 --precision fp32)

expect_code 2 llm-train
err_like 'nothing to train' '^llm-train: nothing to train'
expect_code 2 llm-train --model llama.json
err_like 'no shards' '^llm-train: no shards'
expect_code 2 llm-train --modle llama.json train.shard
err_like 'a misspelt option' '--modle.*--model'
expect_code 2 llm-train --model llama.json --lr 1e-3 --steps 1 train.shard
err_like 'no batch' 'global-batch'
expect_code 2 llm-train --model llama.json --save run --global-batch 4 --lr 1e-3 --steps 1 train.shard
err_like 'no tokenizer' '--tokenizer is required with --save'
expect_code 2 llm-train --model llama.json "${base[@]}" --tensor-parallel 2 train.shard
err_like 'a layout that does not fit' '1 ranks: tensor 2 x context 1 x expert 1 x pipeline 1 does not divide'
expect_code 2 llm-train --model llama.json "${base[@]}" --reduce-groups 3 train.shard
err_like 'a batch that does not divide' '--global-batch 4 is not a multiple of .*nearest are 3 and 6'
expect_code 1 llm-train --model missing.json "${base[@]}" train.shard
err_like 'a missing configuration' '^llm-train: missing.json: No such file'
expect_code 1 llm-train --model llama.json "${base[@]}" missing.shard
err_like 'a missing shard' '^llm-train: missing.shard: No such file'
sed 's/"num_key_value_heads": 2/"num_key_value_heads": 3/' llama.json >bad.json
expect_code 3 llm-train --model bad.json "${base[@]}" train.shard
err_like 'an impossible value' '^llm-train: bad.json: num_attention_heads \(4\) is not a multiple of num_key_value_heads \(3\)'
sed 's/"vocab_size": 400/"vocab_size": 300/' llama.json >small.json
expect_code 3 llm-train --model small.json "${base[@]}" train.shard
err_like 'a small vocabulary' 'vocab_size'
llm-tokenize --train bpe --vocab-size 390 -q -o other.json --format jsonl text.jsonl
expect_code 3 llm-train --model llama.json "${base[@]}" --tokenizer other.json train.shard
err_like 'another tokenizer' 'was made with another tokenizer'
head -c 20000 train.shard >cut.shard
expect_code 3 llm-train --model llama.json "${base[@]}" cut.shard
err_like 'a cut shard' '^llm-train: cut.shard: '
expect_code 3 llm-train --model llama.json "${base[@]}" - <cut.shard
cp train.shard flipped.shard
printf '\377\377' | dd of=flipped.shard bs=1 seek=9000 conv=notrunc 2>>noise
expect_code 3 llm-train -q --model llama.json "${base[@]}" flipped.shard
err_like 'a flipped shard' '^llm-train: flipped.shard: .*block .*offset'
expect_code 1 llm-train --resume empty train.shard
err_like 'nothing to resume' 'no checkpoint to go on from'
ok 'a run' llm-train -q --model llama.json --save run "${base[@]}" train.shard
expect_code 2 llm-train --model llama.json --save run "${base[@]}" train.shard
err_like 'a used directory' 'holds checkpoints already'
file=$(ls run/step-*/weights-*)
truncate -s -1 "$file"
expect_code 3 llm-train --resume run train.shard
err_like 'a missing byte' 'run/step-00000002'
expect_code 1 llm-train --model llama.json --save /proc/nowhere "${base[@]}" train.shard
expect_code 1 llm-train --model llama.json --log /dev/full "${base[@]}" train.shard
err_like 'a full disk' '/dev/full'
expect_code 1 llm-train --model llama.json "${base[@]}" --memory 1K train.shard
err_like 'too little memory' '--memory'

# The same from two ranks: one message, one status.
expect_code 3 llm-train --ranks 2 --model llama.json "${base[@]}" --tokenizer other.json train.shard
is 'one message' "$(grep -c 'another tokenizer' err)" 1
expect_code 2 llm-train --ranks 2 --model llama.json "${base[@]}" --reduce-groups 3 train.shard
expect_code 2 mpiexec -n 2 llm-train --modle x
is 'a usage error is told once' "$(grep -c modle err)" 1
expect_code 2 mpiexec -n 2 llm-train --model llama.json "${base[@]}" - </dev/null
err_like 'standard input under mpiexec' '/dev/fd/3|FIFO'

# Data that ends early ends the run well.
ok 'data ends' llm-train --model llama.json "${base[@]}" --steps 100000 --log end.jsonl --save ended train.shard
like 'and is told' "$(jq -rs '.[-1].why' end.jsonl)" '^data ended at step [0-9]+ of 100000$'
step=$(jq -rs '.[-1].why' end.jsonl | sed 's/^data ended at step \([0-9]*\) .*/\1/')
ok 'the last checkpoint is there' test -f "ended/step-$(printf %08d "$step")/manifest.json"
ok 'a plan' llm-train --plan --model llama.json "${base[@]}"
is 'parameters' "$(llm-train --plan --model llama.json "${base[@]}" | awk '/^parameters/ { print $2 }')" 31392
