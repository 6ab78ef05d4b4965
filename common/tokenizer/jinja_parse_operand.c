/* Operands of templates: literals and names with what follows them; by the grammar of Jinja 3.1. */
#include "base/vec.h"
#include "tokenizer/jinja_tree.h"

static bool
going_on(struct parser *p)
{
    return jinja_step(p->run, 1) && p->token->type != TOKEN_END;
}

/* ---- literals -------------------------------------------------------------------- */

static struct node *
constant(struct parser *p, struct value v)
{
    struct node *node = parser_node(p, NODE_CONSTANT);

    node->value = v;
    return node;
}

static struct node *
parse_name(struct parser *p, bool namespaces)
{
    struct node *node = parser_node(p, NODE_NAME);

    node->name = parser_name(p);
    if (!strcmp(node->name, "true") || !strcmp(node->name, "True"))
        return constant(p, value_bool(true));
    if (!strcmp(node->name, "false") || !strcmp(node->name, "False"))
        return constant(p, value_bool(false));
    if (!strcmp(node->name, "none") || !strcmp(node->name, "None"))
        return constant(p, value_none());
    if (namespaces && parser_skip(p, ".")) {
        node->kind = NODE_NAMESPACE_ATTRIBUTE;
        const char *attribute = parser_name(p);
        node->value = value_text(attribute, strlen(attribute));
        return node;
    }
    node->function = jinja_function(node->name);
    if (p->macros && (!strcmp(node->name, "varargs") || !strcmp(node->name, "kwargs") ||
                      !strcmp(node->name, "caller")))
        jinja_fail(p->run, "'%s' of macros is not supported", node->name);
    if (!strcmp(node->name, "self") || !strcmp(node->name, "super"))
        jinja_fail(p->run, "'%s' is not supported", node->name);
    return node;
}

/* Strings side by side are one. */
static struct node *
parse_constant(struct parser *p)
{
    struct node *node = constant(p, p->token->value);

    parser_next(p);
    while (node->value.type == JINJA_STRING && p->token->type == TOKEN_CONSTANT &&
           p->token->value.type == JINJA_STRING) {
        struct str s = {0};

        str_add(&s, node->value.text, node->value.n);
        str_add(&s, p->token->value.text, p->token->value.n);
        node->value = value_take(p->run, &s);
        parser_next(p);
    }
    return node;
}

static struct node *
parse_list(struct parser *p)
{
    struct node *node = parser_node(p, NODE_LIST);
    struct nodes items = {0};

    parser_expect(p, "[");
    while (!parser_at(p, "]") && going_on(p)) {
        if (items.len)
            parser_expect(p, ",");
        if (!parser_at(p, "]"))
            vec_push(&items, parse_expression(p, true));
    }
    parser_expect(p, "]");
    parser_give(p, node, &items);
    return node;
}

static struct node *
parse_dict(struct parser *p)
{
    struct node *node = parser_node(p, NODE_DICT);
    struct nodes items = {0};

    parser_expect(p, "{");
    while (!parser_at(p, "}") && going_on(p)) {
        if (items.len)
            parser_expect(p, ",");
        if (parser_at(p, "}"))
            break;
        vec_push(&items, parse_expression(p, true));
        parser_expect(p, ":");
        vec_push(&items, parse_expression(p, true));
    }
    parser_expect(p, "}");
    parser_give(p, node, &items);
    return node;
}

static bool
tuple_ends(const struct parser *p, const char *end)
{
    return p->token->type == TOKEN_VARIABLE_END || p->token->type == TOKEN_BLOCK_END ||
           p->token->type == TOKEN_END || parser_at(p, ")") || (end && parser_at_name(p, end));
}

enum tuple_of { EXPRESSIONS, CONDITIONALS, TARGETS, NAMESPACE_TARGETS };

static struct node *
parse_tuple_of(struct parser *p, enum tuple_of what, const char *end, bool parentheses)
{
    struct node *node = parser_node(p, NODE_TUPLE);
    struct nodes items = {0};
    bool tuple = false;

    while (going_on(p)) {
        if (items.len)
            parser_expect(p, ",");
        if (tuple_ends(p, end))
            break;
        vec_push(&items, what >= TARGETS ? parse_primary(p, what == NAMESPACE_TARGETS)
                                         : parse_expression(p, what == CONDITIONALS));
        if (!parser_at(p, ","))
            break;
        tuple = true;
    }
    if (!tuple && items.len) {
        node = items.data[0];
        vec_release(&items);
        return node;
    }
    if (!tuple && !parentheses)
        parser_unexpected(p);
    parser_give(p, node, &items);
    return node;
}

