#include "tokenizer/unigram.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "tokenizer/unigram_internal.h"

/*
 * A text is cut where no token can lie across: between two characters that no token has
 * side by side. Every path goes through such a place, so that the stretches between them
 * are solved one after the other, and the score reached is all that a stretch takes from
 * those before it. Most stretches come again and again: a cache holds their best paths,
 * with the scores from which on rounding might lead to another (unigram_estimate).
 */

/* Both libraries: an unknown character is ten worse than the worst token. */
#define UNKNOWN_PENALTY 10

enum { CACHED_CODES = 16, KEY_WORDS = CACHED_CODES / 4, CACHED_IDS = 6 };
enum { CACHE_BITS = 17, CACHE_WAYS = 2 };
enum {
    WINDOW = 256, /* characters that are cut into stretches at once */
    AHEAD = 16    /* stretches that are looked up before the first of them is used */
};

/* A stretch of text and its best path: one cache line. */
struct cached {
    uint64_t key[KEY_WORDS]; /* codes of the characters, zeros behind them */
    float limit;             /* valid from scores not further from zero */
    uint32_t count;          /* of ids */
    uint32_t ids[CACHED_IDS];
};

/* A stretch that was found and whose set of the cache is on its way from memory. */
struct stretch {
    size_t first, size; /* its characters in the window */
    uint64_t key[KEY_WORDS];
    struct cached *set; /* NULL: too long for the cache, or an unknown character */
};

/* The characters that are being worked on; a stretch that is longer makes it grow. */
struct window {
    size_t len, cap;
    uint16_t *codes;
    uint32_t *offsets; /* where each begins in the text */
    uint32_t *ends;    /* of the whole stretches */
};

struct unigram_scratch {
    struct places places;
    struct path path;
    struct window window;
    struct cached *cache; /* [1 << CACHE_BITS][CACHE_WAYS] */
};

/* ---- tables ---- */

static bool
in_text(const struct unigram *u, const uint8_t *kinds, uint32_t id)
{
    if (!u->single || !kinds)
        return true;
    return kinds[id] == UNIGRAM_NORMAL || kinds[id] == UNIGRAM_USER_DEFINED;
}

/*
 * SentencePiece 0.2.3: all in float; the lowest score of the normal pieces counts, and a
 * user-defined one has a tenth for each byte but the first.
 */
static void
score_single(struct unigram *u, const uint8_t *kinds)
{
    double *scores = u->tables->scores;
    float low = FLT_MAX;
    for (uint32_t id = 0; id < u->vocab->entries.len; id++) {
        uint32_t length = u->vocab->entries.data[id].length;
        scores[id] = (double)(float)scores[id];
        if (!kinds || kinds[id] == UNIGRAM_NORMAL)
            low = fminf(low, (float)scores[id]);
        else if (kinds[id] == UNIGRAM_USER_DEFINED)
            scores[id] = (double)(float)(0.1 * ((int)length - 1));
    }
    u->tables->unk_score = (double)(low - (float)UNKNOWN_PENALTY);
}

static void
score_double(struct unigram *u)
{
    double low = HUGE_VAL;
    for (uint32_t id = 0; id < u->vocab->entries.len; id++)
        if (u->vocab->entries.data[id].length != VOCAB_GAP)
            low = fmin(low, u->tables->scores[id]);
    u->tables->unk_score = low - UNKNOWN_PENALTY;
}

/* The place of a pair's bit. */
static inline uint32_t
pair_bit(const struct unigram_tables *t, uint32_t a, uint32_t b)
{
    if ((a | b) < COMMON_CODES)
        return a * COMMON_CODES | b;
    return COMMON_CODES * COMMON_CODES + ((a * 0x9E3779B1u + b * 0x85EBCA77u) >> t->pair_shift);
}

static inline bool
side_by_side(const struct unigram_tables *t, uint32_t a, uint32_t b)
{
    uint32_t bit = pair_bit(t, a, b);
    return t->pairs[bit / 64] >> bit % 64 & 1;
}

