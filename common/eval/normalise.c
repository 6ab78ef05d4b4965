#include "eval/normalise.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "text/normalize.h"

static const char *const names[] = {
    [NORMALISE_NFKC] = "nfkc",
    [NORMALISE_LOWER] = "lower",
    [NORMALISE_STRIP] = "strip",
    [NORMALISE_SQUEEZE] = "squeeze",
    [NORMALISE_ASCII_PUNCT] = "ascii_punct",
    [NORMALISE_NO_EMOJI] = "no_emoji",
    [NORMALISE_NEOLOGDN] = "neologdn",
};
enum { NAMES = sizeof names / sizeof *names };

static int
read_delete(const struct json_doc *doc, const json_t *list, size_t index, normaliser *out)
{
    const json_t *object;
    struct piece pattern;
    char why[200];
    if (json_at_object(doc, list, index, &object) < 0 ||
        json_only_keys(doc, object, "delete") < 0 ||
        json_get_bytes(doc, object, "delete", JSON_NEED, &pattern.data, &pattern.n) < 0)
        return -1;
    struct python_pattern *p = python_pattern_new(pattern, why, sizeof why);
    if (!p)
        return json_fail(doc, object, "delete", "%s", why);
    vec_push(out, ((struct normaliser_step){NORMALISE_DELETE, p}));
    return 0;
}

int
normaliser_read(const struct json_doc *doc, const json_t *root, normaliser *out)
{
    const json_t *list = NULL;
    if (json_get_array(doc, root, "normalise", JSON_MAY, &list) < 0)
        return -1;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *name = json_string_value(json_array_get(list, i));
        size_t step = 0;
        if (!name) {
            if (read_delete(doc, list, i, out) < 0)
                return -1;
            continue;
        }
        while (step < NAMES && strcmp(names[step], name) != 0)
            step++;
        if (step == NAMES)
            return json_fail_at(doc, list, i, "'%s' is not supported", name);
        vec_push(out, ((struct normaliser_step){(enum normalise_step)step, NULL}));
    }
    return 0;
}

void
normaliser_release(normaliser *n)
{
    for (size_t i = 0; i < n->len; i++)
        python_pattern_free(n->data[i].pattern);
    vec_release(n);
}

static int
run_step(const struct normaliser_step *step, struct piece s, struct str *out)
{
    switch (step->step) {
    case NORMALISE_NFKC:
        if (!text_normalize(FORM_NFKC, s.data, s.n, out))
            str_add(out, s.data, s.n);
        return 0;
    case NORMALISE_LOWER: python_lower(s, out); return 0;
    case NORMALISE_STRIP:
        s = python_strip(s);
        str_add(out, s.data, s.n);
        return 0;
    case NORMALISE_SQUEEZE: python_squeeze(s, out); return 0;
    case NORMALISE_ASCII_PUNCT: python_delete_ascii(s, python_punctuation, out); return 0;
    case NORMALISE_NO_EMOJI: remove_emoji(s, out); return 0;
    case NORMALISE_NEOLOGDN: neologdn(s, out); return 0;
    case NORMALISE_DELETE: return python_delete(step->pattern, s, out);
    }
    return 0;
}

int
normalise(const normaliser *n, struct piece text, struct str *out)
{
    struct str now = {0}, next = {0};
    int result = 0;
    str_add(&now, text.data, text.n);
    for (size_t i = 0; i < n->len && result == 0; i++) {
        str_clear(&next);
        result = run_step(&n->data[i], piece_in(&now), &next);
        struct str swap = now;
        now = next;
        next = swap;
        str_reserve(&now, 1);
    }
    if (result < 0)
        err_prefix("normalise");
    else
        str_add(out, now.data, now.len);
    str_release(&now);
    str_release(&next);
    return result;
}
