#!/usr/bin/env bash
# Packed shards: the losses of the unpacked stream, resuming, pipes, ranks, best fit, validation, refusals.
# timeout: 240
. "$LLM_SRC/tests/lib.sh"
. "$LLM_SRC/tests/cli/train/fixture.bash"
PATH="$LLM_BIN/tests/tools:$PATH"
fixture

llm-shuffle -q --no-shuffle --pack 64 -o packed.shard train.shard
llm-shuffle -q --pack 64 --best-fit -o fit.shard train.shard
llm-shuffle -q --no-shuffle --pack 64 -o packed-valid.shard valid.shard
llm-shuffle -q --pack 32 -o other.shard train.shard

run() { # OUT SHARD [options]
    local out=$1 shard=$2
    shift 2
    llm-train -q --model llama.json --tokenizer tok.json --save "$out" --log "$out.jsonl" --seq-length 64 \
        --global-batch 8 --lr 3e-3 --warmup 5 --schedule constant --save-every 0 --threads 1 --reduce-groups 2 \
        --precision fp32         "$@" "$shard"
}

# Sequence k of the packed shard has the ids that the trainer cuts out of the stream itself.
ok 'documents' run plain train.shard
ok 'packed' run packed packed.shard
ok 'there are steps' [ "$(losses plain.jsonl | wc -l)" -gt 50 ]
steps=$(losses plain.jsonl | wc -l)
is 'the same losses and norms, step by step, to the bit' "$(losses packed.jsonl | head -n "$steps")" "$(losses plain.jsonl)"
ok 'at most one step more, with the padded end' [ "$(($(losses packed.jsonl | wc -l) - steps))" -le 1 ]
ok 'documents, one stream' run plain1 train.shard --document-mask no --steps 20
ok 'packed, one stream' run packed1 packed.shard --document-mask no --steps 20
is 'the same losses without the document mask' "$(losses packed1.jsonl)" "$(losses plain1.jsonl)"
ok 'two epochs' run twice packed-valid.shard --epochs 2
is 'they take twice the sequences' "$(losses twice.jsonl | wc -l)" \
    "$(($(llm-convert --info packed-valid.shard | awk '$1 == "tokens" { print $2 }') * 2 / 65 / 8))"

ok 'documents, a ramp' run ramp train.shard --ramp-batch 2:2:2k --reduce-groups 1 --steps 20
ok 'packed, a ramp' run ramp1 packed.shard --ramp-batch 2:2:2k --reduce-groups 1 --steps 20
is 'the same losses while the batch grows' "$(losses ramp1.jsonl)" "$(losses ramp.jsonl)"

# A loss mask, as SFT has: what is off stays off, packed or not.
mkshard --vocabulary 400 --loss --docs 300 >mask.shard
llm-shuffle -q --no-shuffle --pack 64 -o packed-mask.shard mask.shard
masked() { # NAME
    llm-train -q --model llama.json --log "$1.jsonl" --seq-length 64 --global-batch 8 --lr 1e-3 --schedule constant \
        --steps 10 --precision fp32 "$1.shard"
}
ok 'documents with a mask' masked mask
ok 'packed with a mask' masked packed-mask
is 'the same losses with a mask' "$(losses packed-mask.jsonl)" "$(losses mask.jsonl)"
ok 'some targets are off' [ "$(jq -rs 'map(.scored_tokens // empty)[0]' packed-mask.jsonl)" -lt 480 ]

# TAIL's tokens stand 28 bytes behind its tag's beginning.
if command -v xxhsum >/dev/null && command -v zstd >/dev/null; then
    python3 "$LLM_SRC/tests/cli/shard/_crafted.py" packed-mask.shard tail 28 $((65 * 5000))
    mv packed-mask.shard.tail lies.shard
    ok 'a tail that counts more than there is' expect_code 3 timeout 60 \
        llm-train -q --model llama.json --seq-length 64 --global-batch 8 --lr 1e-3 --precision fp32 lies.shard
    err_like 'is told' 'lies.shard: block 0: has [0-9]+ tokens, its tail says 325000'
else
    skip 'a tail that counts more than there is' 'no xxhsum or zstd here'
fi

