/*
 * Chat templates against what Jinja2 3.1.6 in the environment of transformers 5.23 makes of the same
 * (tests/peers/chat.py compares many more): syntax, white space, scopes, what is refused, limits, parts.
 */
#include <stdlib.h>

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "tests/unit/tap.h"
#include "tokenizer/chat.h"

static const char conversation[] =
    "[{\"role\": \"system\", \"content\": \"Be brief.\"}, {\"role\": \"user\", \"content\": "
    "\"Hé\"},"
    " {\"role\": \"assistant\", \"content\": \"Yes\", \"thinking\": null},"
    " {\"role\": \"user\", \"content\": \"日本\"}, {\"role\": \"assistant\", \"content\": \"No\"}]";

static json_t *
parse(const char *text)
{
    return json_loads(text, JSON_DECODE_ANY, NULL);
}

/* What a template makes of the conversation, or its error; freed by the caller. */
static char *
rendered(const char *text, const char *variables, bool prompt)
{
    struct chat_template *t = chat_template_new("t", text, strlen(text));
    json_t *messages = parse(conversation), *more = variables ? parse(variables) : NULL;
    struct chat_options o = {.add_generation_prompt = prompt, .variables = more};
    struct str out = {0};
    char *result;

    if (t)
        chat_template_set(t, "eos_token", "</s>", 4);
    if (t && !chat_template_render(t, messages, &o, &out))
        result = str_take(&out);
    else
        result = mem_printf("error: %s", err_text());
    str_release(&out);
    chat_template_free(t);
    json_decref(messages);
    json_decref(more);
    return result;
}

static void
check(const char *text, const char *want)
{
    char *got = rendered(text, "{\"x\": 3, \"d\": {\"b\": [1, 2.5, null], \"a\": \"é<\"}}", false);

    is_str(got, want, "%s", text);
    free(got);
}

static void
check_fails(const char *text, const char *part)
{
    char *got = rendered(text, NULL, false);

    if (!ok(!strncmp(got, "error: ", 7) && strstr(got, part), "%s: %s", text, part))
        diag("got %s", got);
    free(got);
}

static void
test_syntax(void)
{
    check("{{ 1 + 2 * 3 ** 2 }} {{ -7 // 2 }} {{ -7 % 3 }} {{ 7 / 2 }} {{ 1e16 }} {{ 0.1 + 0.2 }}",
          "19 -4 2 3.5 1e+16 0.30000000000000004");
    check("{{ 'a' ~ 1 ~ none ~ true }}{{ 'b' * 3 }}{{ \"\\u00e9\\n\" }}", "a1NoneTruebbbé\n");
    check("{{ 1 if x > 2 else 0 }}{{ 5 if false }}|{{ 1 < x <= 3 }}|{{ x not in [1, 2] }}",
          "1|True|True");
    check("{{ 'x' in 'axb' and not none }} {{ none or 'y' }} {{ 1 and 0 }}", "True y 0");
    check("{{ [1, 'a', none, 1.0, (2,), {'k': \"it's\"}] }}",
          "[1, 'a', None, 1.0, (2,), {'k': \"it's\"}]");
    check("{{ 'héllo'[1] }}{{ 'héllo'[::-1] }}{{ [1, 2, 3][-2:] }}{{ 'abc'[5:] }}", "éolléh[2, 3]");
    check("{{ d.b[1] }}{{ d['a'] }}{{ d.zz }}{{ d.zz is defined }}{{ y.z if y else '' }}",
          "2.5é<False");
    check("{{ d | tojson }}", "{\"b\": [1, 2.5, null], \"a\": \"é<\"}");
    check("{{ d | tojson(indent=2, sort_keys=true) }}",
          "{\n  \"a\": \"é<\",\n  \"b\": [\n    1,\n    2.5,\n    null\n  ]\n}");
    check("{{ messages | selectattr('role', 'equalto', 'user') | map(attribute='content') | "
          "join('+') }}",
          "Hé+日本");
    check("{{ ' a b ' | trim | upper | replace('B', 'c') | length }}", "3");
    check("{% set a, b = 'k v'.split() %}{{ b }}{{ a }}{{ '%s-%03d' % (a, 7) }}{{ "
          "'{:>4}'.format(a) }}",
          "vkk-007   k");
    check("{{ range(3) | list }}{{ [3, 1, 2] | sort(reverse=true) | first }}{{ 'ß'.upper() }}",
          "[0, 1, 2]3SS");
}

