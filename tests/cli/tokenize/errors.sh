#!/usr/bin/env bash
# Exit codes and first lines; nothing half-made is left.
. "$LLM_SRC/tests/lib.sh"
. "$LLM_SRC/tests/cli/tokenize/_tokenizer.bash"

printf 'some text\n' >a.txt
llm-tokenize -q -t tok.json a.txt -o a.shard
llm-tokenize -q --train bpe --vocab-size 602 --format text "$LLM_SRC"/README.md -o other.json

ok "a missing file" expect_code 1 llm-tokenize -t tok.json nothing -o o.shard
err_like "its message" '^llm-tokenize: nothing: No such file or directory$'
ok "a missing file among others" expect_code 1 llm-tokenize -t tok.json --on-error skip a.txt nothing -o o.shard
ok "a missing tokenizer" expect_code 1 llm-tokenize -t nothing.json a.txt -o o.shard
err_like "its message" '^llm-tokenize: nothing.json: No such file or directory$'
ok "no tokenizer" expect_code 2 llm-tokenize a.txt -o o.shard
err_like "its message" '^llm-tokenize: which tokenizer\? give --tokenizer FILE$'
ok "a tokenizer that is none" expect_code 3 llm-tokenize -t a.txt a.txt -o o.shard
ok "a shard as input" expect_code 3 llm-tokenize -t tok.json a.shard -o o.shard
err_like "its message" '^llm-tokenize: a.shard: is a shard; --decode\?$'
ok "a shard inside an archive" expect_code 3 bash -c 'gzip -c a.shard | llm-tokenize -t tok.json -o o.shard'
ok "a shard to train on" expect_code 3 llm-tokenize --train bpe --vocab-size 300 a.shard -o o.json
ok "the wrong tokenizer" expect_code 3 llm-tokenize -t other.json --decode a.shard
err_like "its message" '^llm-tokenize: a.shard: fingerprint differs'
head -c -5 a.shard >cut.shard
for mode in --ids --count "--decode -t tok.json"; do
    # shellcheck disable=SC2086
    ok "$mode of a cut shard" expect_code 3 llm-tokenize $mode cut.shard
    err_like "its place" '^llm-tokenize: cut.shard: .*offset [0-9]+'
done
printf '5 6 x\n' >ids
ok "ids that are none" expect_code 3 llm-tokenize -t tok.json --decode ids
err_like "their place" '^llm-tokenize: ids: line 1: not a list of ids$'
printf '5\n602\n' >ids
ok "an id beyond the vocabulary" expect_code 3 llm-tokenize -t tok.json --decode ids
err_like "its place" '^llm-tokenize: ids: line 2: .*602'
ok "no output directory" expect_code 1 llm-tokenize -t tok.json a.txt -o no/o.shard
ok "a full disk" expect_code 1 bash -c 'llm-tokenize -t tok.json a.txt >/dev/full'
err_like "its message" 'No space left on device'
ok "-o to a full disk" expect_code 1 llm-tokenize -t tok.json a.txt -o /dev/full
for mode in "--ids -t tok.json a.txt" "--ids a.shard" "--count a.shard" "--count a.txt" \
    "--decode -t tok.json a.shard" "--train bpe --vocab-size 300 a.txt"; do
    ok "$mode to a full disk" expect_code 1 bash -c "llm-tokenize $mode >/dev/full"
done
yes 'many words to make more than a pipe holds' | head -n 40000 >big.txt
for mode in "-t tok.json" "-t tok.json --ids" "-t tok.json --ids --format lines"; do
    bash -c "llm-tokenize -q $mode big.txt; echo \$? >status" | head -c 10 >/dev/null
    is "$mode into a closed pipe: SIGPIPE, silently" "$(cat status)" 141
done
ok "no file appears" [ ! -e o.shard ]
is "nothing is left beside it" "$(find . -name '.*tmp*')" ""

# the command line
while read -r options; do
    # shellcheck disable=SC2086
    ok "refused: $options" expect_code 2 llm-tokenize $options -o o.shard a.txt
done <<'O'
-t tok.json --ids --count
-t tok.json --ids --decode
--train bpe
--train bpe --vocab-size 300 -t tok.json
--train bpe --vocab-size 100
--train bpe --vocab-size 300 --special-tokens a,,b
--train bpe --vocab-size 300 --pattern nothing
-t tok.json --vocab-size 300
-t tok.json --lang klingon
-t tok.json --sample 1.5
-t tok.json --decode --format man
-t tok.json --eos nothing
-t tok.json --json-field a..b
-t tok.json --max-depth 65
-t tok.json --formt text
O
for option in "--filter x" "--minhash 4x4"; do
    # shellcheck disable=SC2086
    ok "not yet: $option" expect_code 2 llm-tokenize -t tok.json $option -o o.shard a.txt
    err_like "says so" '^llm-tokenize: --.* is not supported yet'
done
if command -v script >/dev/null; then
    script -qec "llm-tokenize -t tok.json a.txt; echo status \$?" /dev/null >screen 2>&1 </dev/null
    like "a shard to a terminal is refused" "$(tr -d '\r' <screen)" 'status 2'
else
    skip "a shard to a terminal" "no script(1)"
fi
