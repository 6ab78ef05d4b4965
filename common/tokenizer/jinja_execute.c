/* Statements of templates: output, conditions, loops, assignments, macros. */
#include "tokenizer/jinja_eval.h"

/* ---- loops ------------------------------------------------------------------------------ */

/* The next item of the source for which the loop's test holds. */
static bool
pull_source(struct jinja_run *run, struct loop *loop, struct value *item)
{
    struct sequence *s = loop->source;

    while (s->at < s->n && jinja_step(run, 1)) {
        struct scope *around = run->scope;
        bool good;

        *item = s->items[s->at++];
        if (!loop->node->test)
            return true;
        run->scope = scope_new(run, loop->outer);
        jinja_assign(run, loop->node->a, *item);
        good = !run->failed && value_truth(jinja_eval(run, loop->node->test));
        run->scope = around;
        if (good && !run->failed)
            return true;
    }
    loop->ended = true;
    return false;
}

bool
loop_pull(struct jinja_run *run, struct loop *loop, bool peek)
{
    if (!loop->peeked) {
        if (loop->ended || !pull_source(run, loop, &loop->next))
            return false;
        loop->peeked = true;
    }
    if (!peek) {
        loop->peeked = false;
        loop->index0++;
        loop->previous = loop->current;
        loop->current = loop->next;
    }
    return true;
}

/* len(), for which a source without one is gone through at once. */
static int64_t
loop_length(struct jinja_run *run, struct loop *loop)
{
    struct value rest, item;

    if (loop->length >= 0)
        return loop->length;
    rest = value_sequence(run, JINJA_ITERATOR, "generator", 0);
    while (!loop->ended && pull_source(run, loop, &item) && !run->failed)
        sequence_add(run, rest.sequence, item);
    loop->length = (int64_t)rest.sequence->n + loop->index0 + 1 + loop->peeked;
    /* Tests were made: what is left passes as it is. */
    static const struct node untested = {.kind = NODE_FOR};
    loop->node = &untested;
    loop->source = rest.sequence;
    loop->ended = false;
    return loop->length;
}

struct value
loop_attribute(struct jinja_run *run, struct loop *loop, const char *name)
{
    const struct builtin *b;
    struct value self = {.type = JINJA_LOOP, .loop = loop};

    if (!strcmp(name, "index") || !strcmp(name, "index0"))
        return value_int(loop->index0 + !name[5]);
    if (!strcmp(name, "first"))
        return value_bool(loop->index0 == 0);
    if (!strcmp(name, "last"))
        return value_bool(!loop_pull(run, loop, true));
    if (!strcmp(name, "length"))
        return value_int(loop_length(run, loop));
    if (!strcmp(name, "revindex") || !strcmp(name, "revindex0"))
        return value_int(loop_length(run, loop) - loop->index0 - (name[8] == '0'));
    if (!strcmp(name, "previtem"))
        return loop->index0 ? loop->previous : value_undefined("the previous item", 17);
    if (!strcmp(name, "nextitem"))
        return loop_pull(run, loop, true) ? loop->next : value_undefined("the next item", 13);
    if (!strcmp(name, "depth") || !strcmp(name, "depth0"))
        return value_int(!name[5]);
    b = jinja_method(self, name);
    if (b) {
        struct method *m = jinja_take(run, 1, sizeof *m);

        if (m) {
            *m = (struct method){self, b};
            return (struct value){.type = JINJA_METHOD, .method = m};
        }
    }
    return value_undefined(name, strlen(name));
}

static struct loop *
loop_new(struct jinja_run *run, const struct node *node, struct value v)
{
    struct loop *loop = jinja_take(run, 1, sizeof *loop);
    struct sequence *copy = jinja_take(run, 1, sizeof *copy);

    if (!loop || !copy)
        return NULL;
    *loop = (struct loop){.source = copy,
                          .node = node,
                          .outer = run->scope,
                          .index0 = -1,
                          .length = -1,
                          .changed = {.type = JINJA_ABSENT}};
    if (v.type == JINJA_ITERATOR)
        loop->source = v.sequence; /* who goes on with it finds what is left */
    else
        *copy = value_items(run, v);
    if (v.type != JINJA_ITERATOR && !node->test)
        loop->length = (int64_t)copy->n;
    return run->failed ? NULL : loop;
}

