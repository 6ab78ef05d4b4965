#!/usr/bin/env bash
# A disk that is full or fails during a save: training goes on, and the checkpoints before stay;
# where it was the last save, the end is clean and says so.
. "$LLM_SRC/tests/lib.sh"
. "$LLM_SRC/tests/cli/train/fixture.bash"

if [ -n "${LLM_SANITIZE:-}" ]; then
    skip 'a failing disk' 'the sanitizers take the same calls'
    exit 0
fi
if ! "${CC:-cc}" -shared -fPIC -O1 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -I"$LLM_SRC" \
    -o faults.so "$LLM_SRC/tests/preload/faults.c"; then
    skip 'a failing disk' 'no compiler for a library that is preloaded'
    exit 0
fi
fixture

failing() { # FAULT COMMAND…: messages in err
    local fault=$1
    shift
    env LLM_FAULT="$fault" LD_PRELOAD="$PWD/faults.so" "$@" 2>err
}
run() { # OUT FAULT [options]
    local out=$1 fault=$2
    shift 2
    rm -rf "$out" "$out.jsonl"
    failing "$fault" llm-train --tokenizer tok.json --save "$out" --log "$out.jsonl" --seq-length 64 \
        --global-batch 8 --lr 3e-3 --threads 1 --steps 6 --save-every 2 --keep-last 9 --model llama.json \
        "$@" train.shard
}
saved() { jq -r 'select(.event == "save" and .state_hash) | .step' "$1.jsonl" | paste -sd' '; }
failed() { jq -r 'select(.event == "save" and .error) | .step' "$1.jsonl" | paste -sd' '; }
complete() { (cd "$1" && ls -d step-*/manifest.json | sed 's/step-0*//; s,/.*,,' | paste -sd' '); }

ok 'undisturbed' run good none:0:nothing
is 'all saved' "$(saved good)" '2 4 6'

# A save in between: the calls before the thread begins, those of the thread, those of the commit.
for at in 'no space:1:step-00000004' 'no space:5:step-00000004/weights' 'I/O error:6:step-00000004/moment2' \
    'full:9:step-00000004' 'no space:2:step-00000004/manifest.json'; do
    ok "$at: the run goes on" run bad "$at"
    ok "$at: it was hit" grep -q '^fault: ' err
    is "$at: the other saves" "$(saved bad)" '2 6'
    is "$at: the one that failed is in the log" "$(failed bad)" 4
    ok "$at: a warning names the file" grep -Eq '^llm-train: (warning: )?.*step 4: not saved: .*bad/step-00000004' err
    is "$at: what is complete" "$(complete bad)" '2 6'
    ok "$at: nothing of it is left" [ ! -e bad/step-00000004 ]
    is "$at: the same state in the end" "$(state_hash bad.jsonl)" "$(state_hash good.jsonl)"
done

# The last one.
ok 'the last save fails: status 1' expect_code 1 run last 'no space:1:step-00000006/moment1'
ok 'a message names the file' grep -Eq '^llm-train: .*last/step-00000006/moment1' err
is 'those before stay' "$(complete last)" '2 4'
ok 'and training goes on from there' llm-train -q --resume last --log again.jsonl train.shard
is 'to the same state' "$(state_hash again.jsonl)" "$(state_hash good.jsonl)"

# Another rank's disk.
ok 'rank 1 of 2: the run goes on' run two 'no space:2:step-00000004/moment1' --ranks 2 --reduce-groups 2
ok 'it is named' grep -Eq 'step 4: not saved: rank 1: two/step-00000004/moment1-.*No space left' err
is 'the other saves' "$(saved two)" '2 6'
is 'the one that failed' "$(failed two)" 4

# Interrupted and short calls are gone on with.
for at in 'short:5:step-00000004/weights' 'interrupt:5:step-00000004/weights'; do
    ok "$at" run bad "$at"
    is "$at: all saved" "$(saved bad)" '2 4 6'
done

if [ -n "${LLM_LONG:-}" ]; then
    n=1 wrong=0
    while run bad "I/O error:$n:step-00000004"; grep -q '^fault: ' err; do
        [ "$(state_hash bad.jsonl)" = "$(state_hash good.jsonl)" ] &&
            case "$(complete bad) $(failed bad)" in '2 6 4' | '2 4 6 ') ;; *) false ;; esac ||
            wrong=$((wrong + 1))
        n=$((n + 1))
    done
    is "an error in each of $((n - 1)) calls" $wrong 0
fi
