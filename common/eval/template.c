/* Templates: parsed into a tree of texts, values and repetitions. */
#include "eval/template.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "eval/pipes.h"

enum {
    DEPTH_MAX = 16,
    PATH_MAX_SEGMENTS = 16,
    STEPS_MAX = 1000000, /* nodes rendered for one text */
    RENDERED_MAX = 16 << 20
};

enum node_kind { NODE_TEXT, NODE_VALUE, NODE_EACH };

typedef VEC(struct node) node_list;

struct node {
    enum node_kind kind;
    struct str text; /* of NODE_TEXT; else what was written, for errors */
    struct template_path path;
    struct pipes *pipes;   /* NULL: none */
    struct node *children; /* [count], of NODE_EACH */
    size_t count;
};

struct template
{
    struct node *nodes;
    size_t count;
};

/* ---- paths ---- */

void
template_path_release(struct template_path *p)
{
    for (size_t i = 0; i < p->segments.len; i++)
        free(p->segments.data[i]);
    vec_release(&p->segments);
}

int
template_path_parse(struct template_path *p, const char *text, size_t n, char *why, size_t why_size)
{
    size_t at = 0;

    *p = (struct template_path){0};
    if (n > 0 && text[0] == '.') {
        p->item = true;
        at = 1;
    }
    if (n == 1 && p->item)
        return 0;
    while (at <= n) {
        const char *dot = at < n ? memchr(text + at, '.', n - at) : NULL;
        size_t end = dot ? (size_t)(dot - text) : n;

        if (end == at || p->segments.len == PATH_MAX_SEGMENTS) {
            snprintf(why, why_size, end == at ? "an empty name in a path" : "too long a path");
            template_path_release(p);
            return -1;
        }
        vec_push(&p->segments, mem_strndup(text + at, end - at));
        at = end + 1;
    }
    return 0;
}

/* A segment as the number of an element, negative from the end; false: it is none. */
static bool
element_of(const char *segment, size_t size, size_t *out)
{
    char *end;

    errno = 0;
    long long i = strtoll(segment, &end, 10);
    if (*end || end == segment || errno)
        return false;
    if (i < 0)
        i += (long long)size;
    *out = i < 0 ? SIZE_MAX : (size_t)i;
    return true;
}

/* A new reference, or NULL. */
static json_t *
member_of(const json_t *value, const char *segment)
{
    if (json_is_object(value))
        return json_incref(json_object_get(value, segment));
    if (!json_is_array(value))
        return NULL;
    size_t i, size = json_array_size(value);
    if (element_of(segment, size, &i))
        return json_incref(json_array_get(value, i));
    json_t *all = json_array();
    for (i = 0; i < size; i++) {
        json_t *one = member_of(json_array_get(value, i), segment);

        if (!one || json_array_append_new(all, one) < 0) {
            json_decref(all);
            return NULL;
        }
    }
    return all;
}

json_t *
template_path_find(const struct template_path *p, const struct scope *scope)
{
    json_t *value = NULL;

    if (p->item)
        value = json_incref((json_t *)(uintptr_t)scope->value);
    else
        for (; scope && !value; scope = scope->outer)
            value = json_incref(json_object_get(scope->value, p->segments.data[0]));
    for (size_t i = p->item ? 0 : 1; value && i < p->segments.len; i++) {
        json_t *next = member_of(value, p->segments.data[i]);

        json_decref(value);
        value = next;
    }
    return value;
}

/* ---- parsing ---- */

struct parser {
    const char *text;
    size_t n, at;
    const struct pipe_names *names;
    char *why;
    size_t why_size;
};

static void
nodes_free(struct node *nodes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        str_release(&nodes[i].text);
        template_path_release(&nodes[i].path);
        pipes_free(nodes[i].pipes);
        nodes_free(nodes[i].children, nodes[i].count);
    }
    free(nodes);
}

static int
refuse(struct parser *p, const char *text, const char *what, size_t n)
{
    snprintf(p->why, p->why_size, "%s%.*s", text, (int)(n < 60 ? n : 60), what);
    return -1;
}

