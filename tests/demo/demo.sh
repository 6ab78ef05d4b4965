#!/usr/bin/env bash
# The main job on real text: Debian's own Japanese and English documentation becomes
# a tokenizer, token shards, a trained model, its scores, two samples and a Hugging
# Face directory. Every command is printed before it runs, so that it can be copied.
#
#   DEMO_MINUTES=4   time for training
#   DEMO_DIR=DIR     .deb files that are there already, instead of a download
#   DEMO_TEXT=FILES  your own files (space-separated) instead of Debian's; --lang sorts them
#   DEMO_RANKS=2     MPI ranks
set -euo pipefail
export LC_ALL=C.UTF-8
trap 'exit 130' INT
trap 'exit 143' TERM

top=$(cd "$(dirname "$0")/../.." && pwd)
cd "$top"
export PATH="$top/build:$PATH"
out=build/demo
minutes=${DEMO_MINUTES:-4}
ranks=${DEMO_RANKS:-2}
begin=$(date +%s)
declare -a stage_names stage_seconds

packages_ja='manpages-ja manpages-ja-dev debian-reference-ja developers-reference-ja maint-guide-ja
    debian-faq-ja libreoffice-help-ja scilab-doc-ja groonga-doc lilypond-doc-html-ja apache2-doc'
packages_en='python3.11-doc|python3.13-doc perl-doc anarchism postgresql-doc-15|postgresql-doc-17 manpages-dev'

bold='' plain=''
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
    bold=$'\033[1m' plain=$'\033[0m'
fi
say() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }
fail() { printf 'demo: %s\n' "$*" >&2; exit 1; }

# Prints a command line, then runs it.
run() {
    printf '$'
    printf ' %s' "${@@Q}" | sed "s/'\([A-Za-z0-9_./:=,@%+-]*\)'/\1/g"
    printf '\n'
    "$@"
}

stage() { # NAME: ends the stage before it
    local now
    now=$(date +%s)
    if [ -n "${stage_name:-}" ]; then
        stage_names+=("$stage_name")
        stage_seconds+=($((now - stage_begin)))
    fi
    stage_name=$1
    stage_begin=$now
    [ -z "$1" ] || say "$1"
}

# ---- text -------------------------------------------------------------------

# apt-get with package lists of its own below build/, as any user.
own_apt() {
    local tool=$1
    shift
    mkdir -p "$out/apt/lists/partial" "$out/apt/cache/archives/partial"
    "$tool" -q -o Dir::State::lists="$top/$out/apt/lists" -o Dir::Cache="$top/$out/apt/cache" \
        -o APT::Sandbox::User= -o Debug::NoLocking=1 "$@"
}

