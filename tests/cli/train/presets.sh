#!/usr/bin/env bash
# Every preset is planned, and its number of parameters is the published one; names, and what overrides what.
# The runs of the recipes themselves: tests/cli/train/recipes.sh.
. "$LLM_SRC/tests/lib.sh"
presets=$LLM_SRC/cmd/llm-train/presets

# PRESET | PARAMETERS | WHERE THAT IS PUBLISHED, as
#   =N  exactly;  +N  exactly, without embedding and head;  N.NN  rounded to its last digit;
#   <N  cut off behind its last digit;  N%P  a size by name, within P %
published='
fugaku-13b         |13.17e9         |parameters of the layers, positions and the 50,570 tokens of its tokenizer
llm-jp-172b        |172.41e9        |vocabulary padded to 100,352
llm-jp-172b-exp2   |172.41e9        |the same model
llm-jp-v3-152m     |+50344448       |model card of llm-jp/llm-jp-3-150m
llm-jp-v3-980m     |+684258816      |model card of llm-jp/llm-jp-3-980m
llm-jp-v3-1.8b     |+1459718144     |model card of llm-jp/llm-jp-3-1.8b
llm-jp-v3-3.8b     |+3171068928     |model card of llm-jp/llm-jp-3-3.7b
llm-jp-v3-7.3b     |+6476271616     |model card of llm-jp/llm-jp-3-7.2b
llm-jp-v3-13b      |+12688184320    |model card of llm-jp/llm-jp-3-13b
llm-jp-v4-8b       |=8590200832     |model card of llm-jp/llm-jp-4-8b-base
llm-jp-v4-32b      |32e9%4          |its name; 31.2 B without embedding and head, 33.2 B with them
llm-jp-v4-291b-a27b|<291e9          |its name
gpt-1.3b           |1.3e9           |model card of llm-jp/llm-jp-1.3b-v1.0
gpt-13b            |13e9            |model card of llm-jp/llm-jp-13b-v1.0
gpt-175b           |175e9           |the study group
swallow-7b         |=6829969408     |Llama-2 7B, 6738415616, and 2 x 11,176 vectors of 4,096
swallow-13b        |=13130306560    |Llama-2 13B, 13015864320, and 2 x 11,176 vectors of 5,120
swallow-70b        |=69159755776    |Llama-2 70B, 68976648192, and 2 x 11,176 vectors of 8,192
megatron-1.7b      |1.7e9           |Narayanan et al. 2021, table 1, as all of these
megatron-3.6b      |3.6e9           |
megatron-7.5b      |7.5e9           |
megatron-18.4b     |18.4e9          |
megatron-39.1b     |39.1e9          |
megatron-76.1b     |76.1e9          |
megatron-145.6b    |145.6e9         |
megatron-310.1b    |310.1e9         |
megatron-529.6b    |529.6e9         |
megatron-1t        |1008.0e9        |
frontier-1t        |1e12            |Dash et al. 2023; of the same sizes as megatron-1t
laptop-10m         |10e6%7          |its name, as of these
laptop-50m         |50e6%7          |
laptop-150m        |150e6%7         |
'

# agrees GOT PUBLISHED: by the kinds above.
agrees() {
    awk -v got="$1" -v want="$2" 'BEGIN {
        kind = substr(want, 1, 1)
        if (kind == "=" || kind == "+") exit got != substr(want, 2)
        if (split(want, part, "%") == 2) exit !((got / part[1] - 1) ^ 2 <= (part[2] / 100) ^ 2)
        sub(/^</, "", want)
        split(want, part, "e")
        want += 0
        unit = 10 ^ (part[2] - (index(part[1], ".") ? length(part[1]) - index(part[1], ".") : 0))
        exit kind == "<" ? !(got >= want && got < want + unit) : !((got - want) ^ 2 <= (unit / 2) ^ 2)
    }'
}
ok 'the comparison takes 13.17e9 for 13174928640' agrees 13174928640 13.17e9
not_ok 'and not for 13180000000' agrees 13180000000 13.17e9
not_ok 'nor 291e9 for 292.1' agrees 292100000000 '<291e9'

# The presets, one after the other.
while IFS='|' read -r name want _; do
    name=${name%% *} want=${want%% *}
    [ -n "$name" ] || continue
    echo "$name" >>names
    rm -f plan.jsonl
    ok "$name: a plan" llm-train --config "$name" --plan --log plan.jsonl
    got=$(jq 'select(.event == "plan").parameters' plan.jsonl)
    model=$(sed -n 's/^model = //p' "$presets/$name.conf")
    [ "${want#+}" = "$want" ] || got=$((got - 2 * $(jq '.vocab_size * .hidden_size' "$presets/$model.json")))
    ok "$name: $got parameters, published $want" agrees "$got" "$want"
