/* Comparing values of templates and going through them, as Python does. */
#include <math.h>

#include "base/utf8.h"
#include "tokenizer/jinja_value.h"

const char *
value_type_name(struct value v)
{
    static const char *const names[] = {
        [JINJA_UNDEFINED] = "Undefined", [JINJA_NONE] = "NoneType",
        [JINJA_BOOL] = "bool",           [JINJA_INT] = "int",
        [JINJA_FLOAT] = "float",         [JINJA_STRING] = "str",
        [JINJA_LIST] = "list",           [JINJA_TUPLE] = "tuple",
        [JINJA_RANGE] = "range",         [JINJA_ITERATOR] = "generator",
        [JINJA_VIEW] = "dict_items",     [JINJA_DICT] = "dict",
        [JINJA_NAMESPACE] = "Namespace", [JINJA_MACRO] = "Macro",
        [JINJA_FUNCTION] = "function",   [JINJA_METHOD] = "builtin_function_or_method",
        [JINJA_LOOP] = "LoopContext",    [JINJA_ABSENT] = "nothing",
    };

    if (v.type == JINJA_ITERATOR || v.type == JINJA_VIEW)
        return v.sequence->python;
    return names[v.type];
}

bool
value_truth(struct value v)
{
    switch (v.type) {
    case JINJA_UNDEFINED:
    case JINJA_NONE:
    case JINJA_ABSENT: return false;
    case JINJA_BOOL:
    case JINJA_INT: return v.i != 0;
    case JINJA_FLOAT: return v.f < 0 || v.f > 0 || isnan(v.f);
    case JINJA_STRING: return v.n != 0;
    case JINJA_LIST:
    case JINJA_TUPLE:
    case JINJA_RANGE:
    case JINJA_VIEW: return v.sequence->n != 0;
    case JINJA_DICT: return v.dict->n != 0;
    default: return true;
    }
}

bool
value_hashable(struct value v)
{
    if (v.type == JINJA_TUPLE)
        for (size_t i = 0; i < v.sequence->n; i++)
            if (!value_hashable(v.sequence->items[i]))
                return false;
    return v.type != JINJA_LIST && v.type != JINJA_DICT && v.type != JINJA_VIEW;
}

static bool
sequences_equal(struct jinja_run *run, const struct sequence *a, const struct sequence *b)
{
    if (a->n != b->n)
        return false;
    for (size_t i = 0; i < a->n && jinja_step(run, 1); i++)
        if (!value_equal(run, a->items[i], b->items[i]))
            return false;
    return true;
}

static bool
dicts_equal(struct jinja_run *run, const struct dict *a, const struct dict *b)
{
    if (a->n != b->n)
        return false;
    for (size_t i = 0; i < a->n && jinja_step(run, 1); i++) {
        const struct value *other = dict_get(run, b, a->pairs[i].key);

        if (!other || !value_equal(run, a->pairs[i].value, *other))
            return false;
    }
    return true;
}

static int
order_of(double a, double b)
{
    return a < b ? -1 : a > b ? 1 : isnan(a) || isnan(b) ? 2 : 0;
}

/* Exact also where an integer has no double. */
static int
order_numbers(struct value a, struct value b)
{
    if (a.type != JINJA_FLOAT && b.type != JINJA_FLOAT)
        return a.i < b.i ? -1 : a.i > b.i;
    if (a.type == JINJA_FLOAT && b.type == JINJA_FLOAT)
        return order_of(a.f, b.f);
    if (a.type == JINJA_FLOAT) {
        int reverse = order_numbers(b, a);
        return reverse == 2 ? 2 : -reverse;
    }
    if (isnan(b.f))
        return 2;
    if (!real_fits_int(b.f))
        return b.f > 0 ? -1 : 1;
    if (a.i != (int64_t)b.f)
        return a.i < (int64_t)b.f ? -1 : 1;
    return order_of(0, b.f - trunc(b.f));
}

bool
value_equal(struct jinja_run *run, struct value a, struct value b)
{
    if (value_is_number(a) && value_is_number(b))
        return order_numbers(a, b) == 0;
    if (a.type != b.type)
        return false;
    switch (a.type) {
    case JINJA_UNDEFINED:
    case JINJA_NONE: return true;
    case JINJA_STRING: return value_is_text(a, b.text, b.n);
    case JINJA_LIST:
    case JINJA_TUPLE:
    case JINJA_RANGE: return sequences_equal(run, a.sequence, b.sequence);
    case JINJA_DICT: return dicts_equal(run, a.dict, b.dict);
    case JINJA_FUNCTION: return a.function == b.function;
    case JINJA_VIEW: jinja_fail(run, "comparing views of a mapping is not supported"); return false;
    default: return a.dict == b.dict; /* the same object */
    }
}

