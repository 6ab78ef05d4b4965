#!/usr/bin/env bash
# --export sentencepiece: the model gives the ids of the tokenizer; what is refused, and why.
. "$LLM_SRC/tests/lib.sh"

cp "$LLM_SRC/README.md" text.txt
llm-tokenize -q --train bpe --pattern sentencepiece --vocab-size 700 -o bpe.json text.txt
llm-tokenize -q --train unigram --vocab-size 700 --special-tokens '<s>,</s>' -o unigram.json text.txt

for kind in bpe unigram; do
    ok "$kind: exported" llm-tokenize -t $kind.json --export sentencepiece -o $kind.model
    for file in text.txt "$LLM_SRC/man/llm-train.1"; do
        llm-tokenize -q -t $kind.json --special none --format lines --ids "$file" >want
        llm-tokenize -q -t $kind.model --special none --format lines --ids "$file" >got
        same "$kind: the same ids of $(basename "$file")" want got
    done
    ok "$kind: BOS and EOS are known" llm-tokenize -t $kind.model --format lines -o $kind.shard text.txt
    like "$kind: the same ones" "$(tail -n 1 tap.log)" 'bos [0-9]+ <s>, eos [0-9]+ </s>$'
    ok "$kind: to standard output" bash -c "llm-tokenize -t $kind.json --export sentencepiece | cmp - $kind.model"
done

refused() { # OPTIONS… REASON: of a tokenizer trained with them
    local reason=${*: -1}
    llm-tokenize -q --train "${@:1:$#-1}" --vocab-size 700 -o no.json text.txt
    ok "refused: ${*:1:$#-1}" expect_code 3 llm-tokenize -t no.json --export sentencepiece -o no.model
    err_like "says why" "^llm-tokenize: no.json: SentencePiece cannot express $reason"
}
refused bpe 'a byte-level BPE$'
refused bpe --pattern sentencepiece --normalization nfkc 'this normalizer'
refused bpe --pattern sentencepiece --user-symbols '<user>' 'an added token that is not special'
python3 - <<'P'
import json
t = json.load(open("bpe.json"))
seen, kept = set(), []
for a, b in t["model"]["merges"]:
    if a + b not in seen:
        kept.append([a, b])
    seen.add(a + b)
t["model"]["merges"] = kept
json.dump(t, open("splits.json", "w"))
P
ok "merges of one split each" expect_code 3 llm-tokenize -t splits.json --export sentencepiece -o no.model
err_like "say why" 'SentencePiece cannot express these merges: two pieces'
ok "no tokenizer" expect_code 2 llm-tokenize --export sentencepiece -o no.model
ok "with inputs" expect_code 2 llm-tokenize -t bpe.json --export sentencepiece -o no.model text.txt
ok "another library" expect_code 2 llm-tokenize -t bpe.json --export tiktoken -o no.model
ok "a model itself" expect_code 3 llm-tokenize -t bpe.model --export sentencepiece -o no.model
ok "a full disk" expect_code 1 llm-tokenize -t bpe.json --export sentencepiece -o /dev/full
ok "nothing is left" test ! -e no.model
