#!/usr/bin/env bash
# Models made of others: --extend-vocabulary and --average.
. "$LLM_SRC/tests/lib.sh"
. "$LLM_SRC/tests/cli/eval/model.bash"
fixture
write_config tied.json 400 '"tie_word_embeddings": true'
ok 'a tied model' make_checkpoint tied tied.json
llm-convert -q run hf
llm-convert -q --dtype bf16 tied hf-tied
jq -c 'select(.text | test("checkpoint"))' pages.jsonl >more.jsonl
llm-tokenize -q --extend tok/tokenizer.json --add 30 --format jsonl -o new.json more.jsonl

refused() { # DESC STATUS REGEX ARGUMENTS
    local desc=$1 status=$2 regex=$3
    shift 3
    ok "$desc: status $status" expect_code "$status" llm-convert -q "$@"
    err_like "$desc: message" "^llm-convert: $regex"
    ok "$desc: nothing is left" bash -c '[ ! -e made ] && [ -z "$(ls -A | grep tmp-)" ]'
}

# ---- --extend-vocabulary: an independent look at the rows.
cat >rows.py <<'P'
import json, struct, sys

def tensors(directory):
    with open(directory + "/model.safetensors", "rb") as f:
        size, = struct.unpack("<Q", f.read(8))
        head = json.loads(f.read(size))
        out = {}
        for name, t in head.items():
            if name == "__metadata__":
                continue
            begin, end = t["data_offsets"]
            f.seek(8 + size + begin)
            data = f.read(end - begin)
            if t["dtype"] == "F32":
                values = struct.unpack("<%df" % (len(data) // 4), data)
            else:
                values = struct.unpack("<%df" % (len(data) // 2), b"".join(
                    b"\0\0" + data[i:i + 2] for i in range(0, len(data), 2)))
            out[name] = t["dtype"], t["shape"], values
        return out

def bf16(x):
    u, = struct.unpack("<I", struct.pack("<f", x))
    return struct.unpack("<f", struct.pack("<I", (u + 0x7fff + (u >> 16 & 1)) & 0xffff0000))[0]

old, new, pieces = tensors(sys.argv[1]), tensors(sys.argv[2]), json.load(open(sys.argv[3]))
assert old.keys() == new.keys()
grown = 0
for name, (kind, shape, values) in old.items():
    if new[name][1] == shape:
        assert new[name] == old[name], name
        continue
    grown += 1
    rows, columns = shape
    more = new[name][2]
    assert new[name][1] == [rows + len(pieces), columns], new[name][1]
    assert more[:rows * columns] == values, "old rows changed"
    for i, ids in enumerate(pieces):
        for c in range(columns):
            mean = sum(values[k * columns + c] for k in ids) / len(ids)
            mean = struct.unpack("<f", struct.pack("<f", mean))[0]
            got = more[(rows + i) * columns + c]
            assert got == (mean if kind == "F32" else bf16(mean)), (name, i, c, got, mean)
assert grown == int(sys.argv[4]), grown
P
jq -c '.model.extension.replaces' new.json >pieces.json
ok 'a checkpoint extended' llm-convert -q --verify --extend-vocabulary new.json run grown
ok 'its rows' python3 rows.py hf grown pieces.json 2
is 'its vocabulary' "$(jq .vocab_size grown/config.json)" 430
ok 'its tokenizer' cmp new.json grown/tokenizer.json
is 'and beside it' "$(ls grown | tr '\n' ' ')" \
    'config.json generation_config.json model.safetensors tokenizer.json tokenizer_config.json '
ok 'a tied directory in BF16' llm-convert -q --verify --from hf --to hf --extend-vocabulary new.json hf-tied grown-tied
ok 'its rows' python3 rows.py hf-tied grown-tied pieces.json 1
is 'config.json but for the vocabulary' "$(jq -c . grown-tied/config.json)" "$(jq -c '.vocab_size = 430' hf-tied/config.json)"
ok 'to a checkpoint' llm-convert -q --verify --from hf --to checkpoint --extend-vocabulary new.json hf grown-0
ok 'and from there' llm-convert -q grown-0 grown-back
ok 'the same weights' cmp grown/model.safetensors grown-back/model.safetensors
llm-tokenize -q -t new.json -o new.shard pages.jsonl
ok 'the grown model is scored' llm-eval -q --json grown-eval.json grown new.shard
llm-train -q --init hf --tokenizer new.json --save trained --seq-length 32 --global-batch 2 --lr 1e-30 --steps 1 --precision fp32 new.shard
llm-convert -q trained trained-hf
ok 'as llm-train --init grows it' cmp trained-hf/model.safetensors grown/model.safetensors

# A token without a record of what stood for it: as the model's tokenizer cuts its text.
jq '.added_tokens += [{"id": 400, "content": "<|start of talk|>", "single_word": false, "lstrip": false,
    "rstrip": false, "normalized": false, "special": true}]' tok/tokenizer.json >talk.json
