#!/usr/bin/env bash
# llm-shuffle beside cat on the same bytes: one cat for a shuffle in memory (one pass
# over the input, one over the output), two for one on disk (a spill between). Stored
# shards show the shuffle itself; level 3, what is usually written, shows zstd.
# BENCH_TOKENS (100M), BENCH_THREADS (all).
set -eu
PATH="$LLM_BIN/tests/tools:$PATH"
tokens=${BENCH_TOKENS:-100}
threads=(${BENCH_THREADS:+--threads "$BENCH_THREADS"})
[ -x "$LLM_BIN/tests/tools/mkshard" ] || { echo "mkshard is not built: make tests"; exit 1; }

# About 1,400 tokens a document, three bytes an id.
docs=$((tokens * 1000000 / 1400))
mkshard --vocabulary 100000 --level 0 --threads 2 --tokens 100:2700 --docs $docs >stored.shard
llm-shuffle -q --no-shuffle stored.shard >packed.shard
stat -c '%n %s' stored.shard packed.shard | awk '{ printf "%-14s %.0f MB\n", $1, $2 / 1e6 }'

best() { # CMD…: the least seconds of three runs
    local least=
    for _ in 1 2 3; do
        local start end
        rm -f out.shard copy
        start=$(date +%s.%N)
        "$@" || exit 1
        end=$(date +%s.%N)
        least=$(echo "$start $end ${least:-1e9}" | awk '{ s = $2 - $1; print s < $3 ? s : $3 }')
    done
    echo "$least"
}
# llm-shuffle syncs its output to disk; so does the other side.
one_cat() { cat "$1" >copy && sync copy; }
two_cats() { cat "$1" >copy; cat copy >out.shard && sync out.shard; }
shuffle() { llm-shuffle -q "${threads[@]}" "$@" -o out.shard; }

show() { # WHAT SHARD SECONDS CAT
    awk -v what="$1" -v size="$(stat -c %s "$2")" -v s="$3" -v c="$4" -v t="$tokens" 'BEGIN {
        printf "%-28s %6.2f s %6.0f MB/s %6.1f Mtok/s   cat %5.2f s   ratio %.2f\n", what, s, size / s / 1e6, t / s, c, c / s }'
}

c1=$(best one_cat stored.shard)
m=$(best shuffle --level 0 --memory 8G stored.shard)
show "stored, in memory" stored.shard "$m" "$c1"
c2=$(best two_cats stored.shard)
d=$(best shuffle --level 0 --memory 64M --tmpdir . stored.shard)
show "stored, on disk (64M)" stored.shard "$d" "$c2"
p1=$(best one_cat packed.shard)
m3=$(best shuffle --memory 8G packed.shard)
show "level 3, in memory" packed.shard "$m3" "$p1"
p2=$(best two_cats packed.shard)
d3=$(best shuffle --memory 64M --tmpdir . packed.shard)
show "level 3, on disk (64M)" packed.shard "$d3" "$p2"
echo "$c1 $m $c2 $d" | awk '{ printf "raw ids, cat / llm-shuffle: %.2f in memory (one cat), %.2f on disk (two cats)\n", $1 / $2, $3 / $4 }'
