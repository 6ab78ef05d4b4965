"""_recipe_scale.py PRESET VOCABULARY: a preset's model and options made small enough for a test, by rule.

Reads PRESET.conf and the model it names from cmd/llm-train/presets, writes small.conf and small.json, and prints
what the test must know as shell variables. What changes:
  width    key/value heads: 8 over the query heads of each, at least 1 (2 where the heads could not be halved); heads
           of 8; hidden, MLP and experts' MLP in proportion; 4 layers; an eighth of the experts (and of those a token uses, at least 2); the vocabulary
           of the test's tokenizer
  length   sequences a 32nd, at least 64; 100 steps instead of all; warm-up, decay and changes of precision keep
           their share of the run; of a trunk of warm-up, stable, decay the first million steps is the run, of
           which the last tenth is a branch's
  batch    micro-batches of one sequence, as many for a rank as there, at most 7, of which Fugaku had no more
           (pieces interleaved: at most 6)
  ranks    every axis of more than one rank has two, as long as there are four in all: pipeline, tensor, expert, data
  rate     inversely to the width, as maximal-update parametrization has it for Adam (Yang et al. 2022), at most 0.01
All else (schedule, optimizer, z-loss, deviations, ZeRO, recomputation by stage) stays.
"""
import json
import os
import re
import sys

STEPS, MOST = 100, 7
LAYOUT = ("ranks", "pipeline-parallel", "tensor-parallel", "expert-parallel", "pipeline-schedule", "virtual-stages")
name, vocabulary = sys.argv[1], int(sys.argv[2])
presets = os.path.join(os.environ["LLM_SRC"], "cmd/llm-train/presets")


def read(path):
    lines = (line.split(" = ") for line in open(path).read().splitlines() if line and not line.startswith("#"))
    return {key: value for key, value in lines}


def count(text):
    """A number with k, M, G, T of 1000."""
    return float(text[:-1]) * 1000 ** ("kMGT".index(text[-1]) + 1) if text[-1] in "kMGT" else float(text)


def small_model(c):
    gpt = "n_embd" in c
    hidden, heads = c["n_embd" if gpt else "hidden_size"], c["n_head" if gpt else "num_attention_heads"]
    per_kv = heads // c.get("num_key_value_heads", heads)
    kv = max(1, 8 // per_kv)
    kv += kv * per_kv % 2
    width = kv * per_kv * 8 * hidden // (heads * c.get("head_dim", hidden // heads))
    shrink = lambda n: max(8, n * width // hidden // 8 * 8)
    s = dict(c, vocab_size=vocabulary)
    if gpt:
        s.update(n_embd=width, n_head=kv * per_kv, n_layer=4)
    else:
        s.update(hidden_size=width, num_attention_heads=kv * per_kv, num_key_value_heads=kv, num_hidden_layers=4,
                 intermediate_size=shrink(c["intermediate_size"]))
    if "head_dim" in c:
        s["head_dim"] = 8
    if "num_experts" in c:
        s.update(num_experts=c["num_experts"] // 16, num_experts_per_tok=max(2, c["num_experts_per_tok"] // 16),
                 moe_intermediate_size=shrink(c["moe_intermediate_size"]))
    s["n_positions" if gpt else "max_position_embeddings"] = sequence
    return s, width / hidden


def small_ranks(o):
    """Sizes of the axes there and here."""
    size = {axis: int(o.get(axis + "-parallel", 1)) for axis in ("pipeline", "tensor", "expert")}
    size["data"] = int(o.get("ranks", 1)) // (size["pipeline"] * size["tensor"] * size["expert"])
    here, ranks = {}, 1
    for axis, n in size.items():
        here[axis] = 2 if n > 1 and ranks < 4 else 1
        ranks *= here[axis]
    return size, here, ranks


o = read(os.path.join(presets, name + ".conf"))
sequence = max(64, int(o["seq-length"]) // 64)
there = int(o["seq-length"]) * int(o["global-batch"])
size, here, ranks = small_ranks(o)
micro = int(o["micro-batch"])
deals = here["data"] * here["expert"]
micros = min(MOST, int(o["global-batch"]) // (micro * size["data"] * size["expert"]))
if o.get("pipeline-schedule") == "interleaved":
    micros -= micros % here["pipeline"]
model, ratio = small_model(json.load(open(os.path.join(presets, o["model"] + ".json"))))

small = dict(o)
small["model"] = "small.json"
small["seq-length"] = sequence
small["micro-batch"] = 1
small["global-batch"] = micros * deals
step = sequence * small["global-batch"]
trunk = o["schedule"] == "wsd"
steps = 1e6 if trunk else count(o["steps"]) if "steps" in o else count(o["tokens"]) / there
small.pop("tokens", None)
small["steps"] = STEPS * 9 // 10 + 1 if trunk else STEPS


def length(text):
    """A length of the preset, in tokens here; of a step that is itself the measure, a step."""
    there_steps = count(text[:-3]) / there if text.endswith("tok") else count(text)
    return "%dtok" % max(round(there_steps / steps * STEPS * step), 1) if there_steps > 1 else "1"


for key in ("warmup", "decay"):
    if key in o:
        small[key] = length(o[key])
small["precision"] = re.sub("@([0-9]+)", lambda m: "@%d" % max(1, round(int(m[1]) / steps * STEPS)), o["precision"])
rate = min(1 / ratio, 0.01 / float(o["lr"]))
for key in ("lr", "min-lr"):
    if key in o:
        small[key] = "%.6g" % (float(o[key]) * rate)
small["ranks"] = ranks
for axis in ("pipeline", "tensor", "expert"):
    if here[axis] > 1:
        small[axis + "-parallel"] = here[axis]
    else:
        small.pop(axis + "-parallel", None)
if here["tensor"] == 1:
    small.pop("sequence-parallel", None)
if "," in o.get("recompute", ""):
    names = o["recompute"].split(",")
    small["recompute"] = ",".join(names[i * len(names) // here["pipeline"]] for i in range(here["pipeline"]))
for key in ("save-every", "keep-every", "valid-every"):
    small.pop(key, None)
small["save-every"] = STEPS * 9 // 10 if trunk else 0
if trunk:
    small["keep-every"] = STEPS * 9 // 10
with open("small.conf", "w") as f:
    f.writelines("%s = %s\n" % line for line in small.items())
json.dump(model, open("small.json", "w"), indent=1)
print("trunk=%s branch_steps=%d sequence=%d layout='%s' axes='%s'" % (
    "yes" if trunk else "", STEPS // 10, sequence,
    " ".join("--%s %s" % (key, small[key]) for key in LAYOUT if key in small),
    " ".join("%s%d" % (axis[0].upper() + "P", n) for axis, n in here.items() if n > 1)))
