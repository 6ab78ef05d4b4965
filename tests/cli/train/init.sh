#!/usr/bin/env bash
# How a training begins: --init-method's deviations, keyed by tensor and element; --weight-decay-skip; a model with dropout.
. "$LLM_SRC/tests/lib.sh"
. "$LLM_SRC/tests/cli/train/fixture.bash"
fixture
sed 's/"hidden_size": 32/"hidden_size": 64/; s/"num_hidden_layers": 2/"num_hidden_layers": 8/' llama.json >deep.json

# run OUT OPTIONS…: fp32; what is begun with when --skip drops the only step
run() {
    local out=$1
    shift
    llm-train -q --tokenizer tok.json --save "$out" --log "$out.jsonl" --seq-length 64 --global-batch 4 --lr 3e-3 --schedule constant \
        --precision fp32 --threads 1 --save-every 0 --reduce-groups 2 "$@" train.shard
}
# The root mean square of each kind of matrix in a checkpoint, as its file has them; of others than 0.05 alone.
deviations() {
    PYTHONPATH=$LLM_SRC/tests/cli/train python3 - "$1" <<'P'
import array, math, re, sys
from _weights import tensors
sums = {}
for name, shape, data in tensors(sys.argv[1] + "/step-*/weights-*.safetensors"):
    if len(shape) < 2:
        continue
    values = array.array("f", data)
    kind = re.sub(r"layers\.\d+\.", "", name)
    n, s = sums.get(kind, (0, 0))
    sums[kind] = n + len(values), s + sum(v * v for v in values)
for kind, (n, s) in sorted(sums.items()):
    d = math.sqrt(s / n)
    # 10,000 normal numbers and more: the deviation of the estimate is below 1 %
    for name, want in ("std", 0.05), ("std/sqrt(2 layers)", 0.05 / math.sqrt(16)):
        if abs(d / want - 1) < 0.03:
            print(kind, name)
P
}
for method in model standard depth-scaled; do
    ok "$method" run "$method" --model deep.json --steps 1 --skip 1 --init-method "$method"
    deviations "$method" >"$method.deviations"
done
# Llama's residual outputs are as all others; GPT-2's are scaled (Radford et al., 2019).
cat >standard.want <<'W'
attention.output.weight std
attention.qkv.weight std
embedding.weight std
mlp.down.weight std
mlp.gate_up.weight std
W
sed -E '/output|down/s/std$/std\/sqrt(2 layers)/' standard.want >scaled.want
same 'standard' standard.want standard.deviations
same 'the model: Llama' standard.want model.deviations
same 'depth-scaled' scaled.want depth-scaled.deviations
is 'standard and model: the same bits' "$(state_hash standard.jsonl)" "$(state_hash model.jsonl)"
ok 'depth-scaled on a pipeline of two' run piped --model deep.json --steps 1 --skip 1 --init-method depth-scaled --ranks 2 --pipeline-parallel 2
is 'the same bits' "$(state_hash piped.jsonl)" "$(state_hash depth-scaled.jsonl)"
ok 'GPT-2' run gpt2 --model gpt2.json --steps 1 --skip 1
ok 'GPT-2 depth-scaled' run gpt2-scaled --model gpt2.json --steps 1 --skip 1 --init-method depth-scaled
ok 'GPT-2 standard' run gpt2-standard --model gpt2.json --steps 1 --skip 1 --init-method standard
is 'the model: GPT-2' "$(state_hash gpt2.jsonl)" "$(state_hash gpt2-scaled.jsonl)"
ok 'standard is another' [ "$(state_hash gpt2.jsonl)" != "$(state_hash gpt2-standard.jsonl)" ]
expect_code 2 run bad --init standard --steps 1 --init-method standard
err_like '--init brings weights' '--init-method is for the new weights of --model'

# Weight decay: a list in place of norms and biases; with decay alone (lr * 1000) what is in the list does not shrink.
decay=(--model gpt2.json --steps 3 --weight-decay 100)
ok 'weight decay as ever' run decay "${decay[@]}"
ok 'norms and biases by name' run decay-named "${decay[@]}" --weight-decay-skip '*norm*,*.bias'
is 'the same bits' "$(state_hash decay-named.jsonl)" "$(state_hash decay.jsonl)"
ok 'embeddings, too' run decay-more "${decay[@]}" --weight-decay-skip '*norm*,*.bias,transformer.wte.weight'
ok 'on two ranks' run decay-ranks "${decay[@]}" --weight-decay-skip '*norm*,*.bias,embedding.weight' --ranks 2 --zero 3
is 'the same bits' "$(state_hash decay-ranks.jsonl)" "$(state_hash decay-more.jsonl)"
ok 'others than without them' [ "$(state_hash decay-more.jsonl)" != "$(state_hash decay.jsonl)" ]
ok 'everything decays' run decay-all "${decay[@]}" --weight-decay-skip none
ok 'others than with norms and biases alone' [ "$(state_hash decay-all.jsonl)" != "$(state_hash decay.jsonl)" ]

# Dropout: refused with key and value, unless it is said that training is without.
for key in resid_pdrop embd_pdrop attn_pdrop; do
    sed "s/\"$key\": 0/\"$key\": 0.1/" gpt2.json >dropout.json
    expect_code 3 run bad --model dropout.json --steps 1
    err_like "$key is named" "dropout.json: $key is 0.1: training is without dropout; --dropout 0 says"
done
ok 'without dropout, said' run dropout --model dropout.json --steps 2 --dropout 0
ok 'a resumed run need not say it again' llm-train -q --resume dropout --steps 3 train.shard
ok 'a plan' llm-train --plan --model dropout.json --seq-length 64 --global-batch 4
ok 'conversion' llm-convert -q --to hf dropout dropout.hf
ok 'evaluation' llm-eval -q dropout.hf valid.shard
sed 's/"rms_norm_eps"/"attention_dropout": 0.05, "rms_norm_eps"/' llama.json >llama-dropout.json
expect_code 3 run bad --model llama-dropout.json --steps 1
err_like "Llama's" 'attention_dropout is 0.05'
expect_code 2 run bad --model gpt2.json --steps 1 --dropout 0.1
err_like 'only 0' '--dropout 0.1: training is without dropout: expected 0'
