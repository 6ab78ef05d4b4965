#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "text/classes.h"
#include "tokenizer/sp_tokenizer.h"

/* From a SentencePiece model to the tables that encode with it. */

/* ---- BPE as merges of ids ---- */

struct merges VEC_BODY(struct bpe_merge);

/* The piece of that text which may be half of another one; UINT32_MAX: none. */
static uint32_t
half(const struct sp *sp, const char *text, size_t n)
{
    uint32_t id = vocab_find(sp->vocab, text, n);
    return id != UINT32_MAX && (sp->kinds[id] == SP_NORMAL || sp->kinds[id] == SP_UNUSED)
               ? id
               : UINT32_MAX;
}

/* Every way to join two pieces to this one. */
static void
add_splits(const struct sp *sp, uint32_t id, uint32_t rank, struct merges *out)
{
    size_t n = 0;
    const char *text = vocab_get(sp->vocab, id, &n);
    for (size_t at = 1; at < n; at++) {
        if (((unsigned char)text[at] & 0xC0) == 0x80)
            continue;
        uint32_t left = half(sp, text, at);
        uint32_t right = left == UINT32_MAX ? left : half(sp, text + at, n - at);
        if (right != UINT32_MAX)
            vec_push(out, ((struct bpe_merge){left, right, id, rank}));
    }
}

static bool
one_character(const char *text, size_t n)
{
    size_t used;
    text_peek(text, &used);
    return used == n;
}

static bool
only_marks(const char *text, size_t n)
{
    for (; n >= SP_MARK_LEN && !memcmp(text, SP_MARK, SP_MARK_LEN); n -= SP_MARK_LEN)
        text += SP_MARK_LEN;
    return n == 0;
}

/* Does ▁ stand behind something else? */
static bool
mark_inside(const char *text, size_t n)
{
    for (; n >= SP_MARK_LEN && !memcmp(text, SP_MARK, SP_MARK_LEN); n -= SP_MARK_LEN)
        text += SP_MARK_LEN;
    return n > 0 && memmem(text, n, SP_MARK, SP_MARK_LEN);
}

/* Is every character a piece of its own? Else the library may join what has no id. */
static bool
characters_known(const struct sp *sp, const char *text, size_t n)
{
    for (size_t at = 0, used; at < n; at += used) {
        text_peek(text + at, &used);
        uint32_t id = vocab_find(sp->vocab, text + at, used);
        if (id == UINT32_MAX || sp->kinds[id] == SP_CONTROL || sp->kinds[id] == SP_UNKNOWN)
            return false;
    }
    return true;
}

static int
by_order(const void *a, const void *b, void *arg)
{
    const uint32_t *order = arg;
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    if (order[x] != order[y])
        return order[x] < order[y] ? -1 : 1;
    return x < y ? -1 : x > y;
}

/* made: the pieces in order, the lowest score last. */
static bool
runs_are_last(const struct sp *sp, const struct ids *made)
{
    bool runs = false;
    uint32_t before = 0; /* the order of the piece before */
    for (size_t i = 0; i < made->len; i++) {
        size_t n = 0;
        const char *text = vocab_get(sp->vocab, made->data[i], &n);
        uint32_t order = sp->slow.order[made->data[i]];
        bool run = only_marks(text, n);
        if (run && i > 0 && (order == before) != runs)
            return false; /* as high as the others, or not as high as the other runs */
        if (!run && (runs || (n > 2 * SP_MARK_LEN && only_marks(text, 2 * (size_t)SP_MARK_LEN))))
            return false;
        runs = run;
        before = order;
    }
    return runs;
}

static void
list_runs(struct sp *sp)
{
    struct str run = {0};
    vec_push(&sp->runs, UINT32_MAX);
    while (run.len + SP_MARK_LEN <= sp->slow.longest) {
        str_adds(&run, SP_MARK);
        vec_push(&sp->runs, half(sp, run.data, run.len));
    }
    str_release(&run);
}

/*
 * The pieces that merges make, the highest score first. Finds out on the way what the
 * fast encoder cannot do: pieces that it does not know how to make, and those of equal
 * scores, of which the leftmost goes first, whichever it is. Runs of ▁ often are the
 * only ones: then only words with such runs take the slow way.
 */
