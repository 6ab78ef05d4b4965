#include "eval/token_sort.h"

#include <math.h>

#include "eval/ngrams.h"

/* Everything but \w becomes a blank; U+0080..U+00FF are deleted before. */
static void
keep_words(struct piece s, struct str *out)
{
    for (size_t at = 0, used; at < s.n; at += used) {
        uint32_t c = python_peek((struct piece){s.data + at, s.n - at}, &used);
        if (c >= 0x80 && c <= 0xFF)
            continue;
        if (python_is_word(c))
            str_add(out, s.data + at, used);
        else
            str_addc(out, ' ');
    }
}

/* The words of s in lower case, sorted, one blank between two, as code points. */
static void
sorted_words(struct piece s, struct ids *out)
{
    struct str kept = {0}, lower = {0};
    piece_list words = {0};
    keep_words(s, &kept);
    python_lower(piece_in(&kept), &lower);
    python_split(piece_in(&lower), &words);
    pieces_sort(&words);
    for (size_t i = 0; i < words.len; i++) {
        struct piece w = words.data[i];
        if (i)
            vec_push(out, ' ');
        for (size_t used; w.n; w.data += used, w.n -= used)
            vec_push(out, python_peek(w, &used));
    }
    vec_release(&words);
    str_release(&lower);
    str_release(&kept);
}

static int
ratio(const struct ids *a, const struct ids *b)
{
    size_t total = a->len + b->len, common = common_subsequence(a, b);
    if (a->len == b->len && common == a->len)
        return 100; /* equal, both empty too */
    if (!a->len || !b->len)
        return 0;
    /* a substitution costs 2; rint() rounds halves to even, as Python's round() */
    double similarity = 1.0 - (double)(total - 2 * common) / (double)total;
    return (int)rint(100 * similarity);
}

int
token_sort_ratio(struct piece a, struct piece b)
{
    struct ids x = {0}, y = {0};
    sorted_words(a, &x);
    sorted_words(b, &y);
    int result = ratio(&x, &y);
    vec_release(&x);
    vec_release(&y);
    return result;
}
