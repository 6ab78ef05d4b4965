# shellcheck shell=bash
# What the tests of llm-train share: a tokenizer, shards and configurations, made in the scratch directory.

# About 200 KB of text that a tiny model learns something from: sentences of a small language, the same
# everywhere and always. Frequent words are frequent as in a real one, and words like to follow each other.
make_text() {
    python3 - >text.jsonl <<'P'
import json
WORDS = """the of and a to in is that it was for on are as with his they be at one have this from or had by hot but some
what there we can out other were all your when up use word how said an each she which do their time if will way about many
then them would write like so these her long make thing see him two has look more day could go come did my sound no most
number who over know water than call first people may down side been now find new work part take get place made live where
after back little only round man year came show every good me give our under name very through just form much great think
say help low line before turn cause same mean differ move right boy old too does tell token sentence set three want air
well also play small end put home read hand port large spell add even land here must big high such follow act why ask men
change went light kind off need house picture try us again animal point mother world near build self earth father""".split()
state = 1

def draw(n):
    """A number below n: Park and Miller's generator (1988), so that no library decides over the text."""
    global state
    state = state * 48271 % 2147483647
    return state % n

def word(before):
    if draw(10) < 6:
        return (before * 7 + draw(3)) % len(WORDS)
    return min(draw(len(WORDS)), draw(len(WORDS)), draw(len(WORDS)))

for _ in range(190):
    text, last = [], draw(len(WORDS))
    for _ in range(12 + draw(20)):
        sentence = []
        for _ in range(5 + draw(10)):
            last = word(last)
            sentence.append(WORDS[last])
        sentence = " ".join(sentence)
        text.append(sentence.capitalize() + ".\n" + "\n" * draw(2) if draw(9) else "(%d) %s; " % (draw(2000), sentence))
    print(json.dumps({"text": "".join(text)}))
P
}

# ja.jsonl: words of hiragana in sentences without blanks, a second language for runs that go on in one.
make_japanese() {
    python3 - >ja.jsonl <<'P'
import json
KANA = "あいうえおかきくけこさしすせそたちつてとなにぬねのはひふへほまみむめもやゆよらりるれろわをん"
state = 7

def draw(n):
    """A number below n: Park and Miller's generator (1988)."""
    global state
    state = state * 48271 % 2147483647
    return state % n

WORDS = ["".join(KANA[draw(len(KANA))] for _ in range(2 + draw(3))) for _ in range(120)]
for _ in range(150):
    text, last = "", 0
    for _ in range(14 + draw(20)):
        for _ in range(4 + draw(8)):
            last = (last * 7 + draw(3)) % 120 if draw(10) < 6 else min(draw(120), draw(120))
            text += WORDS[last]
        text += "。"
    print(json.dumps({"text": text}, ensure_ascii=False))
P
}

make_shards() { # tok.json, train.shard, valid.shard
    make_text
    llm-tokenize --train bpe --vocab-size 400 -q -o tok.json --format jsonl text.jsonl &&
        llm-tokenize -t tok.json -q --source code --format jsonl -o all.shard text.jsonl &&
        llm-shuffle -q --seed 7 --split 0.1=valid.shard -o train.shard all.shard
}

make_configs() { # llama.json, gpt2.json
    cat >llama.json <<'JSON'
{"architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 400, "hidden_size": 32,
 "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
 "hidden_act": "silu", "max_position_embeddings": 64, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
 "initializer_range": 0.05, "tie_word_embeddings": true}
JSON
    cat >gpt2.json <<'JSON'
{"architectures": ["GPT2LMHeadModel"], "model_type": "gpt2", "vocab_size": 400, "n_embd": 32, "n_layer": 2,
 "n_head": 4, "n_positions": 64, "activation_function": "gelu_new", "initializer_range": 0.05,
 "resid_pdrop": 0, "embd_pdrop": 0, "attn_pdrop": 0}
JSON
}

fixture() {
    if ! make_shards >fixture.log 2>&1; then
        diag "$(cat fixture.log)"
        exit 1
    fi
    make_configs
}

# A short run: train OUT [options]. Log in OUT.jsonl, checkpoints in OUT.
train() {
    local out=$1
    shift
    llm-train -q --tokenizer tok.json --save "$out" --log "$out.jsonl" --seq-length 64 --global-batch 8 \
        --lr 3e-3 --warmup 5 --save-every 0 --threads 1 "$@" train.shard
}

# Step, loss and gradient norm of a log: the shortest text that reads back, so that equal text is equal bits.
losses() {
    jq -r 'select(.event == "step") | [.step, .loss, .grad_norm] | @tsv' "$1"
}

# The state hash of the last checkpoint of a log.
state_hash() {
    jq -rs 'map(select(.event == "save")) | .[-1].state_hash' "$1"
}

# What llm-train must refuse, and how.
refused() { # DESC STATUS REGEX ARGUMENTS
    ok "$1: status $2" expect_code "$2" llm-train -q "${@:4}"
    like "$1: says so" "$(cat out err)" "$3"
}
