#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "text/classes.h"
#include "tokenizer/sp_tokenizer.h"

/* Encoding with a SentencePiece model: normalize, then what its algorithm does. */

enum { TEXT_LIMIT = INT32_MAX }; /* places in a normalized text are 32-bit */

struct sp_scratch {
    struct str text;
    struct bpe_scratch *bpe;
    struct unigram_scratch *unigram;
    struct sp_bpe_scratch *slow;
    struct ids run;
};

struct sp_scratch *
sp_scratch_new(const struct sp *sp)
{
    struct sp_scratch *s = mem_zalloc(sizeof *s);
    if (sp->algorithm == SP_UNIGRAM)
        s->unigram = unigram_scratch_new();
    if (sp->algorithm == SP_BPE && !sp->slow_all)
        s->bpe = bpe_scratch_new();
    if (sp->algorithm == SP_BPE)
        s->slow = sp_bpe_scratch_new();
    return s;
}

void
sp_scratch_free(struct sp_scratch *s)
{
    if (!s)
        return;
    str_release(&s->text);
    bpe_scratch_free(s->bpe);
    unigram_scratch_free(s->unigram);
    sp_bpe_scratch_free(s->slow);
    vec_release(&s->run);
    free(s);
}

/* ---- from texts of pieces to ids ---- */

struct giving {
    const struct sp *sp;
    struct ids *out;
    bool unknown; /* the last one was: the next unknown is part of it */
};

/* The id of a piece's text: no text is a control or byte piece, none is to be UNUSED. */
static uint32_t
id_of(const struct sp *sp, const char *text, size_t n)
{
    uint32_t id = vocab_find(sp->vocab, text, n);
    bool found = id != UINT32_MAX &&
                 (sp->kinds[id] == SP_NORMAL || sp->kinds[id] == SP_USER_DEFINED);
    return found ? id : sp->unk;
}

static void
give(void *arg, const char *text, size_t n)
{
    struct giving *g = arg;
    const struct sp *sp = g->sp;
    uint32_t id = id_of(sp, text, n);
    bool unknown = id == sp->unk;
    for (size_t i = 0; unknown && sp->byte_fallback && i < n; i++)
        vec_push(g->out, sp->byte_pieces[(uint8_t)text[i]]);
    if (!unknown || (!sp->byte_fallback && !g->unknown))
        vec_push(g->out, id);
    g->unknown = unknown;
}

/* ---- BPE ---- */

static void
encode_slow(const struct sp *sp, struct sp_scratch *s, const char *text, size_t n, struct ids *out)
{
    struct giving g = {sp, out, false};
    sp_bpe_encode(&sp->slow, s->slow, text, n, give, &g);
}

/*
 * Merges a run of ▁: of equal scores the leftmost goes first, so that each ▁ is taken by
 * what stands before it as soon as it comes. s->run: how many ▁ each piece has.
 */
static void
merge_run(const struct sp *sp, struct sp_scratch *s, size_t marks)
{
    struct ids *run = &s->run;
    vec_clear(run);
    for (size_t i = 0; i < marks; i++) {
        vec_push(run, 1);
        while (run->len > 1) {
            size_t joined = (size_t)run->data[run->len - 2] + run->data[run->len - 1];
            if (joined >= sp->runs.len || sp->runs.data[joined] == UINT32_MAX)
                break;
            run->data[--run->len - 1] = (uint32_t)joined;
        }
    }
}

/* Puts a run's ids in the place of out->data[begin..end). */
static void
put_run(const struct sp *sp, struct sp_scratch *s, size_t marks, size_t begin, size_t end,
        struct ids *out)
{
    size_t behind = out->len - end;
    merge_run(sp, s, marks);
    vec_reserve(out, s->run.len);
    memmove(out->data + begin + s->run.len, out->data + end, behind * sizeof *out->data);
    for (size_t i = 0; i < s->run.len; i++)
        out->data[begin + i] = sp->runs.data[s->run.data[i]];
    out->len = begin + s->run.len + behind;
}

/*
 * A word that begins with a run of n bytes of ▁, which is merged after all else: the
 * last ▁ is the rest's if a merge has taken it.
 */
