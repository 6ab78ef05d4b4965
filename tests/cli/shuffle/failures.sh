#!/usr/bin/env bash
# Full disks, closed pipes, missing files, signals: exit codes, first lines, nothing left behind.
. "$LLM_SRC/tests/lib.sh"
PATH="$LLM_BIN/tests/tools:$PATH"

mkshard --docs 3000 >m.shard
mkdir tmp

ok "a missing file" expect_code 1 llm-shuffle -o o.shard nothing.shard
err_like "its message" '^llm-shuffle: nothing.shard: No such file or directory$'
ok "no shard" expect_code 3 llm-shuffle -o o.shard "$LLM_SRC/tests/lib.sh"
err_like "its message" 'lib.sh: block 0: offset 0: not a shard$'
ok "an empty file" expect_code 3 llm-shuffle -o o.shard /dev/null
ok "a directory" expect_code 1 llm-shuffle -o o.shard tmp
ok "no output directory" expect_code 1 llm-shuffle -o no/o.shard m.shard
err_like "its message" '^llm-shuffle: no/o.shard: No such file or directory$'
ok "a full disk" expect_code 1 bash -c "llm-shuffle m.shard >/dev/full"
err_like "its message" '^llm-shuffle: (standard output|-|/dev/full): .*No space left on device'
ok "-o to a full disk" expect_code 1 llm-shuffle -o /dev/full m.shard
ok "--verify to a full disk" expect_code 1 bash -c "llm-shuffle --verify m.shard >/dev/full"
ok "join to a full disk" expect_code 1 bash -c "llm-shuffle --no-shuffle m.shard >/dev/full"
ok "no --tmpdir" expect_code 1 llm-shuffle --memory 64K --tmpdir no -o o.shard m.shard
err_like "its message" '^llm-shuffle: (beyond --memory|no: )'
like "names the directory" "$(cat err)" 'llm-shuffle: no: '
ok "standard input twice" expect_code 2 llm-shuffle - - -o o.shard
ok "standard input, closed" expect_code 1 bash -c "llm-shuffle -o o.shard <&-"
ok "no file appears" [ ! -e o.shard ]

mkshard --block 5000 --tokens 3000 --docs 200 >big.shard
bash -c 'llm-shuffle -q big.shard; echo $? >status' | head -c 10 >/dev/null
is "a closed pipe: SIGPIPE, silently" "$(cat status)" 141

if [ "$(id -u)" -eq 0 ]; then
    skip "an unwritable directory" "root writes everywhere"
else
    mkdir locked
    chmod 500 locked
    ok "an unwritable directory" expect_code 1 llm-shuffle -o locked/o.shard m.shard
fi

mkdir small
if [ "$(id -u)" -eq 0 ] && mount -t tmpfs -o size=300k tmpfs small 2>/dev/null; then
    ok "too little room for the spill" expect_code 1 llm-shuffle --memory 64K --tmpdir small -o o.shard big.shard
    like "need and free space are told" "$(cat err)" 'small: .* needed.*, .* free'
    ok "a spill from a pipe fills the disk" expect_code 1 bash -c "llm-shuffle --memory 64K --tmpdir small -o o.shard <big.shard"
    like "it is named" "$(cat err)" 'small: .*No space left on device'
    ok "the output fills the disk" expect_code 1 llm-shuffle -o small/o.shard big.shard
    like "it is named" "$(cat err)" 'small/o.shard: .*No space left on device'
    is "nothing is left there" "$(ls -A small)" ""
    umount small
else
    skip "a small file system fills up" "cannot mount one here"
fi

# SIGTERM while it waits for the rest of a pipe, the spill begun.
mkfifo pipe
llm-shuffle --memory 64K --tmpdir tmp --split 0.5=part.shard -o out.shard pipe 2>err &
pid=$!
exec 3>pipe
head -c 400000 big.shard >&3
for _ in $(seq 100); do
    grep -q spilling err && break
    sleep 0.1
done
like "the spill has begun" "$(cat err)" 'beyond --memory: spilling to tmp'
kill -TERM $pid
wait $pid
is "SIGTERM ends it" $? 143
exec 3>&-
is "no temporary file, no part, no output" "$(find tmp -type f; find . -maxdepth 1 -name '.?*' -o -name out.shard -o -name part.shard)" ""
