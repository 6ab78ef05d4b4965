#!/usr/bin/env bash
# --freeze: those tensors keep their bits, the others train as ever, the same bits for every layout.
# timeout: 240
. "$LLM_SRC/tests/lib.sh"
. "$LLM_SRC/tests/cli/train/fixture.bash"
. "$LLM_SRC/tests/cli/train/layouts.bash"
fixture
make_layout_models
steps=4

# "same NAME" or "other NAME" for every tensor of two checkpoints, from their files as anyone reads them.
compare() { # DIR DIR
    PYTHONPATH=$LLM_SRC/tests/cli/train python3 - "$1" "$2" <<'P'
import sys
from _weights import tensors

a, b = ({name: data for name, _, data in tensors(run + "/step-*/weights-*.safetensors")} for run in sys.argv[1:])
for name in sorted(a | b):
    print("same" if a[name] == b[name] else "other", name)
P
}

# frozen NAME MODEL PATTERNS WANT-REGEX LAYOUT…: the first weights against those of a run, then layouts.
frozen() {
    local name=$1 model=$2 patterns=$3 frozen=$4 layout
    shift 4
    ok "$name: the first weights" run_layout "$name-0" --valid-every 0 --model "$model" --precision fp32 --steps 1 --skip 1
    ok "$name: one process" run_layout "$name" --model "$model" --precision fp32 --steps $steps --freeze "$patterns"
    bits_of "$name" >"$name.bits"
    compare "$name-0" "$name" >"$name.compared"
    ok "$name: there are frozen tensors, and others" grep -qE "^same .*($frozen)" "$name.compared"
    is "$name: these alone did not change" "$(grep -E "^other .*($frozen)|^same" "$name.compared" | grep -Ev "^same .*($frozen)")" ''
    for layout in "$@"; do
        # shellcheck disable=SC2046 # several words
        ok "$name: $layout" run_layout "$name-l" --model "$model" --precision fp32 --steps $steps --freeze "$patterns" \
            $(layout_options "$layout")
        bits_of "$name-l" >got.bits
        same "$name: $layout: bits" "$name.bits" got.bits
        rm -rf "$name-l" "$name-l.jsonl"
    done
}

frozen llama llama-gqa.json 'layers.[0-3].*,head.weight' 'layers\.[0-3]\.|head' 'DP4 ZeRO-1' 'DP4 ZeRO-3' \
    'PP4 zero-bubble'
frozen tied gpt2-tied.json 'embedding.weight,layers.*.mlp.*' 'embedding|\.mlp\.' 'DP4 ZeRO-2' 'PP4 interleaved'
frozen embeddings gpt2-tied.json 'layers.*,final_norm*' 'layers|final_norm' 'DP3' 'DP2 PP2'

# Layouts that agree within bounds.
for layout in 'TP2 SP' 'CP2'; do
    # shellcheck disable=SC2046
    ok "$layout" run_layout bounded --model llama-gqa.json --precision fp32 --steps $steps --freeze 'layers.[0-3].*,head.weight' \
        $(layout_options "$layout")
    difference=$(loss_difference llama.jsonl bounded.jsonl)
    ok "$layout: losses differ by $difference (<= 1e-5)" within "$difference" 1e-5
    rm -rf bounded bounded.jsonl
done
ok 'experts' run_layout moe --model moe.json --precision fp32 --steps $steps --freeze '*.experts.*,*.router.*'
ok 'experts on two ranks' run_layout moe2 --model moe.json --precision fp32 --steps $steps --freeze '*.experts.*,*.router.*' \
    --ranks 2 --expert-parallel 2
difference=$(loss_difference moe.jsonl moe2.jsonl)
ok "experts: losses differ by $difference (<= 1e-5)" within "$difference" 1e-5

# A run goes on with what was frozen, and thaws by a word.
ok 'the first half' run_layout half --model gpt2-tied.json --precision fp32 --steps 2 --freeze "layers.*,final_norm*"
ok 'the second half' llm-train -q --resume half --log half.jsonl --valid valid.shard --steps $steps train.shard
bits_of half >got.bits
same 'resumed: bits' embeddings.bits got.bits
llm-train --resume half --steps 10 --freeze none train.shard 2>told
is 'thawed' $? 0
like 'a thaw is told' "$(cat told)" '--freeze none \(was layers\.\*,final_norm\*\)'

# The plan: of every frozen matrix one of the backward pass's two products is spared, 2 FLOPs a weight and token.
flops() {
    llm-train --plan --model llama.json --seq-length 64 --global-batch 8 --lr 1 --freeze "$1" | sed -n 's/^flops per token *\([0-9]*\).*/\1/p'
}
is 'FLOPs' "$(($(flops none) - $(flops 'layers.*')))" $((2 * 2 * (32 * 64 + 32 * 32 + 3 * 32 * 64)))

# Hugging Face's names; what cannot be.
ok 'names of the family' run_layout names --model llama-gqa.json --precision fp32 --steps $steps \
    --freeze 'model.layers.[0-3].*,lm_head.weight'
is 'the same tensors' "$(state_hash names.jsonl)" "$(state_hash llama.jsonl)"
expect_code 2 run_layout bad --model llama.json --steps 1 --freeze 'layers.0.mlp.gate_upp.weight'
err_like 'near names are listed' "no tensor is called 'layers.0.mlp.gate_upp.weight'; near are layers.0.mlp.gate_up.weight"
expect_code 2 run_layout bad --model llama.json --steps 1 --freeze '*.q_proj.weight'
err_like 'a part of a tensor' 'layers.0.attention.qkv.weight is one tensor'
expect_code 2 run_layout bad --model llama.json --steps 1 --freeze '*'
err_like 'nothing to train' 'every tensor is frozen'
