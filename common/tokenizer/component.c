#include "tokenizer/component.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "text/classes.h"

enum { NESTING_MOST = 16 };

static int load_any(const struct components *c, void *owner, const struct json_doc *doc,
                    const json_t *json, int depth, size_t *parts);

static int
load_sequence(const struct components *c, void *owner, const struct json_doc *doc,
              const json_t *json, int depth, size_t *parts)
{
    const json_t *list = NULL, *item = NULL;
    char keys[64];
    snprintf(keys, sizeof keys, "type|%s", c->sequence);
    if (json_only_keys(doc, json, keys) < 0 ||
        json_get_array(doc, json, c->sequence, JSON_NEED, &list) < 0)
        return -1;
    for (size_t i = 0; i < json_array_size(list); i++)
        if (json_at_object(doc, list, i, &item) < 0 ||
            load_any(c, owner, doc, item, depth + 1, parts) < 0)
            return -1;
    return 0;
}

static int
unknown_type(const struct components *c, const struct json_doc *doc, const json_t *json,
             const char *type)
{
    struct str known = {0};
    for (size_t i = 0; i < c->count; i++)
        str_addf(&known, "%s, ", c->list[i].type);
    str_adds(&known, "Sequence");
    json_fail(doc, json, "type", "'%.40s' is not supported; known: %s", type, known.data);
    str_release(&known);
    return -1;
}

static int
load_any(const struct components *c, void *owner, const struct json_doc *doc, const json_t *json,
         int depth, size_t *parts)
{
    const char *type = NULL;
    if (depth > NESTING_MOST || *parts >= c->most)
        return json_fail(doc, json, NULL, "more %s than supported", c->sequence);
    if (json_get_string(doc, json, "type", JSON_NEED, &type) < 0)
        return -1;
    if (!strcmp(type, "Sequence"))
        return load_sequence(c, owner, doc, json, depth, parts);
    for (size_t i = 0; i < c->count; i++) {
        const struct component *one = &c->list[i];
        if (strcmp(type, one->type))
            continue;
        (*parts)++;
        return json_only_keys(doc, json, one->keys) < 0 ? -1
                                                        : one->load(owner, doc, json, one->kind);
    }
    return unknown_type(c, doc, json, type);
}

int
component_load(const struct components *c, void *owner, const struct json_doc *doc,
               const json_t *json)
{
    size_t parts = 0;
    return load_any(c, owner, doc, json, 0, &parts);
}

int
component_text(const struct json_doc *doc, const json_t *json, const char *key, char **out,
               size_t *n)
{
    const char *s = NULL;
    if (json_get_bytes(doc, json, key, JSON_NEED, &s, n) < 0)
        return -1;
    *out = mem_dup(s, *n + 1); /* it may hold NUL */
    return 0;
}

int
component_character(const struct json_doc *doc, const json_t *json, const char *key, uint32_t *out)
{
    const char *s = NULL;
    size_t n = 0, used = 0;
    if (json_get_bytes(doc, json, key, JSON_NEED, &s, &n) < 0)
        return -1;
    if (n > 0)
        *out = text_peek(s, &used);
    return n > 0 && used == n ? 0 : json_fail(doc, json, key, "expected one character");
}
