# shellcheck shell=bash
# What the examples of llm-train(1) find in their directory.
. "$LLM_SRC/tests/doc/config.bash"
write_text
write_config 500
llm-tokenize -q --train bpe --vocab-size 500 -o tok.json text/*.txt
llm-tokenize -q -t tok.json -o train.shard text/*.txt
