/* A JSON object as lines for people. */
#include "cmd/llm-convert/convert.h"

#include <stdio.h>

#include "json/json.h"

/* Names come from files: nothing in them may steer a terminal. */
static void
print_string(const char *s)
{
    for (; *s; s++)
        putchar((unsigned char)*s < 0x20 || *s == 0x7f ? '?' : *s);
}

static void print_value(const json_t *v, int depth);

static void
print_member(const char *key, const json_t *v, int depth)
{
    bool nested = json_is_object(v) || (json_is_array(v) && json_is_object(json_array_get(v, 0)));
    printf("%*s%-*s", 2 * depth, "", nested ? 0 : 24 - 2 * depth, key);
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
        print_string(json_string_value(v));
    } else if (json_is_boolean(v)) {
        printf("%s", json_is_true(v) ? "yes" : "no");
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