# The first of "a|b" that the archive has.
known_package() {
    local name
    for name in ${1//|/ }; do
        if own_apt apt-cache show "$name" >"$out/apt/show" 2>&1; then
            echo "$name"
            return
        fi
    done
    echo "note: no package $1 here, skipped" >&2
}

download() {
    local want=() name
    mkdir -p "$out/debs" "$out/apt"
    command -v apt-get >"$out/apt/which" || fail 'no apt-get on this system: give DEMO_TEXT="your files"'
    if ! ls "$out"/apt/lists/*Packages* >"$out/apt/have" 2>&1; then
        own_apt apt-get update >"$out/apt/update.log" 2>&1 || { tail -5 "$out/apt/update.log" >&2; fail 'apt-get update failed'; }
    fi
    for name in $packages_ja $packages_en; do
        name=$(known_package "$name")
        [ -z "$name" ] || ls "$out"/debs/"$name"_* >"$out/apt/have" 2>&1 || want+=("$name")
    done
    [ ${#want[@]} -eq 0 ] || (cd "$out/debs" && run own_apt apt-get download "${want[@]}")
}

pick_debs() { # DIR NAMES: the .deb files of these packages
    local dir=$1 name file
    shift
    for name in "$@"; do
        for file in ${name//|/ }; do
            find "$dir" -name "${file}_*.deb"
        done
    done
}

stage 'Text'
mkdir -p "$out"
rm -rf "$out/run" "$out/hf"
rm -f "$out"/*.shard "$out"/*.json "$out"/*.jsonl
if [ -n "${DEMO_TEXT:-}" ]; then
    read -ra files_ja <<<"$DEMO_TEXT"
    files_en=("${files_ja[@]}")
else
    if [ -z "${DEMO_DIR:-}" ]; then
        echo "Downloads 62 MB of Debian packages into $out/debs, needs about 400 MB of disk there and about"
        echo "ten minutes in all, $minutes of them for training (DEMO_MINUTES)."
        download
        DEMO_DIR=$out/debs
    fi
    # shellcheck disable=SC2086
    mapfile -t files_ja < <(pick_debs "$DEMO_DIR" $packages_ja)
    # shellcheck disable=SC2086
    mapfile -t files_en < <(pick_debs "$DEMO_DIR" $packages_en)
fi
if [ ${#files_ja[@]} -eq 0 ] || [ ${#files_en[@]} -eq 0 ]; then
    fail 'no files to read'
fi

# Several packages hold other languages too, and the same text in several forms.
exclude=(--exclude '*.txt' --exclude '*.txt.gz' --exclude '*_sources/*' --exclude '*.md' --exclude '*copyright'
    --exclude '*changelog*' --exclude '*control.tar*'
    --exclude '*/apache2-doc/manual/ko/*')

stage 'Tokenizer: 8,000 pieces learned from a sample'
run llm-tokenize --train bpe --vocab-size 8000 --sample 0.2 --lang ja,en "${exclude[@]}" \
    -o "$out/tokenizer.json" "${files_ja[@]}" "${files_en[@]}"

stage 'Shards: the archives tokenized as they are'
run llm-tokenize -t "$out/tokenizer.json" --source ja:ja --lang ja "${exclude[@]}" \
    --log "$out/tokenize.jsonl" -o "$out/ja.shard" "${files_ja[@]}"
run llm-tokenize -t "$out/tokenizer.json" --source en:en --lang en "${exclude[@]}" \
    --log "$out/tokenize.jsonl" -o "$out/en.shard" "${files_en[@]}"

stage 'Shuffle: 60 % Japanese, 1 % kept for validation'
run llm-shuffle --seed 1 --dedup exact --split "0.01=$out/valid.shard" -o "$out/train.shard" \
    "ja=$out/ja.shard:60" "en=$out/en.shard:40"
run llm-shuffle --verify "$out/train.shard" "$out/valid.shard"

# ---- model ------------------------------------------------------------------

cat >"$out/config.json" <<'JSON'
{
  "architectures": ["LlamaForCausalLM"],
  "model_type": "llama",
  "vocab_size": 8000,
  "hidden_size": 192,
  "intermediate_size": 512,
  "num_hidden_layers": 6,
  "num_attention_heads": 6,
  "num_key_value_heads": 2,
  "hidden_act": "silu",
  "max_position_embeddings": 256,
  "rms_norm_eps": 1e-5,
  "rope_theta": 10000.0,
  "initializer_range": 0.06,
  "tie_word_embeddings": true
}
JSON
batch=4
micro=2
tokens=$((batch * 256))
common=(--tokenizer "$out/tokenizer.json" --seq-length 256 --global-batch "$batch" --micro-batch "$micro"
    --precision fp32 --lr 3e-3 --min-lr 1e-4 --warmup 100 --epochs 100)

stage "Training: $ranks ranks, $minutes minutes"
echo 'A few steps tell how many fit into the time:'
run llm-train --ranks "$ranks" --model "$out/config.json" "${common[@]}" --steps 40 \
    --log "$out/speed.jsonl" -q "$out/train.shard"
rate=$(jq -s 'map(select(.event == "step") | .tokens_per_second) | sort | .[length / 2 | floor]' "$out/speed.jsonl")
steps=$(awk -v r="$rate" -v m="$minutes" -v t="$tokens" 'BEGIN { n = int(r * m * 60 * 0.92 / t); print n < 120 ? 120 : n }')
printf '%.0f tokens/s: %d steps of %d tokens\n' "$rate" "$steps" "$tokens"
train=(--save "$out/run" --steps "$steps" --save-every 0 --valid "$out/valid.shard" --valid-every $((steps / 4 + 1))
    --valid-tokens 50k --log "$out/train.jsonl")
limit=$(awk -v m="$minutes" 'BEGIN { printf "%ds", m * 60 / 3 + 1 }')
echo 'The run is stopped once, as a batch system would:'
status=0
run llm-train --ranks "$ranks" --model "$out/config.json" "${common[@]}" "${train[@]}" --time-limit "$limit" \
    "$out/train.shard" || status=$?
[ "$status" -eq 75 ] || [ "$status" -eq 0 ] || fail "llm-train ended with $status"
echo "exit status $status"
if [ "$status" -eq 75 ]; then
    run llm-train --ranks "$ranks" --resume "$out/run" --valid "$out/valid.shard" --log "$out/train.jsonl" \
        "$out/train.shard"
fi

# ---- scores, samples, conversion --------------------------------------------

stage 'Evaluation'
run llm-eval --precision fp32 --seq-length 256 --json "$out/eval.json" "$out/run" "$out/valid.shard"
stage 'Samples'
run llm-eval --precision fp32 --max-new 60 --temperature 0.7 --top-p 0.9 --seed 1 --generate 'このコマンドは' "$out/run"
echo
run llm-eval --precision fp32 --max-new 60 --temperature 0.7 --top-p 0.9 --seed 1 --generate 'The function returns' "$out/run"
echo
stage 'Hugging Face directory'
run llm-convert --to hf --verify "$out/run" "$out/hf"
run llm-convert --info "$out/hf"
run llm-eval --precision fp32 --seq-length 256 --json "$out/eval-hf.json" "$out/hf" "$out/valid.shard"
if cmp -s "$out/eval.json" "$out/eval-hf.json"; then
    echo 'The checkpoint and the Hugging Face directory have the same scores.'
else
    diff "$out/eval.json" "$out/eval-hf.json" || fail 'the Hugging Face directory scores differently'
fi
stage ''

# ---- the closing table ------------------------------------------------------

# Bits per byte of a text when every byte is coded by its own frequency.
byte_entropy() {
    od -An -v -tu1 -w1 "$1" | sort -n | uniq -c |
        awk '{ n[NR] = $1; all += $1 } END { for (i in n) h -= n[i] * log(n[i] / all) / log(2); printf "%.3f", h / all }'
}

zstd_bits() {
    local raw packed
    raw=$(wc -c <"$1")
    packed=$(zstd -19 -c -q "$1" | wc -c)
    awk -v a="$packed" -v b="$raw" 'BEGIN { printf "%.3f", 8 * a / b }'
}

say 'Time per stage'
for i in "${!stage_names[@]}"; do
    printf '  %5d s  %s\n' "${stage_seconds[$i]}" "${stage_names[$i]}"
done
printf '  %5d s  in all\n' $(($(date +%s) - begin))

say 'What was tokenized'
printf '  %-8s %10s %14s %14s\n' source documents bytes tokens
for lang in ja en; do
    llm-convert --info --json "$out/$lang.shard" |
        jq -r '.sources[] | "\(.name) \(.documents) \(.bytes) \(.tokens)"' |
        while read -r name documents bytes count; do
            printf '  %-8s %10d %14d %14d\n' "$name" "$documents" "$bytes" "$count"
        done
done

say 'Validation, bits per byte'
printf '  %-8s %10s %14s %10s\n' source model byte-unigram 'zstd -19'
llm-tokenize -t "$out/tokenizer.json" --decode --format jsonl "$out/valid.shard" >"$out/valid.jsonl" 2>"$out/decode.log"
for lang in ja en; do
    jq -r --arg s "$lang" 'select(.source == $s) | .text' "$out/valid.jsonl" >"$out/valid-$lang.txt"
    bits=$(jq -r --arg s "$lang" 'if type == "array" then .[] else . end | select(.source == $s) | .bits_per_byte' "$out/eval.json")
    printf '  %-8s %10.3f %14s %10s\n' "$lang" "$bits" "$(byte_entropy "$out/valid-$lang.txt")" "$(zstd_bits "$out/valid-$lang.txt")"
done
jq -rs 'map(select(.event == "step")) | "\n  \(.[-1].step) steps, \(.[-1].tokens) tokens, \([.[].tokens_per_second] | sort | .[length / 2 | floor] | floor) tokens/s, training loss \(.[-1].loss * 1000 | round / 1000)"' "$out/train.jsonl"
echo "  checkpoint $out/run, Hugging Face directory $out/hf"
