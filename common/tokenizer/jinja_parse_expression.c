/* Expressions of templates: operators, by the grammar of Jinja 3.1. */
#include "base/vec.h"
#include "tokenizer/jinja_tree.h"

static struct node *
parse_unary(struct parser *p, bool filters)
{
    struct node *node;
    bool minus = parser_at(p, "-");

    if (!parser_enter(p)) {
        parser_leave(p);
        return parser_node(p, NODE_TUPLE);
    }
    if (minus || parser_at(p, "+")) {
        node = parser_node(p, minus ? NODE_NEGATE : NODE_PLUS);
        parser_next(p);
        node->a = parse_unary(p, false);
    } else {
        node = parse_primary(p, false);
    }
    node = parse_postfix(p, node);
    if (filters)
        node = parse_filters_and_tests(p, node);
    parser_leave(p);
    return node;
}

static struct node *
binary(struct parser *p, enum node_kind kind, const char *operator, struct node * a, struct node *b)
{
    struct node *node = parser_node(p, kind);

    node->operators = operator;
    node->a = a;
    node->b = b;
    return node;
}

static struct node *
parse_power(struct parser *p)
{
    struct node *left = parse_unary(p, true);

    while (parser_skip(p, "**"))
        left = binary(p, NODE_BINARY, "p", left, parse_unary(p, true));
    return left;
}

/* The operator among those at hand, as its character; NULL: none. */
static const char *
skip_operator(struct parser *p, const char *const *operators, const char *const *codes)
{
    for (; *operators; operators++, codes++)
        if (parser_skip(p, *operators))
            return *codes;
    return NULL;
}

static struct node *
parse_product(struct parser *p)
{
    static const char *const operators[] = {"*", "/", "//", "%", NULL}, *const codes[] = {"*", "/",
                                                                                          "f", "%"};
    struct node *left = parse_power(p);
    const char *operator;

    while ((operator= skip_operator(p, operators, codes)))
        left = binary(p, NODE_BINARY, operator, left, parse_power(p));
    return left;
}

static struct node *
parse_concatenation(struct parser *p)
{
    struct node *first = parse_product(p), *node;
    struct nodes items = {0};

    if (!parser_at(p, "~"))
        return first;
    node = parser_node(p, NODE_CONCATENATE);
    vec_push(&items, first);
    while (parser_skip(p, "~"))
        vec_push(&items, parse_product(p));
    parser_give(p, node, &items);
    return node;
}

static struct node *
parse_sum(struct parser *p)
{
    static const char *const operators[] = {"+", "-", NULL}, *const codes[] = {"+", "-"};
    struct node *left = parse_concatenation(p);
    const char *operator;

    while ((operator= skip_operator(p, operators, codes)))
        left = binary(p, NODE_BINARY, operator, left, parse_concatenation(p));
    return left;
}

static const char *
skip_comparison(struct parser *p)
{
    static const char *const operators[] = {"==", "!=", "<=", ">=", "<", ">", NULL},
                             *const codes[] = {"=", "!", "l", "g", "<", ">"};
    const char *operator= skip_operator(p, operators, codes);

    if (operator)
        return operator;
    if (parser_skip_name(p, "in"))
        return "i";
    if (parser_at_name(p, "not") && p->token[1].type == TOKEN_NAME &&
        !strcmp(p->token[1].value.text, "in")) {
        parser_next(p);
        parser_next(p);
        return "n";
    }
    return NULL;
}

static struct node *
parse_comparison(struct parser *p)
{
    struct node *first = parse_sum(p), *node;
    const char *operator= skip_comparison(p);
    struct nodes items = {0};
    struct str operators = {0};

    if (!operator)
        return first;
    node = parser_node(p, NODE_COMPARE);
    vec_push(&items, first);
    do {
        str_adds(&operators, operator);
        vec_push(&items, parse_sum(p));
    } while ((operator= skip_comparison(p)));
    node->operators = parser_copy(p, operators.data, operators.len + 1, 1);
    str_release(&operators);
    parser_give(p, node, &items);
    return node;
}

static struct node *
parse_not(struct parser *p)
{
    struct node *node;

    if (!parser_at_name(p, "not"))
        return parse_comparison(p);
    if (!parser_enter(p)) {
        parser_leave(p);
        return parser_node(p, NODE_TUPLE);
    }
    node = parser_node(p, NODE_NOT);
    parser_next(p);
    node->a = parse_not(p);
    parser_leave(p);
    return node;
}

static struct node *
parse_and(struct parser *p)
{
    struct node *left = parse_not(p);

    while (parser_skip_name(p, "and"))
        left = binary(p, NODE_AND, NULL, left, parse_not(p));
    return left;
}

static struct node *
parse_or(struct parser *p)
{
    struct node *left = parse_and(p);

    while (parser_skip_name(p, "or"))
        left = binary(p, NODE_OR, NULL, left, parse_and(p));
    return left;
}

struct node *
parse_expression(struct parser *p, bool conditional)
{
    struct node *node;

    if (!parser_enter(p)) {
        parser_leave(p);
        return parser_node(p, NODE_TUPLE);
    }
    node = parse_or(p);
    while (conditional && parser_skip_name(p, "if")) {
        node = binary(p, NODE_CONDITIONAL, NULL, node, parse_or(p));
        if (parser_skip_name(p, "else"))
            node->c = parse_expression(p, true);
    }
    parser_leave(p);
    return node;
}
