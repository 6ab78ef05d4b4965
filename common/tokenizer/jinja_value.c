/* Values of templates: memory, errors, making them. */
#include "tokenizer/jinja_value.h"

#include <stdarg.h>

#include "base/err.h"
#include "base/mem.h"

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

/* The index of the key, d->n where it is not there. */
static size_t
dict_find_text(const struct dict *d, const char *key, size_t n)
{
    size_t i = 0;

    while (i < d->n && !value_is_text(d->pairs[i].key, key, n))
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
