#!/usr/bin/env bash
# The ids are the same with every instruction set that runs here, pieces kept or not.
. "$LLM_SRC/tests/lib.sh"
. "$LLM_SRC/tests/cli/tokenize/_tokenizer.bash"

for i in 1 2; do
    cat "$LLM_SRC"/README.md "$LLM_SRC"/common/tokenizer/*.c "$LLM_SRC"/man/*.1
    printf 'Don\xe2\x80\x99t \xe2\x80\xa6 caf\xc3\xa9 吾輩は猫である。名前はまだ無い。\n\n  12345 3.14\t\t!!\r\n%0400d\n' "$i"
done >all
LLM_ISA=ref llm-tokenize -q -t tok.json --format lines --special none --ids all >ref.ids
ok "plain C encodes" [ -s ref.ids ]
for isa in avx2 avx512; do
    if LLM_ISA=$isa llm-tokenize -q -t tok.json --format lines --special none --ids all >$isa.ids 2>err; then
        same "$isa: the same ids line by line" ref.ids "$isa.ids"
        LLM_ISA=ref llm-tokenize -q -t tok.json --format text --special none --ids all >a
        LLM_ISA=$isa llm-tokenize -q -t tok.json --format text --special none --ids all >b
        same "$isa: and of the whole" a b
    else
        skip "$isa" "$(cat err)"
    fi
done
ok "an unknown instruction set is refused" expect_code 1 env LLM_ISA=mmx llm-tokenize -q -t tok.json --ids all
like "by name" "$(LLM_ISA=mmx llm-tokenize -q -t tok.json --ids all 2>&1)" 'LLM_ISA=mmx: no such instruction set'
