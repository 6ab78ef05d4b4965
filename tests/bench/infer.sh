#!/usr/bin/env bash
# llm-eval beside transformers on PyTorch and, where it can be had, llama.cpp: prefill (the loss of
# 1024 tokens) and decoding (batch 1) of a Llama of 107 million parameters, on one thread.
# BENCH_LLAMA=DIR: a directory where `npm install node-llama-cpp` has been run.
set -eu
mkcheckpoint=$LLM_BIN/tests/tools/mkcheckpoint
[ -x "$mkcheckpoint" ] || { echo "mkcheckpoint is not built: make tests"; exit 1; }
cat >config.json <<'JSON'
{"architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 32000, "hidden_size": 768,
 "intermediate_size": 2304, "num_hidden_layers": 12, "num_attention_heads": 12, "num_key_value_heads": 4,
 "hidden_act": "silu", "max_position_embeddings": 1024, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
 "tie_word_embeddings": true, "bos_token_id": null, "eos_token_id": null}
JSON
mkdir tok plain
jq -Rs '{text: .}' -c "$LLM_SRC"/man/*.[157] >text.jsonl
llm-tokenize -q --train bpe --vocab-size 1000 -o tok/tokenizer.json text.jsonl
"$mkcheckpoint" --std 0.02 config.json run
llm-convert -q run hf
cp hf/config.json hf/model.safetensors plain
cp tok/tokenizer.json hf
for n in 1 4; do
    "$LLM_BIN/tests/tools/mkshard" --vocabulary 32000 --tokens 1024:1024 --source a --docs $n >$n.shard
done
if ! "${PYTHON:-python3}" -c 'import torch, transformers' 2>/dev/null; then
    echo "no transformers here (PYTHON=): nothing to compare with"
    exit 0
fi
exec "${PYTHON:-python3}" "$LLM_SRC/tests/bench/infer.py" "$LLM_SRC/tests/bench/infer_llama.mjs"
