#ifndef TOKENIZER_JINJA_VALUE_H
#define TOKENIZER_JINJA_VALUE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/str.h"

/*
 * The values of a Jinja template, which are Python's: printed, compared and combined as
 * CPython 3.11 does. Text is UTF-8, counted and cut by code points. Everything a value points
 * to lies in the run's pool and is freed with it at once; nothing is freed before.
 *
 * Errors: the first one is recorded (base/err.h) and sets run->failed; what is called
 * afterwards still returns some value, and every loop ends at its next step.
 */
enum jinja_type {
    JINJA_UNDEFINED, /* text: what it would have been, for messages */
    JINJA_NONE,
    JINJA_BOOL,
    JINJA_INT,
    JINJA_FLOAT,
    JINJA_STRING,
    JINJA_LIST,
    JINJA_TUPLE,
    JINJA_RANGE,
    JINJA_ITERATOR, /* items from sequence->at on; consumed by going through them */
    JINJA_VIEW,     /* keys(), values() or items() of a mapping */
    JINJA_DICT,
    JINJA_NAMESPACE,
    JINJA_MACRO,
    JINJA_FUNCTION, /* a global one: range, raise_exception, … */
    JINJA_METHOD,   /* of a value, before its call */
    JINJA_LOOP,     /* the variable `loop` */
    JINJA_ABSENT    /* an argument that was not given */
};

struct value {
    enum jinja_type type;
    bool safe; /* a string that went through |safe: Markup */
    union {
        int64_t i; /* BOOL too */
        double f;
        const char *text;
        struct sequence *sequence; /* LIST, TUPLE, RANGE, ITERATOR, VIEW */
        struct dict *dict;         /* DICT, NAMESPACE */
        struct jinja_macro *macro;
        const struct builtin *function;
        struct method *method;
        struct loop *loop;
    };
    size_t n; /* bytes of text */
};

struct sequence {
    struct value *items;
    size_t n, cap, at;
    const char *python; /* the type's name: "list", "generator", "dict_items" */
};

struct pair {
    struct value key, value;
};

struct dict {
    struct pair *pairs; /* in the order of insertion */
    size_t n, cap;
};

struct method {
    struct value self;
    const struct builtin *function;
};

/* Arguments of a call, already evaluated. */
struct keyword {
    const char *name;
    struct value value;
};

struct arguments {
    const struct value *values;
    size_t n;
    const struct keyword *keywords;
    size_t keywords_n;
};

struct jinja_run;

/*
 * A filter, test, method or function of the subset. `parameters`: names in order, "chars" or
 * "old new count"; those from `needed` on may be absent (JINJA_ABSENT). NULL: `call_any` gets
 * the arguments as they are.
 */
struct builtin {
    const char *name;
    const char *parameters;
    size_t needed;
    struct value (*call)(struct jinja_run *run, struct value self, const struct value *p);
    struct value (*call_any)(struct jinja_run *run, struct value self, const struct arguments *a);
    unsigned types; /* methods: 1u << type of those that have it */
};

/* Memory that is freed at once. */
struct jinja_pool {
    struct jinja_chunk *chunks;
    size_t used; /* bytes, all chunks */
};

void *jinja_pool_take(struct jinja_pool *pool, size_t size);
void jinja_pool_release(struct jinja_pool *pool);

/* Limits of one rendering; what goes beyond fails. */
enum {
    JINJA_MEMORY = 512 << 20, /* bytes of values */
    JINJA_OUTPUT = 256 << 20, /* bytes of any one string, and of the output */
    JINJA_STEPS = 20000000,   /* nodes evaluated, items or 64 bytes looked at */
    JINJA_DEPTH = 600,        /* nesting of expressions, statements and macros in execution */
    JINJA_NESTING = 200,      /* of a template's text, and of data */
    JINJA_RANGE_MAX = 100000  /* as Jinja's sandbox */
};

struct jinja_run {
    struct jinja_pool pool;
    const char *name;
    int line; /* of what is being done */
    bool failed;
    uint64_t steps;
    int depth;
    /* Of the evaluator (jinja_eval.h). */
    struct scope *scope;        /* of what is being done */
    const struct dict *context; /* variables given from outside */
    struct str *out;            /* where output goes: the whole, or a capture */
    const struct str *whole;
    struct value captured;     /* what NODE_CAPTURED is */
    struct jinja_spans *spans; /* where {% generation %} came out; NULL: not wanted */
    const struct tm *now;      /* what strftime_now tells; NULL: the clock's time */
};

