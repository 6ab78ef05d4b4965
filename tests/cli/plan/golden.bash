# Published runs, planned: sourced by golden.sh (which checks) and tests/bench/plan_golden.sh (which prints).
# Every row is one line of the file `golden.tsv`: what, planned, published, unit, allowed difference in
# percent, source. The rates are those of the machine files; no constant is there for a single row.

# gpt VOCABULARY HIDDEN LAYERS HEADS POSITIONS: a GPT-2 with tied embeddings
gpt() {
    cat <<END
{"architectures": ["GPT2LMHeadModel"], "model_type": "gpt2", "vocab_size": $1, "n_embd": $2, "n_layer": $3,
 "n_head": $4, "n_positions": $5, "activation_function": "gelu_new", "layer_norm_epsilon": 1e-5}
END
}

# key NAME: of the plan that was made last
key() {
    sed -n "s/^ *\"$1\": \"\{0,1\}\([^\",]*\)\"\{0,1\},\{0,1\}$/\1/p" plan.json | head -n 1
}

# plan OPTIONS…: makes plan.json
plan() {
    llm-train -q --plan --json "$@" >plan.json
}

# row WHAT PLANNED PUBLISHED UNIT PERCENT SOURCE
row() {
    printf '%s\t%s\t%s\t%s\t%s\t%s\n' "$@" >>golden.tsv
}

calc() {
    awk "BEGIN { printf \"%.6g\", $1 }"
}

# Narayanan et al., "Efficient Large-Scale Language Model Training on GPU Clusters Using Megatron-LM", SC21,
# table 1; micro-batches and interleaving as in Megatron-LM's examples/sc21/run_table_1.sh. That program
# stored all attention scores (13 bytes each forward: the product, softmax, mask and dropout write or read
# them in FP16, the second product reads them), added gradients in FP32 behind the products (12 bytes: FP16
# written and read, FP32 read and written) and reduced them behind the backward pass.
# NAME PARAMETERS/1e9 HEADS HIDDEN LAYERS TP PP GPUS BATCH MICRO CHUNKS TFLOP/s
megatron_rows() {
    cat <<'END'
1.7B 1.7 24 2304 24 1 1 32 512 16 1 137
3.6B 3.6 32 3072 30 2 1 64 512 16 1 138
7.5B 7.5 32 4096 36 4 1 128 512 16 1 142
18B 18.4 48 6144 40 8 1 256 1024 8 1 135
39B 39.1 64 8192 48 8 2 512 1536 4 1 138
76B 76.1 80 10240 60 8 4 1024 1792 2 3 140
145B 145.6 96 12288 80 8 8 1536 2304 2 2 148
310B 310.1 128 16384 96 8 16 1920 2160 1 2 155
530B 529.6 128 20480 105 8 35 2520 2520 1 3 163
1T 1008.0 160 25600 128 8 64 3072 3072 1 1 163
END
}

megatron() {
    local name size heads hidden layers tp pp gpus batch micro chunks tflops formula schedule
    { cat "$LLM_SRC/cmd/llm-train/machines/a100.machine"; printf '%s\n' 'scores = 13' 'accumulate = 12' 'overlap = 0'; } >megatron.machine
    while read -r name size heads hidden layers tp pp gpus batch micro chunks tflops; do
        gpt 51200 "$hidden" "$layers" "$heads" 2048 >gpt.json
        schedule=()
        [ "$chunks" = 1 ] || schedule=(--pipeline-schedule interleaved --virtual-stages "$chunks")
        plan --model gpt.json --ranks "$gpus" --tensor-parallel "$tp" --pipeline-parallel "$pp" "${schedule[@]}" \
            --micro-batch "$micro" --global-batch "$batch" --recompute full --zero 0 --machine megatron.machine
        formula=$(calc "12 * $layers * $hidden^2 * (1 + 13 / (12 * $hidden) + (51200 + 2048) / (12 * $layers * $hidden)) / 1e9")
        row "Megatron $name: parameters" "$(calc "$(key parameters) / 1e9")" "$formula" B 1 "equation 2; printed as $size"
        row "Megatron $name: a GPU" "$(calc "$(key flops_per_rank) / 1e12")" "$tflops" TFLOP/s 10 'table 1'
        printf '%s\n' "$name $(tr -d ' \n' <plan.json)" >>megatron.plans
    done < <(megatron_rows)
}

golden() {
    rm -f golden.tsv
    megatron
}

golden_table() {
    awk -F'\t' '
    BEGIN { printf "%-44s %12s %12s %-9s %8s  %s\n", "", "planned", "published", "", "", "" }
    {
        d = 100 * ($2 / $3 - 1)
        printf "%-44s %12.5g %12.5g %-9s %+7.1f%%  %s (%s)\n", $1, $2, $3, $4, d, (d <= $5 && d >= -$5 ? "within " : "NOT within ") $5 " %", $6
    }' golden.tsv
}
