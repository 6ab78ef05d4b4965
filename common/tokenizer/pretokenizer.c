#include "tokenizer/pretokenizer.h"

#include <string.h>

#include "base/mem.h"
#include "text/classes.h"
#include "text/scripts.h"
#include "tokenizer/bytelevel.h"

/*
 * Runs the steps depth first: a piece goes through all steps before the next one is
 * cut, which gives the same order as Hugging Face's step after step over all pieces.
 */

struct run {
    const struct pretokenizer *p;
    struct pretokenizer_scratch *s;
    void (*piece)(void *arg, const char *text, size_t n);
    void *arg;
};

void
pretokenizer_scratch_release(struct pretokenizer_scratch *s)
{
    for (size_t i = 0; i < PRETOKENIZER_STEPS; i++) {
        vec_release(&s->spans[i]);
        str_release(&s->text[i]);
    }
    regex_scratch_free(s->regex);
    s->regex = NULL;
}

static int run_step(const struct run *r, size_t step, const char *text, size_t n, size_t origin);

/* What of the first `origin` bytes lies at or behind `begin`. */
static size_t
origin_behind(size_t origin, size_t begin)
{
    return origin > begin ? origin - begin : 0;
}

static int
run_scan(const struct run *r, size_t k, const char *text, size_t n, size_t origin)
{
    const struct pattern *scan = r->p->steps.data[k].scan;
    for (size_t at = 0, end; at < n; at = end) {
        end = scan->next(r->p->classes, text, at, n);
        if (run_step(r, k + 1, text + at, end - at, origin_behind(origin, at)) < 0)
            return -1;
    }
    return 0;
}

/* ---- steps that cut: first the spans, matches and gaps, of the whole piece ---- */

static void
add_span(struct pretokenizer_scratch *s, size_t k, size_t begin, size_t end, bool match)
{
    vec_push(&s->spans[k], ((struct pretokenizer_span){begin, end, match}));
}

/* A match, and the gap before it, which begins at *done. */
static void
add_match(struct pretokenizer_scratch *s, size_t k, size_t *done, size_t begin, size_t end)
{
    if (*done != begin)
        add_span(s, k, *done, begin, false);
    add_span(s, k, begin, end, true);
    *done = end;
}

static int
match_spans(const struct run *r, size_t k, const char *text, size_t n, size_t *done)
{
    struct match_cursor cursor = {0};
    size_t begin = 0, end = 0;
    int found;
    while ((found = matcher_next(&r->p->steps.data[k].pattern, r->s->regex, text, n, &cursor,
                                 &begin, &end)) > 0)
        add_match(r->s, k, done, begin, end);
    return found;
}

static bool
is_ascii_symbol(uint32_t c)
{
    return (c >= 0x21 && c <= 0x2F) || (c >= 0x3A && c <= 0x40) || (c >= 0x5B && c <= 0x60) ||
           (c >= 0x7B && c <= 0x7E);
}

static void
class_spans(const struct run *r, size_t k, const char *text, size_t n, size_t *done)
{
    const struct pretokenizer_step *step = &r->p->steps.data[k];
    bool symbols = step->mask >> 16;
    for (size_t at = 0, used; at < n; at += used) {
        uint32_t c = text_peek(text + at, &used);
        if (c == step->character || (r->p->classes[c] & step->mask) ||
            (symbols && is_ascii_symbol(c)))
            add_match(r->s, k, done, at, at + used);
    }
}

static void
word_spans(const struct run *r, size_t k, const char *text, size_t n, size_t *done)
{
    const unsigned mask = CLASS_WORD | CLASS_SPACE;
    for (size_t at = 0, used, end; at < n; at = end) {
        unsigned kind = r->p->classes[text_peek(text + at, &used)] & mask;
        for (end = at + used; end < n; end += used) {
            unsigned next = r->p->classes[text_peek(text + end, &used)] & mask;
            if (next != kind)
                break;
        }
        if (!(kind & CLASS_SPACE))
            add_match(r->s, k, done, at, end);
    }
}

static void
length_spans(const struct run *r, size_t k, const char *text, size_t n, size_t *done)
{
    size_t length = r->p->steps.data[k].length;
    for (size_t at = 0; at < n; at = *done) {
        size_t end = at, used;
        for (size_t i = 0; i < length && end < n; i++, end += used)
            text_peek(text + end, &used);
        add_match(r->s, k, done, at, end);
    }
}

static unsigned
joined_script(uint32_t c)
{
    unsigned script = c == ' ' ? (unsigned)SCRIPT_UNKNOWN : text_script(c);
    bool kana = script == SCRIPT_HIRAGANA || script == SCRIPT_KATAKANA || c == 0x30FC;
    return kana ? (unsigned)SCRIPT_HAN : script;
}

/* Spaces and what is unassigned belong to the run before; at the beginning, to none. */
static void
script_spans(const struct run *r, size_t k, const char *text, size_t n, size_t *done)
{
    size_t begin = n, used;
    unsigned last = SCRIPT_UNKNOWN;
    for (size_t at = 0; at < n; at += used) {
        unsigned script = joined_script(text_peek(text + at, &used));
        if (script == SCRIPT_UNKNOWN || script == last)
            continue;
        if (begin < n)
            add_match(r->s, k, done, begin, at);
        begin = at;
        last = script;
    }
    if (begin < n)
        add_match(r->s, k, done, begin, n);
}