done <<<"$published"
is 'these are all there are' "$(sort names)" "$(basename -s .conf -a "$presets"/*.conf | sort)"
is 'each says where its figures come from' \
    "$(grep -L -e '^# Source: ' "$presets"/*.conf | xargs basename -s .conf -a | grep -v laptop)" ''
is 'none names a path' "$(grep -lE '^(tokenizer|init|save|valid|log|resume|branch) *=' "$presets"/*.conf)" ''

# The corpus of LLM-jp-3 has 2,072,488,058,295 tokens, as its scripts say, and a run is one pass over it.
for name in llm-jp-172b-exp2 llm-jp-v3-152m llm-jp-v3-980m llm-jp-v3-1.8b llm-jp-v3-3.8b llm-jp-v3-7.3b llm-jp-v3-13b; do
    step=$(awk -F ' = ' '$1 == "global-batch" || $1 == "seq-length" { n = (n ? n : 1) * $2 } END { print n }' "$presets/$name.conf")
    echo "$name $(awk -F ' = ' '$1 == "steps" { print $2 }' "$presets/$name.conf") $(((2072488058295 + step - 1) / step))"
done >steps
is 'steps of one pass' "$(awk '$2 != $3' steps)" ''

# Names.
(cd / && llm-train --config fugaku-13b --plan) >out 2>&1
like 'a plan in any directory' "$(cat out)" 'parameters +13174928640'
expect_code 2 llm-train --config fugaku-13 --plan
err_like 'a name that is none: the nearest, and all' 'no such file or preset; did you mean fugaku-13b\?; presets:.* megatron-1t'
expect_code 2 llm-train --model llm-jp-v4-8 --global-batch 8 --plan
err_like 'a model that is none' 'did you mean llm-jp-v4-8b\?; presets:.* swallow-7b-32k'
expect_code 1 llm-train --config ./fugaku-13b --plan
err_like 'a path is no name' '\./fugaku-13b: No such file'
mkdir laptop-10m
ok 'a directory of that name is no file' llm-train --config laptop-10m --plan
printf 'global-batch = 0\n' >laptop-50m
expect_code 2 llm-train --config laptop-50m --plan
ok 'a model alone' llm-train --model llm-jp-v4-8b --global-batch 8 --seq-length 128 --plan

# What stands behind a preset overrides it, and takes along what belongs to it.
ok 'a layout of one rank' llm-train --config llm-jp-v3-13b --ranks 1 --tensor-parallel 1 --pipeline-parallel 1 --plan
ok 'of experts, too' llm-train --config llm-jp-v4-291b-a27b --ranks 8 --pipeline-parallel 1 --plan
ok 'of other stages' llm-train --config fugaku-13b --ranks 12 --pipeline-parallel 2 --plan
ok 'another precision' llm-train --config llm-jp-172b --precision bf16 --plan
ok 'steps instead of tokens' llm-train --config fugaku-13b --steps 10 --plan
expect_code 2 llm-train --config laptop-10m --steps 10 --tokens 10M --plan
ok 'what stands before it is overridden' test \
    "$(llm-train --seq-length 64 --config laptop-10m --plan | grep 'tokens per step')" = \
    "$(llm-train --config laptop-10m --plan | grep 'tokens per step')"
is 'what stands behind overrides' "$(llm-train --config laptop-10m --seq-length 64 --plan | sed -n 's/tokens per step *//p')" 2048

expect_code 2 llm-train --config fugaku-13b x.shard
err_like 'the ranks of a cluster are not started here' '13824 ranks, this host has [0-9]+ CPUs: give --ranks N'

# A run of two ranks, and what is left of the preset in its checkpoint.
. "$LLM_SRC/tests/cli/train/fixture.bash"
fixture
small=(--config laptop-10m --seq-length 16 --global-batch 2 --micro-batch 1 --steps 2 --warmup 0 --ranks 2 --threads 1
    --tokenizer tok.json --log run.jsonl)
ok 'a preset on two ranks' llm-train -q "${small[@]}" --save run train.shard
ok 'stores its model' jq -e '.hidden_size == 256' run/step-00000002/config.json
is 'and its options' "$(jq -r '.options["z-loss"] // .state.options["z-loss"]' run/step-00000002/manifest.json)" 0.0001
ok 'goes on without it' llm-train -q --resume run --steps 3 train.shard
ok 'or begins with its weights' llm-train -q "${small[@]}" --init run --save again train.shard
