/*
 * chat_render: reads cases as JSON lines, {"template", "messages", "variables", "prompt"} or {"dir", …},
 * and writes for each {"text"}, {"text", "parts"} or {"error"}: for the comparison with transformers and Jinja2.
 */
#include <stdio.h>

#include "base/err.h"
#include "base/vec.h"
#include "json/write.h"
#include "tokenizer/chat.h"

enum { PARTS_MAX = 64 };

static struct chat_template *
open_template(const json_t *c)
{
    const json_t *text = json_object_get(c, "template"), *v;
    const char *dir = json_string_value(json_object_get(c, "dir")), *name;
    struct chat_template *t;

    if (dir)
        return chat_template_load(dir, json_string_value(json_object_get(c, "which")));
    t = chat_template_new("template", json_string_value(text), json_string_length(text));
    if (t)
        json_object_foreach(json_object_get(c, "tokens"), name, v)
            chat_template_set(t, name, json_string_value(v), json_string_length(v));
    return t;
}

static void
answer(const json_t *c, struct str *line)
{
    struct chat_template *t = open_template(c);
    struct tokenizer_part parts[PARTS_MAX];
    size_t count = PARTS_MAX;
    struct chat_options o = {.add_generation_prompt = json_is_true(json_object_get(c, "prompt")),
                             .variables = json_object_get(c, "variables")};
    struct json_writer w = {.out = line};
    struct str out = {0};
    bool want = json_is_true(json_object_get(c, "parts"));

    if (want) {
        o.parts = parts;
        o.parts_count = &count;
    }
    json_begin_object(&w, NULL);
    if (!t || chat_template_render(t, json_object_get(c, "messages"), &o, &out)) {
        json_put_string(&w, "error", err_text());
    } else {
        json_put_bytes(&w, "text", out.data ? out.data : "", out.len);
        if (want) {
            json_begin_array(&w, "parts");
            for (size_t i = 0; i < count && i < PARTS_MAX; i++) {
                json_put_uint(&w, NULL, parts[i].begin);
                json_put_uint(&w, NULL, parts[i].end);
            }
            json_end_array(&w);
        }
    }
    json_end_object(&w);
    chat_template_free(t);
    str_release(&out);
}

int
main(void)
{
    char *line = NULL;
    size_t size = 0;
    ssize_t n;

    while ((n = getline(&line, &size, stdin)) > 0) {
        struct str out = {0};
        struct json_doc c;

        if (json_doc_parse(&c, "case", line, (size_t)n)) {
            fprintf(stderr, "%s\n", err_text());
            return 1;
        }
        answer(c.root, &out);
        json_doc_release(&c);
        str_addc(&out, '\n');
        fwrite(out.data, 1, out.len, stdout);
        str_release(&out);
    }
    free(line);
    return 0;
}