static int
order_sequences(struct jinja_run *run, const struct sequence *a, const struct sequence *b,
                const char *operator)
{
    for (size_t i = 0; i < a->n && i < b->n && jinja_step(run, 1); i++)
        if (!value_equal(run, a->items[i], b->items[i]))
            return value_order(run, a->items[i], b->items[i], operator);
    return a->n < b->n ? -1 : a->n > b->n;
}

int
value_order(struct jinja_run *run, struct value a, struct value b, const char *operator)
{
    if (value_is_number(a) && value_is_number(b))
        return order_numbers(a, b);
    if (a.type == b.type && a.type == JINJA_STRING) {
        /* UTF-8 orders as code points do. */
        size_t n = a.n < b.n ? a.n : b.n;
        int c = n ? memcmp(a.text, b.text, n) : 0;

        jinja_step(run, n / 64);
        return c < 0 ? -1 : c > 0 ? 1 : a.n < b.n ? -1 : a.n > b.n;
    }
    if (a.type == b.type && (a.type == JINJA_LIST || a.type == JINJA_TUPLE))
        return order_sequences(run, a.sequence, b.sequence, operator);
    if (a.type == JINJA_UNDEFINED || b.type == JINJA_UNDEFINED)
        jinja_fail_undefined(run, a.type == JINJA_UNDEFINED ? a : b);
    else
        jinja_fail(run, "'%s' not supported between instances of '%s' and '%s'", operator,
                   value_type_name(a), value_type_name(b));
    return 0;
}

bool
value_contains(struct jinja_run *run, struct value container, struct value item)
{
    if (container.type == JINJA_STRING) {
        if (item.type != JINJA_STRING) {
            jinja_fail(run, "'in <string>' requires string as left operand, not %s",
                       value_type_name(item));
            return false;
        }
        jinja_step(run, container.n / 64);
        return !item.n || memmem(container.text, container.n, item.text, item.n);
    }
    if (container.type == JINJA_DICT) {
        if (!value_hashable(item))
            jinja_fail(run, "unhashable type: '%s'", value_type_name(item));
        return dict_get(run, container.dict, item) != NULL;
    }
    if (container.type == JINJA_ITERATOR) {
        struct sequence *s = container.sequence;

        while (s->at < s->n && jinja_step(run, 1))
            if (value_equal(run, s->items[s->at++], item))
                return true;
        return false;
    }
    if (!value_iterable(container)) {
        jinja_fail(run, "argument of type '%s' is not iterable", value_type_name(container));
        return false;
    }
    struct sequence s = value_items(run, container);
    for (size_t i = 0; i < s.n && jinja_step(run, 1); i++)
        if (value_equal(run, s.items[i], item))
            return true;
    return false;
}

size_t
value_length(struct jinja_run *run, struct value v)
{
    switch (v.type) {
    case JINJA_UNDEFINED: return 0;
    case JINJA_STRING: jinja_step(run, v.n / 64); return utf8_count(v.text, v.n);
    case JINJA_LIST:
    case JINJA_TUPLE:
    case JINJA_RANGE:
    case JINJA_VIEW: return v.sequence->n;
    case JINJA_DICT: return v.dict->n;
    default: jinja_fail(run, "object of type '%s' has no len()", value_type_name(v)); return 0;
    }
}

bool
value_iterable(struct value v)
{
    return v.type == JINJA_UNDEFINED || v.type == JINJA_STRING || v.type == JINJA_DICT ||
           (v.type >= JINJA_LIST && v.type <= JINJA_VIEW);
}

static struct sequence
characters(struct jinja_run *run, struct value v)
{
    size_t n = utf8_count(v.text, v.n);
    struct value list = value_sequence(run, JINJA_LIST, "list", n);

    jinja_step(run, n);
    for (size_t at = 0, used; at < v.n && !run->failed; at += used) {
        utf8_decode(v.text + at, v.n - at, &used);
        sequence_add(run, list.sequence, value_text(v.text + at, used));
    }
    return *list.sequence;
}

struct sequence
value_items(struct jinja_run *run, struct value v)
{
    if (v.type == JINJA_STRING)
        return characters(run, v);
    if (v.type == JINJA_DICT) {
        struct value keys = value_sequence(run, JINJA_LIST, "list", v.dict->n);

        for (size_t i = 0; i < v.dict->n && jinja_step(run, 1); i++)
            sequence_add(run, keys.sequence, v.dict->pairs[i].key);
        return *keys.sequence;
    }
    if (v.type == JINJA_ITERATOR) {
        struct sequence *s = v.sequence, rest = *s;

        rest.items = rest.at < rest.n ? rest.items + rest.at : NULL;
        rest.n -= rest.at;
        rest.at = 0;
        s->at = s->n;
        return rest;
    }
    if (v.type >= JINJA_LIST && v.type <= JINJA_VIEW)
        return *v.sequence;
    if (v.type != JINJA_UNDEFINED)
        jinja_fail(run, "'%s' object is not iterable", value_type_name(v));
    return (struct sequence){0};
}