static void
encode_run(const struct sp *sp, struct sp_scratch *s, const char *word, size_t n, size_t length,
           struct ids *out)
{
    size_t begin = out->len, marks = n / SP_MARK_LEN, before = n - SP_MARK_LEN;
    if (n == length) {
        put_run(sp, s, marks, begin, begin, out);
        return;
    }
    bpe_encode(&sp->bpe, s->bpe, word + before, length - before, out);
    if (out->data[begin] == sp->runs.data[1])
        put_run(sp, s, marks, begin, begin + 1, out);
    else
        put_run(sp, s, marks - 1, begin, begin, out);
}

/* The end of the ▁ that text[at..n) begins with. */
static size_t
run_end(const char *text, size_t at, size_t n)
{
    while (n - at >= SP_MARK_LEN && !memcmp(text + at, SP_MARK, SP_MARK_LEN))
        at += SP_MARK_LEN;
    return at;
}

/* A stretch without user-defined symbols: words that begin with ▁▁ go the slow way. */
static void
encode_words(const struct sp *sp, struct sp_scratch *s, const char *text, size_t n, struct ids *out)
{
    while (sp->slow_runs && n > 0) {
        const char *run = memmem(text, n, SP_MARK SP_MARK, 2 * (size_t)SP_MARK_LEN);
        if (!run)
            break;
        size_t begin = (size_t)(run - text), end = run_end(text, begin, n);
        const char *next = memmem(text + end, n - end, SP_MARK, SP_MARK_LEN);
        size_t word = next ? (size_t)(next - run) : n - begin;
        if (begin > 0)
            bpe_encode(&sp->bpe, s->bpe, text, begin, out);
        if (sp->runs_last)
            encode_run(sp, s, run, end - begin, word, out);
        else
            encode_slow(sp, s, run, word, out);
        text += begin + word;
        n -= begin + word;
    }
    if (n > 0)
        bpe_encode(&sp->bpe, s->bpe, text, n, out);
}

static void
encode_bpe(const struct sp *sp, struct sp_scratch *s, const char *text, size_t n, struct ids *out)
{
    if (sp->slow_all) {
        encode_slow(sp, s, text, n, out);
        return;
    }
    size_t begin = 0, at = 0;
    while (sp->normalizer.has_symbols && at < n) {
        size_t used = 0;
        if (sp_symbol_begins(&sp->normalizer, (unsigned char)text[at]))
            used = sp_symbol(&sp->normalizer, text + at, n - at);
        if (used == 0) {
            at++;
            continue;
        }
        encode_words(sp, s, text + begin, at - begin, out);
        vec_push(out, vocab_find(sp->vocab, text + at, used));
        begin = at += used;
    }
    encode_words(sp, s, text + begin, n - begin, out);
}

/* ---- characters and words ---- */

static void
encode_characters(const struct sp *sp, const char *text, size_t n, struct ids *out)
{
    struct giving g = {sp, out, false};
    for (size_t at = 0, used; at < n; at += used) {
        used = sp_symbol(&sp->normalizer, text + at, n - at);
        if (used == 0)
            text_peek(text + at, &used);
        give(&g, text + at, used);
    }
}

/* A word begins with each ▁. */
static void
encode_by_words(const struct sp *sp, const char *text, size_t n, struct ids *out)
{
    struct giving g = {sp, out, false};
    while (n > 0) {
        const char *next = memmem(text + 1, n - 1, SP_MARK, SP_MARK_LEN);
        size_t used = next ? (size_t)(next - text) : n;
        give(&g, text, used);
        text += used;
        n -= used;
    }
}

int
sp_encode(const struct sp *sp, struct sp_scratch *s, const char *text, size_t n, struct ids *out)
{
    str_clear(&s->text);
    sp_normalize(&sp->normalizer, text, n, &s->text);
    if (s->text.len == 0)
        return 0;
    if (s->text.len >= TEXT_LIMIT)
        return err_set(STATUS_INPUT, "a text of %zu bytes, normalized, is longer than supported",
                       s->text.len);
    switch (sp->algorithm) {
    case SP_UNIGRAM:
        return unigram_encode(&sp->unigram, s->unigram, s->text.data, s->text.len, out);
    case SP_BPE: encode_bpe(sp, s, s->text.data, s->text.len, out); break;
    case SP_WORD: encode_by_words(sp, s->text.data, s->text.len, out); break;
    case SP_CHAR: encode_characters(sp, s->text.data, s->text.len, out); break;
    }
    return 0;
}
