/* Filters over several values: choosing, mapping, sorting, joining. */
#include "text/python.h"
#include "tokenizer/jinja_builtins.h"
#include "tokenizer/jinja_eval.h"

/* ---- attributes by path ------------------------------------------------------------------------- */

static bool
all_digits(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (s[i] < '0' || s[i] > '9')
            return false;
    return n > 0 && n < 18;
}

/* item.a.b.0; `otherwise` for what is not there, unless absent. */
static struct value
attribute_of(struct jinja_run *run, struct value item, struct value path, struct value otherwise)
{
    if (!given(path) || path.type == JINJA_NONE)
        return item;
    if (path.type != JINJA_STRING) {
        item = jinja_item(run, item, path);
        return given(otherwise) && item.type == JINJA_UNDEFINED ? otherwise : item;
    }
    for (size_t at = 0; at <= path.n && jinja_step(run, 1);) {
        const char *dot = memchr(path.text + at, '.', path.n - at);
        size_t n = dot ? (size_t)(dot - path.text) - at : path.n - at;
        struct value key = value_text(path.text + at, n);

        if (all_digits(key.text, n))
            key = value_int(strtoll(key.text, NULL, 10));
        item = jinja_item(run, item, key);
        if (given(otherwise) && otherwise.type != JINJA_NONE && item.type == JINJA_UNDEFINED)
            item = otherwise;
        at += n + 1;
    }
    return item;
}

static struct value
absent(void)
{
    return (struct value){.type = JINJA_ABSENT};
}

static struct value
lowered(struct jinja_run *run, struct value v, bool exact)
{
    return v.type == JINJA_STRING && !exact ? jinja_lower(run, v, NULL) : v;
}

/* ---- choosing ---------------------------------------------------------------------------------------- */

static struct value
first(struct jinja_run *run, struct value self, const struct value *p)
{
    struct sequence s;

    (void)p;
    if (self.type == JINJA_ITERATOR) {
        struct sequence *rest = self.sequence;
        return rest->at < rest->n ? rest->items[rest->at++] : value_undefined("the first item", 14);
    }
    s = value_items(run, self);
    return s.n ? s.items[0] : value_undefined("the first item", 14);
}

static struct value
last(struct jinja_run *run, struct value self, const struct value *p)
{
    struct sequence s;

    (void)p;
    if (self.type == JINJA_ITERATOR)
        return jinja_fail(run, "'%s' object is not reversible", value_type_name(self));
    s = value_items(run, self);
    return s.n ? s.items[s.n - 1] : value_undefined("the last item", 13);
}

static struct value
list(struct jinja_run *run, struct value self, const struct value *p)
{
    struct sequence s = value_items(run, self);
    struct value out = value_sequence(run, JINJA_LIST, "list", 0);

    (void)p;
    if (!run->failed)
        *out.sequence = (struct sequence){.items = s.items, .n = s.n, .python = "list"};
    return out;
}

/* What a generator of Python gives, already gone through. */
static struct value
generator(struct jinja_run *run)
{
    return value_sequence(run, JINJA_ITERATOR, "generator", 0);
}

static struct value
items(struct jinja_run *run, struct value self, const struct value *p)
{
    struct value out = generator(run);

    (void)p;
    if (self.type == JINJA_UNDEFINED)
        return out;
    if (self.type != JINJA_DICT)
        return jinja_fail(run, "can only get item pairs from a mapping");
    for (size_t i = 0; i < self.dict->n && jinja_step(run, 1); i++) {
        struct value pair = value_sequence(run, JINJA_TUPLE, "tuple", 2);

        sequence_add(run, pair.sequence, self.dict->pairs[i].key);
        sequence_add(run, pair.sequence, self.dict->pairs[i].value);
        sequence_add(run, out.sequence, pair);
    }
    return out;
}

static struct value
reversed(struct jinja_run *run, struct value self, const struct value *p)
{
    struct value parts[3] = {absent(), absent(), value_int(-1)}, out;
    struct sequence s;

    (void)p;
    if (self.type == JINJA_STRING)
        return jinja_slice(run, self, parts);
    s = value_items(run, self);
    out = value_sequence(run, self.type == JINJA_ITERATOR ? JINJA_LIST : JINJA_ITERATOR,
                         "list_reverseiterator", s.n);
    for (size_t i = s.n; i-- && jinja_step(run, 1);)
        sequence_add(run, out.sequence, s.items[i]);
    return out;
}

