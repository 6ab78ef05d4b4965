#!/usr/bin/env bash
# Token data of Megatron, llm.c, nanoGPT and datatrove: into shards and back, byte by byte. The layouts
# are those of Megatron's indexed_dataset.py, llm.c's dev/data/data_common.py and datatrove's TokenizedFile.
. "$LLM_SRC/tests/lib.sh"
. "$LLM_SRC/tests/cli/eval/model.bash"
make_text >fixture.log 2>&1
eos=$(llm-convert --info --json text.shard | jq .eos)

ids() { llm-tokenize -q --ids "$1"; }
ids text.shard >want.ids
documents=$(wc -l <want.ids)
tokens=$(wc -w <want.ids)

for kind in megatron nanogpt llm.c ds; do
    ok "--to $kind" llm-convert -q --to $kind text.shard $kind.out
    case $kind in megatron) file=$kind.out.bin ;; *) file=$kind.out ;; esac
    ok "--from $kind" llm-convert -q --from $kind --tokenizer tok --eos "$eos" $kind.out $kind.shard
    ok "$kind: the same ids, document by document" cmp want.ids <(ids $kind.shard)
    ok "$kind: the shard is whole" llm-shuffle -q --verify $kind.shard
    llm-convert -q --to $kind $kind.shard again.out
    case $kind in
    megatron)
        ok "$kind: the same bytes again" cmp megatron.out.bin again.out.bin
        ok "$kind: and index" cmp megatron.out.idx again.out.idx
        ;;
    ds)
        ok "$kind: the same bytes again" cmp ds.out again.out
        ok "$kind: and index" cmp ds.out.index again.out.index
        ;;
    *) ok "$kind: the same bytes again" cmp $kind.out again.out ;;
    esac
    rm -f again.out*
    is "$kind: two bytes a token" "$(stat -c %s "$file")" $((2 * tokens + ($(test $kind = llm.c && echo 1024 || echo 0))))
done

# What a document's text has is known again: duplicates are found across origins.
llm-shuffle -q --no-shuffle --dedup exact text.shard >once.shard
llm-shuffle -q --no-shuffle --dedup exact text.shard megatron.shard >twice.shard
ok 'bytes and hashes are those of the text' cmp <(ids once.shard) <(ids twice.shard)

# The layouts, by hand: od and nothing else.
u() { od -An -v -t "u$1" -j "$2" -N "$1" "$3" | tr -d ' '; }
is 'megatron: magic' "$(head -c 7 megatron.out.idx)" MMIDIDX
is 'megatron: version' "$(u 8 9 megatron.out.idx)" 1
is 'megatron: u16' "$(u 1 17 megatron.out.idx)" 8
is 'megatron: sequences' "$(u 8 18 megatron.out.idx)" "$documents"
is 'megatron: document borders' "$(u 8 26 megatron.out.idx)" $((documents + 1))
is 'megatron: first length' "$(u 4 34 megatron.out.idx)" "$(head -n 1 want.ids | wc -w)"
is 'megatron: second pointer' "$(u 8 $((34 + 4 * documents + 8)) megatron.out.idx)" "$((2 * $(head -n 1 want.ids | wc -w)))"
is 'megatron: last border' "$(od -An -v -t u8 megatron.out.idx -j $((34 + 12 * documents + 8 * documents)) | tr -d ' ')" "$documents"
is 'llm.c: magic, version, tokens' "$(od -An -v -t d4 -N 12 llm.c.out | xargs)" "20240520 1 $tokens"
is 'ds: the last end' "$(tail -c 8 ds.out.index | od -An -v -t u8 | tr -d ' ')" "$tokens"
is 'ds: metadata' "$(head -n 2 ds.out.metadata | tail -n 1)" "$tokens"
is 'nanogpt: ids' "$(od -An -v -t u2 -w2 nanogpt.out | tr -d ' ' | tr '\n' ' ')" "$(tr '\n' ' ' <want.ids)"

# Wide ids: Megatron changes at 65,500 tokens, the others at 65,536.
mkdir -p wide
jq --argjson eos "$eos" '.model.vocab[.added_tokens[0].content] = $eos | .model.vocab["<last>"] = 65535 | .added_tokens += [{"id": 65535, "content": "<last>", "special": true, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false}]' \
    tok/tokenizer.json >wide/tokenizer.json
ok 'a vocabulary of 65,536' llm-tokenize -q -t wide/tokenizer.json --eos "$eos" -o wide.shard pages.jsonl
ok 'megatron has 32 bits for it' llm-convert -q --to megatron wide.shard w
is 'megatron: i32' "$(u 1 17 w.idx)" 4
ok 'nanogpt has 16' llm-convert -q --to nanogpt wide.shard w.nano
is 'twice the bytes' "$(stat -c %s w.bin)" "$((2 * $(stat -c %s w.nano)))"
llm-convert -q --from megatron --tokenizer wide --eos "$eos" w w.shard
ok 'and back' cmp <(ids wide.shard) <(ids w.shard)