static void
test_blocks(void)
{
    check("a\n  {% if x %}\n  b\n  {% endif %}\nc\n", "a\n  b\nc");
    check("a\n  {%+ if x %} b {%- endif +%}\nc {#- note #}\n d\n", "a\n   b\nc d");
    check("{% for m in messages if m.role == 'user' %}{{ loop.index }}/{{ loop.length }}"
          "{{ ',' if not loop.last }}{% else %}none{% endfor %}",
          "1/2,2/2");
    check("{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}", "b=[1, 2.5, None];a=é<;");
    check("{% set s = 0 %}{% for i in [1, 2] %}{% set s = s + i %}{{ s }}{% endfor %}{{ s }}",
          "120");
    check("{% set n = namespace(s=0) %}{% for i in [1, 2] %}{% set n.s = n.s + i %}{% endfor %}{{ "
          "n.s }}",
          "3");
    check(
        "{% for i in range(9) %}{% if i == 1 %}{% continue %}{% elif i > 3 %}{% break %}{% endif %}"
        "{{ i }}{% endfor %}",
        "023");
    check("{% macro f(a, b=2) %}{{ a }}{{ b }}{% if a %}{{ f(a - 1) }}{% endif %}{% endmacro %}"
          "{{ f(1) }}{{ f(0, b='!') }}",
          "12020!");
    check("{% set t %}\n x {{ x }}\n{% endset %}[{{ t }}]{% raw %}{{ x }}{% endraw %}",
          "[ x 3\n]{{ x }}");
    check("{% generation %}g{% endgeneration %}{{ eos_token }}{{ tools is none }}", "g</s>True");
    check("{{ messages[2] | tojson }}", "{\"role\": \"assistant\", \"content\": \"Yes\"}");
}

static void
test_refused(void)
{
    check_fails("a\n{% include 'x' %}", "t: line 2: the tag 'include' is not supported");
    check_fails("{% extends 'x' %}", "the tag 'extends'");
    check_fails("{% call f() %}{% endcall %}", "the tag 'call'");
    check_fails("\n\n{{ x | urlize }}", "line 3: the filter 'urlize' is not supported");
    check_fails("{{ x is frobnicated }}", "the test 'frobnicated' is not supported");
    check_fails("{{ 'a'.encode() }}", "the method 'encode' is not supported");
    check_fails("{% for i in x recursive %}{% endfor %}", "recursive");
    check_fails("{{ 'a", "a string has no end");
    check_fails("{% if 1 %}", "unexpected end of template");
    check_fails("{{ raise_exception('No ' ~ messages[0].role) }}", "t: line 1: No system");
    check_fails("{{ y.z }}", "'y' is undefined");
    check_fails("{{ [].append(1) }}", "undefined");
    check_fails("{{ 1 / 0 }}", "division by zero");
    check_fails("{{ 'a' + 1 }}", "unsupported operand");
    check_fails("{% set x.y = 1 %}", "non-namespace");
    check_fails("{% break %}", "outside of a loop");
    check_fails("{{ strftime_now('%H:%M %Z') }}", "not supported");
}

