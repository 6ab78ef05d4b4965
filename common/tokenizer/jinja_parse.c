/* Statements of templates, and what both halves of the parser share. */
#include "base/vec.h"
#include "tokenizer/jinja_tree.h"

/* ---- tokens ------------------------------------------------------------------------- */

void
parser_next(struct parser *p)
{
    if (p->token->type != TOKEN_END)
        p->token++;
    p->run->line = p->token->line;
}

bool
parser_at(const struct parser *p, const char *operator)
{
    return p->token->type == TOKEN_OPERATOR && !strcmp(p->token->value.text, operator);
}

bool
parser_at_name(const struct parser *p, const char *name)
{
    return p->token->type == TOKEN_NAME && !strcmp(p->token->value.text, name);
}

bool
parser_skip(struct parser *p, const char *operator)
{
    bool there = !p->run->failed && parser_at(p, operator);

    if (there)
        parser_next(p);
    return there;
}

bool
parser_skip_name(struct parser *p, const char *name)
{
    bool there = !p->run->failed && parser_at_name(p, name);

    if (there)
        parser_next(p);
    return there;
}

void
parser_unexpected(struct parser *p)
{
    const struct jinja_token *t = p->token;

    if (t->type == TOKEN_END)
        jinja_fail(p->run, "unexpected end of template");
    else if (t->type == TOKEN_DATA || t->type == TOKEN_CONSTANT)
        jinja_fail(p->run, "unexpected %s", t->type == TOKEN_DATA ? "text" : "constant");
    else
        jinja_fail(p->run, "unexpected '%s'",
                   t->type == TOKEN_BLOCK_BEGIN      ? "{%"
                   : t->type == TOKEN_VARIABLE_BEGIN ? "{{"
                                                     : t->value.text);
}

void
parser_expect(struct parser *p, const char *operator)
{
    if (!parser_skip(p, operator))
        parser_unexpected(p);
}

static const char *
intern(struct parser *p, const char *name)
{
    for (size_t i = 0; i < p->names_n; i++)
        if (!strcmp(p->names[i], name))
            return p->names[i];
    jinja_step(p->run, p->names_n / 16);
    if (p->names_n == p->names_cap) {
        p->names_cap = vec_capacity(p->names_cap, p->names_n + 1);
        p->names = mem_grow_array(p->names, p->names_cap, sizeof *p->names);
    }
    return p->names[p->names_n++] = name;
}

const char *
parser_name(struct parser *p)
{
    const char *name = "";

    if (p->run->failed || p->token->type != TOKEN_NAME) {
        parser_unexpected(p);
        return name;
    }
    name = intern(p, p->token->value.text);
    parser_next(p);
    return name;
}

struct node *
parser_node(struct parser *p, enum node_kind kind)
{
    struct node *node = jinja_pool_take(&p->run->pool, sizeof *node);

    *node = (struct node){.kind = kind, .line = p->token->line};
    return node;
}

void *
parser_copy(struct parser *p, const void *items, size_t n, size_t size)
{
    void *copy = jinja_pool_take(&p->run->pool, n * size);

    if (n)
        memcpy(copy, items, n * size);
    return copy;
}

void
parser_give(struct parser *p, struct node *node, struct nodes *items)
{
    node->items = parser_copy(p, items->data, items->len, sizeof *items->data);
    node->n = items->len;
    vec_release(items);
}

bool
parser_enter(struct parser *p)
{
    if (++p->depth > JINJA_NESTING)
        jinja_fail(p->run, "nested deeper than %d", JINJA_NESTING);
    return !p->run->failed;
}

void
parser_leave(struct parser *p)
{
    p->depth--;
}

/* ---- statements --------------------------------------------------------------------- */

static struct node *parse_block(struct parser *p, const char *ends);

static void
expect_block_end(struct parser *p)
{
    if (p->run->failed || p->token->type != TOKEN_BLOCK_END)
        parser_unexpected(p);
    else
        parser_next(p);
}

