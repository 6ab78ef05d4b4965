#include "tokenizer/pieces.h"

#include "base/err.h"
#include "base/utf8.h"
#include "text/classes.h"

void
pieces_scratch_release(struct pieces_scratch *s)
{
    normalizer_scratch_release(&s->normalizer);
    pretokenizer_scratch_release(&s->pretokenizer);
    vec_release(&s->raw);
    vec_release(&s->normal);
}

/* A stretch between the tokens that are found in the raw text. */
static int
stretch_pieces(const struct tokenizer *t, struct pieces_scratch *s, const char *text, size_t n,
               size_t origin, void (*piece)(void *arg, const char *text, size_t n), void *arg)
{
    if (normalizer_run(&t->normalizer, &s->normalizer, &text, &n, &origin) < 0)
        return -1;
    vec_clear(&s->normal);
    added_search(&t->normal, t->added.data, t->pretokenizer.classes, text, n, false, &s->normal);
    for (size_t i = 0; i < s->normal.len; i++) {
        struct added_span span = s->normal.data[i];
        if (span.token == ADDED_NONE &&
            pretokenizer_run(&t->pretokenizer, &s->pretokenizer, text + span.begin,
                             span.end - span.begin,
                             origin > span.begin ? origin - span.begin : 0, piece, arg) < 0)
            return -1;
    }
    return 0;
}

int
tokenizer_pieces(const struct tokenizer *t, struct pieces_scratch *s, const char *text, size_t n,
                 void (*piece)(void *arg, const char *text, size_t n), void *arg)
{
    size_t valid = n ? utf8_valid(text, n) : 0, first = 0;
    if (valid != n)
        return err_set(STATUS_INPUT, "the text is not UTF-8 at byte %zu", valid);
    if (n)
        text_peek(text, &first);
    vec_clear(&s->raw);
    added_search(&t->raw, t->added.data, t->pretokenizer.classes, text, n, false, &s->raw);
    for (size_t i = 0; i < s->raw.len; i++) {
        struct added_span span = s->raw.data[i];
        if (span.token == ADDED_NONE &&
            stretch_pieces(t, s, text + span.begin, span.end - span.begin,
                           span.begin == 0 ? first : 0, piece, arg) < 0)
            return -1;
    }
    return 0;
}
