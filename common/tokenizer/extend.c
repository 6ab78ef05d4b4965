#include "tokenizer/extend.h"

#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "text/classes.h"
#include "tokenizer/bpe_alphabet.h"
#include "tokenizer/extend_internal.h"
#include "tokenizer/extend_unigram.h"
#include "tokenizer/pieces.h"

/*
 * Counting and learning. What is counted are texts: pieces of bytes, or words, cut only where a
 * token of the base ends, too, so that a word by itself is segmented as it is in its text.
 */

enum { WORD_LENGTH = 16 };

struct worker {
    struct extender *extender;
    struct pieces_scratch pieces;
    struct segmenter segmenter;
    struct piece_counts counts;
    struct ids ids;   /* of a stretch */
    VEC(size_t) ends; /* of its words */
    size_t at;
    int rc;
};

struct extender {
    struct extend_options o;
    struct tokenizer *base;
    bool bytes; /* byte-level BPE */
    uint8_t *classes;
    struct worker *workers; /* [threads] */
    int threads;
};

/* ---- the base ---- */

void
segmenter_init(struct segmenter *s, const struct tokenizer *base)
{
    *s = (struct segmenter){base, bpe_scratch_new(), unigram_scratch_new()};
}

void
segmenter_release(struct segmenter *s)
{
    bpe_scratch_free(s->bpe);
    unigram_scratch_free(s->unigram);
}

int
segment(struct segmenter *s, const char *piece, size_t n, struct ids *out)
{
    if (s->base->kind == MODEL_UNIGRAM)
        return unigram_encode(&s->base->unigram, s->unigram, piece, n, out);
    bpe_encode(&s->base->bpe, s->bpe, piece, n, out);
    return 0;
}

static const uint32_t *
byte_tokens(const struct tokenizer *t)
{
    return t->kind == MODEL_UNIGRAM ? t->unigram.byte_tokens : t->bpe.byte_tokens;
}

bool
extend_may_join(const struct tokenizer *t, uint32_t id)
{
    size_t n = 0;
    const char *s = vocab_get(&t->vocab, id, &n);
    if (!s || id == t->unk || added_token(t, id))
        return false;
    return (t->kind == MODEL_BPE && t->bpe.byte_level) || byte_token(s, n) < 0;
}

static int
check_base(struct extender *e)
{
    const struct tokenizer *t = e->base;
    const struct bpe *b = &t->bpe;
    const char *why = NULL;
    e->bytes = t->kind == MODEL_BPE && b->byte_level;
    if (t->kind == MODEL_SENTENCEPIECE)
        why = "a SentencePiece .model; give the tokenizer.json that was converted from it";
    else if (t->kind != MODEL_BPE && t->kind != MODEL_UNIGRAM)
        why = "neither BPE nor Unigram";
    else if (t->kind == MODEL_BPE && (b->prefix || b->suffix))
        why = "a BPE with subword prefixes or suffixes";
    for (unsigned i = 0; !why && i < 256; i++)
        if ((e->bytes ? b->byte_units[i] : byte_tokens(t)[i]) == TOKEN_NONE)
            why = "without tokens for all bytes";
    if (!why && !e->bytes && !(t->kind == MODEL_BPE ? b->byte_fallback : t->unigram.byte_fallback))
        why = "without byte fallback";
    if (!why && (uint64_t)t->vocabulary + e->o.add > VOCAB_MAX)
        why = "too large for so many more tokens";
    return why ? err_set(STATUS_INPUT, "%s cannot be extended: it is %s", e->o.base, why) : 0;
}

struct extender *
extender_new(const struct extend_options *o)
{
    struct extender *e = mem_zalloc(sizeof *e);
    e->o = *o;
    e->base = tokenizer_load(o->base);
    if (!e->base || check_base(e) < 0) {
        extender_free(e);
        return NULL;
    }
    e->threads = o->threads > 0 ? o->threads : 1;
    e->workers = mem_zarray((size_t)e->threads, sizeof *e->workers);
    for (int i = 0; i < e->threads; i++) {
        e->workers[i].extender = e;
        segmenter_init(&e->workers[i].segmenter, e->base);
    }
    if (!e->bytes)
        e->classes = words_classes(&o->words);
    return e;
}

