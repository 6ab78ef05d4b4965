#!/usr/bin/env bash
# --plan with a machine: what it says of any layout, quickly, and what it refuses.
. "$LLM_SRC/tests/lib.sh"
. "$LLM_SRC/tests/cli/plan/golden.bash"

gpt 1000 64 8 4 128 >small.json
base=(--model small.json --global-batch 64 --precision fp32)

# number EXPRESSION: of plan.json, as jq sees it
number() {
    jq "$1" plan.json
}

# A pipeline of equal stages idles (p - 1) / (m + p - 1) of the time (Huang et al., 2019); eight layers on four
# stages are not quite equal, the last one has the head.
plan "${base[@]}" --ranks 4 --pipeline-parallel 4 --pipeline-schedule gpipe --machine a100
is "bubble of 4 stages and 64 micro-batches, at least 3/67" "$(number '.bubble >= 3 / 67')" true
plan "${base[@]}" --ranks 4 --pipeline-parallel 4 --machine a100 --reduce-groups 1 --micro-batch 64
is "with a single micro-batch only one stage works: 3/4" "$(number '.bubble >= 0.75 and .bubble < 0.85')" true
is "the parts of a step add up" "$(number '(.step | del(.hidden) | add) / .step_seconds | . > 0.999999 and . < 1.000001')" true

# By hand: where nothing but products takes time, their operations by the peak; a sum of n ranks goes round a ring
# twice, (n - 1) messages and (n - 1)/n of its bytes each time (Thakur et al., 2005).
printf '%s\n' 'cores = 4' 'memory = 64G' 'peak-fp32 = 1T' >flat.machine
plan "${base[@]}" --machine flat.machine
is "operations at the peak" "$(number '.step_seconds * 1e12 / .operations_per_step | . > 0.999999 and . < 1.000001')" true
printf '%s\n' 'domains = 4' 'inner = 1G' 'inner-latency = 0.001' >>flat.machine
plan "${base[@]}" --ranks 4 --tensor-parallel 4 --machine flat.machine
is "sums inside a node" "$(number '.step.tensor / (.axes.tensor | .messages * 0.001 + .bytes * 2 * 3 / 4 / 1e9) | . > 0.999999 and . < 1.000001')" true
printf '%s\n' 'network = 1M' 'latency = 0.01' 'links = 2' 'overlap = 0' >>flat.machine
plan "${base[@]}" --ranks 16 --tensor-parallel 4 --zero 0 --machine flat.machine
# Four ranks of a node share two links of 1 MB/s: 0.5 MB/s each.
is "gradients between nodes" "$(number '.step.gradients / (.axes.gradients | .messages * 0.01 + .bytes * 2 * 3 / 4 / 0.5e6) | . > 0.999999 and . < 1.000001')" true
is "none of it beside other work" "$(number '.step.hidden == 0')" true

# Days, tokens, energy.
plan "${base[@]}" --ranks 8 --machine a100 --tokens 1G
is "days" "$(number '.days / (1e9 / .tokens_per_second / 86400) | . > 0.999999 and . < 1.000001')" true
is "energy of a node of 6.5 kW" "$(number '.megawatt_hours / (.days * 24 * 6500 / 1e6) | . > 0.999999 and . < 1.000001')" true
is "Chinchilla" "$(number '.chinchilla_tokens == 20 * .parameters and .chinchilla_ratio == .tokens / .chinchilla_tokens')" true
is "6 N" "$(number '.flops_per_token_6n == 6 * .parameters')" true
tokens=$(number .tokens_per_second)
plan "${base[@]}" --ranks 8 --machine a100 --compute 1e20
is "a length in operations" "$(number '.tokens * .flops_per_token / 1e20 | . > 0.999999 and . < 1.000001')" true
is "does not change the speed" "$(number .tokens_per_second)" "$tokens"

# More of something takes less time, never more.
slower_than() { # WHAT LINE: a machine with that line instead is slower
    machine a100 "$2" >other.machine
    plan "${base[@]}" --ranks 16 --tensor-parallel 2 --pipeline-parallel 2 --machine other.machine
    is "slower: $2" "$(number ".step_seconds > $fast")" true
}
plan "${base[@]}" --ranks 16 --tensor-parallel 2 --pipeline-parallel 2 --machine a100
fast=$(number .step_seconds)
for line in 'products-bf16 = 1T' 'attention-bf16 = 1T' 'stream = 1T' 'network = 1M' 'latency = 1' 'inner = 1M' 'inner-latency = 1' \
    'overhead = 1' 'half-size = 10000'; do
    case $line in *bf16*) line=${line/bf16/fp32} ;; esac
    slower_than x "$line"