struct node *
parse_tuple(struct parser *p, bool conditional, const char *end)
{
    return parse_tuple_of(p, conditional ? CONDITIONALS : EXPRESSIONS, end, false);
}

static void
check_target(struct parser *p, const struct node *node)
{
    if (node->kind == NODE_TUPLE)
        for (size_t i = 0; i < node->n && !p->run->failed; i++)
            check_target(p, node->items[i]);
    else if (node->kind != NODE_NAME && node->kind != NODE_NAMESPACE_ATTRIBUTE)
        jinja_fail(p->run, "cannot assign to this expression");
}

struct node *
parse_target(struct parser *p, const char *end, bool namespaces)
{
    struct node *node = parse_tuple_of(p, namespaces ? NAMESPACE_TARGETS : TARGETS, end, false);

    if (!p->run->failed)
        check_target(p, node);
    return node;
}

struct node *
parse_primary(struct parser *p, bool namespaces)
{
    struct node *node;

    if (p->token->type == TOKEN_NAME)
        return parse_name(p, namespaces);
    if (p->token->type == TOKEN_CONSTANT)
        return parse_constant(p);
    if (parser_at(p, "["))
        return parse_list(p);
    if (parser_at(p, "{"))
        return parse_dict(p);
    if (!parser_at(p, "(")) {
        parser_unexpected(p);
        return parser_node(p, NODE_TUPLE);
    }
    parser_next(p);
    node = parse_tuple_of(p, CONDITIONALS, NULL, true);
    parser_expect(p, ")");
    return node;
}

/* ---- what follows a value ---------------------------------------------------------- */

static struct node *
parse_slice_or_index(struct parser *p, struct node *base)
{
    struct node *node = parser_node(p, NODE_ITEM);
    struct nodes parts = {0};
    int colons = 0;

    node->a = base;
    for (struct node *part = NULL;; part = NULL) {
        if (!parser_at(p, ":") && !parser_at(p, "]") && !parser_at(p, ","))
            part = parse_expression(p, true);
        vec_push(&parts, part);
        if (colons == 2 || !parser_skip(p, ":"))
            break;
        colons++;
    }
    if (parser_at(p, ","))
        jinja_fail(p->run, "subscripts with a comma are not supported");
    parser_expect(p, "]");
    if (!colons) {
        node->b = parts.data[0];
        if (!node->b)
            jinja_fail(p->run, "an empty subscript");
        vec_release(&parts);
        return node;
    }
    while (parts.len < 3)
        vec_push(&parts, NULL);
    node->kind = NODE_SLICE;
    parser_give(p, node, &parts);
    return node;
}

static struct node *
parse_subscript(struct parser *p, struct node *base)
{
    struct node *node;

    if (parser_skip(p, "["))
        return parse_slice_or_index(p, base);
    parser_expect(p, ".");
    if (p->token->type == TOKEN_CONSTANT && p->token->value.type == JINJA_INT) {
        node = parser_node(p, NODE_ITEM);
        node->a = base;
        node->b = constant(p, p->token->value);
        parser_next(p);
        return node;
    }
    node = parser_node(p, NODE_ATTRIBUTE);
    node->a = base;
    node->name = parser_name(p);
    node->value = value_text(node->name, strlen(node->name));
    return node;
}

struct call_parts {
    struct nodes values, keyword_values;
    VEC(const char *) keywords;
};

static void
parse_argument(struct parser *p, struct call *call, struct call_parts *parts)
{
    bool keyword = p->token->type == TOKEN_NAME && p->token[1].type == TOKEN_OPERATOR &&
                   p->token[1].value.n == 1 && *p->token[1].value.text == '=';
    bool late = call->more || call->more_keywords || parts->keywords.len;

    if (parser_skip(p, "**")) {
        late = call->more_keywords != NULL;
        call->more_keywords = parse_expression(p, true);
    } else if (parser_skip(p, "*")) {
        late = call->more || call->more_keywords;
        call->more = parse_expression(p, true);
    } else if (keyword) {
        late = call->more_keywords != NULL;
        vec_push(&parts->keywords, parser_name(p));
        parser_expect(p, "=");
        vec_push(&parts->keyword_values, parse_expression(p, true));
    } else {
        vec_push(&parts->values, parse_expression(p, true));
    }
    if (late)
        jinja_fail(p->run, "arguments of a call in a wrong order");
}

