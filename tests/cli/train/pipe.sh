#!/usr/bin/env bash
# The three tools as one pipe into a trainer on two ranks; a failure of any stage ends it with a message.
# timeout: 240
. "$LLM_SRC/tests/lib.sh"
. "$LLM_SRC/tests/cli/train/fixture.bash"
fixture
set -o pipefail

whole() { # OUT FORMAT-OF-INPUT INPUT
    llm-tokenize -q -t tok.json --format jsonl "$3" | llm-shuffle -q --seed 3 |
        llm-train -q --ranks 2 --model "$2" --tokenizer tok.json --save "$1" --log "$1.jsonl" --seq-length 64 \
            --global-batch 8 --lr 1e-3 --steps 5 --precision fp32 -
}

# Much more than the trainer takes: it ends well, and what feeds it ends quietly.
copies=20
[ -z "${LLM_LONG:-}" ] || copies=$((300000000 / $(wc -c <text.jsonl)))
for _ in $(seq "$copies"); do cat text.jsonl; done >big.jsonl
whole run llama.json big.jsonl >big.log 2>&1
like 'a big pipe: exit status' $? '^(0|141)$'
is 'a big pipe: no complaint' "$(cat big.log)" ''
is 'trained' "$(jq -rs '.[-1].status' run.jsonl)" 0
ok 'a checkpoint' test -f run/step-00000005/manifest.json

# The last failing stage gives the pipe's status; every one says why.
expect_code 3 whole a llama.json missing.jsonl
like 'llm-tokenize fails: it is told' "$(cat err)" 'llm-tokenize: missing.jsonl: No such file'
like 'llm-shuffle sees the cut' "$(cat err)" 'llm-shuffle: .*ends without a tail'
like 'llm-train sees the cut' "$(cat err)" 'llm-train: .*not a shard'
not_ok 'llm-tokenize fails: no checkpoint' ls a/step-*/manifest.json
sed 's/"vocab_size": 400/"vocab_size": 300/' llama.json >small.json
expect_code 3 whole c small.json text.jsonl
not_ok 'llm-train refuses: no checkpoint' ls c/step-*/manifest.json

# A stream that is cut while training: what was trained is not lost, the damage is told.
cut() {
    head -c 30000 train.shard | llm-train -q --ranks 2 --model llama.json --tokenizer tok.json --save d --seq-length 64 \
        --global-batch 8 --lr 1e-3 --steps 50000 --precision fp32 -
}
expect_code 3 cut
err_like 'the place is told' 'block [0-9]+: offset [0-9]+'