/* ---- mapping ------------------------------------------------------------------------------------------- */

static struct value
map_attribute(struct jinja_run *run, struct sequence s, const struct arguments *a)
{
    struct value out = generator(run), path = absent(), otherwise = absent();

    for (size_t i = 0; i < a->keywords_n; i++) {
        if (!strcmp(a->keywords[i].name, "attribute"))
            path = a->keywords[i].value;
        else if (!strcmp(a->keywords[i].name, "default"))
            otherwise = a->keywords[i].value;
        else
            return jinja_fail(run, "map takes no argument '%s'", a->keywords[i].name);
    }
    if (otherwise.type == JINJA_NONE)
        otherwise = absent();
    for (size_t i = 0; i < s.n && jinja_step(run, 1); i++)
        sequence_add(run, out.sequence, attribute_of(run, s.items[i], path, otherwise));
    return out;
}

static struct value
map(struct jinja_run *run, struct value self, const struct arguments *a)
{
    struct value out = generator(run);
    struct sequence s;
    const struct builtin *filter;
    struct arguments rest = *a;
    struct value name;
    bool attribute = false;

    if (!value_truth(self))
        return out;
    s = value_items(run, self);
    for (size_t i = 0; i < a->keywords_n; i++)
        attribute = attribute || !strcmp(a->keywords[i].name, "attribute");
    if (!a->n && attribute)
        return map_attribute(run, s, a);
    if (!a->n)
        return jinja_fail(run, "map lacks the name of a filter");
    name = argument_text(run, a->values[0], "map");
    filter = jinja_filter(value_copy(run, name.text, name.n).text);
    if (!filter)
        return jinja_fail(run, "the filter '%.*s' is not supported", (int)name.n, name.text);
    rest.values++;
    rest.n--;
    for (size_t i = 0; i < s.n && jinja_step(run, 1); i++)
        sequence_add(run, out.sequence, jinja_invoke(run, filter, s.items[i], &rest));
    return out;
}

/* Those whose attribute (or who themselves) pass a test, or are true without one. */
static struct value
choose(struct jinja_run *run, struct value self, const struct arguments *a, bool attribute,
       bool reject)
{
    struct value out = generator(run), path = absent(), name;
    const struct builtin *test = NULL;
    struct arguments rest = *a;
    struct sequence s;

    if (!value_truth(self))
        return out;
    s = value_items(run, self);
    if (attribute) {
        if (!a->n)
            return jinja_fail(run, "selectattr and rejectattr need the name of an attribute");
        path = a->values[0];
        rest.values++;
        rest.n--;
    }
    if (rest.n) {
        name = argument_text(run, rest.values[0], "select");
        test = run->failed ? NULL : jinja_test(value_copy(run, name.text, name.n).text);
        if (!test)
            return jinja_fail(run, "the test '%.*s' is not supported", (int)name.n, name.text);
        rest.values++;
        rest.n--;
    }
    for (size_t i = 0; i < s.n && jinja_step(run, 1); i++) {
        struct value v = attribute_of(run, s.items[i], path, absent());

        if (test && !run->failed)
            v = jinja_invoke(run, test, v, &rest);
        if (value_truth(v) != reject)
            sequence_add(run, out.sequence, s.items[i]);
    }
    return out;
}

static struct value
select_items(struct jinja_run *run, struct value self, const struct arguments *a)
{
    return choose(run, self, a, false, false);
}

static struct value
reject(struct jinja_run *run, struct value self, const struct arguments *a)
{
    return choose(run, self, a, false, true);
}

static struct value
selectattr(struct jinja_run *run, struct value self, const struct arguments *a)
{
    return choose(run, self, a, true, false);
}

static struct value
rejectattr(struct jinja_run *run, struct value self, const struct arguments *a)
{
    return choose(run, self, a, true, true);
}

/* ---- sorting --------------------------------------------------------------------------------------------- */

struct sortable {
    struct value key, item;
};