/* The literal text up to the next "${" (or the end), "$${" being "${". */
static void
parse_text(struct parser *p, struct str *out)
{
    while (p->at < p->n) {
        const char *s = p->text + p->at;
        size_t left = p->n - p->at;

        if (left >= 3 && memcmp(s, "$${", 3) == 0) {
            str_adds(out, "${");
            p->at += 3;
        } else if (left >= 2 && memcmp(s, "${", 2) == 0) {
            return;
        } else {
            str_addc(out, *s);
            p->at++;
        }
    }
}

static int parse_nodes(struct parser *p, const char *closing, size_t closing_n, int depth,
                       struct node **out, size_t *count);

/* From behind "${#": a repetition up to its ${/…}. */
static int
parse_each(struct parser *p, struct node *node, int depth)
{
    const char *name = p->text + p->at;
    const char *brace = memchr(name, '}', p->n - p->at);

    node->kind = NODE_EACH;
    if (!brace)
        return refuse(p, "a ${ without its }", "", 0);
    size_t n = (size_t)(brace - name);
    if (depth == DEPTH_MAX)
        return refuse(p, "repetitions nested too deep", "", 0);
    str_add(&node->text, name, n);
    if (template_path_parse(&node->path, name, n, p->why, p->why_size) < 0)
        return -1;
    p->at += n + 1;
    return parse_nodes(p, name, n, depth + 1, &node->children, &node->count);
}

/* From behind "${". */
static int
parse_value(struct parser *p, struct node *node)
{
    const char *s = p->text + p->at;
    size_t left = p->n - p->at, n = 0, used = 0;

    node->kind = NODE_VALUE;
    while (n < left && s[n] != '}' && s[n] != '|')
        n++;
    if (n == left)
        return refuse(p, "a ${ without its }", "", 0);
    if (n == 0)
        return refuse(p, "a ${} without a name", "", 0);
    str_add(&node->text, s, n);
    if (template_path_parse(&node->path, s, n, p->why, p->why_size) < 0)
        return -1;
    if (s[n] == '|') {
        n++;
        node->pipes = pipes_new(s + n, left - n, true, p->names, &used, p->why, p->why_size);
        if (!node->pipes)
            return -1;
        n += used;
        if (n >= left)
            return refuse(p, "a ${ without its }", "", 0);
    }
    p->at += n + 1;
    return 0;
}

/* Is this the ${/…} that is waited for? 1, 0, or -1 when it is another one. */
static int
parse_closing(struct parser *p, const char *closing, size_t closing_n)
{
    const char *s = p->text + p->at;
    size_t left = p->n - p->at;

    if (left < 3 || memcmp(s, "${/", 3) != 0)
        return 0;
    if (!closing)
        return refuse(p, "a ${/…} without its ${#…}", "", 0);
    if (left < closing_n + 4 || memcmp(s + 3, closing, closing_n) != 0 || s[closing_n + 3] != '}')
        return refuse(p, "expected ${/…} of ", closing, closing_n);
    p->at += closing_n + 4;
    return 1;
}

static int
parse_nodes(struct parser *p, const char *closing, size_t closing_n, int depth, struct node **out,
            size_t *count)
{
    node_list list = {0};
    int result = 0;

    while (p->at < p->n && result == 0) {
        struct node node = {0};

        result = parse_closing(p, closing, closing_n);
        if (result != 0)
            break;
        if (p->n - p->at >= 3 && memcmp(p->text + p->at, "${#", 3) == 0) {
            p->at += 3;
            result = parse_each(p, &node, depth);
        } else if (p->n - p->at >= 2 && memcmp(p->text + p->at, "${", 2) == 0) {
            p->at += 2;
            result = parse_value(p, &node);
        } else {
            parse_text(p, &node.text);
        }
        vec_push(&list, node);
    }
    if (result == 0 && closing)
        result = refuse(p, "no ${/…} for ", closing, closing_n);
    *out = list.data;
    *count = list.len;
    return result < 0 ? -1 : 0;
}

struct template *
template_new(const char *text, size_t n, const struct pipe_names *names, char *why, size_t why_size)
{
    struct parser p = {text, n, 0, names, why, why_size};
    struct template *t = mem_zalloc(sizeof *t);

    if (parse_nodes(&p, NULL, 0, 0, &t->nodes, &t->count) < 0) {
        template_free(t);
        return NULL;
    }
    return t;
}

