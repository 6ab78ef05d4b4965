#!/usr/bin/env bash
# --lora: the weights keep their bits, adapters train the same bits for every layout and go on as they were; memory; what is made of them.
# timeout: 240
. "$LLM_SRC/tests/lib.sh"
. "$LLM_SRC/tests/cli/train/fixture.bash"
. "$LLM_SRC/tests/cli/train/layouts.bash"
fixture
make_layout_models
steps=6
# shellcheck disable=SC2034 # run_layout reads it
lr=1e-2

# tensor DIR PREFIX: "NAME MD5" of every tensor of the files that begin so, as anyone reads them.
tensors() {
    PYTHONPATH=$LLM_SRC/tests/cli/train python3 - "$1" "$2" <<'P'
import hashlib, sys
from _weights import tensors as read
for name, _, data in read(f"{sys.argv[1]}/**/{sys.argv[2]}*.safetensors"):
    print(name, hashlib.md5(data).hexdigest(), "zero" if not any(data) else "")
P
}
plan() { # KEY OPTIONS…: of --plan's log
    local key=$1
    shift
    llm-train -q --plan --log plan.jsonl --seq-length 64 --global-batch 8 --micro-batch 1 --steps 1 --lr 1 --threads 1 "$@" >plan.txt &&
        jq -r "select(.event == \"plan\") | .$key" plan.jsonl
    rm -f plan.jsonl
}

for model in llama-gqa gpt2-tied; do
    ok "$model: weights to begin with" run_layout base-$model --model $model.json --precision fp32 --steps 2
done

valid() { # NAME: the last validation's loss
    jq -r 'select(.event == "valid") | .loss' "$1.jsonl" | tail -n 1
}

# adapters NAME BASE OPTIONS -- LAYOUT…
adapters() {
    local name=$1 base=$2 layout options=()
    shift 2
    while [ "$1" != -- ]; do
        options+=("$1")
        shift
    done
    shift
    ok "$name: one process" run_layout "$name" --init "$base" --steps $steps "${options[@]}"
    bits_of "$name" >"$name.bits"
    tensors "$base" weights | sort >base.weights
    tensors "$name" weights | grep -v lora_ | sort >now.weights
    same "$name: the weights are those of before" base.weights now.weights
    is "$name: both matrices of all adapters trained" "$(tensors "$name" weights | grep lora_ | grep -c zero)" 0
    is "$name: moments of the adapters, zeros of the rest" \
        "$(tensors "$name" moment2 | awk '{ print ($1 ~ /lora_/) == ($3 != "zero") }' | sort -u)" 1
    ok "$name: validation falls from $(valid "$base") to $(valid "$name")" awk -v a="$(valid "$base")" -v b="$(valid "$name")" \
        'BEGIN { exit !(b < a - 0.01) }'
    for layout in "$@"; do
        # shellcheck disable=SC2046 # several words
        ok "$name: $layout" run_layout "$name-l" --init "$base" --steps $steps "${options[@]}" $(layout_options "$layout")
        bits_of "$name-l" >got.bits
        same "$name: $layout: bits" "$name.bits" got.bits
        rm -rf "$name-l" "$name-l.jsonl"
    done
}
adapters llama base-llama-gqa --precision fp32 --lora 4 --lora-alpha 8 -- '2 threads' 'DP4 ZeRO-1' 'PP4 zero-bubble' \
    ${LLM_LONG:+DP3 'DP4 ZeRO-2' 'DP4 ZeRO-3' 'PP2 recomputed'}
adapters bf16 base-llama-gqa --precision bf16 --lora 3 --lora-targets q_proj,v_proj,down_proj -- 'DP2 PP2'
adapters gpt2 base-gpt2-tied --precision fp32 --lora 4 --lora-targets c_attn,c_proj -- DP2 ${LLM_LONG:+'PP4 interleaved'}

# ---- layouts that agree within bounds ----
bounded() { # NAME OPTIONS…
    local name=$1 difference
    shift
    ok "$name" run_layout bounded --precision fp32 --steps $steps "$@"
    difference=$(loss_difference "${against:-llama}.jsonl" bounded.jsonl)
    ok "$name: losses differ by $difference (<= 1e-7)" within "$difference" 1e-7
    rm -rf bounded bounded.jsonl
}
# Of 4 tensor ranks two have one head of keys; all have A, and rows or columns of the rest.
for layout in TP4 CP2 ${LLM_LONG:+TP2 'TP2 SP' 'TP2 PP2 DP2'}; do
    # shellcheck disable=SC2046
    bounded "$layout" --init base-llama-gqa --lora 4 --lora-alpha 8 $(layout_options "$layout")
done
attention=(--model moe.json --lora 4 --lora-targets 'q_proj,k_proj,v_proj,o_proj')
ok 'attention of a model with experts' run_layout moe --precision fp32 --steps $steps "${attention[@]}"
against=moe bounded 'EP2' "${attention[@]}" --ranks 2 --expert-parallel 2

# ---- resumed ----
ok 'half of it' run_layout half --init base-llama-gqa --precision fp32 --lora 4 --lora-alpha 8 --steps 3
ok 'goes on' llm-train -q --resume half --log half.jsonl --valid valid.shard --steps $steps train.shard
bits_of half >got.bits
same 'resumed: bits' llama.bits got.bits
expect_code 2 llm-train --resume half --lora 8 train.shard
like 'another rank' "$(tail -n 1 err)" 'has adapters of its own \(rank 4, alpha 8\).*cannot change'
expect_code 2 llm-train --resume base-llama-gqa --lora 8 train.shard
like 'adapters where none are' "$(tail -n 1 err)" 'has no adapters: --init begins with its weights'