/* Fills an empty table with 1 << bits places by hash; how many of them are set then. */
static size_t
set_pairs(struct unigram_tables *t, const struct trie_key *keys, size_t n, uint32_t bits)
{
    size_t set = 0;
    free(t->pairs);
    t->pairs = mem_zarray((COMMON_CODES * COMMON_CODES + ((size_t)1 << bits)) / 64,
                          sizeof *t->pairs);
    t->pair_shift = 32 - bits;
    for (size_t i = 0; i < n; i++) {
        uint32_t before = 0;
        for (size_t at = 0, length; at < keys[i].length; at += length) {
            uint32_t code = char_code(&t->trie, keys[i].text + at, &length);
            uint32_t bit = pair_bit(t, before, code);
            if (at > 0 && !(t->pairs[bit / 64] >> bit % 64 & 1)) {
                t->pairs[bit / 64] |= UINT64_C(1) << bit % 64;
                set += bit >= COMMON_CODES * COMMON_CODES;
            }
            before = code;
        }
    }
    return set;
}

/* A small table stays in the processor's cache, a large one has fewer bits by chance. */
static void
build_pairs(struct unigram_tables *t, const struct trie_key *keys, size_t n)
{
    uint32_t bits = 12;
    while (set_pairs(t, keys, n, bits) > (size_t)1 << (bits - 4) && bits < 22)
        bits++;
}

static void
fill_scores(struct unigram_tables *t, uint32_t n)
{
    t->scores[n] = -HUGE_VAL;
    t->largest = fabs(t->unk_score);
    t->singles = mem_array((size_t)n + 1, sizeof *t->singles);
    for (uint32_t id = 0; id <= n; id++) {
        t->singles[id] = (float)t->scores[id];
        if (id < n)
            t->largest = fmax(t->largest, fabs(t->scores[id]));
    }
    for (size_t i = 0; i < t->trie.count; i++) {
        struct char_node *node = &t->trie.nodes[i];
        if (node->value == CHAR_TRIE_NONE)
            node->value = n;
        node->score = t->singles[node->value];
    }
}

struct keys VEC_BODY(struct trie_key);

/* The tokens found in text, and all scores. */
static int
take_tokens(struct unigram *u, const double *scores, const uint8_t *kinds, struct keys *keys)
{
    for (uint32_t id = 0; id < u->vocab->entries.len; id++) {
        size_t length = 0;
        const char *text = vocab_get(u->vocab, id, &length);
        if (!text)
            continue;
        if (!isfinite(scores[id]))
            return err_set(STATUS_INPUT, "the score of id %u is not finite", id);
        u->tables->scores[id] = scores[id];
        if (length > 0 && in_text(u, kinds, id))
            vec_push(keys, ((struct trie_key){text, (uint32_t)length, id}));
    }
    return 0;
}

int
unigram_build(struct unigram *u, const struct vocab *vocab, const double *scores,
              const uint8_t *kinds)
{
    size_t n = vocab->entries.len;
    struct unigram_tables *t = mem_zalloc(sizeof *t);
    struct keys keys = {0};
    u->vocab = vocab;
    u->tables = t;
    t->scores = mem_zarray(n + 1, sizeof *t->scores);
    int rc = take_tokens(u, scores, kinds, &keys);
    if (rc == 0)
        rc = char_trie_build(&t->trie, keys.data, keys.len);
    if (rc == 0) {
        if (u->single)
            score_single(u, kinds);
        else
            score_double(u);
        fill_scores(t, (uint32_t)n);
        build_pairs(t, keys.data, keys.len);
    }
    vec_release(&keys);
    return rc;
}

void
unigram_release(struct unigram *u)
{
    if (u->tables) {
        char_trie_release(&u->tables->trie);
        free(u->tables->scores);
        free(u->tables->singles);
        free(u->tables->pairs);
    }
    free(u->tables);
    u->tables = NULL;
}

