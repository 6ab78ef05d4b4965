/* Expressions of templates: names, attributes, calls. */
#include "tokenizer/jinja_eval.h"

#include "text/python.h"

/* ---- names --------------------------------------------------------------------------- */

struct scope *
scope_new(struct jinja_run *run, struct scope *parent)
{
    struct scope *s = jinja_pool_take(&run->pool, sizeof *s);

    *s = (struct scope){.parent = parent};
    return s;
}

static struct binding *
scope_find(struct scope *scope, const char *name)
{
    for (size_t i = 0; i < scope->n; i++)
        if (scope->bindings[i].name == name)
            return &scope->bindings[i];
    return NULL;
}

void
scope_set(struct jinja_run *run, struct scope *scope, const char *name, struct value v)
{
    struct binding *b = scope_find(scope, name);

    if (b) {
        b->value = v;
        return;
    }
    if (scope->n == scope->cap) {
        size_t cap = scope->cap ? 2 * scope->cap : 4;
        struct binding *more = jinja_take(run, cap, sizeof *more);

        if (!more)
            return;
        if (scope->n)
            memcpy(more, scope->bindings, scope->n * sizeof *more);
        scope->bindings = more;
        scope->cap = cap;
    }
    scope->bindings[scope->n++] = (struct binding){name, v};
}

static struct value
lookup(struct jinja_run *run, const struct node *node)
{
    const struct value *v;

    for (struct scope *s = run->scope; s; s = s->parent) {
        struct binding *b = scope_find(s, node->name);

        if (b)
            return b->value;
    }
    v = dict_get_text(run->context, node->name, strlen(node->name));
    if (v)
        return *v;
    if (node->function)
        return (struct value){.type = JINJA_FUNCTION, .function = node->function};
    return value_undefined(node->name, strlen(node->name));
}

void
jinja_assign(struct jinja_run *run, const struct node *target, struct value v)
{
    if (target->kind == NODE_NAME) {
        scope_set(run, run->scope, target->name, v);
    } else if (target->kind == NODE_NAMESPACE_ATTRIBUTE) {
        struct value space = lookup(run, target);

        if (space.type != JINJA_NAMESPACE)
            jinja_fail(run, "cannot assign attribute on non-namespace object");
        else if (*target->value.text == '_')
            jinja_fail(run, "a namespace has no attribute that begins with an underscore");
        else
            dict_set(run, space.dict, target->value, v);
    } else {
        struct sequence s = value_items(run, v);

        if (s.n != target->n && !run->failed)
            jinja_fail(run, "%zu values for %zu names", s.n, target->n);
        for (size_t i = 0; i < target->n && jinja_step(run, 1); i++)
            jinja_assign(run, target->items[i], s.items[i]);
    }
}

/* ---- attributes and items ------------------------------------------------------------- */

static struct value
method(struct jinja_run *run, struct value v, const char *name, size_t n)
{
    const struct builtin *b = jinja_method(v, name);
    struct method *m = b ? jinja_take(run, 1, sizeof *m) : NULL;

    if (!m)
        return value_undefined(name, n);
    *m = (struct method){v, b};
    return (struct value){.type = JINJA_METHOD, .method = m};
}

/* Names of attributes that Python's mappings have, but templates may not use. */
static bool
is_hidden(const char *name, size_t n)
{
    static const char *const mutating[] = {"clear", "pop", "popitem", "setdefault", "update"};

    if (n > 4 && !strncmp(name, "__", 2) && !strcmp(name + n - 2, "__"))
        return true;
    for (size_t i = 0; i < sizeof mutating / sizeof *mutating; i++)
        if (!strcmp(name, mutating[i]))
            return true;
    return false;
}

struct value
jinja_attribute(struct jinja_run *run, struct value v, const char *name, size_t n)
{
    const struct value *found = NULL;

    if (v.type == JINJA_UNDEFINED)
        return jinja_fail_undefined(run, v);
    if (v.type == JINJA_LOOP)
        return loop_attribute(run, v.loop, name);
    if (v.type == JINJA_NAMESPACE) {
        found = dict_get_text(v.dict, name, n);
    } else if (v.type == JINJA_DICT) {
        struct value m = method(run, v, name, n);

        if (m.type == JINJA_METHOD || is_hidden(name, n))
            return m;
        found = dict_get_text(v.dict, name, n);
    } else {
        return method(run, v, name, n);
    }
    return found ? *found : value_undefined(name, n);
}

