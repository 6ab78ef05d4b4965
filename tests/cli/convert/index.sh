#!/usr/bin/env bash
# model.safetensors.index.json that must not be believed: each is refused, its place named.
. "$LLM_SRC/tests/lib.sh"
. "$LLM_SRC/tests/cli/eval/model.bash"
fixture
llm-convert -q --max-shard-size 30K run hf
first=$(basename "$(ls hf/model-00001-of-*)") second=$(basename "$(ls hf/model-00002-of-*)")
head=lm_head.weight embedding=model.embed_tokens.weight
index=hf/model.safetensors.index.json
is 'where the embedding is' "$(jq -r ".weight_map[\"$embedding\"]" $index)" "$first"

# DESC STATUS REGEX FILTER: the index, changed; jq's own text is what duplicates need.
bad() {
    local desc=$1 status=$2 regex=$3
    shift 3
    rm -rf bad
    cp -r hf bad
    jq "$@" $index >bad/model.safetensors.index.json
    check "$desc" "$status" "$regex"
}
check() {
    ok "$1: status $2" expect_code "$2" llm-convert -q --from hf --to hf bad made
    err_like "$1: message" "^llm-convert: $3"
    ok "$1: nothing is left" bash -c '[ ! -e made ] && [ -z "$(ls -A | grep tmp-)" ]'
}
name() { # DESC FILE
    bad "$1" 3 "bad/model.safetensors.index.json: '.*' cannot name a file" --arg f "$2" ".weight_map[\"$head\"] = \$f"
}
name 'a way out' ../hf/model.safetensors
name 'an absolute name' "$PWD/hf/$first"
name 'a folder' "sub/$first"
name 'the folder above' ..
name 'the folder itself' .
name 'no name' ''
name 'a hidden file' .model.safetensors
name 'a name with a newline' $'a\nb'
name 'a device' /dev/zero
bad 'a missing file' 1 'bad/none.safetensors: No such file' ".weight_map[\"$head\"] = \"none.safetensors\""
bad 'another file than the tensor is in' 3 "bad/model.safetensors.index.json: weight_map.$embedding: is not in $second" \
    ".weight_map[\"$embedding\"] = \"$second\""
bad 'a tensor that is nowhere' 3 "bad/model.safetensors.index.json: weight_map.more: is not in $first" \
    ".weight_map.more = \"$first\""
bad 'no map' 3 'bad/model.safetensors.index.json: weight_map: missing' 'del(.weight_map)'
bad 'a map that is a list' 3 'bad/model.safetensors.index.json: weight_map: expected an object' '.weight_map = []'
bad 'a name that is a number' 3 "bad/model.safetensors.index.json: weight_map.$head: expected a string" ".weight_map[\"$head\"] = 1"
bad 'an empty map' 3 'bad: tensor .* is missing' '.weight_map = {}'
bad 'a file of the set left out' 3 'bad: tensor model.embed_tokens.weight is missing' "del(.weight_map[] | select(. == \"$first\"))"
bad 'nothing at all' 3 'bad/model.safetensors.index.json: ' -n 'empty'
bad 'a list' 3 'bad/model.safetensors.index.json: expected an object' '[.]'

rm -rf bad && cp -r hf bad
sed "s/\"weight_map\": {/&\"$head\": \"$first\",/" $index >bad/model.safetensors.index.json
check 'a tensor listed twice' 3 'bad/model.safetensors.index.json: line [0-9]+: not JSON: duplicate object key'
rm -rf bad && cp -r hf bad
cp "bad/$first" bad/copy.safetensors
jq ".weight_map.more = \"copy.safetensors\"" $index >bad/model.safetensors.index.json
check 'a tensor in two files' 3 "bad/.*: tensor .*: stands in .* as well"
rm -rf bad && cp -r hf bad
ln -sf /dev/zero "bad/$first"
check 'a link to a device' 1 "bad/$first: not a regular file"
rm -rf bad && cp -r hf bad
rm "bad/$first" && mkdir "bad/$first"
check 'a folder in the place of a file' 1 "bad/$first: "
rm -rf bad && cp -r hf bad
mv "bad/$first" elsewhere && ln -s ../elsewhere "bad/$first"
ok 'a link to a file, as caches have it' llm-convert -q --from hf --to hf --verify bad linked
rm -rf bad && cp -r hf bad
cp bad/"$first" bad/model.safetensors
check 'one file beside the set' 3 'bad: tensor .* is missing'

# Strangers: a tensor that belongs to nothing, and one of another type.
cat >stranger.py <<'P'
import json, struct, sys
path, change = sys.argv[1], sys.argv[2]
raw = open(path, "rb").read()
n, = struct.unpack("<Q", raw[:8])
head, data = json.loads(raw[8:8 + n]), raw[8 + n:]
if change == "more":
    head["model.layers.0.more"] = {"dtype": "U8", "shape": [1], "data_offsets": [len(data), len(data) + 1]}
    data += b"x"
elif change == "buffer":
    head["model.layers.0.self_attn.rotary_emb.inv_freq"] = {"dtype": "F32", "shape": [1], "data_offsets": [len(data), len(data) + 4]}
    data += b"abcd"
else:
    name = "model.norm.weight"
    head[name]["dtype"] = "I32"
text = json.dumps(head).encode()
open(path, "wb").write(struct.pack("<Q", len(text)) + text + data)
P
llm-convert -q run whole
for change in more type buffer; do
    rm -rf bad && cp -r whole bad
    python3 stranger.py bad/model.safetensors $change
    case $change in
        more) check 'a stranger' 3 'bad/model.safetensors: tensor model.layers.0.more does not belong to a llama model' ;;
        type) check 'integers' 3 'bad/model.safetensors: tensor model.norm.weight: type I32 is not supported' ;;
        buffer) ok 'a buffer of older versions is read over' llm-convert -q --from hf --to hf --verify bad buffer ;;
    esac
done
ok 'and is not passed on' cmp whole/model.safetensors buffer/model.safetensors
