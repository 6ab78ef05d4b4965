#!/bin/bash
# make lint: each linter that is installed looks at the tree; what is not
# installed is said. Exit status 1 when one found something.
cd "$(dirname "$0")/.." || exit 1
status=0

lint() { # NAME CMD…
    local name=$1
    shift
    if ! command -v "$1" >/dev/null; then
        echo "lint: $name: $1 is not installed, skipped"
        return
    fi
    echo "lint: $name"
    "$@" || status=1
}

mapfile -t scripts < <(git ls-files --cached --others --exclude-standard |
    while read -r f; do [ -f "$f" ] && head -c 40 "$f" | grep -qE '^#!.*\b(ba)?sh\b' && echo "$f"; done)
shopt -s nullglob
pages=(man/*.[157])

lint shellcheck shellcheck -S warning -x -P . "${scripts[@]}"
[ ${#pages[@]} -eq 0 ] || lint 'manual pages' mandoc -T lint -W warning "${pages[@]}"
# The formatter decides; its version changes details, so that it is only asked in lint.
mapfile -t sources < <(git ls-files --cached --others --exclude-standard '*.c' '*.h')
if [ -n "${FORMAT:-}" ]; then
    lint format clang-format --dry-run --Werror "${sources[@]}"
fi
lint cppcheck cppcheck -q --std=c11 --error-exitcode=1 --inline-suppr -j "$(nproc)" -Icommon -I. \
    -D_GNU_SOURCE -D__x86_64__ --enable=warning,portability --library=posix \
    --suppress=missingIncludeSystem --suppress=unknownMacro --suppress=readdirCalled --suppress=legacyUninitvar --suppress=invalidFunctionArg --suppress=*:/usr/* common cmd tests/unit
exit $status
