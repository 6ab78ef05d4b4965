#!/usr/bin/env bash
# --pack and --best-fit: what is in which sequence, padding, loss masks, the same bytes always, joins, refusals.
. "$LLM_SRC/tests/lib.sh"
PATH="$LLM_BIN/tests/tools:$PATH"

# Takes packed shards apart and compares them with the documents in the order of the shuffle.
cat >check.py <<'P'
import sys
from bisect import bisect_left, insort
from collections import Counter

def documents(path):
    return [line.split() for line in open(path)]

kind, n, plain, packed = sys.argv[1], int(sys.argv[2]), documents(sys.argv[3]), documents(sys.argv[4])
size = n + 1

if kind == "stream":
    # Sequence k has the ids [kN, kN + N] of the stream, and begins documents where they begin.
    want = [(x, i == 0) for d in plain for i, x in enumerate(d[3:])]
    got = []
    for d in packed:
        padding = d[0] == "padding"
        assert not padding or all(x.endswith("!") for x in d[1:]), "padding that is scored"
        got += [None] * (len(d) - 1) if padding else [(x, i == 0) for i, x in enumerate(d[3:])]
    assert len(got) == max(-(-(len(want) - 1) // n), 1) * size, "so many sequences"
    for k in range(len(got) // size):
        a, b = want[k * n:k * n + size], [x for x in got[k * size:(k + 1) * size] if x]
        assert [x for x, _ in a] == [x for x, _ in b], "ids of sequence %d" % k
        assert [x for _, x in a[1:]] == [x for _, x in b[1:]], "borders in sequence %d" % k
    assert Counter(tuple(d[:3]) for d in plain) == Counter(tuple(d[:3]) for d in packed if d[0] != "padding")
    sys.exit()

# Best fit: each document whole, or in pieces of N + 1 ids that share one.
want, lengths = Counter(), []
for d in plain:
    ids, bytes = d[3:], d[1]
    while True:
        want[d[0], bytes, d[2], tuple(ids[:size])] += 1
        lengths.append(len(ids[:size]))
        if len(ids) <= size:
            break
        ids, bytes = [ids[n].rstrip("!") + "!"] + ids[n + 1:], "0"
got, at = Counter(), 0
for d in packed:
    if d[0] == "padding":
        assert all(x.endswith("!") for x in d[1:]), "padding that is scored"
        at += len(d) - 1
        assert at % size == 0, "padding inside a sequence"
    else:
        assert at // size == (at + max(len(d) - 4, 0)) // size, "a document over a sequence's end"
        at += len(d) - 3
        got[d[0], d[1], d[2], tuple(d[3:])] += 1
assert at % size == 0, "the last sequence is not whole"
assert got == want, "documents and pieces"

# As many sequences as the plain algorithm takes: the longest first, each where it leaves the least room.
room = [] # rising
for length in sorted((x for x in lengths if x), reverse=True):
    fits = bisect_left(room, length)
    insort(room, (room.pop(fits) if fits < len(room) else size) - length)
assert at // size == len(room), "%d sequences, best fit takes %d" % (at // size, len(room))
# Johnson 1973, Dosa 2007: 11/9 of the fewest and 6/9. The fewest are no fewer than these.
fewest = max(-(-sum(lengths) // size), sum(x * 2 > size for x in lengths))
assert 9 * len(room) <= 11 * fewest + 6, "%d sequences, at least %d are needed" % (len(room), fewest)
P

check() { # DESC SHARD N
    local desc=$1 shard=$2 n=$3 kind fit
    llm-shuffle -q "$shard" >plain && dumpshard plain >plain.txt
    for kind in stream fit; do
        fit=()
        [ $kind = stream ] || fit=(--best-fit)
        ok "$desc: $kind" expect_code 0 llm-shuffle --pack "$n" "${fit[@]}" -o packed "$shard"
        like "$desc: $kind: the account" "$(cat err)" "packed: [0-9]+ sequences of $((n + 1)) ids; [0-9]+ ids of padding"
        ok "$desc: $kind: is sound" llm-shuffle --verify packed
        dumpshard packed >packed.txt
        ok "$desc: $kind: what is where" python3 check.py $kind "$n" plain.txt packed.txt
        llm-shuffle -q --memory 64K --threads 3 --pack "$n" "${fit[@]}" "$shard" >disk
        same "$desc: $kind: the same on disk, with threads" packed disk
        llm-shuffle -q --memory 700K --pack "$n" "${fit[@]}" - <"$shard" >disk
        same "$desc: $kind: the same from a pipe, half on disk" packed disk
    done
}

mkshard --block 5000 --source ja:ja --docs 500 --source en --tokens 1:300 --docs 300 >m.shard
check "two sources" m.shard 128
check "short sequences" m.shard 7
mkshard --loss --block 777 --vocabulary 70000 --source chat --tokens 0:90 --docs 900 >chat.shard
check "loss masks, empty documents, wide ids" chat.shard 64
mkshard --source a --tokens 300:600 --docs 30 >long.shard
check "every document is longer than many sequences" long.shard 16
check "one token a sequence" long.shard 1
mkshard --source a --tokens 65 --docs 40 >exact.shard
check "every document fills a sequence" exact.shard 64
mkshard --source a --tokens 0 --docs 3 >empty.shard
ok "empty documents: no sequence" expect_code 0 llm-shuffle --pack 8 --best-fit -o packed empty.shard
is "they are there" "$(dumpshard packed | wc -l)" 3
mkshard >none.shard
ok "no document: no sequence" expect_code 0 llm-shuffle --pack 8 --best-fit -o packed none.shard
like "an empty shard" "$(llm-shuffle --verify packed)" 'ok: 0 blocks, 0 documents, 0 bytes, 0 tokens'
ok "--verify finds nothing wrong with more than a block" \
    bash -c "mkshard --source a --tokens 1:2000 --docs 1000 | llm-shuffle -q --pack 512 --best-fit | llm-shuffle --verify -"

# The seed, the head, other choices.
llm-shuffle -q --pack 64 --best-fit m.shard >one
llm-shuffle -q --pack 64 --best-fit --seed 2 m.shard >two
not_ok "another seed, another order" cmp one two
is "as many ids" "$(llm-shuffle --verify two | grep -o '[0-9]* tokens')" "$(llm-shuffle --verify one | grep -o '[0-9]* tokens')"
like "the head: length and mask" "$(llm-convert --info one | tr -s ' \n' ' ')" 'seq_length 64 shuffled yes loss_mask yes'
like "the provenance" "$(llm-convert --info one)" '--pack 64 --best-fit'
like "bytes are counted once" "$(llm-shuffle --verify one)" "$(llm-shuffle --verify m.shard | grep -o '[0-9]* bytes')"
ok "with weights, split and duplicates" expect_code 0 llm-shuffle --pack 64 --best-fit --weight ja=1 --weight en=1 \
    --split 0.1=part --dedup exact -o packed m.shard
is "the part holds documents" "$(llm-convert --info part | awk '$1 == "seq_length" { print $2 }')" 0
ok "blended" expect_code 0 llm-shuffle --no-shuffle --weight ja=1 --weight en=1 --pack 64 -o packed m.shard
ok "is sound" llm-shuffle --verify packed

# Back to documents: what sequences share is there once.
llm-tokenize -q --ids -o plain.ids plain
llm-shuffle -q --no-shuffle --pack 16 plain >packed
llm-tokenize -q --ids -o packed.ids packed
same "llm-tokenize --ids has each id once" plain.ids packed.ids
llm-shuffle -q --pack 4096 --best-fit plain >packed
llm-tokenize -q --ids -o packed.ids packed
is "and without padding" "$(sort packed.ids | md5sum)" "$(sort plain.ids | md5sum)"
ok "other formats do not hold sequences" expect_code 3 llm-convert --from shard --to nanogpt packed out.bin

# Joining, and what is refused.
llm-shuffle -q --no-shuffle one two >joined
dumpshard one two >want.txt
dumpshard joined >got.txt
same "packed shards are joined" want.txt got.txt
cat one two >both
dumpshard both >got.txt
same "cat joins them, too" want.txt got.txt
llm-shuffle -q --pack 32 m.shard >three
ok "other lengths are not joined" expect_code 3 llm-shuffle --no-shuffle -o none one three
err_like "and named" 'three: block 0: offset 0: cannot be joined: seq_length is 32 here, 64 before'
ok "packed with documents" expect_code 3 llm-shuffle --no-shuffle -o none one m.shard
ok "packed is not shuffled" expect_code 3 llm-shuffle -o none one
err_like "and told" 'one: block 0: offset 0: sequences of 64 tokens are packed already'
ok "packed is not packed" expect_code 3 llm-shuffle --no-shuffle --pack 8 -o none one
ok "packed is not salvaged" expect_code 3 llm-shuffle --salvage -o none one
ok "no length" expect_code 2 llm-shuffle --pack 0 m.shard
ok "an impossible length" expect_code 2 llm-shuffle --pack 1G m.shard
ok "best fit of nothing" expect_code 2 llm-shuffle --best-fit m.shard
ok "best fit in order" expect_code 2 llm-shuffle --pack 8 --best-fit --no-shuffle m.shard
ok "no file" [ ! -e none ]
