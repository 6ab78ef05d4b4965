#!/usr/bin/env bash
# Who computes and who waits: a rank that gets half of its time is named with its host.
. "$LLM_SRC/tests/lib.sh"
. "$LLM_SRC/tests/cli/train/fixture.bash"
fixture

llm-train -q --ranks 3 --reduce-groups 3 --model llama.json --seq-length 64 --global-batch 48 --lr 1e-3 --precision fp32 \
    --threads 1 --epochs 50 --log-every 10 --log slow.jsonl --steps 2000 \
    --tokenizer tok.json --save run --save-every 0 train.shard 2>err &
job=$!
for _ in $(seq 200); do grep -q '"event":"step"' slow.jsonl 2>noise && break; sleep 0.05; done
victim=$(jq -r 'select(.event == "start") | .ranks[1].pid' slow.jsonl)

# Stopped and let go in turn: a rank that computes at a quarter of its speed.
for _ in $(seq 400); do
    kill -STOP "$victim"
    sleep 0.1
    kill -CONT "$victim"
    sleep 0.03
    grep -q '"event":"slow"' slow.jsonl && break
done
kill -CONT "$victim"
kill -TERM $job
wait $job
is "the run ends by the signal" $? 75
is "the slow rank is named" "$(jq -r 'select(.event == "slow") | "\(.rank) \(.host)"' slow.jsonl | head -n 1)" "1 $(hostname)"
like "and said" "$(cat err)" "rank 1 on $(hostname) is slow: it computes .* s a step, the median is"
ok "its figures are plausible" jq -se 'map(select(.event == "slow"))[0] | .compute_seconds > 1.5 * .median_seconds' slow.jsonl
ok "every step says how long rank 0 waited" jq -se \
    'map(select(.event == "step")) | all(.wait_seconds >= 0 and .wait_seconds <= .seconds + 0.01)' slow.jsonl
ok "the end sums up" jq -se 'map(select(.event == "health")) | length == 1 and .[0].wait_share > 0 and .[0].worst_rank >= 0' slow.jsonl

# --log-every: the same from fewer exchanges.
ok "every third step" llm-train -q --ranks 2 --reduce-groups 2 --model llama.json --seq-length 64 --global-batch 8 --lr 1e-3 \
    --precision fp32 --threads 1 --steps 20 --log-every 3 --log third.jsonl train.shard
is "steps counted" "$(jq 'select(.event == "health") | .steps' third.jsonl)" 17
