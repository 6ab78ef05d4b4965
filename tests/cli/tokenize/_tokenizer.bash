# shellcheck shell=bash
# Sourced by the tests of llm-tokenize: tok.json, a small tokenizer with
# <s>, </s> as its last ids 600 and 601, learned from the repository's own texts.
llm-tokenize -q --train bpe --vocab-size 602 --special-tokens '<s>,</s>' -o tok.json \
    --format text "$LLM_SRC"/README.md "$LLM_SRC"/man/llm-tools.7 "$LLM_SRC"/common/base ||
    diag "no tokenizer"
