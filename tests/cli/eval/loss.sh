#!/usr/bin/env bash
# Loss on shards: the same numbers from files and pipes, threads and ranks; what the options change.
. "$LLM_SRC/tests/lib.sh"
. "$LLM_SRC/tests/cli/eval/model.bash"
fixture

eval_json() { # OUT ARGUMENTS
    local out=$1
    shift
    llm-eval -q --json "$out" "$@"
}

ok 'a checkpoint on a shard' eval_json base.json run/step-00000005 text.shard
is 'a line for each source and one for all' "$(jq -r .source base.json | tr '\n' ' ')" 'pages headers all '
is 'its members' "$(jq -rs '.[0] | keys_unsorted | join(" ")' base.json)" \
    'source tokens bytes loss perplexity bits_per_byte'
is 'bytes are those of the texts' "$(jq -r 'select(.source == "all").bytes' base.json)" \
    "$(cat pages.jsonl headers.jsonl | jq -rj .text | wc -c)"
ok 'all is the sum' jq -es '(.[0].tokens + .[1].tokens == .[2].tokens) and
    ((.[0].loss * .[0].tokens + .[1].loss * .[1].tokens) / .[2].tokens / .[2].loss - 1 | fabs < 1e-12)' base.json
ok 'perplexity and bits per byte' jq -es 'map((.perplexity / (.loss | exp) - 1 | fabs < 1e-12) and
    (.bits_per_byte / (.loss * .tokens / .bytes / (2 | log)) - 1 | fabs < 1e-12)) | all' base.json
# A random model knows nothing: its loss is near that of equal odds, log(400) = 5.99.
ok 'the loss of a random model' jq -es '.[2].loss > 5.9 and .[2].loss < 7' base.json

ok 'the newest of several' make_checkpoint run config.json --step 3 --seed 9
ok 'is taken' eval_json newest.json run text.shard
same 'the same' newest.json base.json
ok 'from a pipe' bash -c 'cat text.shard | llm-eval -q --json pipe.json run -'
same 'the same from a pipe' pipe.json base.json
ok 'two shards' eval_json two.json run pages.shard headers.shard
same 'the same as joined' two.json base.json
for threads in 1 2 3; do
    ok "threads $threads" eval_json threads.json --threads $threads run text.shard
    same "the same on $threads threads" threads.json base.json
done
for ranks in 2 3; do
    ok "ranks $ranks" eval_json ranks.json --ranks $ranks --threads 1 run text.shard
    same "the same on $ranks ranks" ranks.json base.json
done
ok 'JSON on standard output' bash -c 'llm-eval -q --json - run text.shard >stdout.json'
same 'the same there' stdout.json base.json
ok 'a table' bash -c 'llm-eval -q run text.shard >table'
is 'of four lines' "$(wc -l <table)" 4
is 'with the same loss' "$(awk '$1 == "all" { print $4 }' table)" \
    "$(jq -r 'select(.source == "all").loss | . * 1e6 | round / 1e6' base.json | xargs printf '%.6f')"
ok 'a log' llm-eval -q --log log.jsonl run text.shard
is 'has the events' "$(jq -r 'select(.event == "eval").source' log.jsonl | tr '\n' ' ')" 'pages headers all '

# Options that change what is computed.
total=$(llm-convert --info --json text.shard | jq .tokens)
documents=$(llm-convert --info --json text.shard | jq .documents)
is 'a target that begins another document is not scored' "$(jq -r 'select(.source == "all").tokens' base.json)" \
    $((total - documents))
ok 'one stream' eval_json stream.json --document-mask no run text.shard
is 'scores all but the first' "$(jq -r 'select(.source == "all").tokens' stream.json)" $((total - 1))
ok 'another length' eval_json short.json --seq-length 16 run text.shard
not_ok 'has another loss' cmp -s short.json base.json
ok 'bf16' eval_json bf16.json --precision bf16 run text.shard
ok 'is near fp32' jq -es '.[2].loss / .[5].loss - 1 | fabs < 2e-3 and . != 0' bf16.json base.json
ok 'each document apart' eval_json rolling.json --rolling run text.shard
is 'scores every token' "$(jq -r 'select(.source == "all").tokens' rolling.json)" "$total"
ok 'more context' eval_json stride.json --rolling --stride 16 run text.shard
is 'scores as many' "$(jq -r 'select(.source == "all").tokens' stride.json)" "$total"
not_ok 'by other windows' cmp -s rolling.json stride.json

# Defaults come from the checkpoint's options.
ok 'a checkpoint that was trained otherwise' make_checkpoint trained config.json --seed 1 \
    --option seq-length=16 --option document-mask=no --option precision=bf16
ok 'is scored as trained' eval_json trained.json trained text.shard
ok 'which can be said as well' eval_json said.json --seq-length 16 --document-mask no --precision bf16 trained text.shard
same 'the same' trained.json said.json

# A loss mask.
ok 'a shard with a loss mask' bash -c '"$LLM_BIN/tests/tools/mkshard" --vocabulary 400 --loss --source m --docs 30 >mask.shard'
ok 'a checkpoint without a tokenizer' "$mkcheckpoint" --std 0.1 config.json plain
ok 'is scored' eval_json mask.json plain mask.shard
on=$("$LLM_BIN/tests/tools/dumpshard" mask.shard | awk '{ for (i = 5; i <= NF; i++) n += $i !~ /!/ } END { print n }')
is 'where the loss is on' "$(jq -rs '.[0].tokens' mask.json)" "$on"

# Converted, it is the same model.
ok 'converted' llm-convert -q run hf
ok 'and scored' eval_json hf.json hf text.shard
same 'the same loss' hf.json base.json