static bool
index_of(struct value key, size_t n, size_t *at)
{
    int64_t i;

    if (!value_is_integer(key))
        return false;
    i = key.i < 0 ? key.i + (int64_t)n : key.i;
    *at = (size_t)i;
    return i >= 0 && i < (int64_t)n;
}

struct value
jinja_item(struct jinja_run *run, struct value v, struct value key)
{
    size_t at;

    jinja_step(run, 1);
    if (v.type == JINJA_UNDEFINED)
        return jinja_fail_undefined(run, v);
    if (v.type == JINJA_DICT && value_hashable(key)) {
        const struct value *found = dict_get(run, v.dict, key);

        if (found)
            return *found;
    } else if (v.type == JINJA_LIST || v.type == JINJA_TUPLE || v.type == JINJA_RANGE) {
        if (index_of(key, v.sequence->n, &at))
            return v.sequence->items[at];
    } else if (v.type == JINJA_STRING && value_is_integer(key)) {
        if (index_of(key, value_length(run, v), &at)) {
            size_t from = text_offset(v.text, v.n, at);
            struct value c = value_text(v.text + from, text_offset(v.text + from, v.n - from, 1));

            c.safe = v.safe;
            return c;
        }
    }
    if (key.type == JINJA_STRING) {
        char *name = jinja_take(run, key.n + 1, 1);

        if (!name || memchr(key.text, 0, key.n))
            return value_undefined("", 0);
        memcpy(name, key.text, key.n);
        name[key.n] = 0;
        if (v.type == JINJA_NAMESPACE || v.type == JINJA_LOOP)
            return jinja_attribute(run, v, name, key.n);
        return method(run, v, name, key.n);
    }
    return value_undefined("an element", 10);
}

static bool
slice_part(struct jinja_run *run, struct value v, int64_t *out)
{
    if (v.type == JINJA_NONE || v.type == JINJA_ABSENT)
        return false;
    if (!value_is_integer(v))
        jinja_fail(run, "slice indices must be integers or None");
    else
        *out = v.i;
    return value_is_integer(v);
}

/* Python's PySlice_AdjustIndices. */
static int64_t
slice_bound(int64_t i, int64_t n, bool backwards)
{
    if (i < 0) {
        i = i < -n ? -1 : i + n;
        return i < 0 && !backwards ? 0 : i;
    }
    return i >= n ? n - backwards : i;
}

struct value
jinja_slice(struct jinja_run *run, struct value v, const struct value part[3])
{
    bool text = v.type == JINJA_STRING;
    struct sequence s;
    struct value out;
    struct str joined = {0};
    int64_t from, to, by = 1, n;

    if (v.type == JINJA_UNDEFINED)
        return jinja_fail_undefined(run, v);
    if (!text && v.type != JINJA_LIST && v.type != JINJA_TUPLE && v.type != JINJA_RANGE)
        return jinja_fail(run, "'%s' object cannot be sliced", value_type_name(v));
    s = value_items(run, v);
    n = (int64_t)s.n;
    slice_part(run, part[2], &by);
    if (!by)
        jinja_fail(run, "slice step cannot be zero");
    if (by < -n - 1 || by > n + 1) /* one item at most */
        by = by < 0 ? -n - 1 : n + 1;
    from = by < 0 ? n - 1 : 0;
    to = by < 0 ? -1 : n;
    if (slice_part(run, part[0], &from))
        from = slice_bound(from, n, by < 0);
    if (slice_part(run, part[1], &to))
        to = slice_bound(to, n, by < 0);
    out = value_sequence(run, v.type == JINJA_TUPLE ? JINJA_TUPLE : JINJA_LIST, "list", 0);
    for (int64_t i = from; (by < 0 ? i > to : i < to) && jinja_step(run, 1); i += by) {
        if (text)
            jinja_put(run, &joined, s.items[i].text, s.items[i].n);
        else
            sequence_add(run, out.sequence, s.items[i]);
    }
    if (text) {
        out = value_take(run, &joined);
        out.safe = v.safe;
    } else if (v.type == JINJA_RANGE) {
        out.type = JINJA_RANGE;
    }
    return out;
}