# llm.c's own files begin documents with the token that ends them here.
{
    printf '\x88\xd8\x34\x01\x01\0\0\0\x06\0\0\0'
    head -c 1012 /dev/zero
    for id in "$eos" 70 71 "$eos" 72 73; do printf "\\x$(printf %02x $((id % 256)))\\x$(printf %02x $((id / 256)))"; done
} >begins.bin
ok 'documents that begin with it' llm-convert -q --from llm.c --to shard --tokenizer tok --eos "$eos" begins.bin begins.shard
is 'are cut before it' "$(ids begins.shard | xargs -d '\n' printf '[%s]')" "[$eos 70 71][$eos 72 73]"

# A loss mask goes into .loss and comes back.
printf '\1\0\1\1\0\1' >m.loss
printf '\106\0\107\0\110\0\111\0\112\0\113\0' >m
printf '\2\0\0\0\0\0\0\0\6\0\0\0\0\0\0\0' >m.index
ok 'datatrove with a loss mask' llm-convert -q --from ds --to shard --tokenizer tok --eos none m m.shard
ok 'and back' llm-convert -q --to ds m.shard n
ok 'the mask' cmp m.loss n.loss
refused() { # DESC STATUS REGEX ARGUMENTS
    local desc=$1 status=$2 regex=$3
    shift 3
    ok "$desc: status $status" expect_code "$status" llm-convert -q "$@"
    err_like "$desc: message" "$regex"
}
refused 'a loss mask elsewhere' 3 'loss mask, which only --to ds' --to megatron m.shard mm
is 'leaves no file' "$(ls | grep -c '^mm')" 0
refused 'nothing said of the end' 2 'give --eos' --from nanogpt --tokenizer tok nanogpt.out x.shard
refused 'no tokenizer' 2 'give --tokenizer' --from nanogpt --eos 3 nanogpt.out x.shard
refused 'what is there already' 2 'is there already: --force' --to nanogpt text.shard nanogpt.out
refused 'and beside it' 2 'megatron.out.bin: is there already' --to megatron text.shard megatron.out
ok '--force replaces it' llm-convert -q --force --to nanogpt text.shard nanogpt.out
refused 'llm.c into a pipe of unknown length' 2 'needs a file' --from shard --to llm.c - z

# Damaged files: every byte that says how many is checked.
damaged() { # DESC FILE OFFSET BYTES REGEX ARGUMENTS
    local desc=$1 file=$2 at=$3 bytes=$4 regex=$5
    shift 5
    cp "$file" keep
    printf "$bytes" | dd of="$file" bs=1 seek="$at" conv=notrunc 2>/dev/null
    refused "$desc" 3 "$regex" --tokenizer tok --eos "$eos" "$@" bad.shard
    cp keep "$file"
}
big='\xff\xff\xff\xff\xff\xff\xff\x7f'
damaged 'megatron: another magic' megatron.out.idx 0 X 'not an index' --from megatron megatron.out
damaged 'megatron: another version' megatron.out.idx 9 '\2' 'version 1' --from megatron megatron.out
damaged 'megatron: floats' megatron.out.idx 17 '\6' 'type code 6' --from megatron megatron.out
damaged 'megatron: too many sequences' megatron.out.idx 18 "$big" 'do not hold' --from megatron megatron.out
damaged 'megatron: too many documents' megatron.out.idx 26 "$big" 'do not hold' --from megatron megatron.out
damaged 'megatron: a sequence too long' megatron.out.idx 34 '\xff\xff\xff\x7f' 'sequence 0: 2147483647 tokens' --from megatron megatron.out
damaged 'megatron: a pointer elsewhere' megatron.out.idx $((34 + 4 * documents + 8)) '\1' 'sequence 1 begins at byte' --from megatron megatron.out
damaged 'megatron: a border beyond' megatron.out.idx $((34 + 12 * documents + 8)) "$big" 'document 0 ends at sequence' --from megatron megatron.out
damaged 'llm.c: another magic' llm.c.out 0 '\1' 'expected llm.c' --from llm.c llm.c.out
damaged 'llm.c: another count' llm.c.out 8 '\1\0\0\0' 'its header says 1' --from llm.c llm.c.out
damaged 'an id beyond the vocabulary' nanogpt.out 10 '\xff\xff' 'token 5: id 65535 is not below' --from nanogpt nanogpt.out
damaged 'ds: an end before the last' ds.out.index 0 '\0\0\xff' 'a document ends at token' --from ds ds.out
damaged 'ds: an end beyond' ds.out.index 0 "$big" 'a document ends at token' --from ds ds.out
head -c -1 nanogpt.out >odd
refused 'half an id' 3 'no whole number of ids' --from nanogpt --tokenizer tok --eos "$eos" odd bad.shard
head -c 20 megatron.out.idx >odd.idx
cp megatron.out.bin odd.bin
refused 'a cut index' 3 'odd.idx: ends at byte 20' --from megatron --tokenizer tok --eos "$eos" odd bad.shard
is 'no output from any of these' "$(ls bad.shard .bad.shard* 2>/dev/null)" ''