/* The name `loop` of the parser's table: it is the same pointer wherever it stands. */
static void
bind_loop(struct jinja_run *run, const struct node *node, struct loop *loop)
{
    if (node->name)
        scope_set(run, run->scope, node->name, (struct value){.type = JINJA_LOOP, .loop = loop});
}

static enum flow
execute_for(struct jinja_run *run, const struct node *node)
{
    struct scope *around = run->scope;
    struct loop *loop = loop_new(run, node, jinja_eval(run, node->b));
    bool none = true; /* no body came to its end: as in Jinja, `else` is due then */

    while (loop && loop_pull(run, loop, false) && !run->failed) {
        enum flow flow;

        run->scope = scope_new(run, around);
        bind_loop(run, node, loop);
        jinja_assign(run, node->a, loop->current);
        flow = run->failed ? FLOW_ON : jinja_execute(run, node->items[0]);
        none = none && flow != FLOW_ON;
        if (flow == FLOW_BREAK)
            break;
    }
    run->scope = around;
    if (none && node->items[1] && !run->failed) {
        enum flow flow;

        run->scope = scope_new(run, around);
        flow = jinja_execute(run, node->items[1]);
        run->scope = around;
        return flow;
    }
    return FLOW_ON;
}

/* ---- captures ----------------------------------------------------------------------------- */

/* What a body puts out, in a scope of its own; *flow: how it ended. */
static struct value
capture(struct jinja_run *run, const struct node *body, struct scope *parent, enum flow *flow)
{
    struct str captured = {0}, *out = run->out;
    struct scope *around = run->scope;

    run->out = &captured;
    run->scope = scope_new(run, parent);
    *flow = jinja_execute(run, body);
    run->scope = around;
    run->out = out;
    return value_take(run, &captured);
}

/* Filters of a block over what it put out. */
static struct value
filtered(struct jinja_run *run, const struct node *filters, struct value text)
{
    struct value before = run->captured, v;

    run->captured = text;
    v = run->failed ? text : jinja_eval(run, filters);
    run->captured = before;
    return v;
}

static enum flow
execute_captured(struct jinja_run *run, const struct node *node)
{
    enum flow flow;
    struct value v = capture(run, node->c, run->scope, &flow);

    if (flow != FLOW_ON) /* `break` out of it: nothing is kept */
        return flow;
    v = filtered(run, node->b, v);
    if (run->failed)
        return flow;
    if (node->kind == NODE_SET_BLOCK)
        jinja_assign(run, node->a, v);
    else
        value_print(run, v, run->out);
    return flow;
}

static enum flow
execute_generation(struct jinja_run *run, const struct node *node)
{
    size_t begin = run->whole->len;
    enum flow flow;
    struct value v = capture(run, node->c, run->scope, &flow);

    if (run->failed)
        return flow;
    jinja_put(run, run->out, v.text, v.n);
    if (run->spans) {
        struct jinja_span span = {begin, begin + v.n};
        vec_push(run->spans, span);
    }
    return FLOW_ON;
}

static enum flow
execute_with(struct jinja_run *run, const struct node *node)
{
    struct scope *around = run->scope, *inner = scope_new(run, around);
    enum flow flow = FLOW_ON;

    for (size_t i = 0; i + 1 < node->n && !run->failed; i += 2) {
        struct value v = jinja_eval(run, node->items[i + 1]); /* sees the scope around */

        run->scope = inner;
        if (!run->failed)
            jinja_assign(run, node->items[i], v);
        run->scope = around;
    }
    run->scope = inner;
    if (!run->failed)
        flow = jinja_execute(run, node->c);
    run->scope = around;
    return flow;
}

/* ---- macros ------------------------------------------------------------------------------- */

static void
define_macro(struct jinja_run *run, const struct node *node)
{
    struct jinja_macro *macro = jinja_take(run, 1, sizeof *macro);

    if (!macro)
        return;
    *macro = (struct jinja_macro){node, run->scope};
    scope_set(run, run->scope, node->name, (struct value){.type = JINJA_MACRO, .macro = macro});
}

