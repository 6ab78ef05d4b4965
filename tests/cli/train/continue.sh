#!/usr/bin/env bash
# A Hugging Face Llama goes on in a second language: --extend-vocabulary, at first the embeddings alone (--freeze),
# then everything; bits per byte of each language before and after. timeout: 240
. "$LLM_SRC/tests/lib.sh"
. "$LLM_SRC/tests/cli/train/fixture.bash"
fixture

make_japanese
llm-tokenize -q --extend tok.json --add 80 --format jsonl -o new.json ja.jsonl

# A model of the first language, as transformers would have it.
ok 'a model' llm-train -q --tokenizer tok.json --save run --model llama.json --seq-length 64 --global-batch 8 --lr 1e-2 --warmup 5 \
    --steps 150 --precision fp32 --threads 1 --save-every 0 train.shard
ok 'as a Hugging Face directory' llm-convert -q --to hf run hf
is 'which knows the first tokens' "$(jq .vocab_size hf/config.json)" 400

# Shards of both languages by both tokenizers, the same documents held out.
for t in tok new; do
    llm-tokenize -q -t $t.json --source kana --format jsonl -o kana.$t.shard ja.jsonl
    llm-tokenize -q -t $t.json --source words --format jsonl -o words.$t.shard text.jsonl
    llm-shuffle -q --seed 5 --split 0.1=valid.$t.shard -o train.$t.shard kana.$t.shard words.$t.shard
done

# Bits per byte by source: "kana 2.345"
per_language() { # MODEL SHARD
    llm-eval -q --precision fp32 --json scores.json "$1" "$2" >scores.txt || return
    jq -r '.. | objects | select(has("source") and has("bits_per_byte")) | [.source, .bits_per_byte] | join(" ")' scores.json
}
of() { # LANGUAGE FILE
    awk -v l="$1" '$1 == l { print $2 }' "$2"
}
less() { # A B: A < B
    [ -n "$1" ] && [ -n "$2" ] && awk -v a="$1" -v b="$2" 'BEGIN { exit !(a < b) }'
}
go_on() { # OUT OPTIONS…
    local out=$1
    shift
    llm-train -q --save "$out" --log "$out.jsonl" --seq-length 64 --global-batch 8 --warmup 5 --precision fp32 --threads 1 \
        --save-every 0 --reduce-groups 2 "$@" train.new.shard
}
ok 'before' per_language hf valid.tok.shard
cp tap.log before
ok 'the new rows alone first' go_on first --init hf --extend-vocabulary new.json --lr 1e-2 --steps 30 --freeze 'layers.*,final_norm*'
ok 'then everything' go_on second --init first --lr 3e-3 --steps 100
ok 'on two ranks' go_on ranks --init first --lr 3e-3 --steps 100 --ranks 2
is 'the same state' "$(state_hash ranks.jsonl)" "$(state_hash second.jsonl)"
ok 'as a Hugging Face directory' llm-convert -q --to hf second hf2
is 'with the new tokens' "$(jq .vocab_size hf2/config.json)" 480
ok 'after the embeddings' per_language first valid.new.shard
cp tap.log middle
ok 'after everything' per_language hf2 valid.new.shard
cp tap.log after
for language in kana words; do
    diag "$language: $(of $language before) bits a byte before, $(of $language middle) with its embeddings, $(of $language after) after"
done
ok 'the new language falls with its embeddings' less "$(of kana middle)" "$(of kana before)"
ok 'and further with everything' less "$(of kana after)" "$(of kana middle)"
ok 'the first one is kept: less than 0.3 bits more' less "$(of words after)" "$(awk -v x="$(of words before)" 'BEGIN { print x + 0.3 }')"

# What cannot be.
expect_code 2 go_on bad --model llama.json --extend-vocabulary new.json --lr 1e-3 --steps 1
err_like 'it needs a model to extend' '--extend-vocabulary needs --init'
expect_code 2 go_on bad --init hf --extend-vocabulary new.json --tokenizer tok.json --lr 1e-3 --steps 1
err_like 'two tokenizers' "the extended one is the run's"
expect_code 3 llm-train -q --init hf --extend-vocabulary tok.json --seq-length 64 --global-batch 8 --lr 1e-3 --steps 1 train.tok.shard
err_like 'nothing new' 'has no token that the model of --init lacks'
llm-tokenize -q --train bpe --vocab-size 450 -o other.json --format jsonl ja.jsonl
llm-tokenize -q -t other.json --format jsonl -o other.shard text.jsonl
expect_code 3 llm-train -q --init hf --extend-vocabulary other.json --seq-length 64 --global-batch 8 --lr 1e-3 --steps 1 other.shard
err_like 'another tokenizer' 'not an extension'