struct unigram_scratch *
unigram_scratch_new(void)
{
    return mem_zalloc(sizeof(struct unigram_scratch));
}

void
unigram_scratch_free(struct unigram_scratch *s)
{
    if (!s)
        return;
    vec_release(&s->places);
    vec_release(&s->path);
    free(s->window.codes);
    free(s->window.offsets);
    free(s->window.ends);
    free(s->cache);
    free(s);
}

/* ---- encoding ---- */

struct encoding {
    const struct unigram *u;
    struct unigram_scratch *s;
    const char *text;
    size_t n;
    double score;          /* of the best path to where we are */
    size_t unknown, known; /* text[unknown..known): unknown characters, not given out yet */
    struct ids *out;
};

/* The ids of a run of unknown characters: a token, its bytes, or the unknown token. */
static void
give_unknown(struct encoding *e)
{
    const struct unigram *u = e->u;
    const char *text = e->text + e->unknown;
    size_t n = e->known - e->unknown;
    /* only Hugging Face looks the whole run up */
    uint32_t id = u->single ? UINT32_MAX : vocab_find(u->vocab, text, n);
    bool bytes = u->byte_fallback && id == UINT32_MAX;
    for (size_t i = 0; bytes && i < n; i++)
        bytes = u->byte_tokens[(uint8_t)text[i]] != UINT32_MAX;
    for (size_t i = 0; bytes && i < n; i++)
        vec_push(e->out, u->byte_tokens[(uint8_t)text[i]]);
    if (!bytes)
        vec_push(e->out, id == UINT32_MAX ? u->unk : id);
    e->unknown = e->known;
}

static void
add_unknown(struct encoding *e, size_t start, size_t end)
{
    if (e->unknown == e->known)
        e->unknown = start;
    e->known = end;
}

/* The path's tokens; s: the stretch that it is of. */
static void
give_path(struct encoding *e, const struct stretch *s)
{
    const uint32_t *offsets = e->s->window.offsets + s->first;
    vec_reserve(e->out, e->s->path.len);
    for (size_t i = e->s->path.len; i-- > 0;) {
        struct path_token p = e->s->path.data[i];
        if (p.id == e->u->unk)
            add_unknown(e, offsets[p.start], offsets[p.end]);
        else if (e->unknown < e->known)
            give_unknown(e);
        if (p.id != e->u->unk)
            vec_push(e->out, p.id);
    }
}

static int
encode_exactly(struct encoding *e, const struct stretch *s)
{
    if (unigram_best(e->u, &e->s->places, e->s->window.codes + s->first, s->size, &e->score,
                     &e->s->path) < 0)
        return -1;
    give_path(e, s);
    return 0;
}

/* Is the score where a cached path holds? Then it moves on. */
static inline __attribute__((always_inline)) bool
follow(struct encoding *e, const struct cached *c, bool single)
{
    const struct unigram_tables *t = e->u->tables;
    if (fabs(e->score) > (double)c->limit)
        return false;
    if (e->unknown < e->known)
        give_unknown(e);
    vec_reserve(e->out, CACHED_IDS);
    uint32_t *out = e->out->data + e->out->len;
    double score = e->score;
    for (size_t i = 0; i < c->count; i++) {
        out[i] = c->ids[i];
        score = add_score(score, token_score(t, c->ids[i], single), single);
    }
    e->score = score;
    e->out->len += c->count;
    return true;
}

/* The path just estimated, into the cache, if it fits. */
static void
remember(const struct unigram *u, const struct path *path, double limit, const struct stretch *s)
{
    struct cached c = {.limit = (float)limit, .count = (uint32_t)path->len};
    if (path->len > CACHED_IDS)
        return;
    for (size_t i = 0; i < path->len; i++) {
        c.ids[i] = path->data[path->len - 1 - i].id;
        if (c.ids[i] == u->unk)
            return;
    }
    memcpy(c.key, s->key, sizeof c.key);
    for (size_t way = CACHE_WAYS - 1; way > 0; way--)
        s->set[way] = s->set[way - 1];
    s->set[0] = c;
}

