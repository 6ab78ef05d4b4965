#!/usr/bin/env bash
# What is committed: the top level, no output of a test or a build, no large file, no path of one machine.
. "$LLM_SRC/tests/lib.sh"

git -C "$LLM_SRC" rev-parse HEAD >/dev/null 2>&1 || skip_all "not a git work tree"
git -C "$LLM_SRC" ls-files >files
is "the top level has the known entries alone" \
    "$(sed 's|/.*||' files | sort -u | grep -vxE 'cmd|common|man|tests|completions|GNUmakefile|README\.md|LICENSE|\..*')" ""
is "no model, shard or program is committed" \
    "$(grep -E '\.(safetensors|shard|o|a|so(\.[0-9]+)*|pyc|tgz|whl|deb)$' files)" ""
is "no file is larger than 1 MiB" \
    "$(while read -r f; do
        [ -f "$LLM_SRC/$f" ] && [ "$(stat -c %s "$LLM_SRC/$f")" -gt 1048576 ] && echo "$f"
    done <files)" ""
is "no path of one machine stands in a file" \
    "$(git -C "$LLM_SRC" grep -InE '(^|[^A-Za-z0-9_.])/(work|root|home/[a-z]+)/' -- ':!tests/layout/tree.sh')" ""
