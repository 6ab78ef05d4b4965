#!/usr/bin/env bash
# --info describes every kind of file.
. "$LLM_SRC/tests/lib.sh"
. "$LLM_SRC/tests/cli/eval/model.bash"
fixture
llm-convert -q --dtype bf16 run hf

info() { # PATH FILTER
    llm-convert --info --json "$1" | jq -rc "$2"
}

is 'a shard' "$(info text.shard '[.kind, .segments, .vocabulary, [.sources[].name]]')" '["shard",2,400,["pages","headers"]]'
is 'its tokens' "$(info text.shard .tokens)" "$(llm-tokenize -q -t tok --count pages.jsonl headers.jsonl | jq -s '[.. | .tokens? // empty] | max')"
is 'a checkpoint' "$(info run/step-00000005 '[.kind, .step, .model.model_type, .tokenizer.vocabulary]')" '["checkpoint",5,"llama",400]'
is 'a directory of checkpoints' "$(info run .path)" run/step-00000005
is 'the state hash is the manifest'"'"'s' "$(info run .state_hash)" "$(jq -r .state_hash run/step-00000005/manifest.json)"
is 'the fingerprint is the shard'"'"'s' "$(info run .fingerprint)" "$(info text.shard .fingerprint)"
is "and the tokenizer's" "$(info tok/tokenizer.json .fingerprint)" "$(info text.shard .fingerprint)"
is 'a Hugging Face directory' "$(info hf '[.kind, .dtype, .model.parameters]')" "[\"hf\",\"BF16\",$(info run .model.parameters)]"
is 'a safetensors file' "$(info hf/model.safetensors '[.kind, .metadata.format, .tensors[0].name, .tensors[0].shape]')" \
    '["safetensors","pt","model.embed_tokens.weight",[400,32]]'
is 'a tokenizer' "$(info tok/tokenizer.json '[.kind, .vocabulary]')" '["tokenizer",400]'
is 'a directory with a tokenizer' "$(info tok '[.kind, .tokenizer.vocabulary]')" '["tokenizer",400]'
for path in text.shard run hf hf/model.safetensors tok/tokenizer.json; do
    ok "$path for people" bash -c "llm-convert --info $path >text"
    like 'begins with its kind' "$(head -n 1 text)" '^kind +(shard|checkpoint|hf|safetensors|tokenizer)$'
    is "$path: every member is there" "$(info $path 'keys[]' | while read -r k; do grep -q "^$k" text || echo "$k"; done)" ''
done
ok 'with checksums' bash -c '[ "$(llm-convert --info --verify --json run | jq .verified)" = true ]'

refused() { # DESC STATUS REGEX ARGUMENTS
    local desc=$1 status=$2 regex=$3
    shift 3
    ok "$desc: status $status" expect_code "$status" llm-convert "$@"
    err_like "$desc: message" "^llm-convert: $regex"
}
refused 'two paths' 2 '--info describes one INPUT' --info a b
refused 'a missing path' 1 'none: No such file or directory' --info none
echo text >text
refused 'something else' 3 'text: neither a shard, a checkpoint' --info text
printf GGUF >model.gguf
refused 'a GGUF file of four bytes' 3 'model.gguf: offset 4: the file ends before what it announces' --info model.gguf
cp -r run/step-00000005 bad
printf x | dd of=bad/moment1-00001-of-00001.safetensors bs=1 seek=9999 conv=notrunc 2>/dev/null
refused 'damage found with --verify' 3 'bad/moment1-.*: tensor .*: bytes [0-9-]+: checksum differs' --info --verify bad
ok 'and not looked for without' llm-convert --info bad
truncate -s -1 bad/moment2-00001-of-00001.safetensors
refused 'a checkpoint missing one byte' 3 'bad/moment2-00001-of-00001.safetensors: [0-9]+ bytes, the manifest says' --info bad
head -c -1 text.shard >cut.shard
refused 'a cut shard' 3 'cut.shard: ' --info cut.shard
ok 'a full disk' expect_code 1 bash -c 'llm-convert --info run >/dev/full'
ok 'names from a file cannot steer the terminal' bash -c '
    python3 - <<P
import json, struct
h = json.dumps({"\x1b[2J": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}}).encode()
open("esc.safetensors", "wb").write(struct.pack("<Q", len(h)) + h + b"x")
P
    llm-convert --info esc.safetensors >shown && ! grep -q "$(printf "\033")" shown && grep -q "[?]\[2J" shown'
