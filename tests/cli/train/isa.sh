#!/usr/bin/env bash
# LLM_ISA picks the kernels or is refused with the reason; tile instructions stand in the AMX
# kernels and nowhere else.
. "$LLM_SRC/tests/lib.sh"

is_x86() { [ "$(uname -m)" = x86_64 ]; }

for isa in ref avx2 avx512 amx sve; do
    LLM_ISA=$isa llm-train --version >version
    line=$(sed -n 's/^kernels  *//p' version)
    like "--version with LLM_ISA=$isa: $line" "$line" "^($isa|LLM_ISA=$isa: .*)$"
    if [ "$line" = "$isa" ]; then
        runs=$isa
        continue
    fi
    like "$isa is refused with a reason" "$line" 'CPU|operating system|this build has no kernels'
    expect_code 1 env LLM_ISA=$isa llm-train --self-check
    is "and llm-train says the same" "$(head -n 1 err)" "llm-train: $line"
done
is "the best is picked" "$(env -u LLM_ISA llm-train --version | sed -n 's/^kernels  *//p')" "$runs"

# The instructions that the assembler made of them, by name.
tiles='(ldtilecfg|sttilecfg|tilerelease|tileload|tilestore|tilezero|tdpbf16ps)'
if is_x86 && command -v objdump >/dev/null && [ -d "$LLM_BIN/obj/common/kernels/amx" ]; then
    for object in "$LLM_BIN"/obj/common/kernels/amx/{gemm,attention_forward,attention_backward}.o; do
        objdump -d --no-show-raw-insn "$object" | grep -Eo "\b$tiles[a-z0-9]*" | sort -u >found
        is "$(basename "$object" .o) has them all" "$(tr '\n' ' ' <found)" \
            "ldtilecfg tdpbf16ps tileloadd tilerelease tilestored tilezero "
    done
    find "$LLM_BIN"/obj/{common,cmd} -name '*.o' ! -path '*/kernels/amx/*' >objects
    xargs objdump -d --no-show-raw-insn <objects 2>/dev/null | grep -Ec "\b$tiles" >count
    is "$(wc -l <objects) other objects have none" "$(cat count)" 0
else
    skip 'tile instructions by objdump' 'not x86-64, no objdump, or no AMX kernels in this build'
fi
