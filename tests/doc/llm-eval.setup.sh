# shellcheck shell=bash
# What the examples of llm-eval(1) find in their directory.
. "$LLM_SRC/tests/doc/config.bash"
write_text
write_config 500
llm-tokenize -q --train bpe --vocab-size 500 -o tok.json text/*.txt
llm-tokenize -q -t tok.json text/*.txt | llm-shuffle -q --split 0.2=valid.shard -o train.shard
llm-train -q --model config.json --tokenizer tok.json --save run --seq-length 64 --global-batch 4 \
    --steps 3 --lr 1e-3 train.shard

# A few documents in the form of GSM8K.
mkdir data
for part in train test; do
    for i in 1 2 3 4 5 6; do
        printf '{"question": "%s: what is %d and 1?", "answer": "%d and 1 make %d.\\n#### %d"}\n' $part $i $i $((i + 1)) $((i + 1))
    done >data/$part.jsonl
done
