/* Global functions, and the methods of lists, mappings and `loop`. */
#include <time.h>

#include "tokenizer/jinja_builtins.h"
#include "tokenizer/jinja_eval.h"

static struct value
range(struct jinja_run *run, struct value self, const struct value *p)
{
    int64_t from = given(p[1]) ? argument_int(run, p[0], 0) : 0;
    int64_t to = argument_int(run, given(p[1]) ? p[1] : p[0], 0);
    int64_t by = argument_int(run, p[2], 1);
    struct value out;
    uint64_t n = 0;

    (void)self;
    if (!by)
        return jinja_fail(run, "the step of a range is zero");
    if (by > 0 ? from < to : from > to)
        n = by > 0 ? ((uint64_t)to - (uint64_t)from - 1) / (uint64_t)by + 1
                   : ((uint64_t)from - (uint64_t)to - 1) / (0 - (uint64_t)by) + 1;
    if (n > JINJA_RANGE_MAX)
        return jinja_fail(run, "a range of more than %d items", JINJA_RANGE_MAX);
    out = value_sequence(run, JINJA_RANGE, "range", n);
    for (uint64_t i = 0; i < n && jinja_step(run, 1); i++)
        sequence_add(run, out.sequence, value_int(from + (int64_t)i * by));
    return out;
}

/* Pairs of a mapping or a sequence of pairs, and keywords, into d. */
static void
fill(struct jinja_run *run, struct dict *d, const struct arguments *a)
{
    if (a->n > 1)
        jinja_fail(run, "a mapping is made of at most one value, not %zu", a->n);
    if (a->n == 1 && a->values[0].type == JINJA_DICT) {
        const struct dict *from = a->values[0].dict;

        for (size_t i = 0; i < from->n && jinja_step(run, 1); i++)
            dict_set(run, d, from->pairs[i].key, from->pairs[i].value);
    } else if (a->n == 1) {
        struct sequence s = value_items(run, a->values[0]);

        for (size_t i = 0; i < s.n && jinja_step(run, 1); i++) {
            struct sequence pair = value_items(run, s.items[i]);

            if (pair.n == 2)
                dict_set(run, d, pair.items[0], pair.items[1]);
            else
                jinja_fail(run, "a mapping is made of pairs, not of %zu values", pair.n);
        }
    }
    for (size_t i = 0; i < a->keywords_n && !run->failed; i++)
        dict_set(run, d, value_text(a->keywords[i].name, strlen(a->keywords[i].name)),
                 a->keywords[i].value);
}

static struct value
dict(struct jinja_run *run, struct value self, const struct arguments *a)
{
    struct value d = value_dict(run);

    (void)self;
    fill(run, d.dict, a);
    return d;
}

static struct value namespace(struct jinja_run *run, struct value self, const struct arguments *a)
{
    struct value d = dict(run, self, a);

    for (size_t i = 0; i < d.dict->n; i++) {
        struct value key = d.dict->pairs[i].key;

        if (key.type == JINJA_STRING && key.n && *key.text == '_')
            jinja_fail(run, "a namespace has no attribute that begins with an underscore");
    }
    d.type = JINJA_NAMESPACE;
    return d;
}

static struct value
raise_exception(struct jinja_run *run, struct value self, const struct value *p)
{
    struct value text = value_string(run, p[0]);

    (void)self;
    return jinja_fail(run, "%.*s", (int)(text.n < 900 ? text.n : 900), text.text);
}

static struct value
strftime_now(struct jinja_run *run, struct value self, const struct value *p)
{
    struct value format = argument_text(run, p[0], "strftime_now");
    time_t now = time(NULL);
    struct tm tm;
    char text[512];
    size_t n;

    (void)self;
    /* What Python's naive time has otherwise, or glibc has not. */
    for (size_t i = 0; i + 1 < format.n; i++)
        if (format.text[i] == '%' && strchr("fzZsk:+EO%", format.text[++i]) &&
            format.text[i] != '%')
            return jinja_fail(run, "strftime_now: %%%c is not supported", format.text[i]);
    if (run->now)
        tm = *run->now;
    if ((!run->now && !localtime_r(&now, &tm)) || memchr(format.text, 0, format.n))
        return jinja_fail(run, "strftime_now: no time");
    if (!format.n)
        return value_text("", 0);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    n = strftime(text, sizeof text, value_copy(run, format.text, format.n).text, &tm);
#pragma GCC diagnostic pop
    return value_copy(run, text, n);
}

