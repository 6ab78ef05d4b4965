#!/usr/bin/env bash
# What damage does on the command line: exit 3 with block and offset; salvage.
# (unit/shard_damage goes through every flip and truncation.)
. "$LLM_SRC/tests/lib.sh"
PATH="$LLM_BIN/tests/tools:$PATH"

mkshard --block 500 --source ja --docs 40 --source en --docs 40 >good.shard
size=$(stat -c %s good.shard)

# A byte of the file with one bit turned.
flip() { # OFFSET
    cp good.shard bad.shard
    python3 - "$1" <<'PY'
import sys
with open("bad.shard", "r+b") as f:
    f.seek(int(sys.argv[1]))
    byte = f.read(1)[0]
    f.seek(int(sys.argv[1]))
    f.write(bytes([byte ^ 16]))
PY
}

for at in 0 5 30 90 200 700 $((size / 2)) $((size - 100)) $((size - 1)); do
    flip "$at"
    ok "a flip at byte $at: --verify" expect_code 3 llm-shuffle --verify bad.shard
    like "a flip at byte $at: its line" "$(cat out)" '^bad.shard: corrupt: block [0-9]+: offset [0-9]+: '
    err_like "a flip at byte $at: the message" '^llm-shuffle: bad.shard: block [0-9]+: offset [0-9]+: '
    ok "a flip at byte $at: no output" expect_code 3 llm-shuffle -o out.shard bad.shard
    ok "a flip at byte $at: no file" [ ! -e out.shard ]
    ok "a flip at byte $at: from a pipe" expect_code 3 bash -c "cat bad.shard | llm-shuffle >piped.shard"
done

for n in 0 1 20 100 1000 $((size - 24)) $((size - 1)); do
    head -c "$n" good.shard >cut.shard
    ok "cut at $n" expect_code 3 llm-shuffle --verify cut.shard
    err_like "cut at $n: the message" 'cut.shard: block [0-9]+: offset [0-9]+: '
done

ok "good and bad shards" expect_code 3 llm-shuffle --verify good.shard bad.shard good.shard
is "a line for each" "$(grep -c '^good.shard: ok: ' out)" 2

# Blocks moved about: frames are cut out by the offsets in the messages of a walk.
python3 - <<'PY'
import struct
data = open("good.shard", "rb").read()
at, frames, kinds = 0, [], []
while at < len(data):
    magic, size = struct.unpack_from("<II", data, at)
    if magic == 0xFD2FB528:
        n = struct.unpack_from("<I", frames[-1], len(frames[-1]) - 20)[0]
        kinds.append("D")
    else:
        n, tag = 8 + size, data[at + 8:at + 12]
        kinds.append(chr(tag[3]))
    frames.append(data[at:at + n])
    at += n
blocks = [i for i, k in enumerate(kinds) if k == "B"]
a, b = blocks[1], blocks[2]


def write(name, order):
    open(name, "wb").write(b"".join(frames[i] for i in order))


every = list(range(len(frames)))
write("swapped.shard", every[:a] + [b, b + 1] + every[a + 2:b] + [a, a + 1] + every[b + 2:])
write("twice.shard", every[:a + 2] + [a, a + 1] + every[a + 2:])
write("missing.shard", every[:a] + every[a + 2:])
write("last.shard", every[:blocks[-1]] + every[-1:])
write("notail.shard", every[:-1])
write("nohead.shard", every[1:])
write("nodata.shard", every[:a + 1] + every[a + 2:])
inside = b"\x5a\x2a\x4d\x18\x02\0\0\0hi"
open("foreign.shard", "wb").write(b"".join(inside + f for f in frames) + inside)
unknown = b"LTSq"
PY
for what in swapped twice missing last notail nohead nodata; do
    ok "$what" expect_code 3 llm-shuffle --verify $what.shard
    err_like "$what: the message" ': block [0-9]+: offset [0-9]+: '
done
ok "foreign frames everywhere are passed over" expect_code 0 llm-shuffle --verify foreign.shard
like "and counted" "$(cat out)" ' foreign frames$'
dumpshard good.shard >good.txt
dumpshard foreign.shard >foreign.txt
same "and change nothing" good.txt foreign.txt

ok "segments that do not fit" expect_code 3 bash -c \
    "cat good.shard <(mkshard --vocabulary 999 --docs 3) | llm-shuffle >out.shard"
err_like "the field is named" 'block [0-9]+: offset [0-9]+: cannot be joined: vocabulary is 999 here, 1000 before'
mkshard --fingerprint 7 --docs 3 >other.shard
ok "files that do not fit" expect_code 3 llm-shuffle good.shard other.shard
err_like "are named" 'other.shard: .*fingerprint'

# Salvage keeps every document that lies wholly in whole blocks.
flip $((size / 2))
ok "salvage" expect_code 0 llm-shuffle --salvage -o saved.shard bad.shard
dumpshard saved.shard >saved.txt
is "what is saved is in the original, in order" "$(diff good.txt saved.txt | grep -c '^>')" 0
lost=$(($(wc -l <good.txt) - $(wc -l <saved.txt)))
ok "few are lost: $lost" [ "$lost" -gt 0 -a "$lost" -lt 30 ]
like "and counted" "$(cat err)" "damage at [0-9]+ places: $lost documents cut or lost"
ok "salvage of a cut file" expect_code 0 bash -c "head -c $((size / 3)) good.shard | llm-shuffle --salvage >saved.shard"
ok "gives a whole shard" llm-shuffle --verify saved.shard
ok "nothing to salvage" expect_code 3 llm-shuffle --salvage -o none.shard /dev/null
cat good.shard bad.shard good.shard >three.shard
ok "salvage goes on behind a damaged segment" expect_code 0 llm-shuffle --salvage -o saved.shard three.shard
is "with all that is whole" "$(dumpshard saved.shard | wc -l)" $((3 * $(wc -l <good.txt) - lost))
ok "--on-error skip shuffles what is whole" expect_code 0 llm-shuffle --on-error skip -o s.shard bad.shard
is "all of it" "$(dumpshard s.shard | sort | md5sum)" "$(sort saved.txt | md5sum)"