void
template_free(struct template *t)
{
    if (!t)
        return;
    nodes_free(t->nodes, t->count);
    free(t);
}

/* ---- rendering ---- */

int
template_text_of(const json_t *value, struct str *out)
{
    switch (json_typeof(value)) {
    case JSON_STRING: str_add(out, json_string_value(value), json_string_length(value)); return 0;
    case JSON_INTEGER: str_addf(out, "%lld", (long long)json_integer_value(value)); return 0;
    case JSON_REAL: str_add_real(out, json_real_value(value)); return 0;
    case JSON_TRUE: str_adds(out, "True"); return 0;
    case JSON_FALSE: str_adds(out, "False"); return 0;
    case JSON_NULL: return err_set(STATUS_INPUT, "is null, expected text");
    case JSON_ARRAY: return err_set(STATUS_INPUT, "is a list, expected text");
    case JSON_OBJECT: break;
    }
    return err_set(STATUS_INPUT, "is an object, expected text");
}

/* A new reference to the value of a NODE_VALUE, or NULL (recorded). */
static json_t *
node_value(const struct node *node, const struct scope *scope)
{
    json_t *value = template_path_find(&node->path, scope);

    if (node->pipes)
        value = pipes_apply(node->pipes, value, scope);
    else if (!value)
        err_set(STATUS_INPUT, "is not in the document");
    if (!value)
        err_prefix("${%s}", node->text.data);
    return value;
}

/* A text in the making; `steps` bounds the work that repetitions within repetitions ask for. */
struct rendering {
    struct str *out;
    size_t steps;
};

static int render_nodes(const struct node *nodes, size_t count, const struct scope *scope,
                        struct rendering *r);

static int
render_value(const struct node *node, const struct scope *scope, struct str *out)
{
    json_t *value = node_value(node, scope);

    if (!value)
        return -1;
    int result = template_text_of(value, out);
    if (result < 0)
        err_prefix("${%s}", node->text.data);
    json_decref(value);
    return result;
}

static int
render_each(const struct node *node, const struct scope *scope, struct rendering *r)
{
    json_t *list = template_path_find(&node->path, scope);
    int result = 0;

    if (!json_is_array(list))
        result = err_set(STATUS_INPUT, "${#%s}: %s", node->text.data,
                         list ? "is no list" : "is not in the document");
    for (size_t i = 0; result == 0 && i < json_array_size(list); i++) {
        struct scope inner = {json_array_get(list, i), scope};

        result = render_nodes(node->children, node->count, &inner, r);
        r->steps++;
    }
    json_decref(list);
    return result;
}

static int
render_nodes(const struct node *nodes, size_t count, const struct scope *scope, struct rendering *r)
{
    for (size_t i = 0; i < count; i++) {
        int result = 0;

        if (++r->steps > STEPS_MAX || r->out->len > RENDERED_MAX)
            return err_set(STATUS_INPUT, "the text grows too long");
        if (nodes[i].kind == NODE_TEXT)
            str_add(r->out, nodes[i].text.data, nodes[i].text.len);
        else if (nodes[i].kind == NODE_VALUE)
            result = render_value(&nodes[i], scope, r->out);
        else
            result = render_each(&nodes[i], scope, r);
        if (result < 0)
            return -1;
    }
    return 0;
}

int
template_render(const struct template *t, const json_t *document, struct str *out)
{
    struct rendering r = {out, 0};
    return render_nodes(t->nodes, t->count, &(struct scope){document, NULL}, &r);
}

json_t *
template_value(const struct template *t, const json_t *document)
{
    struct str text = {0};
    json_t *value = NULL;

    if (t->count == 1 && t->nodes[0].kind == NODE_VALUE)
        return node_value(&t->nodes[0], &(struct scope){document, NULL});
    if (template_render(t, document, &text) == 0 &&
        !(value = json_stringn(text.data ? text.data : "", text.len)))
        err_set(STATUS_INPUT, "not UTF-8");
    str_release(&text);
    return value;
}