/* Joins spans as the behavior says, in place; the flag becomes "to be removed". */
static void
join_spans(struct pretokenizer_scratch *s, size_t k, enum split_behavior behavior)
{
    struct pretokenizer_span *span = s->spans[k].data;
    size_t n = s->spans[k].len, kept = 0;
    bool before = false;
    if (behavior == SPLIT_REMOVED)
        return;
    if (behavior == SPLIT_MERGED_WITH_NEXT) {
        /* from the right: a match joins what follows it unless that is a match, too */
        size_t to = n;
        for (size_t i = n; i-- > 0;) {
            bool match = span[i].match;
            if (match && !before && to < n)
                span[to].begin = span[i].begin;
            else
                span[--to] = (struct pretokenizer_span){span[i].begin, span[i].end, false};
            before = match;
        }
        memmove(span, span + to, (n - to) * sizeof *span);
        s->spans[k].len = n - to;
        return;
    }
    for (size_t i = 0; i < n; i++) {
        bool match = span[i].match;
        bool join = (behavior == SPLIT_CONTIGUOUS && match == before) ||
                    (behavior == SPLIT_MERGED_WITH_PREVIOUS && match && !before);
        if (join && kept > 0)
            span[kept - 1].end = span[i].end;
        else
            span[kept++] = (struct pretokenizer_span){span[i].begin, span[i].end, false};
        before = match;
    }
    s->spans[k].len = kept;
}

static int
run_split(const struct run *r, size_t k, const char *text, size_t n, size_t origin)
{
    const struct pretokenizer_step *step = &r->p->steps.data[k];
    struct pretokenizer_scratch *s = r->s;
    size_t done = 0;
    vec_clear(&s->spans[k]);
    if (step->kind == PRETOKENIZE_CLASS)
        class_spans(r, k, text, n, &done);
    else if (step->kind == PRETOKENIZE_WORDS)
        word_spans(r, k, text, n, &done);
    else if (step->kind == PRETOKENIZE_LENGTH)
        length_spans(r, k, text, n, &done);
    else if (step->kind == PRETOKENIZE_SCRIPTS)
        script_spans(r, k, text, n, &done);
    else if (match_spans(r, k, text, n, &done) < 0)
        return -1;
    if (done < n)
        add_span(s, k, done, n, false);
    for (size_t i = 0; step->invert && i < s->spans[k].len; i++)
        s->spans[k].data[i].match = !s->spans[k].data[i].match;
    join_spans(s, k, step->behavior);
    for (size_t i = 0; i < s->spans[k].len; i++) {
        struct pretokenizer_span span = s->spans[k].data[i];
        if (!span.match && span.begin < span.end &&
            run_step(r, k + 1, text + span.begin, span.end - span.begin,
                     origin_behind(origin, span.begin)) < 0)
            return -1;
    }
    return 0;
}

/* ---- steps that rewrite ---- */

/* Each of these returns what the first `origin` bytes have become. */

static size_t
metaspace(const struct pretokenizer_step *step, const char *text, size_t n, size_t origin,
          struct str *out)
{
    size_t used = 0, from_first = 0;
    bool marked = n > 0 && (*text == ' ' || text_peek(text, &used) == step->character);
    if (!marked && (step->prepend == PREPEND_ALWAYS || (step->prepend == PREPEND_FIRST && origin)))
        str_add_utf8(out, step->character);
    for (size_t i = 0; i < n; i++) {
        if (text[i] == ' ')
            str_add_utf8(out, step->character);
        else
            str_addc(out, text[i]);
        if (i < origin)
            from_first = out->len;
    }
    return from_first;
}

static size_t
byte_map(const char *text, size_t n, size_t origin, struct str *out)
{
    bytes_to_chars(text, origin, out);
    size_t from_first = out->len;
    bytes_to_chars(text + origin, n - origin, out);
    return from_first;
}

static size_t
space_before(const char *text, size_t n, size_t origin, struct str *out)
{
    if (n > 0 && *text != ' ') {
        str_addc(out, ' ');
        origin += origin > 0;
    }
    str_add(out, text, n);
    return origin;
}

static int
run_rewrite(const struct run *r, size_t k, const char *text, size_t n, size_t origin)
{
    const struct pretokenizer_step *step = &r->p->steps.data[k];
    struct str *out = &r->s->text[k];
    str_clear(out);
    if (step->kind == PRETOKENIZE_METASPACE)
        origin = metaspace(step, text, n, origin, out);
    else if (step->kind == PRETOKENIZE_BYTE_MAP)
        origin = byte_map(text, n, origin, out);
    else
        origin = space_before(text, n, origin, out);
    return run_step(r, k + 1, out->data, out->len, origin);
}

static int
run_step(const struct run *r, size_t k, const char *text, size_t n, size_t origin)
{
    if (k == r->p->steps.len) {
        r->piece(r->arg, text, n);
        return 0;
    }
    if (origin > n)
        origin = n;
    switch (r->p->steps.data[k].kind) {
    case PRETOKENIZE_SCAN: return run_scan(r, k, text, n, origin);
    case PRETOKENIZE_SPACE:
    case PRETOKENIZE_BYTE_MAP:
    case PRETOKENIZE_METASPACE: return run_rewrite(r, k, text, n, origin);
    default: return run_split(r, k, text, n, origin);
    }
}

int
pretokenizer_run(const struct pretokenizer *p, struct pretokenizer_scratch *s, const char *text,
                 size_t n, size_t origin, void (*piece)(void *arg, const char *text, size_t n),
                 void *arg)
{
    struct run r = {p, s, piece, arg};
    if (p->steps.len && !s->regex)
        s->regex = regex_scratch_new();
    return n ? run_step(&r, 0, text, n, origin) : 0;
}