/* A stretch that the cache does not have. */
static int
encode_missed(struct encoding *e, const struct stretch *s)
{
    struct path *path = &e->s->path;
    double limit;
    if (unigram_estimate(e->u, &e->s->places, e->s->window.codes + s->first, s->size, path,
                         &limit) < 0)
        return -1;
    limit = limit > 1e30 ? 1e30 : limit * (1 - 1e-6); /* kept as a float */
    if (s->set)
        remember(e->u, path, limit, s);
    if (fabs(e->score) > limit)
        return encode_exactly(e, s);
    for (size_t i = path->len; i-- > 0;) {
        uint32_t id = path->data[i].id;
        double score = id == e->u->unk ? e->u->tables->unk_score : e->u->tables->scores[id];
        e->score = add_score(e->score, score, e->u->single);
    }
    give_path(e, s);
    return 0;
}

/* An unknown character, in whose place no token is: no rounding can matter. */
static int
encode_unknown(struct encoding *e, const struct stretch *s)
{
    if (e->u->unk == UINT32_MAX)
        return unigram_no_unk();
    if (e->u->single && fabs(e->score) > UNIGRAM_RESET)
        e->score = 0;
    e->score = add_score(e->score, e->u->tables->unk_score, e->u->single);
    add_unknown(e, e->s->window.offsets[s->first], e->s->window.offsets[s->first + 1]);
    return 0;
}

static void
grow_window(struct window *w)
{
    if (w->len + WINDOW + CACHED_CODES < w->cap)
        return;
    w->cap = 2 * (w->len + WINDOW + CACHED_CODES);
    w->codes = mem_grow_array(w->codes, w->cap, sizeof *w->codes);
    w->offsets = mem_grow_array(w->offsets, w->cap, sizeof *w->offsets);
    w->ends = mem_grow_array(w->ends, w->cap, sizeof *w->ends);
}

/* Reads on into the window, from the text's byte `at`; returns where it stopped. */
static size_t
read_characters(const struct encoding *e, size_t at)
{
    const struct char_trie *trie = &e->u->tables->trie;
    struct window *w = &e->s->window;
    grow_window(w);
    size_t len = w->len, end = len + WINDOW;
    for (size_t length; len < end && at < e->n; at += length) {
        w->offsets[len] = (uint32_t)at;
        w->codes[len++] = char_code(trie, e->text + at, &length);
    }
    w->offsets[len] = (uint32_t)at;
    w->len = len;
    return at;
}

static void
drop_characters(struct window *w, size_t n)
{
    w->len -= n;
    memmove(w->codes, w->codes + n, w->len * sizeof *w->codes);
    memmove(w->offsets, w->offsets + n, w->len * sizeof *w->offsets);
}

/*
 * The ends of the stretches in the window from the character `from` on; the last of all
 * ends only with the text. Without branches: cuts are a matter of luck.
 */
static size_t
cut_window(const struct unigram_tables *t, struct window *w, size_t from, bool last)
{
    size_t count = 0;
    for (size_t i = from; i + 1 < w->len; i++) {
        uint32_t a = w->codes[i], b = w->codes[i + 1];
        w->ends[count] = (uint32_t)i + 1;
        count += !((a != 0) & (b != 0) & side_by_side(t, a, b));
    }
    if (last && w->len > 0)
        w->ends[count++] = (uint32_t)w->len;
    return count;
}

static inline void
make_key(const uint16_t *codes, size_t size, uint64_t key[KEY_WORDS])
{
    static const uint16_t masks[2 * CACHED_CODES] = {
        0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF,
        0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF};
    uint64_t mask[KEY_WORDS];
    memcpy(key, codes, KEY_WORDS * sizeof *key);
    memcpy(mask, masks + CACHED_CODES - size, sizeof mask);
    for (size_t i = 0; i < KEY_WORDS; i++)
        key[i] &= mask[i];
}