const struct builtin jinja_functions[] = {
    {.name = "dict", .call_any = dict},
    {.name = "namespace", .call_any = namespace},
    {.name = "raise_exception", .parameters = "message", .needed = 1, .call = raise_exception},
    {.name = "range", .parameters = "start stop step", .needed = 1, .call = range},
    {.name = "strftime_now", .parameters = "format", .needed = 1, .call = strftime_now},
    {0},
};

/* ---- methods ------------------------------------------------------------------------------------- */

enum view { KEYS, VALUES, ITEMS };

static struct value
view(struct jinja_run *run, struct value self, enum view what)
{
    static const char *const names[] = {"dict_keys", "dict_values", "dict_items"};
    const struct dict *d = self.dict;
    struct value out = value_sequence(run, JINJA_VIEW, names[what], d->n);

    for (size_t i = 0; i < d->n && jinja_step(run, 1); i++) {
        struct value v = what == KEYS ? d->pairs[i].key : d->pairs[i].value;

        if (what == ITEMS) {
            v = value_sequence(run, JINJA_TUPLE, "tuple", 2);
            sequence_add(run, v.sequence, d->pairs[i].key);
            sequence_add(run, v.sequence, d->pairs[i].value);
        }
        sequence_add(run, out.sequence, v);
    }
    return out;
}

static struct value
keys(struct jinja_run *run, struct value self, const struct value *p)
{
    (void)p;
    return view(run, self, KEYS);
}

static struct value
values(struct jinja_run *run, struct value self, const struct value *p)
{
    (void)p;
    return view(run, self, VALUES);
}

static struct value
items(struct jinja_run *run, struct value self, const struct value *p)
{
    (void)p;
    return view(run, self, ITEMS);
}

static struct value
get(struct jinja_run *run, struct value self, const struct value *p)
{
    const struct value *found;

    if (!value_hashable(p[0]))
        return jinja_fail(run, "unhashable type: '%s'", value_type_name(p[0]));
    found = dict_get(run, self.dict, p[0]);
    return found ? *found : given(p[1]) ? p[1] : value_none();
}

static struct value
copy(struct jinja_run *run, struct value self, const struct value *p)
{
    (void)run;
    (void)p;
    return self; /* values do not change */
}

static struct value
count(struct jinja_run *run, struct value self, const struct value *p)
{
    int64_t n = 0;

    for (size_t i = 0; i < self.sequence->n && jinja_step(run, 1); i++)
        n += value_equal(run, self.sequence->items[i], p[0]);
    return value_int(n);
}

static struct value
index_of(struct jinja_run *run, struct value self, const struct value *p)
{
    for (size_t i = 0; i < self.sequence->n && jinja_step(run, 1); i++)
        if (value_equal(run, self.sequence->items[i], p[0]))
            return value_int((int64_t)i);
    return jinja_fail(run, "the value is not in the list");
}

static struct value
cycle(struct jinja_run *run, struct value self, const struct arguments *a)
{
    if (!a->n || a->keywords_n)
        return jinja_fail(run, "no items for cycling given");
    return a->values[(size_t)self.loop->index0 % a->n];
}

static struct value
changed(struct jinja_run *run, struct value self, const struct arguments *a)
{
    struct value now = value_sequence(run, JINJA_TUPLE, "tuple", a->n);

    for (size_t i = 0; i < a->n && !run->failed; i++)
        sequence_add(run, now.sequence, a->values[i]);
    if (value_equal(run, self.loop->changed, now))
        return value_bool(false);
    self.loop->changed = now;
    return value_bool(true);
}

#define MAPPINGS (1u << JINJA_DICT)
#define SEQUENCES (1u << JINJA_LIST | 1u << JINJA_TUPLE | 1u << JINJA_RANGE)

const struct builtin jinja_other_methods[] = {
    {.name = "changed", .call_any = changed, .types = 1u << JINJA_LOOP},
    {.name = "copy", .parameters = "", .call = copy, .types = MAPPINGS | 1u << JINJA_LIST},
    {.name = "count", .parameters = "value", .needed = 1, .call = count, .types = SEQUENCES},
    {.name = "cycle", .call_any = cycle, .types = 1u << JINJA_LOOP},
    {.name = "get", .parameters = "key default", .needed = 1, .call = get, .types = MAPPINGS},
    {.name = "index", .parameters = "value", .needed = 1, .call = index_of, .types = SEQUENCES},
    {.name = "items", .parameters = "", .call = items, .types = MAPPINGS},
    {.name = "keys", .parameters = "", .call = keys, .types = MAPPINGS},
    {.name = "values", .parameters = "", .call = values, .types = MAPPINGS},
    {0},
};