static const struct keyword *
find_keyword(const struct arguments *a, const char *name)
{
    for (size_t i = 0; i < a->keywords_n; i++)
        if (!strcmp(a->keywords[i].name, name))
            return &a->keywords[i];
    return NULL;
}

/* Parameters in order; defaults see those before them. */
static void
bind_parameters(struct jinja_run *run, const struct node *node, const struct arguments *a)
{
    size_t taken = 0;

    for (size_t i = 0; i < node->n && !run->failed; i++) {
        const struct node *parameter = node->items[i];
        const struct keyword *keyword = find_keyword(a, parameter->name);
        struct value v = value_undefined(parameter->name, strlen(parameter->name));

        if (i < a->n)
            v = a->values[i];
        else if (keyword)
            v = keyword->value;
        else if (parameter->a)
            v = jinja_eval(run, parameter->a);
        taken += keyword && i >= a->n;
        scope_set(run, run->scope, parameter->name, v);
    }
    if (a->n > node->n)
        jinja_fail(run, "macro '%s' takes not more than %zu arguments", node->name, node->n);
    if (taken < a->keywords_n)
        jinja_fail(run, "macro '%s' takes no such keyword argument", node->name);
}

struct value
jinja_call_macro(struct jinja_run *run, const struct jinja_macro *macro, const struct arguments *a)
{
    struct scope *around = run->scope, *inner = scope_new(run, macro->scope);
    struct value text = value_text("", 0);
    enum flow flow;

    run->scope = inner;
    bind_parameters(run, macro->node, a);
    if (!run->failed)
        text = capture(run, macro->node->c, inner, &flow);
    run->scope = around;
    return text;
}

/* ---- the rest ------------------------------------------------------------------------------ */

static enum flow
execute_block(struct jinja_run *run, const struct node *node)
{
    enum flow flow = FLOW_ON;

    for (size_t i = 0; i < node->n && flow == FLOW_ON && !run->failed; i++)
        flow = jinja_execute(run, node->items[i]);
    return flow;
}

static enum flow
execute_if(struct jinja_run *run, const struct node *node)
{
    while (node && node->kind == NODE_IF) {
        bool holds = value_truth(jinja_eval(run, node->a));

        if (run->failed)
            return FLOW_ON;
        if (holds)
            return jinja_execute(run, node->b);
        node = node->c;
    }
    return node ? jinja_execute(run, node) : FLOW_ON;
}

static enum flow
execute_node(struct jinja_run *run, const struct node *node)
{
    struct value v;

    switch (node->kind) {
    case NODE_BLOCK: return execute_block(run, node);
    case NODE_DATA: jinja_put(run, run->out, node->value.text, node->value.n); return FLOW_ON;
    case NODE_OUTPUT:
        v = jinja_eval(run, node->a);
        if (!run->failed)
            value_print(run, v, run->out);
        return FLOW_ON;
    case NODE_IF: return execute_if(run, node);
    case NODE_FOR: return execute_for(run, node);
    case NODE_SET:
        v = jinja_eval(run, node->b);
        if (!run->failed)
            jinja_assign(run, node->a, v);
        return FLOW_ON;
    case NODE_SET_BLOCK:
    case NODE_FILTER_BLOCK: return execute_captured(run, node);
    case NODE_WITH: return execute_with(run, node);
    case NODE_MACRO: define_macro(run, node); return FLOW_ON;
    case NODE_GENERATION: return execute_generation(run, node);
    case NODE_BREAK: return FLOW_BREAK;
    case NODE_CONTINUE: return FLOW_CONTINUE;
    default: jinja_fail(run, "not a statement"); return FLOW_ON;
    }
}

enum flow
jinja_execute(struct jinja_run *run, const struct node *node)
{
    enum flow flow = FLOW_ON;

    if (!jinja_step(run, 1))
        return flow;
    run->line = node->line;
    if (++run->depth > JINJA_DEPTH)
        jinja_fail(run, "nested deeper than %d", JINJA_DEPTH);
    else
        flow = execute_node(run, node);
    run->depth--;
    return flow;
}