void
extender_free(struct extender *e)
{
    if (!e)
        return;
    for (int i = 0; i < e->threads; i++) {
        struct worker *w = &e->workers[i];
        pieces_scratch_release(&w->pieces);
        segmenter_release(&w->segmenter);
        piece_counts_release(&w->counts);
        vec_release(&w->ids);
        vec_release(&w->ends);
    }
    free(e->workers);
    free(e->classes);
    tokenizer_free(e->base);
    free(e);
}

bool
extender_is_byte_level(const struct extender *e)
{
    return e->bytes;
}

const struct tokenizer *
extender_base(const struct extender *e)
{
    return e->base;
}

/* ---- counting ---- */

static void
count_piece(void *arg, const char *text, size_t n)
{
    struct worker *w = arg;
    piece_counts_add(&w->counts, text, n, 1);
}

static void
add_end(void *arg, const char *text, size_t n)
{
    struct worker *w = arg;
    (void)text;
    w->at += n;
    vec_push(&w->ends, w->at);
}

/* How many bytes of text[0..n) a token of its segmentation stands for. */
static size_t
token_span(const struct tokenizer *t, uint32_t id, const char *text, size_t n)
{
    size_t length = 0;
    const char *s = vocab_get(&t->vocab, id, &length);
    if (s && length <= n && !memcmp(s, text, length))
        return length;
    return s && n && byte_token(s, length) == (unsigned char)*text ? 1 : n + 1;
}

/* Words end where both a word and a token does; the ends are thinned out to those. */
static bool
thin_ends(struct worker *w, const char *text, size_t n)
{
    size_t at = 0, k = 0, kept = 0;
    for (size_t i = 0; i < w->ids.len; i++) {
        size_t span = token_span(w->extender->base, w->ids.data[i], text + at, n - at);
        if (span > n - at)
            return false;
        at += span;
        while (k < w->ends.len && w->ends.data[k] < at)
            k++;
        if (k < w->ends.len && w->ends.data[k] == at)
            w->ends.data[kept++] = at;
    }
    w->ends.len = kept;
    return at == n;
}

static void
count_stretch(void *arg, const char *text, size_t n)
{
    struct worker *w = arg;
    if (w->rc < 0)
        return;
    vec_clear(&w->ids);
    vec_clear(&w->ends);
    w->at = 0;
    w->rc = segment(&w->segmenter, text, n, &w->ids);
    words_cut(w->extender->classes, text, n, add_end, w);
    if (!thin_ends(w, text, n)) { /* tokens that cannot be found again: all is one word */
        count_piece(w, text, n);
        return;
    }
    for (size_t i = 0, begin = 0; i < w->ends.len; begin = w->ends.data[i++])
        count_piece(w, text + begin, w->ends.data[i] - begin);
}

int
extender_add(struct extender *e, int worker, const char *text, size_t n)
{
    struct worker *w = &e->workers[worker];
    if (tokenizer_pieces(e->base, &w->pieces, text, n, e->bytes ? count_piece : count_stretch, w) <
        0)
        return -1;
    return w->rc;
}

/* ---- units: tokens of the base, and new characters ---- */

struct units {
    const struct tokenizer *base;
    struct segmenter segmenter;
    const struct bpe_alphabet *characters; /* NULL: bytes */
    uint32_t first;                        /* the id of the first new character */
    struct ids ids;
    bool *joins; /* by id: may be part of a new token */
};

static size_t
base_units(struct units *u, const char *text, size_t n, uint32_t *out)
{
    vec_clear(&u->ids);
    if (n == 0 || segment(&u->segmenter, text, n, &u->ids) < 0)
        return 0;
    for (size_t i = 0; i < u->ids.len; i++)
        out[i] = u->joins[u->ids.data[i]] ? u->ids.data[i] : CELL_BORDER;
    return u->ids.len;
}

