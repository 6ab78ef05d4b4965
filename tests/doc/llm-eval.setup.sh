# shellcheck shell=bash
# What the examples of llm-eval(1) find in their directory.
. "$LLM_SRC/tests/doc/config.bash"
write_text
write_config 500
llm-tokenize -q --train bpe --vocab-size 500 -o tok.json text/*.txt
llm-tokenize -q -t tok.json text/*.txt | llm-shuffle -q --split 0.2=valid.shard -o train.shard
llm-train -q --model config.json --tokenizer tok.json --save run --seq-length 64 --global-batch 4 \
    --steps 3 --lr 1e-3 train.shard

# A few documents in the form of XWinograd's table.
mkdir data
for what in cup box jar lid pan; do
    printf 'en\toriginal\t?\tThe %s fell on the hat because it was heavy.\t["The", "%s", "fell", "on", "the", "hat", "because", "it", "was", "heavy", "."]\t["it", [7, 8], ["it"]]\t[["The %s", [0, 2], ["The", "%s"], true], ["the hat", [4, 6], ["the", "hat"], false]]\n' \
        $what $what $what $what
done >data/dataset.tsv
