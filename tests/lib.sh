# shellcheck shell=bash
# Helpers of the shell tests. A test begins with
#
#     #!/usr/bin/env bash
#     # What it tests.              (and, where 120 seconds do not do: # timeout: 300)
#     . "$LLM_SRC/tests/lib.sh"
#
# and runs in an empty directory of its own, with the programs on PATH and
# stdin from /dev/null. Each helper that tests prints one line of TAP; the plan
# is printed when the script ends. A script that ends early has failed.
#
#     ok DESC CMD…            passed when CMD exits with 0
#     not_ok DESC CMD…        passed when CMD exits with 1 or more (not by a signal)
#     expect_code N CMD…      passed when CMD exits with N (alone, or as the CMD of ok);
#                             leaves its output in the files out and err
#     is DESC GOT WANT        passed when the two texts are equal
#     like DESC TEXT REGEX    passed when the extended regular expression matches
#     err_like DESC REGEX     the same for the first line of err
#     same DESC FILE FILE     passed when the files have the same bytes
#     skip DESC WHY           a test that cannot run here
#     skip_all WHY            ends the script: nothing in it can run here
#     diag TEXT…              an explanation, shown when the script fails

set -u
export PATH="$LLM_BIN:$PATH" LC_ALL=C.UTF-8
export UCX_NET_DEVICES=lo # ranks over TCP: not by interfaces that another test makes and removes

tap_count=0
tap_failed=0
tap_inside=

tap_result() { # STATUS DESC
    tap_count=$((tap_count + 1))
    if [ "$1" -eq 0 ]; then
        printf 'ok %d - %s\n' "$tap_count" "$2"
    else
        tap_failed=$((tap_failed + 1))
        printf 'not ok %d - %s\n' "$tap_count" "$2"
    fi
    return 0
}

diag() {
    printf '%s\n' "$*" | sed 's/^/# /'
}

# The command runs in this shell, so that functions and variables work.
ok() { # DESC CMD…
    local desc=$1 status
    shift
    tap_inside=1
    "$@" >tap.log 2>&1
    status=$?
    tap_inside=
    tap_result "$status" "$desc"
    if [ "$status" -ne 0 ]; then
        diag "exit status $status: $*"
        head -c 4000 tap.log | tail -n 40 | sed 's/^/# /'
    fi
}

not_ok() { # DESC CMD…
    local desc=$1 status
    shift
    tap_inside=1
    "$@" >tap.log 2>&1
    status=$?
    tap_inside=
    if [ "$status" -ne 0 ] && [ "$status" -lt 124 ]; then
        tap_result 0 "$desc"
    else
        tap_result 1 "$desc"
        diag "exit status $status: $*"
    fi
}

expect_code() { # N CMD…
    local want=$1 status
    shift
    "$@" >out 2>err
    status=$?
    if [ -n "$tap_inside" ]; then
        [ "$status" -eq "$want" ] && return 0
        echo "exit status $status, want $want"
        head -n 20 err
        return 1
    fi
    [ "$status" -eq "$want" ]
    tap_result $? "exit status $want: $*"
    if [ "$status" -ne "$want" ]; then
        diag "exit status $status"
        head -n 20 err | sed 's/^/# /'
    fi
}

is() { # DESC GOT WANT
    [ "$2" = "$3" ]
    tap_result $? "$1"
    [ "$2" = "$3" ] || diag "got  '$2'
want '$3'"
}

like() { # DESC TEXT REGEX
    local status
    printf '%s\n' "$2" | grep -Eq -e "$3"
    status=$?
    tap_result $status "$1"
    [ $status -eq 0 ] || diag "got '$2'
not like '$3'"
}

err_like() { # DESC REGEX
    like "$1" "$(head -n 1 err)" "$2"
}

same() { # DESC FILE FILE
    local difference status
    difference=$(cmp "$2" "$3" 2>&1)
    status=$?
    tap_result $status "$1"
    [ $status -eq 0 ] || diag "$difference"
}

skip() { # DESC WHY
    tap_count=$((tap_count + 1))
    printf 'ok %d - %s # SKIP %s\n' "$tap_count" "$1" "$2"
}

skip_all() { # WHY
    printf '1..0 # SKIP %s\n' "$1"
    trap - EXIT
    exit 0
}

tap_end() {
    local status=$?
    printf '1..%d\n' "$tap_count"
    [ "$tap_count" -gt 0 ] || diag "no test ran"
    [ "$status" -eq 0 ] && [ "$tap_failed" -eq 0 ] && [ "$tap_count" -gt 0 ] || exit 1
}
trap tap_end EXIT