static void
test_limits(void)
{
    struct str deep = {0};

    check_fails(
        "{% set r = range(90000) %}{% for a in r %}{% for b in r %}{% endfor %}{% endfor %}",
        "more than");
    check_fails("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "nested deeper");
    check_fails("{{ 'aaaaaaaa' * 999999999999 }}", "t: line 1");
    check_fails("{% set n = namespace(s='ab') %}{% for i in range(60) %}{% set n.s = n.s + n.s "
                "%}{% endfor %}",
                "t: line 1");
    check_fails("{{ range(1000000) }}", "range");
    for (const char *sign = "([-"; *sign; sign++) {
        str_clear(&deep);
        str_adds(&deep, "{{ ");
        for (int i = 0; i < 100000; i++)
            str_addc(&deep, *sign);
        str_adds(&deep, "1 }}");
        ok(!chat_template_new("t", deep.data, deep.len) && strstr(err_text(), "nested"),
           "100000 %c", *sign);
    }
    str_release(&deep);
}

static void
check_parts(const char *name, const char *text, const char *want)
{
    struct chat_template *t = chat_template_new("t", text, strlen(text));
    json_t *messages = parse(conversation);
    struct tokenizer_part parts[8] = {{0, 0}};
    size_t count = 8;
    struct chat_options o = {.parts = parts, .parts_count = &count};
    struct str out = {0}, found = {0};

    str_adds(&out, "before ");
    if (!ok(t && !chat_template_render(t, messages, &o, &out), "%s renders", name))
        diag("%s", err_text());
    for (size_t i = 0; i < count; i++)
        str_addf(&found, "[%.*s]", (int)(parts[i].end - parts[i].begin), out.data + parts[i].begin);
    is_str(found.data, want, "%s: the assistant's parts", name);
    chat_template_free(t);
    json_decref(messages);
    str_release(&out);
    str_release(&found);
}

static void
test_parts(void)
{
    check_parts(
        "with generation",
        "{% for m in messages %}<{{ m.role }}>{% if m.role == 'assistant' %}{% generation %}"
        "{{ m.content }}{{ eos_token }}{% endgeneration %}{% else %}{{ m.content }}{% endif %}"
        "{% endfor %}",
        "[Yes][No]");
    check_parts(
        "ChatML",
        "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}",
        "[Yes<|im_end|>\n][No<|im_end|>\n]");
    check_parts("rewriting earlier turns",
                "{% for m in messages %}<{{ m.role }}>{% if m.role == 'assistant' and loop.last %}"
                "<think></think>{% endif %}{{ m.content | trim }}</end>{% endfor %}"
                "{% if add_generation_prompt %}<assistant>{% endif %}",
                "[Yes</end>][<think></think>No</end>]");
    check_parts("without a prompt", "{% for m in messages %}({{ m.content }}){% endfor %}",
                "[(Yes)][(No)]");
}

static void
store(const char *path, const char *text)
{
    if (file_store(path, text, strlen(text)))
        diag("%s", err_text());
}

static void
check_load(const char *which, const char *want)
{
    struct chat_template *t = chat_template_load("dir", which);
    json_t *messages = parse(conversation);
    struct str out = {0};

    if (!t || chat_template_render(t, messages, NULL, &out))
        str_addf(&out, "error: %s", err_text());
    is_str(out.data, want, "template %s", which ? which : "NULL");
    chat_template_free(t);
    json_decref(messages);
    str_release(&out);
}

static void
test_load(void)
{
    file_mkdirs("dir/additional_chat_templates");
    check_load(NULL, "error: dir: no chat template there");
    store("dir/special_tokens_map.json", "{\"bos_token\": {\"content\": \"<map>\"}}");
    store("dir/tokenizer_config.json",
          "{\"bos_token\": \"<s>\", \"eos_token\": {\"__type\": \"AddedToken\", \"content\": "
          "\"</s>\"},"
          " \"added_tokens_decoder\": {}, \"extra_special_tokens\": {\"image_token\": \"<i>\"},"
          " \"chat_template\": \"{{ bos_token ~ eos_token ~ image_token ~ pad_token }}\"}");
    check_load(NULL, "<s></s><i>");
    check_load("tool_use", "error: dir: no chat template named tool_use there");
    store("dir/tokenizer_config.json", "{\"bos_token\": \"<s>\", \"chat_template\": [{\"name\": "
                                       "\"default\", \"template\": \"D{{ bos_token }}\"},"
                                       " {\"name\": \"rag\", \"template\": \"R\"}]}");
    check_load(NULL, "D<map>");
    check_load("rag", "R");
    store("dir/chat_template.jinja", "file {{ bos_token }}\n");
    check_load("default", "file <map>");
    check_load("rag", "error: dir: no chat template named rag there");
    store("dir/additional_chat_templates/rag.jinja", "more");
    check_load("rag", "more");
    check_load("../rag", "error: dir: no name of a chat template: ../rag");
}

int
main(void)
{
    char *got = rendered("{{ messages | length }}{{ add_generation_prompt }}{{ nothing }}", NULL,
                         true);

    is_str(got, "5True", "variables of every template");
    free(got);
    test_syntax();
    test_blocks();
    test_refused();
    test_limits();
    test_parts();
    test_load();
    return done();
}
