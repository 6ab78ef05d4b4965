#!/usr/bin/env bash
# llm-eval beside transformers on PyTorch: loss of 100,000 tokens (fp32, sequences of
# 512) and 128 greedy tokens, of a Llama of 15 million parameters. BENCH_THREADS (all).
set -eu
mkcheckpoint=$LLM_BIN/tests/tools/mkcheckpoint
[ -x "$mkcheckpoint" ] || { echo "mkcheckpoint is not built: make tests"; exit 1; }
threads=${BENCH_THREADS:-$(nproc)}
cat >config.json <<'JSON'
{"architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 8000, "hidden_size": 384,
 "intermediate_size": 1024, "num_hidden_layers": 6, "num_attention_heads": 6, "num_key_value_heads": 6,
 "hidden_act": "silu", "max_position_embeddings": 512, "rms_norm_eps": 1e-5, "bos_token_id": null,
 "eos_token_id": null}
JSON
mkdir tok
jq -Rs '{text: .}' -c "$LLM_SRC"/man/*.[157] >text.jsonl
llm-tokenize -q --train bpe --vocab-size 1000 -o tok/tokenizer.json text.jsonl
"$mkcheckpoint" --std 0.05 --tokenizer tok config.json run
"$LLM_BIN/tests/tools/mkshard" --vocabulary 8000 --tokens 1000:1000 --source a --docs 100 >text.shard
llm-convert -q run hf
rm run/*/tokenizer.json

cat >peer.py <<'PY'
import sys, time, torch
from transformers import AutoModelForCausalLM
torch.set_num_threads(int(sys.argv[1]))
model = AutoModelForCausalLM.from_pretrained("hf").eval()
ids = torch.randint(0, 8000, (40, 512))
with torch.no_grad():
    model(ids[:1], labels=ids[:1])
    start = time.time()
    for row in ids:
        model(row[None], labels=row[None])
    print(f"loss {ids.numel() / (time.time() - start):.0f}")
    start = time.time()
    model.generate(ids[:1, :4], do_sample=False, max_new_tokens=128, min_new_tokens=128, pad_token_id=0)
    print(f"text {128 / (time.time() - start):.1f}")
PY

rate() { # TOKENS CMD…: tokens a second without the start, from two lengths
    local tokens=$1 start end
    shift
    start=$(date +%s.%N)
    "$@" >/dev/null 2>&1
    end=$(date +%s.%N)
    echo "$tokens $start $end" | awk '{ print $1 / ($3 - $2) }'
}
score() { llm-eval -q --no-progress --threads "$threads" --document-mask no hf-plain text.shard; }
write() { llm-eval -q --threads "$threads" --generate 'The name' --max-new 128 hf; }
mkdir hf-plain
cp hf/config.json hf/model.safetensors hf-plain
loss=$(rate 100000 score)
text=$(rate 128 write)
printf 'llm-eval       loss %8.0f tok/s   text %6.1f tok/s (start included)\n' "$loss" "$text"
if ! "${PYTHON:-python3}" -c 'import torch, transformers' 2>/dev/null; then
    echo "no transformers here (PYTHON=): $loss tok/s, without a ratio"
    exit 0
fi
"${PYTHON:-python3}" peer.py "$threads" 2>/dev/null >peer.txt
awk -v l="$loss" -v t="$text" '{ v[$1] = $2 } END {
    printf "transformers   loss %8.0f tok/s   text %6.1f tok/s\n", v["loss"], v["text"]
    printf "ratio to transformers: loss %.2f, text %.2f\n", l / v["loss"], t / v["text"] }' peer.txt