/* ---- calls ----------------------------------------------------------------------------- */

struct evaluated {
    struct arguments a;
    VEC(struct value) values;
    VEC(struct keyword) keywords;
};

static void
more_keywords(struct jinja_run *run, struct value more, struct evaluated *e)
{
    if (more.type != JINJA_DICT) {
        jinja_fail(run, "the argument after ** must be a mapping");
        return;
    }
    for (size_t i = 0; i < more.dict->n; i++) {
        struct value key = more.dict->pairs[i].key;

        if (key.type != JINJA_STRING) {
            jinja_fail(run, "keywords must be strings");
            return;
        }
        vec_push(&e->keywords, ((struct keyword){value_copy(run, key.text, key.n).text,
                                                 more.dict->pairs[i].value}));
    }
}

static void
evaluate_arguments(struct jinja_run *run, const struct call *call, struct evaluated *e)
{
    *e = (struct evaluated){0};
    for (size_t i = 0; i < call->n && !run->failed; i++)
        vec_push(&e->values, jinja_eval(run, call->values[i]));
    if (call->more) {
        struct sequence s = value_items(run, jinja_eval(run, call->more));

        for (size_t i = 0; i < s.n && jinja_step(run, 1); i++)
            vec_push(&e->values, s.items[i]);
    }
    for (size_t i = 0; i < call->keywords_n && !run->failed; i++)
        vec_push(&e->keywords,
                 ((struct keyword){call->keywords[i], jinja_eval(run, call->keyword_values[i])}));
    if (call->more_keywords)
        more_keywords(run, jinja_eval(run, call->more_keywords), e);
    for (size_t i = 0; i < e->keywords.len; i++)
        for (size_t j = 0; j < i && jinja_step(run, 1); j++)
            if (!strcmp(e->keywords.data[i].name, e->keywords.data[j].name))
                jinja_fail(run, "two values for the argument '%s'", e->keywords.data[i].name);
    e->a = (struct arguments){e->values.data, e->values.len, e->keywords.data, e->keywords.len};
}

static void
release_arguments(struct evaluated *e)
{
    vec_release(&e->values);
    vec_release(&e->keywords);
}

struct value
jinja_call(struct jinja_run *run, struct value callee, const struct arguments *a)
{
    if (run->failed)
        return callee;
    if (callee.type == JINJA_FUNCTION)
        return jinja_invoke(run, callee.function, value_none(), a);
    if (callee.type == JINJA_METHOD)
        return jinja_invoke(run, callee.method->function, callee.method->self, a);
    if (callee.type == JINJA_MACRO)
        return jinja_call_macro(run, callee.macro, a);
    if (callee.type == JINJA_UNDEFINED)
        return jinja_fail_undefined(run, callee);
    return jinja_fail(run, "'%s' object is not callable", value_type_name(callee));
}

static struct value
eval_call(struct jinja_run *run, const struct node *node)
{
    struct value base = jinja_eval(run, node->a), out;
    struct evaluated e;

    if (run->failed)
        return base;
    evaluate_arguments(run, node->call, &e);
    run->line = node->line;
    if (run->failed)
        out = base;
    else if (node->kind == NODE_CALL)
        out = jinja_call(run, base, &e.a);
    else
        out = jinja_invoke(run, node->function, base, &e.a);
    release_arguments(&e);
    return out;
}

/* ---- the rest ---------------------------------------------------------------------------- */

static struct value
eval_items(struct jinja_run *run, const struct node *node)
{
    struct value list = value_sequence(run, node->kind == NODE_LIST ? JINJA_LIST : JINJA_TUPLE,
                                       "list", node->n);

    for (size_t i = 0; i < node->n && !run->failed; i++)
        sequence_add(run, list.sequence, jinja_eval(run, node->items[i]));
    return list;
}

