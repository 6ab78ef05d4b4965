#!/usr/bin/env bash
# llm-shard(5) is enough to write another reader from: one in Python's standard
# library, with the zstd and xxhsum commands, reads the same documents.
. "$LLM_SRC/tests/lib.sh"
PATH="$LLM_BIN/tests/tools:$PATH"

command -v zstd >/dev/null || skip_all "no zstd here"
command -v xxhsum >/dev/null || skip_all "no xxhsum here"
reader=$LLM_SRC/tests/cli/shard/_reader.py

compare() { # DESC FILE
    ok "$1: read by Python" python3 "$reader" "$2"
    python3 "$reader" "$2" >theirs 2>&1
    dumpshard "$2" >ours
    same "$1: the same documents" theirs ours
    ok "$1: zstd -t" zstd -tq "$2"
    cp "$2" l.zst
    ok "$1: zstd -l" zstd -lq l.zst
}

mkshard >empty.shard
compare "an empty shard" empty.shard
mkshard --tokens 0 --docs 1 >one.shard
compare "one empty document" one.shard
mkshard --source ja:ja --docs 20 --source en --docs 30 --source ja --docs 5 >two.shard
compare "two sources" two.shard
mkshard --block 100 --segment 4 --loss --source a:ja --docs 9 --padding 2 --source b --docs 9 >masks.shard
compare "masks, padding, segments" masks.shard
mkshard --block 256 --minhash 4x2 --vocabulary 100000 --provenance 'x --y' --docs 12 >wide.shard
compare "signatures, three bytes an id" wide.shard
mkshard --level 0 --block 256 --vocabulary 100000 --docs 12 >stored.shard
compare "stored" stored.shard
cat two.shard <(mkshard --source en --docs 3) >joined.shard
compare "joined by cat" joined.shard
{ printf '\x50\x2a\x4d\x18\x03\0\0\0abc'; cat two.shard; printf '\x57\x2a\x4d\x18\x05\0\0\0other'; } >foreign.shard
compare "foreign frames" foreign.shard

for cut in 50 400 2000; do
    head -c $cut two.shard >cut.shard
    ok "Python's reader finds a cut at $cut" expect_code 3 python3 "$reader" cut.shard
done

# A real shard: what llm-tokenize wrote, as it prints it itself.
ok "a tokenizer is learned" expect_code 0 llm-tokenize --train bpe --vocab-size 400 -o tok.json "$LLM_SRC"/man/*.5
ok "a shard is made" bash -c "llm-tokenize -t tok.json '$LLM_SRC'/man/*.[157] >real.shard"
compare "a real shard" real.shard
llm-tokenize -q -t tok.json --ids real.shard >ours
python3 "$reader" real.shard | cut -d' ' -f4- >theirs
same "its ids are those of llm-tokenize --ids" theirs ours
