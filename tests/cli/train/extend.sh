#!/usr/bin/env bash
# --init of a model with a tokenizer that was extended since: rows of new tokens begin as means.
. "$LLM_SRC/tests/lib.sh"
. "$LLM_SRC/tests/cli/train/fixture.bash"
fixture

train run --model llama.json --steps 3 >/dev/null 2>run.err
llm-convert -q run hf
jq -c 'select(.text | test("[Tt]oken"))' text.jsonl >more.jsonl
llm-tokenize -q --extend tok.json --add 30 --format jsonl -o new.json more.jsonl
llm-tokenize -q -t new.json --format jsonl -o new.shard text.jsonl

grow() { # OUT [options]: one step that changes nothing
    local out=$1
    shift
    llm-train --init hf --tokenizer new.json --save "$out" --log "$out.jsonl" --seq-length 64 --global-batch 8 \
        --lr 1e-30 --steps 1 --threads 1 --reduce-groups 2 "$@" new.shard
}

ok 'it trains' grow big
like 'and says what it began with' "$(cat tap.log)" 'the vectors of 30 new tokens begin as the means'
llm-convert -q big hf2
is 'the model has more rows' "$(jq .vocab_size hf2/config.json)" 430
cat >check.py <<'P'
import json, struct, sys

def embedding(path):
    with open(path, "rb") as f:
        size, = struct.unpack("<Q", f.read(8))
        head = json.loads(f.read(size))
        t = head["model.embed_tokens.weight"]
        begin, end = t["data_offsets"]
        f.seek(8 + size + begin)
        data = f.read(end - begin)
    assert t["dtype"] == "F32", t
    rows, columns = t["shape"]
    values = struct.unpack("<%df" % (rows * columns), data)
    return [values[r * columns:(r + 1) * columns] for r in range(rows)]

old, new = embedding("hf/model.safetensors"), embedding("hf2/model.safetensors")
extension = json.load(open("new.json"))["model"]["extension"]
assert len(old) == 400 and len(new) == 430 and extension["first"] == 400
assert all(a == b for a, b in zip(old, new)), "old rows changed"
for i, ids in enumerate(extension["replaces"]):
    for c, x in enumerate(new[400 + i]):
        mean = sum(new[k][c] for k in ids) / len(ids)
        assert abs(x - mean) <= 1e-6 * max(1, abs(mean)), (i, c, x, mean)
assert len({tuple(r) for r in new[400:]}) > 25
P
ok 'old rows stay, new ones are means' python3 check.py
ok 'two ranks' grow two --ranks 2
is 'have the same state' "$(state_hash two.jsonl)" "$(state_hash big.jsonl)"
ok 'it goes on from its checkpoint' llm-train -q --resume big --steps 2 --threads 1 new.shard
ok 'the plan knows the new size' bash -c "llm-train --plan --init hf --tokenizer new.json --seq-length 64 --global-batch 8 --lr 1 --steps 1 >plan"
llm-tokenize -q --train bpe --vocab-size 450 -o other.json --format jsonl text.jsonl
llm-tokenize -q -t other.json --format jsonl -o other.shard text.jsonl
ok 'another tokenizer is refused' expect_code 3 llm-train -q --init hf --tokenizer other.json --seq-length 64 \
    --global-batch 8 --lr 1e-3 --steps 1 other.shard
err_like 'as before' "vocabulary 450, but the model's vocab_size is 400"