static struct value
eval_dict(struct jinja_run *run, const struct node *node)
{
    struct value d = value_dict(run);

    for (size_t i = 0; i + 1 < node->n && !run->failed; i += 2) {
        struct value key = jinja_eval(run, node->items[i]);
        struct value item = jinja_eval(run, node->items[i + 1]);

        if (!run->failed)
            dict_set(run, d.dict, key, item);
    }
    return d;
}

static struct value
eval_concatenation(struct jinja_run *run, const struct node *node)
{
    struct str s = {0};

    for (size_t i = 0; i < node->n && !run->failed; i++)
        value_print(run, jinja_eval(run, node->items[i]), &s);
    return value_take(run, &s);
}

/* a < b < c: as far as it is true. */
static struct value
eval_comparison(struct jinja_run *run, const struct node *node)
{
    struct value left = jinja_eval(run, node->items[0]);

    for (size_t i = 1; i < node->n && !run->failed; i++) {
        struct value right = jinja_eval(run, node->items[i]);

        if (run->failed || !jinja_compare(run, node->operators[i - 1], left, right))
            return value_bool(false);
        left = right;
    }
    return value_bool(true);
}

static struct value
eval_slice(struct jinja_run *run, const struct node *node)
{
    struct value base = jinja_eval(run, node->a), part[3];

    for (int i = 0; i < 3; i++) {
        part[i] = (struct value){.type = JINJA_ABSENT};
        if (node->items[i])
            part[i] = jinja_eval(run, node->items[i]);
    }
    return run->failed ? base : jinja_slice(run, base, part);
}

static struct value
eval_pair(struct jinja_run *run, const struct node *node)
{
    struct value a = jinja_eval(run, node->a), b = jinja_eval(run, node->b);

    if (run->failed)
        return a;
    return node->kind == NODE_ITEM ? jinja_item(run, a, b)
                                   : jinja_binary(run, *node->operators, a, b);
}

static struct value
eval_choice(struct jinja_run *run, const struct node *node)
{
    struct value v;

    if (node->kind == NODE_CONDITIONAL) {
        if (value_truth(jinja_eval(run, node->b)))
            return jinja_eval(run, node->a);
        return node->c ? jinja_eval(run, node->c) : value_undefined("the else of an if", 17);
    }
    v = jinja_eval(run, node->a);
    return value_truth(v) == (node->kind == NODE_AND) ? jinja_eval(run, node->b) : v;
}

static struct value
eval_node(struct jinja_run *run, const struct node *node)
{
    struct value v;

    switch (node->kind) {
    case NODE_CONSTANT: return node->value;
    case NODE_NAME: return lookup(run, node);
    case NODE_CAPTURED: return run->captured;
    case NODE_LIST:
    case NODE_TUPLE: return eval_items(run, node);
    case NODE_DICT: return eval_dict(run, node);
    case NODE_ATTRIBUTE:
        v = jinja_eval(run, node->a);
        return run->failed ? v : jinja_attribute(run, v, node->value.text, node->value.n);
    case NODE_ITEM:
    case NODE_BINARY: return eval_pair(run, node);
    case NODE_SLICE: return eval_slice(run, node);
    case NODE_CALL:
    case NODE_FILTER:
    case NODE_TEST: return eval_call(run, node);
    case NODE_NOT: return value_bool(!value_truth(jinja_eval(run, node->a)));
    case NODE_NEGATE:
    case NODE_PLUS:
        v = jinja_eval(run, node->a);
        return run->failed ? v : jinja_sign(run, node->kind == NODE_NEGATE, v);
    case NODE_COMPARE: return eval_comparison(run, node);
    case NODE_CONCATENATE: return eval_concatenation(run, node);
    case NODE_AND:
    case NODE_OR:
    case NODE_CONDITIONAL: return eval_choice(run, node);
    default: return jinja_fail(run, "not an expression");
    }
}

struct value
jinja_eval(struct jinja_run *run, const struct node *node)
{
    struct value v = value_none();

    if (!jinja_step(run, 1))
        return v;
    run->line = node->line;
    if (++run->depth > JINJA_DEPTH)
        v = jinja_fail(run, "nested deeper than %d", JINJA_DEPTH);
    else
        v = eval_node(run, node);
    run->depth--;
    return v;
}
