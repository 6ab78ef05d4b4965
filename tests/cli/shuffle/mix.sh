#!/usr/bin/env bash
# Weights, epochs, --tokens, --split, --dedup and --no-shuffle.
. "$LLM_SRC/tests/lib.sh"
PATH="$LLM_BIN/tests/tools:$PATH"

mkshard --block 3000 --source ja:ja --docs 1000 --source en --docs 2000 >m.shard
mkshard --source ja:ja --docs 1000 >ja.shard
mkshard --source en --docs 2000 >en.shard

tokens_of() { # SOURCE FILE
    dumpshard "$2" | awk -v s="$1" '$1 == s { n += NF - 3 } END { print n + 0 }'
}

check() { # DESC ARGUMENTS…: the same in memory, on disk, with threads
    local desc=$1
    shift
    ok "$desc" bash -c "$(printf '%q ' llm-shuffle "$@") >mixed"
    cp tap.log table
    llm-shuffle -q --memory 64K --threads 3 "$@" >disk
    same "$desc: the same on disk" mixed disk
}

# All of ja (56,394 tokens) and as much of en as 40 % is: 37,596, to the nearest document.
check "weights" --weight ja=0.6 --weight en=0.4 m.shard
is "all of ja" "$(tokens_of ja mixed)" "$(tokens_of ja m.shard)"
en=$(tokens_of en mixed) want=$(($(tokens_of ja m.shard) * 4 / 6))
ok "en is within half a document of its share: $en of $want" [ $((en - want)) -le 50 -a $((want - en)) -le 50 ]
like "the table: asked and achieved" "$(cat table)" 'ja +1000 +[0-9]+ +60\.00% +60\.0[0-9]% +1\.00 +0$'
is "no document twice" "$(dumpshard mixed | sort | uniq -d | wc -l)" 0
llm-shuffle -q ja.shard:0.6 en=en.shard:0.4 >operands
is "weights of operands are the same" "$(dumpshard operands | md5sum)" "$(dumpshard mixed | md5sum)"
llm-shuffle -q ja.shard:3 en.shard:2 >operands
is "only their ratio counts" "$(dumpshard operands | md5sum)" "$(dumpshard mixed | md5sum)"
# A source used in part spreads over the whole output: a half holds about half of it.
half=$(dumpshard mixed | head -n $(($(dumpshard mixed | wc -l) / 2)) | grep -c '^en ')
ok "en spreads evenly: $half of $(dumpshard mixed | grep -c '^en ') in the first half" \
    [ $((half * 2)) -gt 580 -a $((half * 2)) -lt 760 ]

check "epochs" --epochs ja=2.5 --weight ja=3 --weight en=1 m.shard
is "two whole epochs and the half of one" \
    "$(dumpshard mixed | grep '^ja ' | sort | uniq -c | awk '{ n[$1]++ } END { print n[1] + 0, (n[2] > 400 && n[3] > 400) }')" "0 1"
is "copies come epoch by epoch: the first 1,000 of ja are all different" \
    "$(dumpshard mixed | grep '^ja ' | head -1000 | sort | uniq -d | wc -l)" 0
check "epochs without weights" --epochs en=2 m.shard
is "everything, en twice" "$(dumpshard mixed | wc -l)" 5000
check "--tokens" --tokens 10k m.shard
n=$(dumpshard mixed | awk '{ n += NF - 3 } END { print n }')
ok "about so many: $n" [ "$n" -gt 9850 -a "$n" -lt 10150 ]
check "--tokens with weights" --tokens 20k --weight ja=1 --weight en=1 m.shard
check "a zero weight leaves a source out" --weight ja=1 --weight en=0 m.shard
is "none of en" "$(tokens_of en mixed)" 0
ok "too many tokens" expect_code 2 llm-shuffle --tokens 1M -o none m.shard
err_like "the epochs it takes" '^llm-shuffle: --tokens 1000000: .* --epochs ja=5\.99 --epochs en=5\.99'
ok "no file" [ ! -e none ]
ok "with those epochs it works" expect_code 0 llm-shuffle --tokens 1M --epochs ja=5.99 --epochs en=5.99 -o some m.shard

ok "a weight is missing" expect_code 2 llm-shuffle --weight ja=1 m.shard
err_like "and named" 'source en has no weight'
ok "no such source" expect_code 2 llm-shuffle --weight fr=1 --weight ja=1 --weight en=1 m.shard
ok "a weight of two sources" expect_code 2 llm-shuffle m.shard:2
err_like "is refused" 'm.shard has 2 sources: a weight needs NAME='
ok "no number" expect_code 2 llm-shuffle --weight ja=much m.shard
ok "two weights" expect_code 2 llm-shuffle a=ja.shard:1 a=en.shard:2
cp ja.shard a=b
cp ja.shard x:1
ok "./a=b and x:1:1 are paths" expect_code 0 llm-shuffle -o p.shard ./a=b x:1:1 ./x:1:1
is "of three shards" "$(dumpshard p.shard | wc -l)" 3000

