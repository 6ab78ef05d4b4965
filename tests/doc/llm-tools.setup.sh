# shellcheck shell=bash
# What the examples of llm-tools(7) find in their directory.
. "$LLM_SRC/tests/doc/config.bash"
write_text
write_config 500
