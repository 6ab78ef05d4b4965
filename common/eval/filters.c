#include "eval/filters.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"

static int
read_regex(const struct json_doc *doc, const json_t *step, struct filter_step *out)
{
    struct piece pattern;
    char why[200];
    out->fallback = piece_of("[invalid]");
    if (json_get_bytes(doc, step, "regex_pattern", JSON_NEED, &pattern.data, &pattern.n) < 0 ||
        json_get_int(doc, step, "group_select", JSON_MAY, -1000, 1000, &out->group_select) < 0 ||
        json_get_bytes(doc, step, "fallback", JSON_MAY, &out->fallback.data, &out->fallback.n) < 0)
        return -1;
    out->pattern = python_pattern_new(pattern, why, sizeof why);
    return out->pattern ? 0 : json_fail(doc, step, "regex_pattern", "%s", why);
}

static int
read_map(const struct json_doc *doc, const json_t *step, struct filter_step *out)
{
    const char *key;
    json_t *value;
    if (json_get_object(doc, step, "mapping_dict", JSON_NEED, &out->mapping) < 0 ||
        json_get_bytes(doc, step, "default_value", JSON_NEED, &out->fallback.data,
                       &out->fallback.n) < 0)
        return -1;
    void *at;
    for (at = json_object_iter((json_t *)(uintptr_t)out->mapping); at;
         at = json_object_iter_next((json_t *)(uintptr_t)out->mapping, at)) {
        key = json_object_iter_key(at);
        value = json_object_iter_value(at);
        if (!json_is_string(value))
            return json_fail(doc, out->mapping, key, "expected text");
    }
    return 0;
}

static const struct filter_kind {
    const char *name, *keys;
    int (*read)(const struct json_doc *doc, const json_t *step, struct filter_step *out);
} kinds[] = {
    [FILTER_TAKE_FIRST] = {"take_first", "function", NULL},
    [FILTER_REMOVE_WHITESPACE] = {"remove_whitespace", "function", NULL},
    [FILTER_LOWERCASE] = {"lowercase", "function", NULL},
    [FILTER_REGEX] = {"regex", "function|regex_pattern|group_select|fallback", read_regex},
    [FILTER_MAP] = {"map", "function|mapping_dict|default_value", read_map},
};
enum { KINDS = sizeof kinds / sizeof *kinds };

static int
kind_of(const char *name)
{
    for (int i = 0; i < KINDS; i++)
        if (!strcmp(name, kinds[i].name))
            return i;
    return -1;
}

/* A name alone, or an object with "function". */
static int
read_step(const struct json_doc *doc, const json_t *steps, size_t index, struct filter_chain *chain)
{
    const json_t *step = json_array_get(steps, index);
    const char *name = json_string_value(step);
    struct filter_step out = {.function = FILTER_TAKE_FIRST};
    if (!name) {
        if (json_at_object(doc, steps, index, &step) < 0 ||
            json_get_string(doc, step, "function", JSON_NEED, &name) < 0)
            return -1;
    }
    int kind = kind_of(name);
    if (kind < 0)
        return json_fail_at(doc, steps, index, "the filter '%s' is not supported", name);
    out.function = (enum filter_function)kind;
    chain->takes_first |= out.function == FILTER_TAKE_FIRST;
    if (json_is_string(step)) {
        if (kinds[kind].read)
            return json_fail_at(doc, steps, index, "'%s' needs arguments", name);
    } else if (json_only_keys(doc, step, kinds[kind].keys) < 0) {
        return -1;
    } else if (kinds[kind].read && kinds[kind].read(doc, step, &out) < 0) {
        python_pattern_free(out.pattern);
        return -1;
    }
    vec_push(&chain->steps, out);
    return 0;
}

static int
read_chain(const struct json_doc *doc, const json_t *filters, const char *name, filter_chains *out)
{
    const json_t *steps;
    if (json_get_array(doc, filters, name, JSON_NEED, &steps) < 0)
        return -1;
    vec_push(out, ((struct filter_chain){.name = mem_strdup(name)}));
    for (size_t i = 0; i < json_array_size(steps); i++)
        if (read_step(doc, steps, i, &out->data[out->len - 1]) < 0)
            return -1;
    return 0;
}

int
filters_read(const struct json_doc *doc, const json_t *filters, filter_chains *out)
{
    if (!filters) {
        vec_push(out, ((struct filter_chain){.name = mem_strdup("none"), .takes_first = true}));
        return 0;
    }
    json_t *object = (json_t *)(uintptr_t)filters; /* jansson's iterators want it so */
    for (void *at = json_object_iter(object); at; at = json_object_iter_next(object, at))
        if (read_chain(doc, filters, json_object_iter_key(at), out) < 0)
            return -1;
    return out->len ? 0 : json_fail(doc, filters, NULL, "expected at least one filter");
}

void
filters_release(filter_chains *chains)
{
    for (size_t i = 0; i < chains->len; i++) {
        struct filter_chain *chain = &chains->data[i];
        for (size_t j = 0; j < chain->steps.len; j++)
            python_pattern_free(chain->steps.data[j].pattern);
        vec_release(&chain->steps);
        free(chain->name);
    }
    vec_release(chains);
}

/*
 * The match that group_select names, stripped; where the harness would stop (no such match): the
 * fallback.
 */
static int
apply_regex(const struct filter_step *step, struct piece answer, struct str *out)
{
    python_matches matches = {0};
    struct piece chosen = step->fallback;
    int result = python_findall(step->pattern, answer, &matches);
    int64_t at = step->group_select;
    if (at < 0)
        at += (int64_t)matches.len;
    if (result == 0 && at >= 0 && at < (int64_t)matches.len) {
        struct python_match m = matches.data[at];
        if (m.text.n || m.groups < 2)
            chosen = python_strip(m.text);
    }
    str_add(out, chosen.data, chosen.n);
    vec_release(&matches);
    return result;
}

static void
apply_map(const struct filter_step *step, struct piece answer, struct str *out)
{
    const json_t *found = json_object_getn(step->mapping, answer.data ? answer.data : "", answer.n);
    if (found)
        str_add(out, json_string_value(found), json_string_length(found));
    else
        str_add(out, step->fallback.data, step->fallback.n);
}

static int
apply_step(const struct filter_step *step, struct piece answer, struct str *out)
{
    switch (step->function) {
    case FILTER_REMOVE_WHITESPACE: answer = python_strip(answer); break;
    case FILTER_LOWERCASE: python_lower(answer, out); return 0;
    case FILTER_REGEX: return apply_regex(step, answer, out);
    case FILTER_MAP: apply_map(step, answer, out); return 0;
    case FILTER_TAKE_FIRST: break;
    }
    str_add(out, answer.data, answer.n);
    return 0;
}

int
filter_apply(const struct filter_chain *chain, struct piece answer, struct str *out)
{
    struct str now = {0}, next = {0};
    int result = 0;
    str_add(&now, answer.data, answer.n);
    for (size_t i = 0; i < chain->steps.len && result == 0; i++) {
        str_clear(&next);
        result = apply_step(&chain->steps.data[i], piece_in(&now), &next);
        struct str swap = now;
        now = next;
        next = swap;
    }
    if (result == 0)
        str_add(out, now.data, now.len);
    else
        err_prefix("filter %s", chain->name);
    str_release(&now);
    str_release(&next);
    return result;
}