ok "--split" expect_code 0 llm-shuffle --split 0.1=v1 --split 0.05=v2 -o rest m.shard
ok "--split with another seed" expect_code 0 llm-shuffle --seed 9 --memory 64K --split 0.1=v3 --split 0.05=v4 -o rest2 m.shard
same "the first part is the same" v1 v3
same "the second part is the same" v2 v4
is "nothing is lost or doubled" "$(for f in v1 v2 rest; do dumpshard $f; done | sort | md5sum)" "$(dumpshard m.shard | sort | md5sum)"
n=$(dumpshard v1 | wc -l)
ok "a tenth: $n" [ "$n" -gt 240 -a "$n" -lt 360 ]
llm-shuffle -q --split 0.15=v5 -o rest3 m.shard
is "the intervals follow each other" "$(dumpshard v1 v2 | sort | md5sum)" "$(dumpshard v5 | sort | md5sum)"
ok "--split 1 takes all" expect_code 0 llm-shuffle --split 1=v6 -o rest4 m.shard
is "nothing is left" "$(dumpshard rest4 | wc -l) $(dumpshard v6 | wc -l)" "0 3000"
ok "more than all" expect_code 2 llm-shuffle --split 0.6=a --split 0.5=b m.shard
ok "a failed run leaves no part" expect_code 1 bash -c "llm-shuffle --split 0.5=part m.shard >/dev/full"
ok "indeed" [ ! -e part ]

mkshard --same 100 --docs 500 >d.shard
ok "--dedup exact" expect_code 0 llm-shuffle --dedup exact --dedup-report report -o once d.shard d.shard
is "each text once" "$(dumpshard once | wc -l) $(dumpshard once | sort -u | wc -l)" "100 100"
is "the report has a line for each of the others" "$(wc -l <report)" 900
is "of JSON, which names the one that is kept" \
    "$(python3 -c 'import json
print(sum(json.loads(l)["kept_document"] == json.loads(l)["document"] % 100 for l in open("report")))')" 900
mkshard --docs 100 >first.shard
is "the first is kept" "$(llm-shuffle -q --no-shuffle --dedup exact d.shard | dumpshard - | md5sum)" "$(dumpshard first.shard | md5sum)"

is "--no-shuffle joins" "$(llm-shuffle -q --no-shuffle m.shard d.shard | dumpshard - | md5sum)" \
    "$(dumpshard m.shard d.shard | md5sum)"
is "from a pipe, too" "$(cat m.shard d.shard | llm-shuffle -q --no-shuffle | dumpshard - | md5sum)" \
    "$(dumpshard m.shard d.shard | md5sum)"
ok "a blend" expect_code 0 llm-shuffle --no-shuffle --weight ja=3 --weight en=1 -o blend m.shard
is "keeps the order of a source" "$(dumpshard blend | grep '^ja ' | md5sum)" "$(dumpshard ja.shard | md5sum)"
# Every prefix has the shares up to a document or two (a document has at most 100 tokens).
is "is blended evenly" "$(dumpshard blend | awk '
    { n[$1] += NF - 3; t += NF - 3; d = n["ja"] - 0.75 * t; if (d > 200 || d < -200) bad++ } END { print bad + 0 }')" 0
ok "a blend of a pipe" expect_code 2 bash -c "llm-shuffle --no-shuffle ja=-:3 en=en.shard:1 <ja.shard"
ok "join ends at --tokens" expect_code 0 llm-shuffle --no-shuffle --tokens 5k -o j m.shard
n=$(dumpshard j | awk '{ n += NF - 3 } END { print n }')
ok "at the next document: $n" [ "$n" -ge 5000 -a "$n" -lt 5100 ]

for options in "--pack 0" "--best-fit" "--dedup minhash" "--seed 0" "--tokens 0" "--dedup-report r" \
    "--verify --salvage" "--split x=y" "--split 0.5" "--epochs ja" "--no-shuffle --epochs ja=2"; do
    # shellcheck disable=SC2086
    ok "$options is refused" expect_code 2 llm-shuffle -o none $options m.shard
    err_like "$options: why" '^llm-shuffle: .{8}'
done
ok "and no file appears" [ ! -e none ]
