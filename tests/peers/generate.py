#!/usr/bin/env python3
# timeout: 600
"""llm-eval's texts against lm_eval's HFLM.generate_until and transformers' generate, on small random models.

Requests with stop texts (some straddle tokens), left-truncated contexts, several lengths; the repetition
penalty; prompts in a chat template. At least 99.5 % of the texts are the same, and where one is
not, two logits on its way are within 1e-3.
"""
from logging import ERROR, getLogger

from _common import *
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM
from transformers import (AutoModelForCausalLM, GPT2Config, LlamaConfig, PreTrainedTokenizerFast)

getLogger("lm_eval").setLevel(ERROR)  # each truncation is a warning
POSITIONS = 160
CHATML = ("{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\\n' + m['content'] + '<|im_end|>\\n' }}"
          "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}")


def make(name, config):
    """A model with weights large enough that texts are not one token over and over."""
    byte_tokenizer(name)
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=f"{name}/tokenizer.json", eos_token="<|endoftext|>",
                                        pad_token="<|endoftext|>",
                                        additional_special_tokens=["<|im_start|>", "<|im_end|>"])
    tokenizer.chat_template = CHATML
    tokenizer.save_pretrained(name)
    torch.manual_seed(1)
    config = config(vocab_size=len(tokenizer), eos_token_id=tokenizer.eos_token_id, bos_token_id=None)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
    model.save_pretrained(name)
    return model, tokenizer


def llama(**more):
    return LlamaConfig(hidden_size=64, intermediate_size=160, num_hidden_layers=3, num_attention_heads=4,
                       num_key_value_heads=2, max_position_embeddings=POSITIONS, initializer_range=0.2, **more)


def gpt2(**more):
    return GPT2Config(n_embd=48, n_layer=2, n_head=4, n_positions=POSITIONS, initializer_range=0.3, **more)


def contexts():
    found = [t[:n] for i, t in enumerate(texts()) for n in (9, 30 + 7 * i, 150)]
    return found + ["long " * 300 + tail for tail in ("a", "end", "終")]


def ours(directory, requests, *options):
    path = pathlib.Path("requests.jsonl")
    path.write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in requests), encoding="utf-8")
    return [json.loads(l)["text"] for l in run("llm-eval", "-q", *options, "--requests", path, directory).splitlines()]


def theirs(lm, requests):
    instances = [Instance(request_type="generate_until", doc={}, idx=0, arguments=(
        r["ctx"], {"until": list(r["until"]), "do_sample": False, "max_gen_toks": r.get("max_new", 256)}))
        for r in requests]
    return lm.generate_until(instances, disable_tqdm=True)


def closest(model, tokenizer, request):
    """The smallest distance of the two largest logits on transformers' way."""
    n = request.get("max_new", 256)
    ids = tokenizer(request["ctx"]).input_ids[-(POSITIONS - n):]
    with torch.no_grad():
        out = model.generate(torch.tensor([ids]), do_sample=False, max_new_tokens=n, pad_token_id=0,
                             output_scores=True, return_dict_in_generate=True)
    return min(float(-torch.diff(s[0].topk(2).values)) for s in out.scores)


def stops_in(text, i):
    """Texts that occur in it, across tokens as likely as not, and one that may not."""
    at = len(text) * (i % 4 + 1) // 6
    found = [text[at:at + 1 + i % 4], text[at + 2:at + 3 + i % 2], "\n\n" if i % 3 else "Question:"]
    return [s for s in found if s and "\ufffd" not in s]


def compare(kind, model, tokenizer, requests, got, want):
    differ = [i for i, (a, b) in enumerate(zip(got, want)) if a != b]
    gaps = [closest(model, tokenizer, requests[i]) for i in differ]
    for i, gap in zip(differ, gaps):
        print(f"# {requests[i]}: got {got[i]!r}, want {want[i]!r}, closest logits {gap:.2g}")
    ok(len(got) == len(want) and len(differ) <= 0.005 * len(want) and all(g < 1e-3 for g in gaps),
       f"{kind}: {len(want) - len(differ)} of {len(want)} texts are lm_eval's")


def test_requests(kind, directory, model, tokenizer):
    free = [{"id": f"a/{i}", "ctx": c, "until": [], "max_new": (6, 25, 60, 120)[i % 4]}
            for i, c in enumerate(contexts())]
    written = ours(directory, free)
    lm = HFLM(pretrained=str(directory), dtype="float32", batch_size=1, device="cpu")
    compare(f"{kind}: up to a length", model, tokenizer, free, written, theirs(lm, free))
    stopped = [{**r, "until": stops_in(w, i)} for i, (r, w) in enumerate(zip(free, written))]
    got = ours(directory, stopped)
    compare(f"{kind}: up to stop texts", model, tokenizer, stopped, got, theirs(lm, stopped))
    ok(sum(a != b for a, b in zip(got, written)) > len(got) / 2, f"{kind}: most of them were stopped")
    ok(all(ours(directory, stopped, "--batch", b, "--threads", t) == got for b, t in ((1, 1), (3, 2), (64, 1))),
       f"{kind}: the same whatever the batch and threads")


def test_penalty(kind, directory, model):
    for penalty in 1.1, 1.7, 0.8:
        differ = []
        for got in generated(directory, [t.replace("\n", " ")[:80] for t in texts()], "--max-new", 40,
                             "--repetition-penalty", penalty):
            ids = torch.tensor([got["prompt_ids"]])
            with torch.no_grad():
                want = model.generate(ids, do_sample=False, max_new_tokens=40, pad_token_id=0,
                                      repetition_penalty=penalty)[0, ids.shape[1]:].tolist()
            if want[:len(got["ids"])] != got["ids"] or not got["ids"]:
                differ.append((got["prompt"], got["ids"], want))
        for each in differ:
            print(f"# {each}")
        ok(not differ, f"{kind}: the texts of transformers with a repetition penalty of {penalty}")


def test_chat(kind, directory, tokenizer):
    prompts = ["Hello", "What is <|im_end|> for?", " 日本の首都は? ", "a  b"]
    for system in None, "Be brief.":
        options = ["--chat", "--max-new", 4] + (["--system", system] if system else [])
        want = [tokenizer.apply_chat_template(
            ([{"role": "system", "content": system}] if system else []) + [{"role": "user", "content": p}],
            tokenize=True, add_generation_prompt=True, return_dict=False) for p in prompts]
        ok([o["prompt_ids"] for o in generated(directory, prompts, *options)] == want,
           f"{kind}: messages become the tokens of apply_chat_template{' with a system message' if system else ''}")


for kind, config in ("Llama", llama), ("GPT-2", gpt2):
    name = pathlib.Path(kind.lower())
    model, tokenizer = make(name, config)
    test_requests(kind, name, model, tokenizer)
    test_penalty(kind, name, model)
    test_chat(kind, name, tokenizer)
done()
