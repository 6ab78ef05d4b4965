#include "tokenizer/normalizer.h"

#include <string.h>
#include <utf8proc.h>

#include "text/classes.h"
#include "text/graphemes.h"
#include "tokenizer/bytelevel.h"

/* Runs the steps; at each, how many bytes still come from the text's first character. */

void
normalizer_scratch_release(struct normalizer_scratch *s)
{
    str_release(&s->buffer[0]);
    str_release(&s->buffer[1]);
    regex_scratch_free(s->regex);
    s->regex = NULL;
}

/* What Nmt makes of a code point: itself, a space, or nothing (-1). */
static int32_t
nmt_point(uint32_t c)
{
    if ((c >= 0x01 && c <= 0x08) || c == 0x0B || (c >= 0x0E && c <= 0x1F) || c == 0x7F ||
        c == 0x8F || c == 0x9F)
        return -1;
    if (c == 0x09 || c == 0x0A || c == 0x0C || c == 0x0D || c == 0x1680 ||
        (c >= 0x200B && c <= 0x200F) || c == 0x2028 || c == 0x2029 || c == 0x2581 || c == 0xFEFF ||
        c == 0xFFFD)
        return ' ';
    return (int32_t)c;
}

static int32_t
bert_clean_point(uint32_t c, unsigned class)
{
    bool space = c == '\t' || c == '\n' || c == '\r' || (class & CLASS_SPACE);
    if (c == 0 || c == 0xFFFD)
        return -1;
    bool other = (class & CLASS_OTHER) &&
                 utf8proc_category((utf8proc_int32_t)c) != UTF8PROC_CATEGORY_CN;
    if (!(c == '\t' || c == '\n' || c == '\r') && other)
        return -1;
    return space ? ' ' : (int32_t)c;
}