# ---- what is made of them ----
ok 'merged' llm-convert -q --verify llama merged
is 'no adapter is left' "$(tensors merged model | grep -c lora)" 0
is 'config.json says nothing of them' "$(jq 'has("lora")' merged/config.json)" false
score() {
    llm-eval -q --precision fp32 --seq-length 64 "$@" valid.shard | awk 'NR == 2 { print $4 }'
}
is 'llm-eval scores both alike' "$(score merged)" "$(score llama)"
ok "as in training, where they stand apart ($(valid llama))" awk -v a="$(valid llama)" -v b="$(score llama)" \
    'BEGIN { d = a / b - 1; exit !(d < 1e-6 && d > -1e-6) }'
ok 'and not as before' test "$(score llama)" != "$(score base-llama-gqa)"
ok 'as PEFT' llm-convert -q --to peft llama adapter
is 'its tensors' "$(tensors adapter adapter_model | grep -c 'base_model.model.model.layers.[0-7].*_proj.lora_[AB].weight')" 112
is 'its configuration' "$(jq -c '[.r, .lora_alpha, (.target_modules | length), .fan_in_fan_out]' adapter/adapter_config.json)" '[4,8,7,false]'
is 'what it is' "$(llm-convert --info --json llama | jq -c '[.kind, .model.lora_r, .model.lora_parameters]')" '["checkpoint",4,16384]'
# … and back: beside the weights that it began with.
llm-convert -q base-llama-gqa first
with() { # JQ-FILTER: the adapters with another configuration
    rm -rf other
    cp -r adapter other
    jq "$1" adapter/adapter_config.json >other/adapter_config.json
}
with '.base_model_name_or_path = "../first"'
ok 'read from PEFT' llm-convert -q --from peft --to hf other back
same 'the merged weights are the same' back/model.safetensors merged/model.safetensors
is 'its configuration is of the base' "$(cmp back/config.json first/config.json 2>&1)" ''
is 'llm-eval reads it' "$(score other)" "$(score merged)"
cp tok.json other/tokenizer.json
is 'what PEFT has' "$(llm-convert --info --json other | jq -c '[.kind, .tensors, .model.lora_r]')" '["peft",112,4]'
refused() { # JQ-FILTER TEXT
    with ".base_model_name_or_path = \"../first\" | $1"
    expect_code 3 llm-eval other valid.shard
    err_like "$1" "$2"
}
refused '.use_dora = true' 'adapter_config.json: use_dora: is not supported'
refused '.rank_pattern = {"q_proj": 8}' 'adapter_config.json: rank_pattern: is not supported'
refused '.bias = "all"' 'bias: "all" is not supported'
refused '.r = 8' 'lora_A.weight: expected \[8, 32\]'
refused '.target_modules = ["q_proj"]' '112 tensors, adapter_config.json wants 16'
refused '.target_modules = ["lm_head"]' '"lm_head" is no linear module'
refused '.base_model_name_or_path = "../other"' 'holds adapters, too'
refused '.base_model_name_or_path = "some/model"' "there is no 'some/model' here"

ok 'more adapters upon the merged weights' run_layout again --init llama --precision fp32 --lora 2 --steps 2
llm-convert -q --to checkpoint llama plain
ok 'training of all weights goes on from it' run_layout all --init plain --precision fp32 --steps 2
expect_code 3 llm-convert --to peft base-llama-gqa nothing
err_like 'no adapters' 'has no adapters that could become peft'
expect_code 2 llm-convert --to peft --verify llama nothing
err_like 'PEFT is not verified' 'verify does not go with --to peft'

# ---- memory: no gradient and no moments of what is frozen ----
all=$(plan parameters --model llama-gqa.json) with=$(plan parameters --model llama-gqa.json --lora 4)
is 'moments of the adapters alone' "$(plan moments --model llama-gqa.json --lora 4)" "$((8 * (with - all)))"
is 'gradients, too' "$(plan gradients --model llama-gqa.json --lora 4)" "$((4 * (with - all)))"
ok 'all weights have more' test "$(plan moments --model llama-gqa.json)" -ge $((8 * all))
is 'the arenas are as planned' "$(jq -r 'select(.event == "ranks") | .arenas == .planned_arenas' llama.jsonl | sort -u)" true

# ---- what cannot be ----
bad() { # TEXT OPTIONS…
    local text=$1
    shift
    expect_code 2 run_layout bad --init base-llama-gqa --steps 1 "$@"
    err_like "$*" "$text"
}
bad '--lora-targets needs --lora' --lora-targets q_proj
bad '--lora-alpha needs --lora' --lora-alpha 3
bad "'c_attn' is no linear module of a llama model \(all-linear, q_proj, k_proj" --lora 4 --lora-targets q_proj,c_attn
bad '--lora and --freeze exclude each other' --lora 4 --freeze 'layers.0.*'
bad '--lora does not go with --precision fp8-hybrid' --lora 4 --precision fp8-hybrid
jq '.lora = {"r": 4, "lora_alpha": 4, "target_modules": ["q_proj"]}' first/config.json >lora.json
expect_code 3 run_layout bad --model lora.json --steps 1
err_like 'adapters of a new model' 'lora.json: lora: what a new model'
cp lora.json first/config.json
expect_code 3 llm-eval first valid.shard
err_like 'adapters in a Hugging Face directory' 'lora: only a checkpoint has adapters'
for bad in '.r = 0' '.target_modules = []' '.target_modules = ["lm_head"]' '.lora_alpha = -1' '.target_modules = "q_proj"'; do
    jq ".lora |= ($bad)" lora.json >bad.json
    expect_code 3 run_layout bad --model bad.json --steps 1
    err_like "$bad" 'bad.json: lora'
done
expect_code 2 run_layout bad --model moe.json --lora 4 --steps 1
err_like 'experts' 'adapters of experts are not supported'
