# shellcheck shell=bash
# What the examples of llm-convert(1) find in their directory.
. "$LLM_SRC/tests/doc/config.bash"
write_text
write_config 500
llm-tokenize -q --train bpe --vocab-size 500 -o tok.json text/*.txt
llm-tokenize -q -t tok.json text/*.txt | llm-shuffle -q --split 0.2=valid.shard -o train.shard
llm-train -q --model config.json --tokenizer tok.json --save run --seq-length 64 --global-batch 4 \
    --steps 3 --lr 1e-3 train.shard