# Of whole documents every id but the first is a target once, the padding never.
llm-shuffle -q --pack 64 --best-fit -o fit-valid.shard valid.shard
ok 'best fit, each sequence once' run scored fit-valid.shard --global-batch 1 --reduce-groups 1
is 'every id but a first one is scored, no padding' "$(jq -s 'map(.scored_tokens // empty) | add' scored.jsonl)" \
    "$(dumpshard fit-valid.shard | awk '!/^padding/ { n += NF - 4 } END { print n }')"

# Resuming, a pipe, ranks: as if nothing had happened.
for shard in packed fit; do
    ok "$shard: a run" run "$shard.whole" "$shard.shard" --steps 16
    ok "$shard: its first part" run "$shard.parts" "$shard.shard" --steps 7
    ok "$shard: its second part" run "$shard.parts" "$shard.shard" --steps 16 --resume "$shard.parts"
    is "$shard: resumed, the same losses" "$(losses "$shard.parts.jsonl")" "$(losses "$shard.whole.jsonl")"
    is "$shard: resumed, the same state" "$(state_hash "$shard.parts.jsonl")" "$(state_hash "$shard.whole.jsonl")"
    run "$shard.pipe" - --steps 7 <"$shard.shard"
    run "$shard.pipe" - --steps 16 --resume "$shard.pipe" <"$shard.shard"
    is "$shard: from a pipe, resumed there" "$(losses "$shard.pipe.jsonl")" "$(losses "$shard.whole.jsonl")"
    ok "$shard: two ranks" run "$shard.two" "$shard.shard" --steps 16 --ranks 2
    is "$shard: two ranks, the same bits" "$(state_hash "$shard.two.jsonl")" "$(state_hash "$shard.whole.jsonl")"
    cat "$shard.shard" | run "$shard.dealt" - --steps 16 --ranks 2
    is "$shard: dealt from a pipe" "$(losses "$shard.dealt.jsonl")" "$(losses "$shard.whole.jsonl")"
done
ok 'another shard at the same place' expect_code 3 run fit.parts packed.shard --steps 20 --resume fit.parts
like 'is found' "$(cat err)" 'is not the data this run was trained on'

# Validation: the number of the documents' shard, and of llm-eval.
ok 'valid: documents' run v1 train.shard --steps 5 --valid valid.shard --valid-every 5
ok 'valid: packed' run v2 train.shard --steps 5 --valid packed-valid.shard --valid-every 5
valid() { # what --valid logged
    jq -r 'select(.event == "valid") | [.loss, .bits_per_byte, .scored_tokens] | @tsv' "$1"
}
like 'valid: there is a number' "$(valid v1.jsonl)" '^[0-9.]+	[0-9.]+	[0-9]+$'
is 'valid: packed, the same' "$(valid v2.jsonl)" "$(valid v1.jsonl)"
ok 'llm-eval of it' llm-eval -q --precision fp32 --json eval.json --seq-length 64 v2 packed-valid.shard
is 'llm-eval: the same number' "$(jq -rs '.[-1] | [.loss, .bits_per_byte, .tokens] | @tsv' eval.json)" "$(valid v2.jsonl)"

# Back to text.
llm-tokenize -q -t tok.json --decode --format jsonl train.shard >text.want
llm-tokenize -q -t tok.json --decode --format jsonl packed.shard >text.got
same 'a packed shard decodes to the same text' text.want text.got

# Refused: other lengths.
ok 'another length' expect_code 3 run x other.shard --steps 2
err_like 'names both' 'llm-train: other.shard: is packed for sequences of 32 tokens, not 64: give --seq-length 32'
ok 'another length on a pipe' expect_code 3 bash -c 'cat other.shard | llm-train -q --model llama.json --tokenizer tok.json \
    --save x --seq-length 64 --global-batch 8 --lr 1e-3 --steps 2 -'
ok 'packed and documents' expect_code 3 llm-train -q --model llama.json --tokenizer tok.json --save x --seq-length 64 \
    --global-batch 8 --lr 1e-3 --steps 2 packed.shard train.shard
like 'is named' "$(cat err)" 'seq_length is 0 here, 64 before'
ok 'validation of another length' expect_code 3 run y train.shard --steps 2 --valid other.shard --valid-every 1
ok 'llm-eval of another length' expect_code 3 llm-eval -q --seq-length 64 v2 other.shard
ok 'llm-eval --rolling' expect_code 3 llm-eval -q --rolling v2 packed-valid.shard