/* Records "name: line N: text" unless something failed before; returns an undefined value. */
struct value
jinja_fail(struct jinja_run *run, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The same for what uses an undefined value. */
struct value jinja_fail_undefined(struct jinja_run *run, struct value undefined);

/* Accounts for work; false once something failed or the limit is reached. */
bool jinja_step(struct jinja_run *run, size_t n);

/* Memory of the run; NULL (and failed) when its limit is reached. */
void *jinja_take(struct jinja_run *run, size_t count, size_t size);

static inline struct value
value_none(void)
{
    return (struct value){.type = JINJA_NONE};
}

static inline struct value
value_bool(bool b)
{
    return (struct value){.type = JINJA_BOOL, .i = b};
}

static inline struct value
value_int(int64_t i)
{
    return (struct value){.type = JINJA_INT, .i = i};
}

static inline struct value
value_float(double f)
{
    return (struct value){.type = JINJA_FLOAT, .f = f};
}

/* Borrowed text. */
static inline struct value
value_text(const char *text, size_t n)
{
    return (struct value){.type = JINJA_STRING, .text = text, .n = n};
}

static inline struct value
value_undefined(const char *what, size_t n)
{
    return (struct value){.type = JINJA_UNDEFINED, .text = what, .n = n};
}

static inline bool
value_is(struct value v, enum jinja_type type)
{
    return v.type == type;
}

static inline bool
value_is_integer(struct value v) /* Python's int, which bool is */
{
    return v.type == JINJA_INT || v.type == JINJA_BOOL;
}

static inline bool
value_is_number(struct value v)
{
    return value_is_integer(v) || v.type == JINJA_FLOAT;
}

static inline bool
real_fits_int(double f) /* cut to a whole number; not a number does not */
{
    return f >= -9223372036854775808.0 && f < 9223372036854775808.0;
}

static inline double
value_real(struct value v)
{
    return v.type == JINJA_FLOAT ? v.f : (double)v.i;
}

static inline bool
value_is_text(struct value v, const char *text, size_t n)
{
    return v.type == JINJA_STRING && v.n == n && (!n || !memcmp(v.text, text, n));
}

/* Copies text into the run; s is released. */
struct value value_take(struct jinja_run *run, struct str *s);
struct value value_copy(struct jinja_run *run, const char *text, size_t n);

/* An empty sequence with room for some items; adding to it. */
struct value
value_sequence(struct jinja_run *run, enum jinja_type type, const char *python, size_t room);
void sequence_add(struct jinja_run *run, struct sequence *s, struct value item);

struct value value_dict(struct jinja_run *run);
void dict_set(struct jinja_run *run, struct dict *d, struct value key, struct value item);
/* NULL: not there. */
const struct value *dict_get(struct jinja_run *run, const struct dict *d, struct value key);
const struct value *dict_get_text(const struct dict *d, const char *key, size_t n);

/* A copy of JSON. */
struct value value_of_json(struct jinja_run *run, const json_t *json);

const char *value_type_name(struct value v); /* Python's: "str", "dict" */
bool value_truth(struct value v);
bool value_hashable(struct value v);
bool value_equal(struct jinja_run *run, struct value a, struct value b);
/* -1, 0 or 1; fails where Python cannot order the two (`operator` for the message). NaN: 2. */
int value_order(struct jinja_run *run, struct value a, struct value b, const char *operator);
/* Is item in the container? */
bool value_contains(struct jinja_run *run, struct value container, struct value item);
/* len(); fails for what has none. */
size_t value_length(struct jinja_run *run, struct value v);
bool value_iterable(struct value v);

/*
 * All items, as iter() goes through them: characters of strings, keys of mappings. Consumes
 * iterators. The result may be shared: read only. Fails for what cannot be iterated.
 */
struct sequence value_items(struct jinja_run *run, struct value v);

/* Text of a value: str() and repr(). The first appends, bounded by the limits. */
void value_print(struct jinja_run *run, struct value v, struct str *out);
void value_repr(struct jinja_run *run, struct value v, struct str *out);
struct value value_string(struct jinja_run *run, struct value v); /* strings stay as they are */
void value_print_real(struct str *out, double f);

/* json.dumps; indent NULL: one line. */
struct json_style {
    const char *indent;
    size_t indent_n;
    struct value item_separator, key_separator; /* strings */
    bool ascii, sorted;
};
void
value_json(struct jinja_run *run, struct value v, const struct json_style *style, struct str *out);

/* Appends unless the limits are reached. */
void jinja_put(struct jinja_run *run, struct str *out, const char *text, size_t n);
void jinja_puts(struct jinja_run *run, struct str *out, const char *text);

#endif
