#!/usr/bin/env bash
# Plans of runs on this machine beside what the runs measured: seconds a step and resident memory.
#   plan      --plan --machine local, before anything runs
#   at start  what the run itself planned, by a look of a second or two
#   measured  the mean of its steps behind the first; fastest: one of them
# A machine with other work takes longer for a step than for the short looks that it was planned by: the mean tells, and
# the share of the processors that was not this run's ("others"). All tokens are one document here, as a plan assumes.
# Last line: how many rows are within 15 % (of the mean) and 5 % (memory) of the plan at the start. LLM_BENCH_ROWS: words
# of names, LLM_BENCH_SECONDS: about how long each run computes (12).
set -eu
. "$LLM_SRC/tests/cli/train/fixture.bash"
make_shards >fixture.log 2>&1
make_configs
seconds=${LLM_BENCH_SECONDS:-12}

llama() { # HIDDEN LAYERS HEADS INTERMEDIATE
    sed "s/\"hidden_size\": 32/\"hidden_size\": $1/; s/\"num_hidden_layers\": 2/\"num_hidden_layers\": $2/
         s/\"num_attention_heads\": 4/\"num_attention_heads\": $3/; s/\"intermediate_size\": 64/\"intermediate_size\": $4/
         s/400/32000/; s/\"max_position_embeddings\": 64/\"max_position_embeddings\": 4096/" llama.json
}
llama 256 4 4 768 >llama-10m.json
llama 384 6 6 1024 >llama-20m.json
sed 's/"n_embd": 32/"n_embd": 768/; s/"n_layer": 2/"n_layer": 12/; s/"n_head": 4/"n_head": 12/
     s/"n_positions": 64/"n_positions": 1024/; s/400/50257/' gpt2.json >gpt2-small.json
cat >experts.json <<'END'
{"architectures": ["Qwen3MoeForCausalLM"], "model_type": "qwen3_moe", "vocab_size": 32000, "hidden_size": 256,
 "num_hidden_layers": 4, "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 1024,
 "intermediate_size": 768, "num_experts": 8, "num_experts_per_tok": 2, "moe_intermediate_size": 384,
 "norm_topk_prob": true, "decoder_sparse_step": 2}
END

# Ticks of all processors, and those that nobody used or that were taken by this script's programs.
ticks() {
    awk '/^cpu / { for (i = 2; i <= 9; i++) all += $i; print all, $5 + $6 }' /proc/stat
}

within() { # BOUND PLANNED MEASURED
    awk -v b="$1" -v p="$2" -v m="$3" 'BEGIN { d = m / p - 1; exit !(d <= b && d >= -b) }'
}

event() { # FILE FILTER
    jq -r "select(.event == \"measured\") | $2" "$1"
}

rows=0 times=0 memories=0
printf '%-26s %9s %9s %9s %7s %9s %7s   %9s %9s %6s  %s\n' run 'plan s' 'at start' measured '' fastest '' 'plan MB' measured '' others

row() { # NAME RANKS OPTIONS…
    local name=$1 ranks=$2 word wanted=${LLM_BENCH_ROWS:+no} steps
    shift 2
    for word in ${LLM_BENCH_ROWS:-}; do
        [[ $name == *$word* ]] && wanted=
    done
    [ -z "$wanted" ] || return 0
    local o=(-q --ranks "$ranks" --lr 1e-4 --schedule constant --document-mask no --epochs 1000 "$@")
    rm -f run.jsonl
    llm-train "${o[@]}" --plan --json --machine local >plan.json 2>errors || { cat errors; exit 1; }
    steps=$(jq --argjson s "$seconds" '[[$s / .step_seconds | floor, 4] | max, 60] | min' plan.json)
    local before after cpu
    read -r -a before < <(ticks)
    TIMEFORMAT='%U %S'
    { time llm-train "${o[@]}" --steps $((steps + 1)) --log run.jsonl train.shard 2>errors; } 2>cpu || { cat errors; exit 1; }
    read -r -a after < <(ticks)
    read -r -a cpu <cpu
    local planned measured least planned_memory memory
    planned=$(event run.jsonl .planned_step_seconds)
    measured=$(event run.jsonl .step_seconds)
    least=$(event run.jsonl .least_seconds.total)
    planned_memory=$(event run.jsonl .planned_bytes.resident)
    memory=$(event run.jsonl .bytes.resident)
    awk -v name="$name" -v plan="$(jq .step_seconds plan.json)" -v p="$planned" -v m="$measured" -v l="$least" \
        -v pm="$planned_memory" -v mm="$memory" -v hz="$(getconf CLK_TCK)" -v all=$((after[0] - before[0])) \
        -v idle=$((after[1] - before[1])) -v own="$(awk '{ print $1 + $2 }' cpu)" 'BEGIN {
        others = (all - idle) / hz - own
        printf "%-26s %9.4f %9.4f %9.4f %+5.1f %% %9.4f %+5.1f %%   %9.1f %9.1f %+4.1f %%  %2.0f %%\n", name, plan, p, m, 100 * (m / p - 1),
            l, 100 * (l / p - 1), pm / 1e6, mm / 1e6, 100 * (mm / pm - 1), 100 * (others > 0 ? others : 0) / (all / hz) }'
    rows=$((rows + 1))
    within 0.15 "$planned" "$measured" && times=$((times + 1))
    within 0.05 "$planned_memory" "$memory" && memories=$((memories + 1))
    cp run.jsonl "${name// /-}.jsonl"
}

row 'llama 10M, fp32' 1 --model llama-10m.json --precision fp32 --seq-length 512 --global-batch 4 --micro-batch 2
row 'llama 10M, bf16' 1 --model llama-10m.json --precision bf16 --seq-length 512 --global-batch 4 --micro-batch 2
row 'gpt2 124M, bf16' 1 --model gpt2-small.json --precision bf16 --seq-length 512 --global-batch 1
row 'llama 20M, 4096 tokens' 1 --model llama-20m.json --precision bf16 --seq-length 4096 --global-batch 1
row 'experts, bf16' 1 --model experts.json --precision bf16 --seq-length 512 --global-batch 2
row 'llama 20M, TP 2' 2 --threads 1 --model llama-20m.json --precision fp32 --seq-length 512 --global-batch 2 --tensor-parallel 2
row 'llama 20M, PP 2' 2 --threads 1 --model llama-20m.json --precision fp32 --seq-length 256 --global-batch 8 --pipeline-parallel 2
row 'llama 20M, DP 2, ZeRO 1' 2 --threads 1 --model llama-20m.json --precision bf16 --seq-length 512 --global-batch 4 --zero 1

printf '%d of %d runs within 15 %% in a step'\''s time, %d within 5 %% in memory\n' "$times" "$rows" "$memories"