static struct call *
parse_arguments(struct parser *p)
{
    struct call *call = jinja_pool_take(&p->run->pool, sizeof *call);
    struct call_parts parts = {0};
    bool first = true;

    *call = (struct call){0};
    if (!parser_skip(p, "("))
        return call;
    for (; !parser_at(p, ")") && going_on(p); first = false) {
        if (!first)
            parser_expect(p, ",");
        if (!parser_at(p, ")"))
            parse_argument(p, call, &parts);
    }
    parser_expect(p, ")");
    call->n = parts.values.len;
    call->keywords_n = parts.keywords.len;
    call->values = parser_copy(p, parts.values.data, call->n, sizeof *call->values);
    call->keywords = parser_copy(p, parts.keywords.data, call->keywords_n, sizeof *call->keywords);
    call->keyword_values = parser_copy(p, parts.keyword_values.data, call->keywords_n,
                                       sizeof *call->keyword_values);
    vec_release(&parts.values);
    vec_release(&parts.keywords);
    vec_release(&parts.keyword_values);
    return call;
}

static struct node *
parse_call(struct parser *p, struct node *base)
{
    struct node *node = parser_node(p, NODE_CALL);

    if (base->kind == NODE_ATTRIBUTE && jinja_method_refused(base->name))
        jinja_fail(p->run, "the method '%s' is not supported", base->name);
    node->a = base;
    node->call = parse_arguments(p);
    return node;
}

struct node *
parse_postfix(struct parser *p, struct node *node)
{
    while (going_on(p)) {
        if (parser_at(p, ".") || parser_at(p, "["))
            node = parse_subscript(p, node);
        else if (parser_at(p, "("))
            node = parse_call(p, node);
        else
            break;
    }
    return node;
}

struct node *
parse_filters(struct parser *p, struct node *base, bool first_without_bar)
{
    while ((first_without_bar || parser_skip(p, "|")) && going_on(p)) {
        struct node *node = parser_node(p, NODE_FILTER);

        first_without_bar = false;
        node->a = base;
        node->name = parser_name(p);
        node->function = jinja_filter(node->name);
        if (!node->function || parser_at(p, "."))
            jinja_fail(p->run, "the filter '%s' is not supported", node->name);
        node->call = parse_arguments(p);
        base = node;
    }
    return base;
}

static struct node *
parse_test(struct parser *p, struct node *base)
{
    bool negated = parser_skip_name(p, "not");
    struct node *node = parser_node(p, NODE_TEST);
    enum jinja_token_type type;

    node->a = base;
    node->name = parser_name(p);
    node->function = jinja_test(node->name);
    if (!node->function || parser_at(p, "."))
        jinja_fail(p->run, "the test '%s' is not supported", node->name);
    type = p->token->type;
    if (parser_at(p, "(")) {
        node->call = parse_arguments(p);
    } else {
        node->call = jinja_pool_take(&p->run->pool, sizeof *node->call);
        *node->call = (struct call){0};
        if (((type == TOKEN_NAME && !parser_at_name(p, "else") && !parser_at_name(p, "or") &&
              !parser_at_name(p, "and")) ||
             type == TOKEN_CONSTANT || parser_at(p, "[") || parser_at(p, "{"))) {
            struct node *value;

            if (parser_at_name(p, "is"))
                jinja_fail(p->run, "tests cannot be chained with 'is'");
            value = parse_postfix(p, parse_primary(p, false));
            node->call->values = parser_copy(p, &value, 1, sizeof value);
            node->call->n = 1;
        }
    }
    if (negated) {
        struct node *not = parser_node(p, NODE_NOT);
        not ->a = node;
        return not ;
    }
    return node;
}

struct node *
parse_filters_and_tests(struct parser *p, struct node *node)
{
    while (going_on(p)) {
        if (parser_at(p, "|"))
            node = parse_filters(p, node, false);
        else if (parser_skip_name(p, "is"))
            node = parse_test(p, node);
        else if (parser_at(p, "("))
            node = parse_call(p, node);
        else
            break;
    }
    return node;
}
