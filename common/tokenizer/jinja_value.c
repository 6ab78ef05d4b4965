/* Values of templates: making, comparing and going through them as Python does. */
#include "tokenizer/jinja_value.h"

#include <math.h>
#include <stdarg.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/utf8.h"

enum { CHUNK = 64 << 10 };

struct jinja_chunk {
    struct jinja_chunk *next;
    size_t used, size;
    _Alignas(16) char bytes[];
};

void *
jinja_pool_take(struct jinja_pool *pool, size_t size)
{
    struct jinja_chunk *c = pool->chunks;

    size = (size + 15) & ~(size_t)15;
    if (!c || size > c->size - c->used) {
        size_t room = size > CHUNK ? size : CHUNK;

        c = mem_alloc(sizeof *c + room);
        c->used = 0;
        c->size = room;
        /* A large piece goes behind the chunk that still has room. */
        if (size > CHUNK / 4 && pool->chunks) {
            c->next = pool->chunks->next;
            pool->chunks->next = c;
        } else {
            c->next = pool->chunks;
            pool->chunks = c;
        }
        pool->used += room;
    }
    c->used += size;
    return c->bytes + c->used - size;
}

void
jinja_pool_release(struct jinja_pool *pool)
{
    for (struct jinja_chunk *c = pool->chunks, *next; c; c = next) {
        next = c->next;
        free(c);
    }
    *pool = (struct jinja_pool){0};
}

struct value
jinja_fail(struct jinja_run *run, const char *fmt, ...)
{
    if (!run->failed) {
        char text[ERR_TEXT_MAX];
        va_list ap;

        va_start(ap, fmt);
        vsnprintf(text, sizeof text, fmt, ap);
        va_end(ap);
        err_set(STATUS_INPUT, "%s: line %d: %s", run->name, run->line, text);
        run->failed = true;
    }
    return value_undefined("", 0);
}

struct value
jinja_fail_undefined(struct jinja_run *run, struct value undefined)
{
    return jinja_fail(run, "'%.*s' is undefined", (int)undefined.n, undefined.text);
}

bool
jinja_step(struct jinja_run *run, size_t n)
{
    run->steps += n;
    if (run->steps > JINJA_STEPS)
        jinja_fail(run, "the template takes more than %d steps", JINJA_STEPS);
    return !run->failed;
}

void *
jinja_take(struct jinja_run *run, size_t count, size_t size)
{
    size_t bytes;

    if (!mem_mul(count, size, &bytes) || bytes > JINJA_MEMORY ||
        run->pool.used + bytes > JINJA_MEMORY) {
        jinja_fail(run, "the template needs more than %d MiB of memory", JINJA_MEMORY >> 20);
        return NULL;
    }
    return jinja_pool_take(&run->pool, bytes);
}

void
jinja_put(struct jinja_run *run, struct str *out, const char *text, size_t n)
{
    if (out->len + n > JINJA_OUTPUT)
        jinja_fail(run, "a text grows beyond %d MiB", JINJA_OUTPUT >> 20);
    else if (jinja_step(run, n / 64))
        str_add(out, text, n);
}

void
jinja_puts(struct jinja_run *run, struct str *out, const char *text)
{
    jinja_put(run, out, text, strlen(text));
}

/* ---- making ------------------------------------------------------------------- */

struct value
value_copy(struct jinja_run *run, const char *text, size_t n)
{
    char *copy = jinja_take(run, n + 1, 1);

    if (!copy)
        return value_undefined("", 0);
    if (n)
        memcpy(copy, text, n);
    copy[n] = 0;
    return value_text(copy, n);
}

struct value
value_take(struct jinja_run *run, struct str *s)
{
    struct value v = value_copy(run, s->data, s->len);

    str_release(s);
    return v;
}

struct value
value_textf(struct jinja_run *run, const char *fmt, ...)
{
    struct str s = {0};
    va_list ap;

    va_start(ap, fmt);
    str_vaddf(&s, fmt, ap);
    va_end(ap);
    return value_take(run, &s);
}

