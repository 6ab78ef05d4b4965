#!/usr/bin/env bash
# One binary runs anywhere: the programs on emulated processors without AVX and without AVX-512,
# and with each kernel table here: no illegal instruction, and the same losses within rounding.
# timeout: 300
. "$LLM_SRC/tests/lib.sh"
[ "$(uname -m)" = x86_64 ] || skip_all 'the emulated processors are x86-64 ones'
[ -z "${LLM_SANITIZE:-}" ] || skip_all 'an emulator has no room for the sanitizers'

cat >tiny.json <<'JSON'
{"architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 300, "hidden_size": 24,
 "intermediate_size": 40, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
 "hidden_act": "silu", "max_position_embeddings": 32, "rms_norm_eps": 1e-5, "rope_theta": 10000.0}
JSON
jq -Rs '{text: .[:900]}' -c "$LLM_SRC"/man/*.1 >text.jsonl

# As many commands as the programs have kinds of work, each run as "$@" PROGRAM.
work() { # DIRECTORY PRECISION COMMAND…
    local out=$1 precision=$2
    shift 2
    mkdir -p "$out"
    "$@" "$LLM_BIN/llm-tokenize" -q --threads 1 --train bpe --vocab-size 300 -o "$out/tokenizer.json" text.jsonl &&
        "$@" "$LLM_BIN/llm-tokenize" -q --threads 1 -t "$out/tokenizer.json" -o "$out/text.shard" text.jsonl &&
        "$@" "$LLM_BIN/llm-shuffle" -q --threads 1 --seed 1 -o "$out/mixed.shard" "$out/text.shard" &&
        "$@" "$LLM_BIN/llm-train" -q --threads 1 --model tiny.json --tokenizer "$out/tokenizer.json" --lr 1e-3 \
            --seq-length 32 --global-batch 2 --steps 2 --precision "$precision" --save "$out/run" \
            --log "$out/log" "$out/mixed.shard" &&
        "$@" "$LLM_BIN/llm-eval" -q --threads 1 --precision "$precision" --json "$out/eval" "$out/run" "$out/text.shard" &&
        "$@" "$LLM_BIN/llm-eval" -q --threads 1 --generate The --max-new 4 "$out/run" &&
        "$@" "$LLM_BIN/llm-convert" -q --threads 1 "$out/run" "$out/hf"
}
loss() { # DIRECTORY
    jq -s '.[-1].loss' "$1/eval"
}
near() { # A B BOUND
    jq -ne "($1) / ($2) - 1 | fabs < $3"
}
table() { # COMMAND…: the kernel table that is picked
    "$@" "$LLM_BIN/llm-train" --version | awk '$1 == "kernels" { print $2 }'
}

declare -A bound=([fp32]=1e-5 [bf16]=2e-3)
for precision in fp32 bf16; do
    ok "here, ref, $precision" work "ref-$precision" $precision env LLM_ISA=ref
    for isa in blas avx2 avx512; do
        if [ "$(table env LLM_ISA=$isa)" != $isa ]; then
            skip "here, $isa, $precision" "$(LLM_ISA=$isa llm-train --version | grep '^kernels')"
            continue
        fi
        ok "here, $isa, $precision" work "$isa-$precision" $precision env LLM_ISA=$isa
        ok 'the same loss as with ref' near "$(loss "$isa-$precision")" "$(loss "ref-$precision")" "${bound[$precision]}"
    done
done

if ! command -v qemu-x86_64 >/dev/null; then
    skip 'emulated processors' 'NO qemu-x86_64 HERE: nothing was run on a processor without AVX (Debian: qemu-user)'
    exit 0
fi
plain=ref # of processors without a table of their own
[ "$(table env LLM_ISA=blas)" = blas ] && plain=blas
while read -r cpu isa precision; do
    emulate=(qemu-x86_64 -cpu "$cpu")
    is "$cpu: the kernels" "$(table "${emulate[@]}" 2>/dev/null)" "$isa"
    if [ "$precision" = none ]; then
        for tool in llm-tokenize llm-shuffle llm-train llm-eval llm-convert; do
            ok "$cpu: $tool --version" "${emulate[@]}" "$LLM_BIN/$tool" --version
        done
        not_ok "$cpu: a table that it does not run is refused" \
            "${emulate[@]}" -E LLM_ISA=avx512 "$LLM_BIN/llm-train" --self-check
        continue
    fi
    ok "$cpu: all programs, $precision" work "$cpu-$precision" "$precision" "${emulate[@]}"
    ok "$cpu: the same loss as here" near "$(loss "$cpu-$precision")" "$(loss "ref-$precision")" "${bound[$precision]}"
done <<CPUS
qemu64 $plain none
Nehalem $plain fp32
Haswell avx2 bf16
CPUS