static size_t
units_of(const void *arg, const char *piece, size_t n, uint32_t *out)
{
    union { /* the buffers in it change */
        const void *in;
        struct units *out;
    } u = {arg};
    size_t begin = 0, count = 0, used;
    for (size_t at = 0; u.out->characters && at < n; at += used) {
        uint32_t unit = u.out->characters->units[text_peek(piece + at, &used)];
        if (unit == CELL_BORDER)
            continue;
        count += base_units(u.out, piece + begin, at - begin, out + count);
        out[count++] = u.out->first + unit;
        begin = at + used;
    }
    return count + base_units(u.out, piece + begin, n - begin, out + count);
}

static void
units_init(struct units *u, const struct extender *e, const struct bpe_alphabet *characters)
{
    *u = (struct units){.base = e->base, .characters = characters, .first = e->base->vocabulary};
    segmenter_init(&u->segmenter, e->base);
    u->joins = mem_array(e->base->vocabulary + 1, sizeof *u->joins);
    for (uint32_t id = 0; id < e->base->vocabulary; id++)
        u->joins[id] = extend_may_join(e->base, id);
}

static void
units_release(struct units *u)
{
    segmenter_release(&u->segmenter);
    vec_release(&u->ids);
    free(u->joins);
}

/* ---- learning ---- */

static bool
has_character(const void *arg, uint32_t point)
{
    const struct tokenizer *base = arg;
    struct str text = {0};
    str_add_utf8(&text, point);
    uint32_t id = vocab_find(&base->vocab, text.data, text.len);
    str_release(&text);
    return id != UINT32_MAX;
}

/* Of the characters up to the coverage those that the base lacks, at most as many as asked. */
static void
choose_characters(const struct extender *e, const struct piece_counts *counts,
                  struct bpe_alphabet *a)
{
    bpe_alphabet_choose(a, counts, e->o.coverage, 0, NULL, NULL);
    size_t kept = 0;
    for (size_t i = 0; i < a->points.len; i++) {
        uint32_t point = a->points.data[i];
        a->units[point] = CELL_BORDER;
        if (kept == e->o.add || has_character(e->base, point))
            continue;
        a->units[point] = (uint32_t)kept;
        a->points.data[kept++] = point;
    }
    a->points.len = kept;
}

/* All texts of the base by id, added tokens' too, then the new characters. */
static void
start_tokens(const struct extender *e, const struct bpe_alphabet *characters, struct vocab *tokens)
{
    for (uint32_t id = 0; id < e->base->vocabulary; id++) {
        size_t n = 0;
        const char *s = vocab_get(&e->base->vocab, id, &n);
        if (!s)
            s = tokenizer_text(e->base, id, &n);
        if (s)
            vocab_add(tokens, id, s, n);
    }
    for (size_t i = 0; i < characters->points.len; i++) {
        struct str text = {0};
        str_add_utf8(&text, characters->points.data[i]);
        vocab_add(tokens, e->base->vocabulary + (uint32_t)i, text.data, text.len);
        str_release(&text);
    }
}

static void (*show)(const char *phase, uint64_t done, uint64_t all);

static void
show_merges(uint32_t done, uint32_t all)
{
    show("merge", done, all);
}

static size_t
longest(const struct extender *e)
{
    return e->o.max_piece_length || e->bytes ? e->o.max_piece_length : WORD_LENGTH;
}

/* The new merges of characters: all that make a new token's text, by the rank of the token. */
static void
all_splits(const struct tokenizer *base, struct extension_tokens *x)
{
    uint32_t one, two;
    vec_clear(&x->merges);
    vocab_index(&x->tokens, &one, &two);
    for (uint32_t id = x->first; id < x->tokens.entries.len; id++) {
        size_t n = 0;
        const char *s = vocab_get(&x->tokens, id, &n);
        for (size_t at = n - 1; at > 0; at--) {
            uint32_t left = vocab_find(&x->tokens, s, at);
            uint32_t right = vocab_find(&x->tokens, s + at, n - at);
            if (left != UINT32_MAX && right != UINT32_MAX &&
                (left >= x->first || extend_may_join(base, left)) &&
                (right >= x->first || extend_may_join(base, right)))
                vec_push(&x->merges, ((struct bpe_merge){left, right, id, 0}));
        }
    }
}