printf '<|start of talk|>' | llm-tokenize -q --ids --format text --special none -t tok/tokenizer.json - | jq -cs '[.]' >talk-pieces.json
ok 'an added token' llm-convert -q --verify --extend-vocabulary talk.json run talk
ok 'begins as its pieces' python3 rows.py hf talk talk-pieces.json 2

llm-tokenize -q --train bpe --vocab-size 450 -o other.json --format jsonl more.jsonl
refused 'another tokenizer' 3 'other.json: token [0-9]+ is .*: not an extension' --extend-vocabulary other.json run made
refused 'no tokenizer' 1 'none.json: No such file' --extend-vocabulary none.json run made

# ---- --average
for seed in 2 3; do
    ok "checkpoint $seed" make_checkpoint run$seed config.json --seed $seed
    llm-convert -q run$seed hf$seed
done
cat >mean.py <<'P'
import struct, sys

def data(directory):
    raw = open(directory + "/model.safetensors", "rb").read()
    size, = struct.unpack("<Q", raw[:8])
    return raw[:8 + size], struct.unpack("<%df" % ((len(raw) - 8 - size) // 4), raw[8 + size:])

out, pairs = sys.argv[1], [p.split("=") for p in sys.argv[2:]]
header, values = data(out)
parts = [(float(w), *data(d)) for d, w in pairs]
assert all(p[1] == header for p in parts)
total = sum(p[0] for p in parts)
for i, got in enumerate(values):
    mean = 0.0
    for w, _, v in parts:
        mean += w * v[i]
    assert got == struct.unpack("<f", struct.pack("<f", mean / total))[0], (i, got, mean)
P
ok 'three checkpoints' llm-convert -q --verify --average run run2 run3 mean
ok 'their mean' python3 mean.py mean hf=1 hf2=1 hf3=1
ok 'directories, with weights' llm-convert -q --verify --average --from hf --to hf hf:0.5 hf2:3 hf3 weighted
ok 'their weighted mean' python3 mean.py weighted hf=0.5 hf2=3 hf3=1
ok 'of one with itself' llm-convert -q --average run run self
ok 'is itself' cmp self/model.safetensors hf/model.safetensors
for threads in 1 3; do
    llm-convert -q --threads $threads --average --to checkpoint run:2 run2 mean-$threads
done
ok 'with 1 thread and 3' diff -r mean-1 mean-3
llm-convert -q --average run:2 run2 two
llm-convert -q mean-1 mean-1-hf
ok 'as a checkpoint' cmp mean-1-hf/model.safetensors two/model.safetensors
llm-convert -q --average --extend-vocabulary new.json run run2 both
ok 'and extended' bash -c 'llm-convert -q --average run run2 half && python3 rows.py half both pieces.json 2'
ok 'a path with a colon and a number' bash -c 'cp -r hf c:1 && llm-convert -q --average --from hf --to hf ./c:1:2 hf2 colon'
refused 'one model' 2 '--average: expected two INPUTs or more' --average run made
refused 'several without it' 2 'expected INPUT and OUTPUT \(several: --average\)' run run2 made
refused 'a weight of nothing' 2 'run:0: expected a weight above zero' --average run:0 run2 made
refused 'another shape' 3 'tied/step-00000001: another shape than run/step-00000005' --average run tied made
cp -r run3 bad
printf x | dd of=bad/step-00000001/weights-00001-of-00001.safetensors bs=1 seek=30000 conv=notrunc 2>/dev/null
refused 'damage' 3 'bad/step-00000001/weights-.*checksum differs' --average run bad made
refused 'damage when extended' 3 'bad/step-00000001/weights-.*checksum differs' --extend-vocabulary new.json bad made
mkdir other
llm-tokenize -q --train bpe --vocab-size 400 -o other/tokenizer.json --format jsonl more.jsonl
"$mkcheckpoint" --std 0.1 --tokenizer other config.json run-other
refused 'another tokenizer in one' 3 'run-other/.*: another tokenizer than that of run' --average run run-other made