struct value
value_sequence(struct jinja_run *run, enum jinja_type type, const char *python, size_t room)
{
    struct sequence *s = jinja_pool_take(&run->pool, sizeof *s);

    *s = (struct sequence){.python = python};
    if (room)
        s->items = jinja_take(run, room, sizeof *s->items);
    s->cap = s->items ? room : 0;
    return (struct value){.type = type, .sequence = s};
}

void
sequence_add(struct jinja_run *run, struct sequence *s, struct value item)
{
    if (s->n >= s->cap) {
        size_t more = s->cap < 8 ? 16 : 2 * s->cap;
        struct value *items = jinja_take(run, more, sizeof *items);

        if (!items)
            return;
        if (s->n)
            memcpy(items, s->items, s->n * sizeof *items);
        s->items = items;
        s->cap = more;
    }
    s->items[s->n++] = item;
}

struct value
value_dict(struct jinja_run *run)
{
    struct dict *d = jinja_pool_take(&run->pool, sizeof *d);

    *d = (struct dict){0};
    return (struct value){.type = JINJA_DICT, .dict = d};
}

static bool
same_text(struct value v, const char *text, size_t n)
{
    return v.type == JINJA_STRING && v.n == n && (!n || !memcmp(v.text, text, n));
}

/* The index of the key, d->n where it is not there. */
static size_t
dict_find_text(const struct dict *d, const char *key, size_t n)
{
    size_t i = 0;

    while (i < d->n && !same_text(d->pairs[i].key, key, n))
        i++;
    return i;
}

static size_t
dict_find(struct jinja_run *run, const struct dict *d, struct value key)
{
    size_t i = 0;

    jinja_step(run, d->n / 16);
    if (key.type == JINJA_STRING)
        return dict_find_text(d, key.text, key.n);
    while (i < d->n && !value_equal(run, d->pairs[i].key, key))
        i++;
    return i;
}

const struct value *
dict_get_text(const struct dict *d, const char *key, size_t n)
{
    size_t i = dict_find_text(d, key, n);

    return i < d->n ? &d->pairs[i].value : NULL;
}

const struct value *
dict_get(struct jinja_run *run, const struct dict *d, struct value key)
{
    size_t i = dict_find(run, d, key);

    return i < d->n ? &d->pairs[i].value : NULL;
}

static void
dict_add(struct jinja_run *run, struct dict *d, struct value key, struct value item)
{
    if (d->n == d->cap) {
        size_t cap = d->cap ? 2 * d->cap : 4;
        struct pair *pairs = jinja_take(run, cap, sizeof *pairs);

        if (!pairs)
            return;
        if (d->n)
            memcpy(pairs, d->pairs, d->n * sizeof *pairs);
        d->pairs = pairs;
        d->cap = cap;
    }
    d->pairs[d->n++] = (struct pair){key, item};
}

void
dict_set(struct jinja_run *run, struct dict *d, struct value key, struct value item)
{
    size_t i;

    if (!value_hashable(key)) {
        jinja_fail(run, "unhashable type: '%s'", value_type_name(key));
        return;
    }
    i = dict_find(run, d, key);
    if (i < d->n)
        d->pairs[i].value = item;
    else
        dict_add(run, d, key, item);
}

static struct value
array_of_json(struct jinja_run *run, const json_t *json)
{
    size_t n = json_array_size(json);
    struct value list = value_sequence(run, JINJA_LIST, "list", n);

    for (size_t i = 0; i < n && !run->failed; i++)
        sequence_add(run, list.sequence, value_of_json(run, json_array_get(json, i)));
    return list;
}

