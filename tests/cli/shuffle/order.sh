#!/usr/bin/env bash
# The order of the output: uniform, a function of seed and documents alone.
. "$LLM_SRC/tests/lib.sh"
PATH="$LLM_BIN/tests/tools:$PATH"

make_parts() {
    mkshard --block 2000 --source ja:ja --docs 300 --source en --docs 300 >all.shard
    mkshard --source ja:ja --docs 120 >ja1.shard
    mkshard --block 700 --source ja:ja --start 120 --docs 180 >ja2.shard
    mkshard --block 300 --segment 3 --source en --docs 300 >en.shard
}
make_parts

llm-shuffle -q all.shard >want
for options in "--threads 1" "--threads 2" "--threads 7" "--memory 64K" "--memory 200K --threads 3" \
    "--memory 1M" "--memory 4G"; do
    # shellcheck disable=SC2086
    llm-shuffle -q --tmpdir . $options all.shard >got
    same "the same bytes with $options" got want
done
llm-shuffle -q ja1.shard ja2.shard en.shard >got
same "the same bytes from three files" got want
cat ja1.shard ja2.shard en.shard | llm-shuffle -q >got
same "the same bytes from a pipe" got want
llm-shuffle -q --memory 64K ja1.shard - en.shard <ja2.shard >got
same "the same bytes from files and a pipe, on disk" got want
llm-shuffle -q --seed 2 all.shard >other
not_ok "another seed is another order" cmp -s other want
is "the same documents" "$(dumpshard want | sort | md5sum)" "$(dumpshard all.shard | sort | md5sum)"
is "also with the other seed" "$(dumpshard other | sort | md5sum)" "$(dumpshard all.shard | sort | md5sum)"

for shape in "--loss" "--minhash 3x5" "--loss --minhash 2x2 --vocabulary 80000"; do
    # shellcheck disable=SC2086
    mkshard $shape --docs 200 >shape.shard
    llm-shuffle -q shape.shard >a
    llm-shuffle -q --memory 64K shape.shard >b
    same "$shape: memory and disk agree" a b
    is "$shape: nothing is lost" "$(dumpshard a | sort | md5sum)" "$(dumpshard shape.shard | sort | md5sum)"
    like "$shape: verified" "$(llm-shuffle --verify a)" ': ok: '
done

llm-shuffle -q all.shard all.shard >twice
is "the same shard twice counts twice" "$(dumpshard twice | sort | uniq -c | awk '$1 == 2' | wc -l)" 600
llm-shuffle -q x=all.shard >renamed
is "NAME= renames all sources" "$(dumpshard renamed | cut -d' ' -f1 | sort -u)" x
llm-shuffle -q --level 0 all.shard >stored
is "a stored shard has the same documents" "$(dumpshard stored | md5sum)" "$(dumpshard want | md5sum)"
ok "and is larger, and valid zstd" zstd -tq stored

# Positions of 40 documents over 400 seeds: every cell of 40 x 40 expects 10;
# chi-square with 39 * 39 = 1521 degrees of freedom is within 5 deviations of 55.2.
mkshard --tokens 1 --source s --docs 40 >forty.shard
python3 - <<'PY' >chi
import subprocess
names = None
count = {}
for seed in range(1, 401):
    shard = subprocess.run(["llm-shuffle", "-q", "--threads", "1", "--seed", str(seed), "forty.shard"],
                           stdout=subprocess.PIPE, check=True).stdout
    lines = subprocess.run(["dumpshard", "-"], input=shard, stdout=subprocess.PIPE, check=True).stdout.split(b"\n")[:-1]
    assert len(lines) == 40
    for position, line in enumerate(lines):
        key = (line.split()[2], position)
        count[key] = count.get(key, 0) + 1
documents = {d for d, _ in count}
expected = 400 / 40
chi = sum((count.get((d, p), 0) - expected) ** 2 / expected for d in documents for p in range(40))
freedom = 39 * 39
print(len(documents), round(chi), "uniform" if abs(chi - freedom) < 5 * (2 * freedom) ** 0.5 else "not uniform")
PY
like "positions are uniform (chi-square)" "$(cat chi)" '^40 [0-9]+ uniform$'
