#!/usr/bin/env bash
# Published runs beside their plans: planned, published, difference. Nothing is measured here.
set -eu
LLM_SRC=${LLM_SRC:-$(cd "$(dirname "$0")/../.." && pwd)}
export LLM_SRC
PATH=${LLM_BIN:-$LLM_SRC/build}:$PATH
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$scratch"
. "$LLM_SRC/tests/cli/plan/golden.bash"
golden
golden_table