done

# Thousands of ranks, and a model that no node here holds.
ok "1 T parameters on 3,072 ranks" eval 'timeout 20 llm-train -q --config frontier-1t --machine frontier --plan --json >plan.json'
is "fits 64 nodes and more" "$(number '.fits and .nodes == 384')" true
plan --config frontier-1t --ranks 512 --global-batch 3072 --zero 0 --machine a100 --micro-batch 16
is "and not, with so much at once" "$(number .fits)" false
like "as people read it" "$(llm-train -q --config frontier-1t --ranks 512 --global-batch 3072 --zero 0 --micro-batch 16 --machine a100 --plan)" \
    "memory of a node +[0-9.]+ TB of 687 GB: does not fit"

# Without a model: days of so many operations.
plan --compute 3e25 --machine fugaku --precision fp32
is "the whole machine" "$(number '.nodes == 158976 and .days_at_half_of_peak / .days_at_peak == 2')" true

# Other programs' layouts are planned; a run is refused.
expect_code 0 llm-train --plan --model small.json --global-batch 8 --ranks 2 \
    --context-parallel 2 --precision fp8-hybrid --machine h100
err_like "and said not to be run here" "planned, but not run by this version"
expect_code 2 llm-train --plan --model small.json --global-batch 8 --ranks 2 --context-parallel 2 --precision fp8-hybrid

# What is wrong is told.
expect_code 1 llm-train --plan "${base[@]}" --machine fugak
err_like "machines by name" "known by name are .*fugaku"
expect_code 2 llm-train --plan "${base[@]}" --steps 1 --compute 1e20
err_like "one length" "--compute says the run's length, as --steps and --tokens do"
expect_code 2 llm-train "${base[@]}" --compute 1e20 x.shard
expect_code 2 llm-train "${base[@]}" --json x.shard
machine a100 'tile = 256' >bad.machine
expect_code 3 llm-train --plan "${base[@]}" --machine bad.machine
err_like "a tile" "tile: expected two sizes as 256x128, not '256'"
machine a100 'overlap = 2' >bad.machine
expect_code 3 llm-train --plan "${base[@]}" --machine bad.machine
machine a100 'products-bf16 = 99999T' >bad.machine
expect_code 3 llm-train --plan "${base[@]}" --machine bad.machine
err_like "faster than the peak" "products are faster than the peak"

# The job's shape on the command line: bytes × links of each axis, in rank order and by the map.
printf '%s\n' 'cores = 4' 'memory = 64G' 'peak-fp32 = 1T' 'network = 1G' >node.machine
shape=("${base[@]}" --ranks 64 --tensor-parallel 4 --pipeline-parallel 4 --machine node.machine)
plan "${shape[@]}" --zero 0 --topology 'torus 8x8'
is "tensor sums go round their ring twice" \
    "$(number '.map.tensor.byte_links / (.axes.tensor.bytes * 2 * 3 / 4 * .map.tensor.links) | . > 0.999999 and . < 1.000001')" true
is "by the map tensor groups are rings of four nodes" "$(number '.map.tensor.links')" 64
is "and fewer bytes cross links" "$(number '[.map[] | .byte_links] | add')" \
    "$(number '[[.map[] | .byte_links], [.map[] | .byte_links_in_rank_order]] | map(add) | min')"
like "as people read it" "$(llm-train -q --plan "${shape[@]}" --topology 'torus 4x4x4' | tail -n 1)" "all +[0-9.]+ .B +[0-9.]+ .B +[0-9.]+"
is "none without a shape" "$(plan "${shape[@]}" && number 'has("map")')" false
expect_code 2 llm-train --plan "${shape[@]}" --topology 'torus 8x9'
err_like "another number of nodes" "the network has 72"
expect_code 2 llm-train --plan "${shape[@]}" --topology ring
err_like "a shape" "topology: 'ring': expected 'torus"
expect_code 2 llm-train "${base[@]}" --topology 'torus 8x8' x.shard