static inline size_t
key_set(const uint64_t *key)
{
    uint64_t h = key[0] * UINT64_C(0x9E3779B97F4A7C15) ^ key[1] * UINT64_C(0xC2B2AE3D27D4EB4F);
    h ^= key[2] * UINT64_C(0x165667B19E3779F9) ^ key[3] * UINT64_C(0xD6E8FEB86659FD93);
    h ^= h >> 32;
    return h * UINT64_C(0x9FB21C651E98DF25) >> (64 - CACHE_BITS);
}

static inline bool
same_key(const struct cached *c, const uint64_t *key)
{
    uint64_t d = 0;
    for (size_t i = 0; i < KEY_WORDS; i++)
        d |= c->key[i] ^ key[i];
    return d == 0;
}

/* Finds a stretch's place in the cache and asks the memory for it. */
static inline void
look_up(const struct unigram_scratch *scratch, size_t first, size_t end, struct stretch *s)
{
    const uint16_t *codes = scratch->window.codes + first;
    *s = (struct stretch){.first = first, .size = end - first};
    if (s->size > CACHED_CODES || codes[0] == 0)
        return;
    make_key(codes, s->size, s->key);
    s->set = scratch->cache + key_set(s->key) * CACHE_WAYS;
    for (size_t i = 0; i < CACHE_WAYS; i++)
        __builtin_prefetch(&s->set[i]);
}

static inline __attribute__((always_inline)) int
encode_stretch(struct encoding *e, const struct stretch *s, bool single)
{
    if (!s->set)
        return e->s->window.codes[s->first] == 0 ? encode_unknown(e, s) : encode_missed(e, s);
    for (size_t i = 0; i < CACHE_WAYS; i++)
        if (same_key(&s->set[i], s->key))
            return follow(e, &s->set[i], single) ? 0 : encode_exactly(e, s);
    return encode_missed(e, s);
}

/* The stretches that end at ends[0..count). */
static inline __attribute__((always_inline)) int
encode_stretches(struct encoding *e, size_t count, bool single)
{
    struct stretch ahead[AHEAD];
    const uint32_t *ends = e->s->window.ends;
    for (size_t first = 0, i = 0, found; i < count; i += found) {
        for (found = 0; found < AHEAD && i + found < count; found++) {
            look_up(e->s, first, ends[i + found], &ahead[found]);
            first = ends[i + found];
        }
        for (size_t k = 0; k < found; k++)
            if (encode_stretch(e, &ahead[k], single) < 0)
                return -1;
    }
    return 0;
}

static inline __attribute__((always_inline)) int
encode_text(struct encoding *e, bool single)
{
    struct window *w = &e->s->window;
    w->len = 0;
    for (size_t at = 0, cut = 0; at < e->n;) {
        at = read_characters(e, at);
        size_t count = cut_window(e->u->tables, w, cut, at == e->n);
        if (encode_stretches(e, count, single) < 0)
            return -1;
        /* what is left belongs to a stretch that goes on */
        if (count > 0)
            drop_characters(w, w->ends[count - 1]);
        cut = w->len ? w->len - 1 : 0;
    }
    return 0;
}

int
unigram_encode(const struct unigram *u, struct unigram_scratch *s, const char *text, size_t n,
               struct ids *out)
{
    struct encoding e = {.u = u, .s = s, .text = text, .n = n, .out = out};
    if (!s->cache)
        s->cache = mem_large(((size_t)CACHE_WAYS << CACHE_BITS) * sizeof *s->cache);
    if ((u->single ? encode_text(&e, true) : encode_text(&e, false)) < 0)
        return -1;
    if (e.unknown < e.known)
        give_unknown(&e);
    return 0;
}
