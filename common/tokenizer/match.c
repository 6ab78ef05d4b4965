#include "tokenizer/match.h"

#include <string.h>

#include "base/mem.h"
#include "text/classes.h"

int
matcher_load(struct matcher *m, const struct json_doc *doc, const json_t *object)
{
    *m = (struct matcher){0};
    const json_t *pattern = NULL;
    const char *s = NULL;
    size_t n = 0;
    if (json_get_object(doc, object, "pattern", JSON_NEED, &pattern) < 0 ||
        json_only_keys(doc, pattern, "String|Regex") < 0)
        return -1;
    int literal = json_get_bytes(doc, pattern, "String", JSON_MAY, &s, &n);
    if (literal < 0)
        return -1;
    if (literal) {
        if (n == 0)
            return json_fail(doc, pattern, "String", "an empty pattern is not supported");
        m->literal = mem_dup(s, n);
        m->length = n;
        return 0;
    }
    if (json_get_bytes(doc, pattern, "Regex", JSON_NEED, &s, &n) < 0)
        return -1;
    char why[256];
    m->regex = regex_new(s, n, why, sizeof why);
    return m->regex ? 0 : json_fail(doc, pattern, "Regex", "%s", why);
}

void
matcher_release(struct matcher *m)
{
    free(m->literal);
    regex_free(m->regex);
    *m = (struct matcher){0};
}

int
matcher_next(const struct matcher *m, struct regex_scratch *s, const char *text, size_t n,
             struct match_cursor *c, size_t *begin, size_t *end)
{
    if (m->literal) {
        const char *hit = c->from < n ? memmem(text + c->from, n - c->from, m->literal, m->length)
                                      : NULL;
        if (!hit)
            return 0;
        *begin = (size_t)(hit - text);
        *end = c->from = *begin + m->length;
        return 1;
    }
    while (c->from <= n) {
        int found = regex_find(m->regex, s, text, n, c->from, begin, end);
        if (found <= 0)
            return found;
        if (*begin != *end || c->behind != *end + 1) {
            c->from = *end;
            c->behind = *end + 1;
            return 1;
        }
        size_t used = 1;
        if (c->from < n)
            text_peek(text + c->from, &used);
        c->from += used;
    }
    return 0;
}