static struct value
object_of_json(struct jinja_run *run, const json_t *json)
{
    struct value d = value_dict(run);
    json_t *mutable = json_incref((json_t *)(uintptr_t)json); /* jansson's iterator asks for it */

    for (void *it = json_object_iter(mutable); it && !run->failed;
         it = json_object_iter_next(mutable, it)) {
        const char *key = json_object_iter_key(it);

        /* Keys of an object are different: no search. */
        dict_add(run, d.dict, value_copy(run, key, strlen(key)),
                 value_of_json(run, json_object_iter_value(it)));
    }
    json_decref(mutable);
    return d;
}

struct value
value_of_json(struct jinja_run *run, const json_t *json)
{
    struct value v = value_none();

    if (!jinja_step(run, 1))
        return v;
    if (++run->depth > JINJA_NESTING)
        jinja_fail(run, "data nested deeper than %d", JINJA_NESTING);
    else if (json_is_string(json))
        v = value_copy(run, json_string_value(json), json_string_length(json));
    else if (json_is_integer(json))
        v = value_int(json_integer_value(json));
    else if (json_is_real(json))
        v = value_float(json_real_value(json));
    else if (json_is_boolean(json))
        v = value_bool(json_is_true(json));
    else if (json_is_array(json))
        v = array_of_json(run, json);
    else if (json_is_object(json))
        v = object_of_json(run, json);
    run->depth--;
    return v;
}

/* ---- asking ------------------------------------------------------------------- */

const char *
value_type_name(struct value v)
{
    static const char *const names[] = {
        [JINJA_UNDEFINED] = "Undefined", [JINJA_NONE] = "NoneType", [JINJA_BOOL] = "bool",
        [JINJA_INT] = "int", [JINJA_FLOAT] = "float", [JINJA_STRING] = "str",
        [JINJA_LIST] = "list", [JINJA_TUPLE] = "tuple", [JINJA_RANGE] = "range",
        [JINJA_ITERATOR] = "generator", [JINJA_VIEW] = "dict_items", [JINJA_DICT] = "dict",
        [JINJA_NAMESPACE] = "Namespace", [JINJA_MACRO] = "Macro", [JINJA_FUNCTION] = "function",
        [JINJA_METHOD] = "builtin_function_or_method", [JINJA_LOOP] = "LoopContext",
        [JINJA_ABSENT] = "nothing",
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
    case JINJA_ABSENT:
        return false;
    case JINJA_BOOL:
    case JINJA_INT:
        return v.i != 0;
    case JINJA_FLOAT:
        return v.f < 0 || v.f > 0 || isnan(v.f);
    case JINJA_STRING:
        return v.n != 0;
    case JINJA_LIST:
    case JINJA_TUPLE:
    case JINJA_RANGE:
    case JINJA_VIEW:
        return v.sequence->n != 0;
    case JINJA_DICT:
        return v.dict->n != 0;
    default:
        return true;
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
    if (b.f >= 0x1p63 || b.f < -0x1p63)
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
    case JINJA_NONE:
        return true;
    case JINJA_STRING:
        return same_text(a, b.text, b.n);
    case JINJA_LIST:
    case JINJA_TUPLE:
    case JINJA_RANGE:
        return sequences_equal(run, a.sequence, b.sequence);
    case JINJA_DICT:
        return dicts_equal(run, a.dict, b.dict);
    case JINJA_FUNCTION:
        return a.function == b.function;
    case JINJA_VIEW:
        jinja_fail(run, "comparing views of a mapping is not supported");
        return false;
    default:
        return a.dict == b.dict; /* the same object */
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
    case JINJA_UNDEFINED:
        return 0;
    case JINJA_STRING:
        jinja_step(run, v.n / 64);
        return utf8_count(v.text, v.n);
    case JINJA_LIST:
    case JINJA_TUPLE:
    case JINJA_RANGE:
    case JINJA_VIEW:
        return v.sequence->n;
    case JINJA_DICT:
        return v.dict->n;
    default:
        jinja_fail(run, "object of type '%s' has no len()", value_type_name(v));
        return 0;
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