/* Stable, by merging; greater ones first when reverse (equal ones stay in order). */
static void
merge_sort(struct jinja_run *run, struct sortable *a, struct sortable *spare, size_t n,
           bool reverse)
{
    size_t half = n / 2, i = 0, j = half;

    if (n < 2 || !jinja_step(run, n))
        return;
    merge_sort(run, a, spare, half, reverse);
    merge_sort(run, a + half, spare + half, n - half, reverse);
    for (size_t k = 0; k < n; k++) {
        bool second = i == half;

        if (!second && j < n)
            second = reverse ? value_order(run, a[i].key, a[j].key, "<") == -1
                             : value_order(run, a[j].key, a[i].key, "<") == -1;
        spare[k] = second ? a[j++] : a[i++];
    }
    memcpy(a, spare, n * sizeof *a);
}

static struct value
sorted(struct jinja_run *run, struct sortable *a, size_t n, bool reverse)
{
    struct sortable *spare = jinja_take(run, n ? n : 1, sizeof *spare);
    struct value out = value_sequence(run, JINJA_LIST, "list", n);

    if (spare)
        merge_sort(run, a, spare, n, reverse);
    for (size_t i = 0; i < n && !run->failed; i++)
        sequence_add(run, out.sequence, a[i].item);
    return out;
}

/* A list of the attributes "a,b.c", as keys to sort by. */
static struct value
sort_key(struct jinja_run *run, struct value item, struct value paths, bool exact)
{
    struct value key = value_sequence(run, JINJA_LIST, "list", 0);

    if (paths.type != JINJA_STRING)
        sequence_add(run, key.sequence,
                     lowered(run, attribute_of(run, item, paths, absent()), exact));
    else
        for (size_t at = 0; at <= paths.n && jinja_step(run, 1);) {
            const char *comma = memchr(paths.text + at, ',', paths.n - at);
            size_t n = comma ? (size_t)(comma - paths.text) - at : paths.n - at;
            struct value v = attribute_of(run, item, value_text(paths.text + at, n), absent());

            sequence_add(run, key.sequence, lowered(run, v, exact));
            at += n + 1;
        }
    return key;
}

static struct value
sort(struct jinja_run *run, struct value self, const struct value *p)
{
    struct sequence s = value_items(run, self);
    struct sortable *a = jinja_take(run, s.n ? s.n : 1, sizeof *a);
    bool exact = given(p[1]) && value_truth(p[1]);

    for (size_t i = 0; a && i < s.n && jinja_step(run, 1); i++)
        a[i] = (struct sortable){sort_key(run, s.items[i], p[2], exact), s.items[i]};
    return a && !run->failed ? sorted(run, a, s.n, given(p[0]) && value_truth(p[0])) : self;
}

static struct value
dictsort(struct jinja_run *run, struct value self, const struct value *p)
{
    struct value pairs = self.type == JINJA_DICT ? items(run, self, NULL) : self;
    bool exact = given(p[0]) && value_truth(p[0]), by_value;
    struct value by = given(p[1]) ? p[1] : value_text("key", 3);
    struct sortable *a;

    if (self.type != JINJA_DICT)
        return jinja_fail(run, "dictsort needs a mapping, not '%s'", value_type_name(self));
    by_value = value_equal(run, by, value_text("value", 5));
    if (!by_value && !value_equal(run, by, value_text("key", 3)))
        return jinja_fail(run, "dictsort sorts by 'key' or 'value'");
    a = jinja_take(run, pairs.sequence->n ? pairs.sequence->n : 1, sizeof *a);
    for (size_t i = 0; a && i < pairs.sequence->n && jinja_step(run, 1); i++) {
        struct value pair = pairs.sequence->items[i];

        a[i] = (struct sortable){lowered(run, pair.sequence->items[by_value], exact), pair};
    }
    return a && !run->failed ? sorted(run, a, pairs.sequence->n, given(p[2]) && value_truth(p[2]))
                             : self;
}

static struct value
unique(struct jinja_run *run, struct value self, const struct value *p)
{
    struct sequence s = value_items(run, self);
    struct value seen = value_dict(run), out = generator(run);
    bool exact = given(p[0]) && value_truth(p[0]);

    for (size_t i = 0; i < s.n && jinja_step(run, 1); i++) {
        struct value key = lowered(run, attribute_of(run, s.items[i], p[1], absent()), exact);

        if (!dict_get(run, seen.dict, key))
            sequence_add(run, out.sequence, s.items[i]);
        dict_set(run, seen.dict, key, value_none());
    }
    return out;
}