static void
list_merges(struct sp *sp, struct merges *merges)
{
    struct ids made = {0};
    bool words = true; /* begin with ▁: what stands before is apart */
    for (uint32_t id = 0; id < sp->vocab->entries.len; id++) {
        size_t n = 0;
        const char *text = vocab_get(sp->vocab, id, &n);
        bool one = one_character(text, n);
        if (sp->kinds[id] == SP_NORMAL && !one) {
            vec_push(&made, id);
            sp->slow_all |= !characters_known(sp, text, n);
            words &= !mark_inside(text, n);
        } else if (sp->kinds[id] == SP_UNUSED) {
            sp->slow_all = true;
        } else if (one && sp->kinds[id] != SP_USER_DEFINED && sp->kinds[id] != SP_NORMAL) {
            sp->slow_all = true;
        }
    }
    if (made.len > 0)
        qsort_r(made.data, made.len, sizeof *made.data, by_order, sp->slow.order);
    for (size_t i = 0; i < made.len; i++) {
        size_t n = 0;
        const char *text = vocab_get(sp->vocab, made.data[i], &n);
        uint32_t order = sp->slow.order[made.data[i]];
        bool twin = (i > 0 && sp->slow.order[made.data[i - 1]] == order) ||
                    (i + 1 < made.len && sp->slow.order[made.data[i + 1]] == order);
        sp->slow_runs |= twin;
        sp->slow_all |= twin && !only_marks(text, n);
        add_splits(sp, made.data[i], (uint32_t)i, merges);
    }
    sp->slow_all |= sp->slow_runs && !words;
    sp->runs_last = sp->slow_runs && !sp->slow_all && runs_are_last(sp, &made);
    vec_release(&made);
}

static void
build_bpe(struct sp *sp, const struct sp_model *m)
{
    size_t n = m->pieces.len;
    float *scores = mem_array(n, sizeof *scores);
    for (size_t i = 0; i < n; i++)
        scores[i] = m->pieces.data[i].score;
    sp->slow.vocab = sp->vocab;
    sp->slow.kinds = sp->kinds;
    sp->slow.symbols = &sp->normalizer;
    sp_bpe_build(&sp->slow, scores);
    free(scores);

    struct merges merges = {0};
    list_merges(sp, &merges);
    sp->bpe.byte_fallback = sp->byte_fallback;
    sp->bpe.fuse_unk = true;
    sp->bpe.unk = sp->unk;
    if (!sp->slow_all) /* a pair of texts joins to one text: no merge stands twice */
        bpe_build(&sp->bpe, sp->vocab, merges.data, (uint32_t)merges.len);
    if (sp->runs_last)
        list_runs(sp);
    vec_release(&merges);
}

/* ---- the rest ---- */

static int
build_unigram(struct sp *sp, const struct sp_model *m)
{
    size_t n = m->pieces.len;
    double *scores = mem_array(n, sizeof *scores);
    for (size_t i = 0; i < n; i++)
        scores[i] = (double)m->pieces.data[i].score;
    struct unigram *u = &sp->unigram;
    u->single = true;
    u->byte_fallback = sp->byte_fallback;
    u->unk = sp->unk;
    memcpy(u->byte_tokens, sp->byte_pieces, sizeof u->byte_tokens);
    int rc = unigram_build(u, sp->vocab, scores, sp->kinds);
    free(scores);
    return rc;
}

static void
find_byte_pieces(struct sp *sp)
{
    char name[8];
    for (unsigned i = 0; i < 256; i++) {
        snprintf(name, sizeof name, "<0x%02X>", i);
        sp->byte_pieces[i] = sp->byte_fallback ? vocab_find(sp->vocab, name, 6) : UINT32_MAX;
    }
}

int
sp_build(struct sp *sp, const char *name, const struct sp_model *m, const struct vocab *vocab)
{
    *sp = (struct sp){.vocab = vocab,
                      .algorithm = m->algorithm,
                      .byte_fallback = m->byte_fallback,
                      .unk = (uint32_t)m->unk_id,
                      .has_denormalizer = m->has_denormalizer};
    sp->unk_surface = mem_strdup(m->unk_surface);
    sp->kinds = mem_array(m->pieces.len, 1);
    for (size_t i = 0; i < m->pieces.len; i++)
        sp->kinds[i] = (uint8_t)m->pieces.data[i].type;
    find_byte_pieces(sp);
    if (sp_normalizer_build(&sp->normalizer, name, m) < 0 ||
        (m->has_denormalizer && sp_denormalizer_build(&sp->denormalizer, name, m) < 0))
        return -1;
    if (sp->algorithm == SP_UNIGRAM)
        return build_unigram(sp, m);
    if (sp->algorithm == SP_BPE)
        build_bpe(sp, m);
    return 0;
}

void
sp_release(struct sp *sp)
{
    free(sp->kinds);
    free(sp->unk_surface);
    sp_normalizer_release(&sp->normalizer);
    sp_normalizer_release(&sp->denormalizer);
    unigram_release(&sp->unigram);
    bpe_release(&sp->bpe);
    sp_bpe_release(&sp->slow);
    vec_release(&sp->runs);
}
