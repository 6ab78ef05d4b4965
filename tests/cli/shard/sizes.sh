#!/usr/bin/env bash
# Extreme shapes: a document of 10 million tokens, a million documents of one token and of none.
# timeout: 180
. "$LLM_SRC/tests/lib.sh"
PATH="$LLM_BIN/tests/tools:$PATH"

shape() { # DESC COUNTS MKSHARD-ARGUMENTS…
    local desc=$1 counts=$2
    shift 2
    ok "$desc: written" bash -c "$(printf '%q ' mkshard "$@") >x.shard"
    like "$desc: verified" "$(llm-shuffle --verify x.shard)" "$counts"
    ok "$desc: zstd -t" zstd -tq x.shard
    ok "$desc: shuffled in memory" bash -c "llm-shuffle x.shard >a.shard"
    ok "$desc: shuffled on disk" bash -c "llm-shuffle --memory 1M --tmpdir . x.shard >b.shard"
    same "$desc: the same" a.shard b.shard
    like "$desc: nothing is lost" "$(llm-shuffle --verify a.shard)" "$counts"
}

shape "a document of 10 million tokens" ' 39 blocks, 1 documents, .* 10000000 tokens' --tokens 10M --docs 1
shape "a million documents of one token" ' 1000000 documents, 4000000 bytes, 1000000 tokens' --tokens 1 --docs 1M
shape "a million documents of none" ' 1000000 documents, 0 bytes, 0 tokens' --tokens 0 --docs 1M

mkshard >empty.shard
ok "an empty shard is shuffled" bash -c "llm-shuffle empty.shard >e.shard"
like "and is a shard" "$(llm-shuffle --verify e.shard)" 'ok: 0 blocks, 0 documents'
mkshard --tokens 0 --docs 1 >one.shard
ok "one empty document is shuffled" bash -c "llm-shuffle one.shard >e.shard"
like "and is there" "$(llm-shuffle --verify e.shard)" 'ok: 1 blocks, 1 documents, 0 bytes, 0 tokens'
mkshard --threads 1 --block 1000 --docs 3000 >t1
mkshard --threads 7 --block 1000 --docs 3000 >t7
same "the writer's bytes do not depend on its threads" t1 t7