/* What stands in a tag up to one of the tags `ends` ("elif|else|endif"), which is current then. */
static struct node *
parse_body(struct parser *p, const char *ends)
{
    parser_skip(p, ":");
    expect_block_end(p);
    return parse_block(p, ends);
}

/* The same up to one tag, which is gone then but for its end. */
static struct node *
parse_whole_body(struct parser *p, const char *end)
{
    struct node *body = parse_body(p, end);

    parser_skip_name(p, end);
    return body;
}

/* A body within which `break` leaves nothing. */
static struct node *
parse_function_body(struct parser *p, const char *end)
{
    int loops = p->loops;
    struct node *body;

    p->loops = 0;
    body = parse_whole_body(p, end);
    p->loops = loops;
    return body;
}

static struct node *
parse_if(struct parser *p)
{
    struct node *node = parser_node(p, NODE_IF), *at = node;

    while (!p->run->failed) {
        at->a = parse_tuple(p, false, NULL);
        at->b = parse_body(p, "elif|else|endif");
        if (parser_skip_name(p, "elif")) {
            at->c = parser_node(p, NODE_IF);
            at = at->c;
            continue;
        }
        if (parser_skip_name(p, "else"))
            at->c = parse_whole_body(p, "endif");
        else
            parser_skip_name(p, "endif");
        break;
    }
    return node;
}

static struct node *
parse_for(struct parser *p)
{
    struct node *node = parser_node(p, NODE_FOR), *parts[2] = {NULL, NULL};

    node->name = intern(p, "loop");
    node->a = parse_target(p, "in", false);
    if (!parser_skip_name(p, "in"))
        parser_unexpected(p);
    node->b = parse_tuple(p, false, "recursive");
    if (parser_skip_name(p, "if"))
        node->test = parse_expression(p, true);
    if (parser_at_name(p, "recursive"))
        jinja_fail(p->run, "recursive loops are not supported");
    p->loops++;
    parts[0] = parse_body(p, "endfor|else");
    p->loops--;
    if (parser_skip_name(p, "else"))
        parts[1] = parse_whole_body(p, "endfor");
    else
        parser_skip_name(p, "endfor");
    node->items = parser_copy(p, parts, 2, sizeof *parts);
    node->n = 2;
    return node;
}

static struct node *
parse_set(struct parser *p)
{
    struct node *node = parser_node(p, NODE_SET);

    node->a = parse_target(p, NULL, true);
    if (parser_skip(p, "=")) {
        node->b = parse_tuple(p, true, NULL);
        return node;
    }
    node->kind = NODE_SET_BLOCK;
    node->b = parse_filters(p, parser_node(p, NODE_CAPTURED), false);
    node->c = parse_whole_body(p, "endset");
    return node;
}

static struct node *
parse_macro(struct parser *p)
{
    struct node *node = parser_node(p, NODE_MACRO);
    struct nodes parameters = {0};
    bool defaults = false;

    node->name = parser_name(p);
    p->macros++;
    parser_expect(p, "(");
    while (!p->run->failed && !parser_at(p, ")")) {
        struct node *parameter;

        if (parameters.len)
            parser_expect(p, ",");
        parameter = parser_node(p, NODE_NAME);
        parameter->name = parser_name(p);
        if (parser_skip(p, "=")) {
            parameter->a = parse_expression(p, true);
            defaults = true;
        } else if (defaults) {
            jinja_fail(p->run, "a parameter without default follows one that has it");
        }
        vec_push(&parameters, parameter);
    }
    parser_expect(p, ")");
    parser_give(p, node, &parameters);
    node->c = parse_function_body(p, "endmacro");
    p->macros--;
    return node;
}

static struct node *
parse_with(struct parser *p)
{
    struct node *node = parser_node(p, NODE_WITH);
    struct nodes items = {0};

    while (!p->run->failed && p->token->type != TOKEN_BLOCK_END) {
        if (items.len)
            parser_expect(p, ",");
        vec_push(&items, parse_target(p, NULL, false));
        parser_expect(p, "=");
        vec_push(&items, parse_expression(p, true));
    }
    parser_give(p, node, &items);
    node->c = parse_whole_body(p, "endwith");
    return node;
}

