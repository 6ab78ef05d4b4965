# shellcheck shell=bash
# The shards that the examples of llm-shuffle(1) read.
mkshard=$LLM_BIN/tests/tools/mkshard
"$mkshard" --block 4096 --source man:en --docs 500 >part1.shard
"$mkshard" --block 4096 --source man:en --start 500 --docs 500 >part2.shard
"$mkshard" --source x:ja --docs 200 >ja.shard
"$mkshard" --source y:en --docs 900 >en.shard
