#!/usr/bin/env bash
# Shards, ids and text back; special tokens; same bytes for any threads; constant memory.
. "$LLM_SRC/tests/lib.sh"
. "$LLM_SRC/tests/cli/tokenize/_tokenizer.bash"
PATH="$LLM_BIN/tests/tools:$PATH"

# 7 MB in 3,000 documents of very different sizes, as lines, and some as files in a tar
python3 - <<'P'
import random, json, os
random.seed(7)
words = [''.join(random.choice("abcdefghij あいう漢字\n") for _ in range(random.randint(1, 9))) for _ in range(500)]
os.mkdir("docs")
with open("big.jsonl", "w", encoding="utf-8") as f:
    for i in range(3000):
        n = random.choice([1, 3, 30, 300, 1000])
        text = " ".join(random.choice(words) for _ in range(n))
        f.write(json.dumps({"i": i, "text": text}, ensure_ascii=i % 2 == 0) + "\n")
        if i % 20 == 0:
            open("docs/%05d" % i, "w", encoding="utf-8").write(text)
P
tar --sort=name -czf docs.tgz docs
for n in 1 2 7; do
    llm-tokenize -q -t tok.json --threads $n --source s:ja --sample 0.9 big.jsonl docs.tgz -o t$n.shard 2>log$n
done
same "same bytes with 2 threads" t1.shard t2.shard
same "same bytes with 7 threads" t1.shard t7.shard
ok "the shard is sound" llm-shuffle --verify t1.shard
ok "zstd accepts it" zstd -qt t1.shard
is "a directory and its tar give the same documents" \
    "$(llm-tokenize -q -t tok.json docs -o d1.shard && dumpshard d1.shard | sha256sum)" \
    "$(llm-tokenize -q -t tok.json docs.tgz -o d2.shard && dumpshard d2.shard | sha256sum)"
llm-tokenize -q -t tok.json --special document --ids big.jsonl >ids
llm-tokenize -q -t tok.json big.jsonl -o b.shard
llm-tokenize -q --ids b.shard >ids2
same "ids from text and from the shard" ids ids2
llm-tokenize -q --ids - <b.shard >ids2
same "from standard input" ids ids2
llm-tokenize -q --ids <(cat b.shard) >ids2
same "from a pipe" ids ids2
(head -c 7 b.shard; sleep 0.2; tail -c +8 b.shard) | llm-tokenize -q --ids >ids2
same "from a slow pipe" ids ids2
jq -c '{text}' big.jsonl >want.jsonl
llm-tokenize -q -t tok.json --decode --format jsonl b.shard | jq -c '{text}' >got.jsonl
same "decoded byte for byte" want.jsonl got.jsonl
llm-tokenize -q -t tok.json --decode --format jsonl ids | jq -c '{text}' >got.jsonl
same "from lines of ids, too" want.jsonl got.jsonl
gzip -k ids
llm-tokenize -q -t tok.json --decode --format jsonl ids.gz | jq -c '{text}' >got.jsonl
same "and from a compressed file of them" want.jsonl got.jsonl
is "--decode to text adds nothing" "$(printf 'x\ny' | llm-tokenize -q -t tok.json | llm-tokenize -q -t tok.json --decode | od -c)" \
    "$(printf 'x\ny' | od -c)"
is "--decode to lines" "$(printf '{"text":"a\\nb"}\n{"text":"c"}\n' | llm-tokenize -q -t tok.json | llm-tokenize -q -t tok.json --decode --format lines)" "a b
c"

# the hash of a document is that of its text; bytes are the text's
printf 'some text' >one.txt
read -r _ bytes hash _ < <(llm-tokenize -q -t tok.json --source x one.txt | dumpshard -)
is "a document's bytes and hash" "$bytes $hash" "9 $(xxhsum -H3 one.txt | sed 's/.*= *//;s/^XXH3_//;s/ .*//')"

# special tokens
ids() {
    printf 'a</s>b' | llm-tokenize -q -t tok.json --ids "$@"
}
A=$(printf a | llm-tokenize -q -t tok.json --ids)
B=$(printf b | llm-tokenize -q -t tok.json --ids)
is "--ids puts nothing around by default here" "$(ids)" "$A 601 $B"
is "--special document" "$(ids --special document)" "600 $A 601 $B 601"
is "--special none" "$(ids --special none)" "$A 601 $B"
is "--bos none" "$(ids --special document --bos none)" "$A 601 $B 601"
is "--eos by id, equal to bos" "$(ids --special document --eos 600)" "$A 601 $B 600"
is "--eos by text" "$(ids --special document --eos '<s>' --bos '</s>')" "601 $A 601 $B 600"
is "--eos none" "$(ids --special document --eos none)" "600 $A 601 $B"
is "--special-text plain" "$(printf 'a</s>b' | llm-tokenize -q -t tok.json --ids --special-text plain | llm-tokenize -q -t tok.json --decode)" "a</s>b"
llm-tokenize -q --train bpe --vocab-size 300 --special-tokens '<unk>' one.txt -o noeos.json
ok "no end of document" expect_code 2 llm-tokenize -t noeos.json one.txt -o no.shard
err_like "names --eos" '^llm-tokenize: noeos.json: .*--eos'
ok "not needed for --special none" expect_code 0 llm-tokenize -t noeos.json --special none one.txt -o t.shard

# memory does not grow with the input
memory() { # FILE…: peak in KB
    python3 -c 'import resource,subprocess,sys
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)' llm-tokenize -q -t tok.json --threads 2 "$@"
}
if [ -n "${LLM_SANITIZE:-}" ]; then
    skip "constant memory" "sanitizers keep what is freed"
else
    one=$(memory --count big.jsonl)
    many=$(memory --count big.jsonl big.jsonl big.jsonl big.jsonl)
    ok "constant memory: $one KB, $many KB for four times as much" [ "$many" -lt $((one + 4096)) ]
    seq 1 2000000 >lines # enough to fill what waits between the threads
    many=$(memory --format lines lines -o s.shard)
    great=$(memory --format lines lines lines lines lines lines lines -o s.shard)
    ok "small documents: $many KB, $great KB for 10 million more" [ "$great" -lt $((many + 65536)) ]
    ok "two threads' caches and tables stay small" [ "$great" -lt 240000 ]
fi