static struct node *
parse_filter_block(struct parser *p)
{
    struct node *node = parser_node(p, NODE_FILTER_BLOCK);

    node->b = parse_filters(p, parser_node(p, NODE_CAPTURED), true);
    node->c = parse_whole_body(p, "endfilter");
    return node;
}

static struct node *
parse_generation(struct parser *p)
{
    struct node *node = parser_node(p, NODE_GENERATION);

    p->generation = true;
    node->c = parse_function_body(p, "endgeneration");
    return node;
}

static struct node *
parse_jump(struct parser *p, enum node_kind kind)
{
    if (!p->loops)
        jinja_fail(p->run, "'%s' outside of a loop", kind == NODE_BREAK ? "break" : "continue");
    return parser_node(p, kind);
}

static struct node *
parse_statement(struct parser *p)
{
    const char *tag = parser_name(p);

    if (!strcmp(tag, "if"))
        return parse_if(p);
    if (!strcmp(tag, "for"))
        return parse_for(p);
    if (!strcmp(tag, "set"))
        return parse_set(p);
    if (!strcmp(tag, "macro"))
        return parse_macro(p);
    if (!strcmp(tag, "with"))
        return parse_with(p);
    if (!strcmp(tag, "filter"))
        return parse_filter_block(p);
    if (!strcmp(tag, "generation"))
        return parse_generation(p);
    if (!strcmp(tag, "break") || !strcmp(tag, "continue"))
        return parse_jump(p, *tag == 'b' ? NODE_BREAK : NODE_CONTINUE);
    jinja_fail(p->run, "the tag '%s' is not supported%s", tag,
               !strncmp(tag, "end", 3) ? " here" : "");
    return parser_node(p, NODE_TUPLE);
}

static bool
at_one_of(const struct parser *p, const char *names)
{
    while (names && *names) {
        size_t n = strcspn(names, "|");

        if (p->token->type == TOKEN_NAME && p->token->value.n == n &&
            !memcmp(p->token->value.text, names, n))
            return true;
        names += n + (names[n] == '|');
    }
    return false;
}

static struct node *
parse_item(struct parser *p)
{
    struct node *node;

    if (p->token->type == TOKEN_DATA) {
        node = parser_node(p, NODE_DATA);
        node->value = p->token->value;
        parser_next(p);
        return node;
    }
    if (p->token->type == TOKEN_VARIABLE_BEGIN) {
        parser_next(p);
        node = parser_node(p, NODE_OUTPUT);
        node->a = parse_tuple(p, true, NULL);
        if (p->token->type != TOKEN_VARIABLE_END)
            parser_unexpected(p);
        parser_next(p);
        return node;
    }
    node = parse_statement(p);
    expect_block_end(p);
    return node;
}

static struct node *
parse_block(struct parser *p, const char *ends)
{
    struct node *node = parser_node(p, NODE_BLOCK);
    struct nodes items = {0};

    parser_enter(p);
    while (!p->run->failed && p->token->type != TOKEN_END) {
        if (p->token->type == TOKEN_BLOCK_BEGIN) {
            parser_next(p);
            if (at_one_of(p, ends))
                break;
        }
        vec_push(&items, parse_item(p));
    }
    if (ends && p->token->type == TOKEN_END)
        jinja_fail(p->run, "unexpected end of template, expected %s", ends);
    parser_leave(p);
    parser_give(p, node, &items);
    return node;
}

struct node *
jinja_parse(struct jinja_run *run, const char *text, size_t n, bool *generation)
{
    struct parser p = {.run = run, .token = jinja_lex(run, text, n)};
    struct node *root = NULL;

    if (p.token) {
        run->line = p.token->line;
        root = parse_block(&p, NULL);
    }
    *generation = p.generation;
    free(p.names);
    return run->failed ? NULL : root;
}
