#!/usr/bin/env bash
# Packed shards: another reader reads them; those that lie with all hashes right are refused or read, never worse.
. "$LLM_SRC/tests/lib.sh"
PATH="$LLM_BIN/tests/tools:$PATH"

command -v zstd >/dev/null || skip_all "no zstd here"
command -v xxhsum >/dev/null || skip_all "no xxhsum here"
folder=$LLM_SRC/tests/cli/shard

mkshard --source ja:ja --docs 60 --source en --tokens 1:200 --docs 40 >m.shard
mkshard --loss --docs 60 >masks.shard
llm-shuffle -q --pack 50 --level 0 m.shard >stream.shard
llm-shuffle -q --pack 50 --best-fit masks.shard >fit.shard
for shard in stream fit; do
    ok "$shard: read by Python" python3 "$folder/_reader.py" $shard.shard
    python3 "$folder/_reader.py" $shard.shard >theirs
    dumpshard $shard.shard >ours
    same "$shard: the same documents" theirs ours
    ok "$shard: zstd -t" zstd -tq $shard.shard
done

# HEAD's sequence length stands 44 bytes behind the tag's beginning.
for length in 0 49 99 0xFFFFFFFE 0xFFFFFFFF; do
    python3 "$folder/_crafted.py" stream.shard head 44 $length
    [ $length = 0 ] && want=0 || want=3
    ok "a sequence length of $length" expect_code $want llm-shuffle --verify stream.shard.head
    [ $length = 0 ] || err_like "$length: why" 'block [0-9]+: offset [0-9]+: ends inside a sequence of [0-9]+ tokens'
    ok "a sequence length of $length: from the tail" expect_code $want llm-convert --info stream.shard.head
done

# Exit status 0 or 3, and never a signal.
tried=0 refused=0
for shard in stream fit; do
    count=${LLM_LONG:+1000}
    python3 "$folder/_crafted.py" $shard.shard 1 "${count:-25}"
    for crafted in $shard.shard.[0-9]*; do
        for tool in 'llm-shuffle -q --verify' 'llm-shuffle -q --no-shuffle' 'llm-tokenize -q --ids' 'llm-convert --info'; do
            $tool "$crafted" >out 2>err
            status=$?
            tried=$((tried + 1)) refused=$((refused + (status == 3)))
            [ $status -eq 0 ] || [ $status -eq 3 ] || { ok "$tool $crafted: exit status $status" false; diag "$(head err)"; }
        done
    done
done
ok "crafted shards: $tried readings, $refused refused" [ "$refused" -gt $((tried / 4)) ]
