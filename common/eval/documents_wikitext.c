/*
 * Pages of WikiText as EleutherAI's wikitext_document_level has them: a page begins at a line that is
 * a title of the first level, "= Title =", once "= =" and "= = =" are closed up.
 */
#include <string.h>

#include "base/err.h"
#include "eval/documents.h"
#include "eval/pystr.h"

/* "= = =" → "===", then "= =" → "==", as str.replace does. */
static void
close_up(struct piece s, const char *what, size_t n, const char *with, struct str *out)
{
    const char *at, *end = s.data + s.n;

    while ((at = memmem(s.data, (size_t)(end - s.data), what, n))) {
        str_add(out, s.data, (size_t)(at - s.data));
        str_adds(out, with);
        s.data = at + n;
    }
    str_add(out, s.data, (size_t)(end - s.data));
}

static bool
is_title(const char *line, size_t n)
{
    struct str three = {0}, two = {0};

    close_up((struct piece){line, n}, "= = =", 5, "===", &three);
    close_up((struct piece){three.data, three.len}, "= =", 3, "==", &two);
    struct piece s = python_strip((struct piece){two.data, two.len});
    bool title = s.n >= 2 && memcmp(s.data, "= ", 2) == 0 && memcmp(s.data + s.n - 2, " =", 2) == 0;
    str_release(&three);
    str_release(&two);
    return title;
}

/* Adds a page unless it is blank and not the last one. 0 or -1. */
static int
add_page(const char *path, const char *begin, size_t n, bool last, document_list *out)
{
    if (!last && python_strip((struct piece){begin, n}).n == 0)
        return 0;
    json_t *text = json_stringn(begin, n);
    if (!text)
        return err_set(STATUS_INPUT, "%s: page %zu: not UTF-8", path, out->len + 1);
    json_t *row = json_object();
    json_object_set_new(row, "page", text);
    vec_push(out, row);
    return 0;
}

int
documents_read_wikitext(const char *path, const char *text, size_t n, document_list *out)
{
    size_t page = 0;

    /* Lines are what text.split("\n") gives: the last is what stands behind the last line end. */
    for (size_t at = 0; at <= n;) {
        const char *newline = at < n ? memchr(text + at, '\n', n - at) : NULL;
        size_t end = newline ? (size_t)(newline - text) : n;

        if (is_title(text + at, end - at)) {
            /* Its lines joined: without the line end before this title. */
            if (add_page(path, text + page, at > page ? at - 1 - page : 0, false, out) < 0)
                return -1;
            page = at;
        }
        at = end + 1;
    }
    return add_page(path, text + page, n - page, true, out);
}