/* Counted words to new tokens, *characters_added of which, the first, are single characters. */
static int
learn(struct extender *e, struct piece_counts *counts, uint32_t add, struct extension_tokens *x,
      uint32_t *characters_added)
{
    struct bpe_alphabet characters = {0};
    struct bpe_cells words;
    struct bpe_learned learned = {0};
    struct units units;
    if (!e->bytes)
        choose_characters(e, counts, &characters);
    units_init(&units, e, e->bytes ? NULL : &characters);
    int rc = bpe_cells_init(&words, counts, units_of, &units);
    units_release(&units);
    if (rc == 0) {
        start_tokens(e, &characters, &learned.tokens);
        struct bpe_learn_options o = {
            .tokens = e->base->vocabulary + add,
            .min_frequency = e->o.min_frequency ? e->o.min_frequency : 2,
            .max_length = longest(e),
            .characters = true, /* a byte is a character in byte-level vocabularies */
            .any_split = !e->bytes,
            .progress = e->o.progress ? show_merges : NULL,
        };
        show = e->o.progress;
        *characters_added = (uint32_t)characters.points.len;
        bpe_learn(&words, &o, &learned);
        x->first = e->base->vocabulary;
        x->tokens = learned.tokens;
        for (size_t i = 0; i < learned.merges.len; i++)
            vec_push(&x->merges, learned.merges.data[i]);
        learned.tokens = (struct vocab){0};
    }
    bpe_learned_release(&learned);
    bpe_alphabet_release(&characters);
    return rc;
}

static int
learn_merges(struct extender *e, struct piece_counts *counts, struct extension_tokens *x)
{
    uint32_t characters = 0;
    if (learn(e, counts, e->o.add, x, &characters) < 0)
        return -1;
    if (!e->bytes)
        all_splits(e->base, x);
    return 0;
}

/* Half as many candidates again as are wanted; the words are needed twice. */
static int
learn_unigram(struct extender *e, struct piece_counts *counts, struct extension_tokens *x)
{
    struct piece_counts words = {0};
    uint32_t characters = 0, room = VOCAB_MAX - e->base->vocabulary;
    uint32_t candidates = e->o.add + e->o.add / 2;
    str_add(&words.pool, counts->pool.data ? counts->pool.data : "", counts->pool.len);
    vec_reserve(&words.pieces, counts->pieces.len);
    for (size_t i = 0; i < counts->pieces.len; i++)
        vec_push(&words.pieces, counts->pieces.data[i]);
    int rc = learn(e, counts, candidates < room ? candidates : room, x, &characters);
    if (rc == 0) {
        struct threads *threads = threads_new(e->threads);
        rc = extend_unigram(e->base, &words, characters, e->o.add, threads, x);
        threads_free(threads);
    }
    piece_counts_release(&words);
    return rc;
}

int
extender_finish(struct extender *e, struct str *json, uint32_t *added)
{
    struct extension_tokens x = {0};
    struct piece_counts *counts = &e->workers[0].counts;
    for (int i = 1; i < e->threads; i++)
        piece_counts_join(counts, &e->workers[i].counts);
    int rc = e->base->kind == MODEL_UNIGRAM ? learn_unigram(e, counts, &x)
                                            : learn_merges(e, counts, &x);
    if (rc == 0)
        rc = extend_write(e->base, &x, json);
    *added = rc == 0 ? (uint32_t)x.tokens.entries.len - x.first : 0;
    vocab_release(&x.tokens);
    vec_release(&x.merges);
    vec_release(&x.scores);
    return rc;
}
