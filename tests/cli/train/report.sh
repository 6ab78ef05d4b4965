#!/usr/bin/env bash
# --report and --curve: what the page and the drawing hold is what the log says.
. "$LLM_SRC/tests/lib.sh"
. "$LLM_SRC/tests/cli/train/fixture.bash"
fixture

# The data of a page, as a browser would read it.
data() { sed -n 's|^<script type="application/json" id="runs">\(.*\)</script>$|\1|p' "$1"; }
series() { data page.html | jq -c ".[$1].series[\"$2\"] | map([.[0], .[1]])"; }
logged() { jq -c -n "[inputs | select(.event == \"$2\") | [.step, .$3]]" "$1"; }

llm-tokenize -q -t tok.json --source other:ja -o other.shard "$LLM_SRC/LICENSE"
llm-tokenize -q -t tok.json --source one:en -o one.shard "$LLM_SRC/README.md"
llm-shuffle -q --no-shuffle -o valid.shard one.shard other.shard
ok 'a run' train first --model llama.json --precision fp32 --steps 12 --skip 5-6 --valid valid.shard --valid-every 4 --health-every 4
ok 'another' train second --model llama.json --precision fp32 --steps 6
ok 'a page of both' llm-train -q --report page.html first.jsonl second.jsonl
is 'names the runs' "$(data page.html | jq -c 'map(.name)')" '["first","second"]'
for name in loss lr grad_norm tokens_per_second mfu; do
    is "$name is the log's" "$(series 0 $name)" "$(logged first.jsonl step $name)"
done
is 'validation' "$(series 0 valid/loss)" "$(logged first.jsonl valid loss)"
is 'validation by source' "$(series 0 valid/bits_per_byte/other)" \
    "$(jq -c -n '[inputs | select(.event == "valid") | [.step, (.sources[] | select(.source == "other")).bits_per_byte]]' first.jsonl)"
is 'whose tokens are all' "$(jq 'select(.event == "valid") | .scored_tokens - ([.sources[].scored_tokens] | add)' first.jsonl | sort -u)" 0
is 'health of a group' "$(series 0 'health/update_ratio/qkv 1')" \
    "$(jq -c -n '[inputs | select(.event == "tensor_health") | [.step, (.groups[] | select(.kind == "qkv" and .layer == 1)).update_ratio]]' first.jsonl)"
is 'health of the whole' "$(series 0 health/grad_norm)" "$(logged first.jsonl tensor_health grad_norm)"
is 'skipped steps are marked' "$(data page.html | jq -c '.[0].marks | map(select(.[1] == "skip")[0])')" '[5,6]'
is 'nothing is fetched' "$(grep -cE '(src|href)=|@import|fetch\(|https?://[^w]' page.html)" 0

# Steps that were done again, a line in the making, names and texts that would end the script.
head -n 8 first.jsonl >again.jsonl
cat first.jsonl >>again.jsonl
printf '{"event":"step","step":13,"lo' >>again.jsonl
cp again.jsonl '<!--<b>.jsonl'
ok 'a page of a hostile name' llm-train -q --report page.html '<!--<b>.jsonl'
is 'is whole' "$(data page.html | jq -r '.[0].name')" '<!--<b>'
is 'steps count once' "$(series 0 loss)" "$(logged first.jsonl step loss)"
is 'a page does not hold it as it is' "$(grep -c '<!--<b>' page.html)" 0

# Long runs are drawn by stretches.
seq 1 6000 | jq -c '{event: "step", step: ., loss: (10 / . + . % 2), seconds: 0.1}' >long.jsonl
ok 'a long run' llm-train -q --report page.html long.jsonl
is 'in 1,500 stretches' "$(data page.html | jq -c '.[0].series.loss | [length, .[0][0], .[-1][0]]')" '[1500,4,6000]'
is 'by mean, least and greatest' "$(data page.html | jq -c '.[0].series.loss[0] | map(. * 1000 | round)')" '[4000,5708,2500,11000]'

curve=$(llm-train --curve first.jsonl)
like 'a curve' "$curve" 'loss  *[0-9.]* at step 1, [0-9.]* at step 12, least'
is 'of sixteen rows' "$(grep -c '│' <<<"$curve")" 16
ok 'within 80 columns' test "$(LC_ALL=C.UTF-8 wc -L <<<"$curve")" -le 80
like 'and the validation loss' "$curve" "validation loss .* $(printf %.4f "$(jq 'select(.event == "valid" and .step == 12).loss' first.jsonl)") at step 12"

echo '{"step":1}' >bad.jsonl
jq -c 'select(.event == "start")' first.jsonl >empty.jsonl
refused 'no logs' 2 'expected the logs' --report page.html
refused 'both' 2 'exclude each other' --report page.html --curve first.jsonl
refused 'a line that is no event' 3 'bad.jsonl: line 1.*event' --report no.html bad.jsonl
refused 'no steps' 3 'no step event' --curve empty.jsonl
refused 'no file' 1 'none.jsonl' --curve none.jsonl
ok 'a refused page is not there' test ! -e no.html
