"""What the peers' tests of models share: TAP, programs, small tokenizers, logits both ways."""
import json
import os
import pathlib
import subprocess
import sys

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

import numpy as np
import torch
from transformers.utils import logging

logging.disable_progress_bar()
torch.set_num_threads(1)  # small models, and tests run beside each other

SRC = pathlib.Path(os.environ.get("LLM_SRC", pathlib.Path(__file__).resolve().parents[2]))
BIN = pathlib.Path(os.environ.get("LLM_BIN", SRC / "build")).resolve()
TOOLS = BIN / "tests/tools"
PEERS = pathlib.Path(os.environ.get("LLM_PEERS", SRC / "build/peers"))
tests = failures = 0


def ok(passed, text):
    global tests, failures
    tests += 1
    failures += not passed
    print(f"{'' if passed else 'not '}ok {tests} - {text}", flush=True)
    return passed


def skip(text, why):
    global tests
    tests += 1
    print(f"ok {tests} - {text} # SKIP {why}", flush=True)


def done():
    print(f"1..{tests}")
    sys.exit(failures > 0 or tests == 0)


def run(program, *args, code=0, stdin=None, binary=False):
    """Standard output of a program; another status than `code` ends the test."""
    path = BIN / program if (BIN / program).exists() else TOOLS / program
    result = subprocess.run([str(path), *map(str, args)], capture_output=True, input=stdin)
    if result.returncode != code:
        sys.exit(f"{program} {' '.join(map(str, args))}: status {result.returncode}\n"
                 + result.stderr.decode(errors="replace"))
    return result.stdout if binary else result.stdout.decode()


def our_logits(model, ids):
    out = np.frombuffer(run("modellogits", model, *ids, binary=True), dtype=np.float32)
    return out.reshape(len(ids), -1)


def their_logits(model, ids):
    with torch.no_grad():
        return model(torch.tensor([ids])).logits[0].float().numpy()


def logits_differ(directory, model, prompts):
    """The largest difference of any logit of the prompts."""
    return max(float(np.abs(our_logits(directory, ids) - their_logits(model, ids)).max())
               for ids in prompts)


def largest_logit(model, prompts):
    return max(float(np.abs(their_logits(model, ids)).max()) for ids in prompts)


def generated(directory, prompts, *options):
    """What llm-eval writes behind each prompt, as the objects of --json."""
    pathlib.Path("prompts.txt").write_text("\n".join(prompts) + "\n", encoding="utf-8")
    run("llm-eval", "--prompts", "prompts.txt", "--json", "generated.json", *options, directory)
    lines = pathlib.Path("generated.json").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def greedy(model, ids, n):
    """The next n ids by transformers, without an end."""
    with torch.no_grad():
        out = model.generate(torch.tensor([ids]), do_sample=False, max_new_tokens=n,
                             eos_token_id=None, pad_token_id=0)
    return out[0, len(ids):].tolist()


def same_greedy(directory, model, prompts, n=64):
    """Do both write the same ids? llm-eval ends before an EOS, which transformers is told to go on behind."""
    ends = model.config.eos_token_id
    ends = ends if isinstance(ends, list) else [] if ends is None else [ends]
    for got in generated(directory, prompts, "--max-new", n, "--precision", "fp32"):
        want, length = greedy(model, got["prompt_ids"], n), len(got["ids"])
        if want[:length] != got["ids"] or (length < n and want[length] not in ends):
            print(f"# {got['prompt']!r}: got {got['ids']}, want {want}")
            return False
    return True


def byte_tokenizer(directory, special="<|endoftext|>"):
    """A byte-level tokenizer.json of 256 bytes, a few merges and one special token; its size."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    t.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=320, special_tokens=[special], show_progress=False,
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    t.train_from_iterator(texts(), trainer)
    pathlib.Path(directory).mkdir(parents=True, exist_ok=True)
    t.save(str(pathlib.Path(directory) / "tokenizer.json"))
    return t.get_vocab_size()


def texts():
    """Documents for the tests: paragraphs of the manual, and some that are not English."""
    found = []
    for page in sorted((SRC / "man").glob("llm-*.[157]"))[:4]:
        found += [p[:400] for p in page.read_text(encoding="utf-8").split("\n.Pp\n") if p.strip()][:4]
    found.append("吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。")
    found.append("Größenwahn – naïve café, 12 345,67 €")
    return found
