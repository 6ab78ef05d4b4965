#!/usr/bin/env bash
# --plan --machine: memory of its nodes, bytes that ranks hand on, links, and the rank map.
. "$LLM_SRC/tests/lib.sh"

cat >llama.json <<'JSON'
{"architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 400, "hidden_size": 64,
 "intermediate_size": 128, "num_hidden_layers": 8, "num_attention_heads": 4, "num_key_value_heads": 4,
 "hidden_act": "silu", "max_position_embeddings": 64, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
 "tie_word_embeddings": false}
JSON
cat >fugaku.machine <<'END'
# A job of 3 x 2 x 2 nodes.
name = Fugaku
cores = 48
domains = 4            # a rank in each
peak = 6.758T
memory = 32G
bandwidth = 1024G
network = 6.8G
topology = torus 3x2x2
END
plan() {
    llm-train --plan --model llama.json --global-batch 24 --seq-length 64 --precision fp32 --threads 1 "$@"
}
layout=(--ranks 48 --tensor-parallel 4 --pipeline-parallel 4 --lr 1e-3)

ok "a plan for a machine" eval 'plan "${layout[@]}" --steps 1000 --machine fugaku.machine --rank-map map >plan'
like "its nodes" "$(cat plan)" "^machine +Fugaku, 12 nodes × 4 ranks$"
like "their memory" "$(cat plan)" "memory of a node +[0-9.]+ MB of 34.4 GB: fits$"
like "what a step takes at peak" "$(cat plan)" "at the peak alone +[0-9.e-]+ s"
flops=$(sed -n 's/^flops per token *\([^ ]*\) .*/\1/p' plan)
seconds=$(sed -n 's/.*at the peak alone *\([^ ]*\) s/\1/p' plan)
is "which is its operations by the peak of 12 nodes" \
    "$(awk -v f="$flops" -v s="$seconds" 'BEGIN { r = f * 24 * 64 / (12 * 6.758e12) / s; print (r > 0.99 && r < 1.01) ? "yes" : r }')" yes

# By hand: 24 sequences over 3 ranks of data are 8 micro-batches, each 64 tokens by 64 numbers of 4 bytes: 131,072 bytes.
# The busiest stage, the last, hands back one border of each.
like "the last stage hands on one border: 131,072" "$(cat plan)" "^  pipeline, borders +131 kB, 8 messages, "
# Two layers of four sums, and the head's: 9 times 131,072, each sum in 6 messages of a ring of four.
like "four sums a layer: 1,179,648" "$(cat plan)" "^  tensor, sums +1.18 MB, 432 messages, "
ok "the same as JSON" eval 'plan "${layout[@]}" --steps 1000 --machine fugaku.machine --json >plan.json'
is "bytes of the axes" "$(jq '.axes.tensor.bytes == 1179648 and .axes.pipeline.bytes == 131072' plan.json)" true
is "the step is the sum of its parts" "$(jq '(.step | del(.hidden) | add) / .step_seconds | . > 0.999999 and . < 1.000001' plan.json)" true
is "tokens a day" "$(jq '.tokens_per_day * .step_seconds / 86400 | round' plan.json)" 1536
is "what all ranks do: model and what is done again" \
    "$(jq '.operations_per_step / ((.flops_per_token + .recomputed_per_token) * 1536) | . > 0.999 and . < 1.001' plan.json)" true

is "the map: a line a rank" "$(wc -l <map)" 48
is "each node four times" "$(sort map | uniq -c | awk '{print $1}' | sort -u)" 4
is "tensor groups share a node" "$(awk 'NR % 4 == 1 {first = $0} $0 != first {bad = 1} END {print bad + 0}' map)" 0
is "pipeline neighbours are one link apart" "$(sed -n 's/^  pipeline  *\([0-9]*\)  *\([0-9]*\)$/\2/p' plan)" 36
ok "no more links than in rank order" awk '/^bytes/ {on = 0} /^links/ {on = 1; next} on && $3 > $2 {bad = 1} on {n++} END {exit bad || n < 2}' plan

# Hosts by name below leaf switches.
sed 's/^topology.*/topology = tree 4/' fugaku.machine >tree.machine
seq -f node%02g 0 11 >hosts
ok "a tree, with a file of hosts" eval 'plan "${layout[@]}" --machine tree.machine --hosts hosts --rank-map map >plan'
is "names in the map" "$(sort -u map | paste -sd' ')" "$(paste -sd' ' hosts)"
head -n 3 hosts >few
expect_code 2 plan "${layout[@]}" --machine tree.machine --hosts few --rank-map map
err_like "too few hosts" "--hosts few: has fewer hosts than the map has nodes"

# What is wrong is told.
expect_code 2 plan --ranks 32 --tensor-parallel 4 --pipeline-parallel 4 --machine fugaku.machine
err_like "another number of nodes" "32 ranks, 4 a node, need 8 nodes; the network has 12"
printf 'cores = 4\npeek = 1\n' >bad.machine
expect_code 3 plan --machine bad.machine
err_like "an unknown name, with its line" "bad.machine: line 2: 'peek' is none of name, topology, tile, nodes"
printf 'cores = 4\npeak = fast\n' >bad.machine
expect_code 3 plan --machine bad.machine
err_like "a value that is no number" "bad.machine: line 2: peak: expected a number above 0, not 'fast'"
printf 'cores = 4\nmemory = 1G\n' >bad.machine
expect_code 3 plan --machine bad.machine
err_like "what is missing" "bad.machine: peak is missing"
printf 'cores = 4\nmemory = 1G\npeak = 1T\n' >flat.machine
expect_code 2 plan --machine flat.machine --rank-map map
err_like "a map needs a topology" "flat.machine names no topology"
expect_code 2 plan --rank-map map
err_like "and a machine" "--rank-map needs --plan and --machine"
expect_code 2 llm-train --model llama.json --machine flat.machine --global-batch 8 x.shard
err_like "a machine is for a plan" "--machine needs --plan"
