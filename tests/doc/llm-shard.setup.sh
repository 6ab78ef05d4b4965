# shellcheck shell=bash
# The shard that the example of llm-shard(5) reads.
"$LLM_BIN/tests/tools/mkshard" --docs 3 >small.shard