static struct value
extreme(struct jinja_run *run, struct value self, const struct value *p, int wanted)
{
    struct sequence s = value_items(run, self);
    bool exact = given(p[0]) && value_truth(p[0]);
    struct value best = value_undefined("an aggregated item", 18), best_key = best;

    for (size_t i = 0; i < s.n && jinja_step(run, 1); i++) {
        struct value key = lowered(run, attribute_of(run, s.items[i], p[1], absent()), exact);

        if (!i || value_order(run, key, best_key, wanted < 0 ? "<" : ">") == wanted) {
            best = s.items[i];
            best_key = key;
        }
    }
    return best;
}

static struct value
smallest(struct jinja_run *run, struct value self, const struct value *p)
{
    return extreme(run, self, p, -1);
}

static struct value
largest(struct jinja_run *run, struct value self, const struct value *p)
{
    return extreme(run, self, p, 1);
}

/* ---- putting together --------------------------------------------------------------------------------- */

static struct value
sum(struct jinja_run *run, struct value self, const struct value *p)
{
    struct sequence s = value_items(run, self);
    struct value total = given(p[1]) ? p[1] : value_int(0);
    struct value path = given(p[0]) && p[0].type == JINJA_NONE ? absent() : p[0];

    if (total.type == JINJA_STRING)
        return jinja_fail(run, "sum() cannot sum strings");
    for (size_t i = 0; i < s.n && jinja_step(run, 1); i++)
        total = jinja_binary(run, '+', total, attribute_of(run, s.items[i], path, absent()));
    return total;
}

static struct value
join(struct jinja_run *run, struct value self, const struct value *p)
{
    struct sequence s = value_items(run, self);
    struct str out = {0};

    for (size_t i = 0; i < s.n && jinja_step(run, 1); i++) {
        if (i && given(p[0]))
            value_print(run, p[0], &out);
        value_print(run, attribute_of(run, s.items[i], p[1], absent()), &out);
    }
    return value_take(run, &out);
}

static struct value
batch(struct jinja_run *run, struct value self, const struct value *p)
{
    struct sequence s = value_items(run, self);
    struct value out = generator(run), row = {0};
    int64_t size = argument_int(run, p[0], 0);

    for (size_t i = 0; i < s.n && jinja_step(run, 1); i++) {
        if (!i || (int64_t)row.sequence->n == size) {
            row = value_sequence(run, JINJA_LIST, "list", 0);
            sequence_add(run, out.sequence, row);
        }
        sequence_add(run, row.sequence, s.items[i]);
    }
    if (s.n && given(p[1]) && p[1].type != JINJA_NONE)
        while ((int64_t)row.sequence->n < size && jinja_step(run, 1))
            sequence_add(run, row.sequence, p[1]);
    return out;
}

const struct builtin jinja_list_filters[] = {
    {.name = "batch", .parameters = "linecount fill_with", .needed = 1, .call = batch},
    {.name = "dictsort", .parameters = "case_sensitive by reverse", .call = dictsort},
    {.name = "first", .parameters = "", .call = first},
    {.name = "items", .parameters = "", .call = items},
    {.name = "join", .parameters = "d attribute", .call = join},
    {.name = "last", .parameters = "", .call = last},
    {.name = "list", .parameters = "", .call = list},
    {.name = "map", .call_any = map},
    {.name = "max", .parameters = "case_sensitive attribute", .call = largest},
    {.name = "min", .parameters = "case_sensitive attribute", .call = smallest},
    {.name = "reject", .call_any = reject},
    {.name = "rejectattr", .call_any = rejectattr},
    {.name = "reverse", .parameters = "", .call = reversed},
    {.name = "select", .call_any = select_items},
    {.name = "selectattr", .call_any = selectattr},
    {.name = "sort", .parameters = "reverse case_sensitive attribute", .call = sort},
    {.name = "sum", .parameters = "attribute start", .call = sum},
    {.name = "unique", .parameters = "case_sensitive attribute", .call = unique},
    {0},
};
