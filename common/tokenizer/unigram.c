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

enum { CACHED_BYTES = 32, CACHED_IDS = 6, CACHE_SETS = 1 << 15, CACHE_WAYS = 2 };

/* A stretch of text and its best path: one cache line. */
struct cached {
    uint64_t text[CACHED_BYTES / 8]; /* zeros behind its end */
    float limit;                     /* valid from scores not further from zero */
    uint8_t length;                  /* 0: empty */
    uint8_t count;                   /* of ids; 0: one unknown character */
    uint16_t unused;
    uint32_t ids[CACHED_IDS];
};

struct unigram_scratch {
    struct places places;
    struct path path;
    struct cached *cache; /* [CACHE_SETS][CACHE_WAYS] */
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

/* The character at s, whatever it is: as its bytes stand. */
static inline uint32_t
char_bytes(const char *s, size_t n)
{
    uint32_t c = 0;
    for (size_t i = 0; i < n; i++)
        c = c << 8 | (unsigned char)s[i];
    return c;
}

static inline uint32_t
pair_hash(uint32_t a, uint32_t b, uint32_t shift)
{
    return (uint32_t)(((uint64_t)a << 32 | b) * UINT64_C(0x9E3779B97F4A7C15) >> shift);
}

static void
add_pairs(struct unigram_tables *t, const struct trie_key *key)
{
    uint32_t before = 0;
    for (uint32_t at = 0, length; at < key->length; at += length) {
        length = (uint32_t)char_length((unsigned char)key->text[at]);
        if (length > key->length - at)
            length = key->length - at;
        uint32_t c = char_bytes(key->text + at, length);
        if (at > 0 && before < 0x80 && c < 0x80) {
            t->ascii_pairs[before][c / 64] |= UINT64_C(1) << c % 64;
        } else if (at > 0) {
            uint32_t h = pair_hash(before, c, t->pair_shift);
            t->pairs[h / 64] |= UINT64_C(1) << h % 64;
        }
        before = c;
    }
}

static void
build_pairs(struct unigram_tables *t, const struct trie_key *keys, size_t n)
{
    size_t characters = 0, bits = 1 << 16;
    for (size_t i = 0; i < n; i++)
        characters += keys[i].length / 3;
    t->pair_shift = 64 - 16;
    for (; bits < 8 * characters && bits < 1 << 22; bits *= 2)
        t->pair_shift--;
    t->pairs = mem_zarray(bits / 64, sizeof *t->pairs);
    for (size_t i = 0; i < n; i++)
        add_pairs(t, &keys[i]);
}

int
unigram_build(struct unigram *u, const struct vocab *vocab, const double *scores,
              const uint8_t *kinds)
{
    size_t n = vocab->entries.len;
    struct unigram_tables *t = mem_zalloc(sizeof *t);
    VEC(struct trie_key) keys = {0};
    u->vocab = vocab;
    u->tables = t;
    t->scores = mem_zarray(n + 1, sizeof *t->scores);
    for (uint32_t id = 0; id < n; id++) {
        size_t length = 0;
        const char *text = vocab_get(vocab, id, &length);
        if (!text)
            continue;
        if (!isfinite(scores[id])) {
            vec_release(&keys);
            return err_set(STATUS_INPUT, "the score of id %u is not finite", id);
        }
        t->scores[id] = scores[id];
        if (length > 0 && in_text(u, kinds, id))
            vec_push(&keys, ((struct trie_key){text, (uint32_t)length, id}));
    }
    trie_build(&u->trie, keys.data, keys.len);
    build_pairs(t, keys.data, keys.len);
    vec_release(&keys);
    if (u->single)
        score_single(u, kinds);
    else
        score_double(u);
    return 0;
}

void
unigram_release(struct unigram *u)
{
    trie_release(&u->trie);
    if (u->tables) {
        free(u->tables->scores);
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
    free(s->cache);
    free(s);
}

/* ---- encoding ---- */

struct encoding {
    const struct unigram *u;
    struct unigram_scratch *s;
    const char *text;
    size_t n;
    double score;              /* of the best path to where we are */
    size_t unknown, known;     /* text[unknown..known): unknown characters, not given out yet */
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

/* The path's tokens; `at`: where its text begins. */
static void
give_path(struct encoding *e, size_t at)
{
    for (size_t i = e->s->path.len; i-- > 0;) {
        struct path_token p = e->s->path.data[i];
        if (p.id == e->u->unk) {
            add_unknown(e, at + p.start, at + p.end);
            continue;
        }
        if (e->unknown < e->known)
            give_unknown(e);
        vec_push(e->out, p.id);
    }
}

static int
encode_exactly(struct encoding *e, size_t at, size_t end)
{
    if (unigram_best(e->u, &e->s->places, e->text + at, end - at, &e->score, &e->s->path) < 0)
        return -1;
    give_path(e, at);
    return 0;
}

/* Is the score where a cached path holds? Then it moves on. */
static inline __attribute__((always_inline)) bool
follow(struct encoding *e, const struct cached *c, size_t at, bool single)
{
    const struct unigram_tables *t = e->u->tables;
    if (fabs(e->score) > (double)c->limit)
        return false;
    if (c->count == 0) {
        e->score = add_score(e->score, t->unk_score, single);
        add_unknown(e, at, at + c->length);
        return true;
    }
    if (e->unknown < e->known)
        give_unknown(e);
    vec_reserve(e->out, CACHED_IDS);
    uint32_t *out = e->out->data + e->out->len;
    double score = e->score;
    for (size_t i = 0; i < c->count; i++) {
        out[i] = c->ids[i];
        score = add_score(score, t->scores[c->ids[i]], single);
    }
    e->score = score;
    e->out->len += c->count;
    return true;
}

/* The path just estimated, into a slot, if it fits. */
static bool
remember(const struct unigram *u, const struct path *path, double limit, struct cached *c)
{
    c->limit = (float)(limit > 1e30 ? 1e30 : limit * (1 - 1e-6));
    c->count = (uint8_t)path->len;
    if (path->len == 1 && path->data[0].id == u->unk) {
        c->count = 0;
        return true;
    }
    if (path->len > CACHED_IDS)
        return false;
    for (size_t i = 0; i < path->len; i++) {
        c->ids[i] = path->data[path->len - 1 - i].id;
        if (c->ids[i] == u->unk)
            return false;
    }
    return true;
}

/* A stretch that the cache does not have; set: where it belongs, key: its text. */
static int
encode_missed(struct encoding *e, size_t at, size_t end, struct cached *set, const uint64_t *key)
{
    struct cached c = {.length = (uint8_t)(end - at)};
    struct path *path = &e->s->path;
    double limit;
    if (unigram_estimate(e->u, &e->s->places, e->text + at, end - at, path, &limit) < 0)
        return -1;
    if (remember(e->u, path, limit, &c)) {
        memcpy(c.text, key, sizeof c.text);
        set[1] = set[0];
        set[0] = c;
    }
    if (fabs(e->score) > (double)c.limit)
        return encode_exactly(e, at, end);
    for (size_t i = path->len; i-- > 0;) {
        double score = path->data[i].id == e->u->unk ? e->u->tables->unk_score
                                                     : e->u->tables->scores[path->data[i].id];
        e->score = add_score(e->score, score, e->u->single);
    }
    give_path(e, at);
    return 0;
}

/* text[at..at + length), zeros behind it. */
static inline void
load_key(const struct encoding *e, size_t at, size_t length, uint64_t key[CACHED_BYTES / 8])
{
    static const uint8_t masks[2 * CACHED_BYTES] = {
        255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
        255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255};
    uint64_t mask[CACHED_BYTES / 8];
    if (e->n - at >= CACHED_BYTES) {
        memcpy(key, e->text + at, CACHED_BYTES);
    } else {
        memset(key, 0, CACHED_BYTES);
        memcpy(key, e->text + at, length);
    }
    memcpy(mask, masks + CACHED_BYTES - length, CACHED_BYTES);
    for (size_t i = 0; i < CACHED_BYTES / 8; i++)
        key[i] &= mask[i];
}

static inline size_t
key_set(const uint64_t *key)
{
    uint64_t h = key[0] * UINT64_C(0x9E3779B97F4A7C15) ^ key[1] * UINT64_C(0xC2B2AE3D27D4EB4F);
    h ^= key[2] * UINT64_C(0x165667B19E3779F9) ^ key[3] * UINT64_C(0xD6E8FEB86659FD93);
    h ^= h >> 32;
    return h * UINT64_C(0x9FB21C651E98DF25) >> (64 - 15);
}

static inline bool
same_key(const struct cached *c, const uint64_t *key, size_t length)
{
    uint64_t d = c->length ^ length;
    for (size_t i = 0; i < CACHED_BYTES / 8; i++)
        d |= c->text[i] ^ key[i];
    return d == 0;
}

/* Where the stretch that begins at `at` ends. */
static inline size_t
stretch_end(const struct unigram_tables *t, const char *text, size_t at, size_t n)
{
    size_t length = char_length((unsigned char)text[at]);
    uint32_t before = char_bytes(text + at, length);
    for (at += length; at < n; at += length) {
        length = char_length((unsigned char)text[at]);
        uint32_t c = char_bytes(text + at, length);
        if ((before | c) < 0x80) {
            if (!(t->ascii_pairs[before][c / 64] >> c % 64 & 1))
                return at;
        } else {
            uint32_t h = pair_hash(before, c, t->pair_shift);
            if (!(t->pairs[h / 64] >> h % 64 & 1))
                return at;
        }
        before = c;
    }
    return n;
}

static inline __attribute__((always_inline)) int
encode_text(struct encoding *e, bool single)
{
    const struct unigram_tables *t = e->u->tables;
    for (size_t at = 0, end; at < e->n; at = end) {
        end = stretch_end(t, e->text, at, e->n);
        size_t length = end - at;
        if (length > CACHED_BYTES) {
            if (encode_exactly(e, at, end) < 0)
                return -1;
            continue;
        }
        uint64_t key[CACHED_BYTES / 8];
        load_key(e, at, length, key);
        struct cached *set = e->s->cache + key_set(key) * CACHE_WAYS;
        struct cached *c = same_key(&set[0], key, length)   ? &set[0]
                           : same_key(&set[1], key, length) ? &set[1]
                                                            : NULL;
        if (c ? !follow(e, c, at, single) && encode_exactly(e, at, end) < 0
              : encode_missed(e, at, end, set, key) < 0)
            return -1;
    }
    return 0;
}

int
unigram_encode(const struct unigram *u, struct unigram_scratch *s, const char *text, size_t n,
               struct ids *out)
{
    struct encoding e = {.u = u, .s = s, .text = text, .n = n, .out = out};
    if (!s->cache) {
        s->cache = mem_aligned(CACHE_SETS * CACHE_WAYS * sizeof *s->cache);
        memset(s->cache, 0, CACHE_SETS * CACHE_WAYS * sizeof *s->cache);
    }
    if ((u->single ? encode_text(&e, true) : encode_text(&e, false)) < 0)
        return -1;
    if (e.unknown < e.known)
        give_unknown(&e);
    return 0;
}