static bool
is_chinese(uint32_t c)
{
    return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) ||
           (c >= 0x20000 && c <= 0x2A6DF) || (c >= 0x2A700 && c <= 0x2B73F) ||
           (c >= 0x2B740 && c <= 0x2B81F) || (c >= 0x2B920 && c <= 0x2CEAF) ||
           (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

static void
add_point(enum normalizer_kind kind, uint32_t c, struct str *out)
{
    unsigned class = text_classes()[c];
    int32_t to = (int32_t)c;
    bool apart = false;
    if (kind == NORMALIZE_NMT)
        to = nmt_point(c);
    else if (kind == NORMALIZE_BERT_CLEAN)
        to = bert_clean_point(c, class);
    else if (kind == NORMALIZE_STRIP_ACCENTS)
        to = class & CLASS_M ? -1 : to;
    else if (kind == NORMALIZE_BERT_ACCENTS)
        to = class & CLASS_MN ? -1 : to;
    else
        apart = is_chinese(c);
    if (apart)
        str_addc(out, ' ');
    if (to >= 0)
        str_add_utf8(out, (uint32_t)to);
    if (apart)
        str_addc(out, ' ');
}

static void
run_points(enum normalizer_kind kind, const char *s, size_t n, struct str *out)
{
    for (size_t at = 0, used; at < n; at += used)
        add_point(kind, text_peek(s + at, &used), out);
}

static void
run_strip(const struct normalizer_step *step, const char **text, size_t *n)
{
    const uint16_t *classes = text_classes();
    size_t used;
    while (step->left && *n > 0 && (classes[text_peek(*text, &used)] & CLASS_SPACE)) {
        *text += used;
        *n -= used;
    }
    while (step->right && *n > 0) {
        size_t at = *n - 1;
        while (at > 0 && ((unsigned char)(*text)[at] & 0xC0) == 0x80)
            at--;
        if (!(classes[text_peek(*text + at, &used)] & CLASS_SPACE))
            break;
        *n = at;
    }
}

/* What is put in comes, as Hugging Face counts, from where the character before it does. */
static int
run_replace(const struct normalizer_step *step, struct regex_scratch *regex, const char *s,
            size_t n, struct str *out, size_t *origin)
{
    struct match_cursor cursor = {0};
    size_t done = 0, begin = 0, end = 0, from_first = 0;
    int found = 0;
    while (n > 0 &&
           (found = matcher_next(&step->pattern, regex, s, n, &cursor, &begin, &end)) > 0) {
        if (done < *origin)
            from_first = out->len + (begin < *origin ? begin : *origin) - done;
        str_add(out, s + done, begin - done);
        str_add(out, step->content, step->length);
        if (end <= *origin)
            from_first = out->len;
        done = end;
    }
    if (done < *origin)
        from_first = out->len + *origin - done;
    str_add(out, s + done, n - done);
    *origin = from_first;
    return found < 0 ? -1 : 0;
}

/* The end of the grapheme cluster at s[at]; mostly both sides are ASCII. */
static size_t
cluster_end(const char *s, size_t n, size_t at)
{
    bool ascii = (unsigned char)s[at] < 0x80 && (at + 1 == n || (unsigned char)s[at + 1] < 0x80);
    return ascii && s[at] != '\r' ? at + 1 : grapheme_end(s, n, at);
}

/*
 * Hugging Face looks short clusters up as a whole, others by their characters, and
 * takes the shortest key that a cluster begins with for all of it.
 */
static void
run_precompiled(const struct charsmap *map, const char *s, size_t n, struct str *out)
{
    enum { CLUSTER_MOST = 5 };
    const char *to = NULL;
    size_t to_n = 0;
    for (size_t at = 0, end, used; at < n; at = end) {
        end = cluster_end(s, n, at);
        if (end - at <= CLUSTER_MOST && charsmap_shortest(map, s + at, end - at, &to, &to_n)) {
            str_add(out, to, to_n);
            continue;
        }
        for (; at < end; at += used) {
            text_peek(s + at, &used);
            if (charsmap_shortest(map, s + at, used, &to, &to_n))
                str_add(out, to, to_n);
            else
                str_add(out, s + at, used);
        }
    }
}

static void
run_bert_accents(const char *s, size_t n, struct str *out)
{
    struct str apart = {0};
    if (text_normalize(FORM_NFD, s, n, &apart))
        run_points(NORMALIZE_BERT_ACCENTS, apart.data, apart.len, out);
    else
        run_points(NORMALIZE_BERT_ACCENTS, s, n, out);
    str_release(&apart);
}

/* A step that makes each part of the text into something else, from s into `out`. */
static void
run_parts(const struct normalizer_step *step, const char *s, size_t n, struct str *out)
{
    switch (step->kind) {
    case NORMALIZE_FORM:
        if (!text_normalize(step->form, s, n, out))
            str_add(out, s, n);
        break;
    case NORMALIZE_LOWERCASE: text_lowercase(s, n, out); break;
    case NORMALIZE_BYTE_LEVEL: bytes_to_chars(s, n, out); break;
    case NORMALIZE_BERT_ACCENTS: run_bert_accents(s, n, out); break;
    case NORMALIZE_PRECOMPILED: run_precompiled(step->map, s, n, out); break;
    default: run_points(step->kind, s, n, out);
    }
}

/* What the bytes of the first character have become in `out`. */
static size_t
follow_first(const struct normalizer_step *step, const char *s, size_t length, size_t origin,
             const struct str *out)
{
    struct str image = {0};
    size_t first = 0, n;
    run_parts(step, s, origin, &image);
    n = image.len;
    str_release(&image);
    if (out->len)
        text_peek(out->data, &first);
    /* Precompiled does not count what it takes away at the very beginning, and gives the
     * characters of a cluster that it replaces their places one by one */
    if (step->kind == NORMALIZE_PRECOMPILED &&
        (n == 0 || (n > first && cluster_end(s, length, 0) > origin)))
        return first;
    if (n > 0 && n < first)
        return first;
    while (n > 0 && n < out->len && ((unsigned char)out->data[n] & 0xC0) == 0x80)
        n--; /* composed with what follows it, whose place counts */
    return n;
}

/* One step, from *text into `out`; a step that changes nothing leaves *text. */
static int
run_step(const struct normalizer_step *step, struct normalizer_scratch *s, const char **text,
         size_t *n, struct str *out, size_t *origin)
{
    size_t old = *n;
    str_clear(out);
    switch (step->kind) {
    case NORMALIZE_STRIP: {
        const char *begin = *text;
        run_strip(step, text, n);
        size_t cut = old == 0 ? 0 : (size_t)(*text - begin);
        *origin -= *origin < cut ? *origin : cut;
        return 0;
    }
    case NORMALIZE_FORM:
        if (!text_normalize(step->form, *text, *n, out))
            return 0;
        if (*origin)
            *origin = follow_first(step, *text, *n, *origin, out);
        break;
    case NORMALIZE_REPLACE:
        if (run_replace(step, s->regex, *text, *n, out, origin) < 0)
            return -1;
        break;
    case NORMALIZE_PREPEND:
        if (*n == 0)
            return 0;
        str_add(out, step->content, step->length);
        str_add(out, *text, *n);
        *origin += *origin ? step->length : 0;
        break;
    default:
        run_parts(step, *text, *n, out);
        if (*origin)
            *origin = follow_first(step, *text, *n, *origin, out);
    }
    *text = out->data ? out->data : "";
    *n = out->len;
    return 0;
}

int
normalizer_run(const struct normalizer *z, struct normalizer_scratch *s, const char **text,
               size_t *n, size_t *origin)
{
    size_t none = 0;
    if (z->steps.len && !s->regex)
        s->regex = regex_scratch_new();
    for (size_t i = 0; i < z->steps.len; i++) {
        const char *old = *text;
        struct str *out = &s->buffer[0];
        if (old >= out->data && out->data && old < out->data + out->cap)
            out = &s->buffer[1];
        if (run_step(&z->steps.data[i], s, text, n, out, origin ? origin : &none) < 0)
            return -1;
    }
    return 0;
}
