#!/usr/bin/env bash
# A checkpoint written once more in files of another size: the same state, and training goes on alike.
. "$LLM_SRC/tests/lib.sh"
. "$LLM_SRC/tests/cli/eval/model.bash"
fixture

hash_of() { llm-convert --info --json "$1" | jq -r .state_hash; }
files_of() { find "$1" -name '*.safetensors' | wc -l; }

ok 'into small files' llm-convert -q --to checkpoint --max-shard-size 64K --verify run small
is 'the same state' "$(hash_of small)" "$(hash_of run)"
ok 'more files' [ "$(files_of small)" -gt "$(files_of run)" ]
ok 'none larger than asked for' [ -z "$(find small -name '*.safetensors' -size +70k)" ]
ok 'and back' llm-convert -q --to checkpoint small/step-00000005 back
for f in run/step-00000005/*; do
    ok "the same bytes: ${f##*/}" cmp "$f" "back/step-00000005/${f##*/}"
done
ok 'verified alone' llm-convert -q --to checkpoint --verify run small
cp -r small other
sed -i 's/1/2/' other/step-00000005/config.json
ok 'another file is found' expect_code 3 llm-convert -q --to checkpoint --verify run other
llm-convert -q --to checkpoint --force run other
ok 'replaced by force' llm-convert -q --to checkpoint --verify run other
ok 'onto itself: refused' expect_code 2 llm-convert -q --to checkpoint --force run run
ok 'and it is still there' [ "$(hash_of run)" = "$(hash_of back)" ]
ok 'a directory in use is refused' expect_code 2 llm-convert -q --to checkpoint run back
ok 'another state differs' "$mkcheckpoint" --seed 2 --step 5 config.json seed2
ok 'and is told' expect_code 4 llm-convert -q --to checkpoint --verify seed2 back
err_like 'which' 'state_hash differs'

printf x | dd of=back/step-00000005/moment1-00001-of-00001.safetensors bs=1 seek=30000 conv=notrunc 2>/dev/null
ok 'damage is not passed on' expect_code 3 llm-convert -q --to checkpoint back bad
err_like 'it is named' 'back/step-00000005/moment1-00001-of-00001.safetensors: .*checksum differs'
ok 'nothing was written' [ ! -e bad ]
