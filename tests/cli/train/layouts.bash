# shellcheck shell=bash
# What the tests of layouts share: models, the layouts, and runs of them. Needs fixture.bash.

# 8 layers with grouped queries, so that 4 stages have 2 chunks each; the small ones have 4.
make_layout_models() { # llama-gqa.json, gpt2-tied.json, moe.json
    cat >llama-gqa.json <<'JSON'
{"architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 403, "hidden_size": 32,
 "intermediate_size": 64, "num_hidden_layers": 8, "num_attention_heads": 4, "num_key_value_heads": 2,
 "hidden_act": "silu", "max_position_embeddings": 64, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
 "initializer_range": 0.05, "tie_word_embeddings": false}
JSON
    cat >gpt2-tied.json <<'JSON'
{"architectures": ["GPT2LMHeadModel"], "model_type": "gpt2", "vocab_size": 403, "n_embd": 32, "n_layer": 8,
 "n_head": 4, "n_positions": 64, "activation_function": "gelu_new", "initializer_range": 0.05,
 "resid_pdrop": 0, "embd_pdrop": 0, "attn_pdrop": 0}
JSON
    cat >moe.json <<'JSON'
{"architectures": ["MixtralForCausalLM"], "model_type": "mixtral", "vocab_size": 403, "hidden_size": 32,
 "intermediate_size": 48, "num_hidden_layers": 8, "num_attention_heads": 4, "num_key_value_heads": 2,
 "num_local_experts": 4, "num_experts_per_tok": 2, "router_aux_loss_coef": 0.02, "output_router_logits": true,
 "hidden_act": "silu", "max_position_embeddings": 64, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
 "initializer_range": 0.05, "tie_word_embeddings": false, "sliding_window": null}
JSON
}

# NAME|OPTIONS of the layouts whose bits are those of one process …
# shellcheck disable=SC2034 # read by those who source this
exact_layouts=(
    'DP2|--ranks 2 --zero 0'
    'DP3|--ranks 3 --zero 0'
    'DP4|--ranks 4 --zero 0'
    'DP4 ZeRO-1|--ranks 4 --zero 1'
    'DP4 ZeRO-2|--ranks 4 --zero 2'
    'DP4 ZeRO-3|--ranks 4 --zero 3'
    'PP2|--ranks 2 --pipeline-parallel 2'
    'PP4 interleaved|--ranks 4 --pipeline-parallel 4 --pipeline-schedule interleaved --virtual-stages 2'
    'PP4 zero-bubble|--ranks 4 --pipeline-parallel 4 --pipeline-schedule zero-bubble'
    'DP2 PP2|--ranks 4 --pipeline-parallel 2'
)

# … and of those that agree within bounds. EP is for models with experts.
# shellcheck disable=SC2034
bounded_layouts=(
    'TP2|--ranks 2 --tensor-parallel 2'
    'TP4|--ranks 4 --tensor-parallel 4'
    'TP2 SP|--ranks 2 --tensor-parallel 2 --sequence-parallel'
    'CP2|--ranks 2 --context-parallel 2'
    'CP4|--ranks 4 --context-parallel 4'
    'TP2 PP2 DP2|--ranks 8 --tensor-parallel 2 --pipeline-parallel 2'
)
# shellcheck disable=SC2034
expert_layouts=('EP2|--ranks 2 --expert-parallel 2')

# More of the first kind, for the long table.
# shellcheck disable=SC2034
more_exact_layouts=(
    '2 threads|--ranks 1 --threads 2'
    'PP4 GPipe|--ranks 4 --pipeline-parallel 4 --pipeline-schedule gpipe'
    'PP3|--ranks 3 --pipeline-parallel 3 --pipeline-schedule 1f1b'
    'PP2 recomputed|--ranks 2 --pipeline-parallel 2 --recompute full'
    'DP3 PP2|--ranks 6 --pipeline-parallel 2 --zero 0'
    'DP2 PP2 ZeRO-3|--ranks 4 --pipeline-parallel 2 --zero 3'
    'DP2 PP2 data slowest|--ranks 4 --pipeline-parallel 2 --rank-order pipeline,data'
)

# The options of a layout: layout_options NAME
layout_options() {
    local each
    for each in "${exact_layouts[@]}" "${more_exact_layouts[@]}" "${bounded_layouts[@]}" "${expert_layouts[@]}"; do
        [ "${each%%|*}" = "$1" ] && echo "${each#*|}" && return
    done
    echo "no layout is called $1" >&2
    return 1
}

# One run, equal for all layouts but for its options: run_layout OUT OPTIONS…, with $steps steps in all.
# shellcheck disable=SC2154 # the test sets steps
run_layout() {
    local out=$1
    shift
    llm-train -q --tokenizer tok.json --save "$out" --log "$out.jsonl" --seq-length 64 --global-batch "${batch:-8}" \
        --micro-batch "${micro_batch:-1}" --reduce-groups 4 --lr "${lr:-3e-3}" --warmup 2 --schedule constant --save-every 0 \
        --valid valid.shard --valid-every $((steps / 2)) --threads 1 "$@" train.shard
}

# The first half of a run on one layout, the second on another: run_halves OUT "OPTIONS" "OPTIONS" MORE…
run_halves() {
    local out=$1 first=$2 second=$3
    shift 3
    # shellcheck disable=SC2086 # several words
    run_layout "$out" $first "$@" --steps $((steps / 2)) &&
        llm-train -q --resume "$out" --log "$out.jsonl" --threads 1 --valid valid.shard --steps "$steps" $second train.shard
}

# 4 ranks, then 3, 1, and 4 again, in one run: run_elastic OUT OPTIONS…
run_elastic() {
    local out=$1 part=0 ranks
    shift
    run_layout "$out" --ranks 4 "$@" --steps $((steps / 4)) || return
    for ranks in 3 1 4; do
        part=$((part + 1))
        llm-train -q --resume "$out" --log "$out.jsonl" --threads 1 --valid valid.shard --ranks $ranks \
            --steps $((steps / 4 + part * (steps - steps / 4) / 3)) train.shard || return
    done
}

# Whatever must be the same bits: losses and gradient norms of all steps, validation halfway and at the
# end, the hash of the state.
bits_of() { # OUT
    losses "$1.jsonl"
    jq -r "select(.event == \"valid\" and .step % $((steps / 2)) == 0) | [\"valid\", .step, .loss] | @tsv" "$1.jsonl"
    state_hash "$1.jsonl"
}

# The largest relative difference of the losses of two logs, step by step; "none" when steps are missing.
loss_difference() { # LOG LOG
    jq -rn --slurpfile a <(jq -c 'select(.event == "step") | .loss' "$1") \
        --slurpfile b <(jq -c 'select(.event == "step") | .loss' "$2") \
        'if ($a | length) != ($b | length) or ($a | length) == 0 then "none"
         else [range($a | length) as $i | ($a[$i] / $b[$i] - 1) | fabs] | max end'
}

within() { # DIFFERENCE BOUND
    [ "$1" != none ] && awk -v d="$1" -v b="$2" 'BEGIN { exit !(d <= b) }'
}
