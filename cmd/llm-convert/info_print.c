/* A JSON object as lines for people. */
#include "cmd/llm-convert/convert.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/mem.h"
#include "json/json.h"

/* Names come from files: nothing in them may steer a terminal. */
static void
print_string(const char *s, int width)
{
    char *masked = mem_strdup(s);
    err_mask(masked);
    printf("%-*s", width, masked);
    free(masked);
}

static void print_value(const json_t *v, int depth);

static void
print_member(const char *key, const json_t *v, int depth)
{
    bool nested = json_is_object(v) || (json_is_array(v) && json_is_object(json_array_get(v, 0)));
    int width = nested || 2 * depth > 24 ? 0 : 24 - 2 * depth;
    printf("%*s", 2 * depth, "");
    print_string(key, width);
    if (nested)
        printf("\n");
    else
        printf(" ");
    print_value(v, depth + 1);
    if (!nested)
        printf("\n");
}

/* Objects of a list stand on a line each. */
static void
print_line(const json_t *object, int depth)
{
    const char *key, *gap = "";
    json_t *v;
    printf("%*s", 2 * depth, "");
    json_object_foreach((json_t *)(uintptr_t)object, key, v)
    {
        printf("%s%s ", gap, key);
        print_value(v, depth);
        gap = "  ";
    }
    printf("\n");
}

static void
print_value(const json_t *v, int depth)
{
    const char *key;
    json_t *member;
    size_t i;
    if (json_is_object(v)) {
        json_object_foreach((json_t *)(uintptr_t)v, key, member) print_member(key, member, depth);
    } else if (json_is_array(v) && json_is_object(json_array_get(v, 0))) {
        json_array_foreach(v, i, member) print_line(member, depth);
    } else if (json_is_array(v)) {
        json_array_foreach(v, i, member)
            printf("%s%lld", i ? " " : "[", (long long)json_integer_value(member));
        printf("%s", json_array_size(v) ? "]" : "[]");
    } else if (json_is_string(v)) {
        print_string(json_string_value(v), 0);
    } else if (json_is_boolean(v)) {
        printf("%s", json_is_true(v) ? "yes" : "no");
    } else if (json_is_real(v)) {
        printf("%.9g", json_real_value(v));
    } else {
        printf("%lld", (long long)json_integer_value(v));
    }
}

int
info_print(const char *text, size_t n)
{
    struct json_doc doc = {0};
    const json_t *root;
    int result = json_doc_parse(&doc, "info", text, n);
    if (result == 0 && json_root_object(&doc, &root) > 0)
        print_value(root, 0);
    json_doc_release(&doc);
    return result;
}
