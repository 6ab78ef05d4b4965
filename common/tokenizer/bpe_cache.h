#ifndef TOKENIZER_BPE_CACHE_H
#define TOKENIZER_BPE_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/*
 * What short texts became, of one thread: two tables of fixed size, for texts of up to
 * 15 and of up to 31 bytes. Keys lie inline, with their length in the last byte, and
 * compare as words. Ids are below 2^24: the top byte of the last one holds their number.
 */
enum {
    SHORT_KEY = 15,
    SHORT_IDS = 4,
    SHORT_SETS = 1 << 16, /* of two slots, one cache line */
    LONG_KEY = 31,
    LONG_IDS = 8,
    LONG_SLOTS = 1 << 14,
    CACHE_PAD = 32, /* bytes that must be readable from a text's start on */
    ID_MASK = 0xFFFFFF,
    COUNT_SHIFT = 24
};

struct short_key {
    uint64_t word[2];
};

struct short_slot {
    struct short_key key;
    uint32_t ids[SHORT_IDS];
};

struct short_set {
    struct short_slot slot[2];
};

struct long_key {
    uint64_t word[4];
};

struct long_slot {
    struct long_key key;
    uint32_t ids[LONG_IDS];
};

struct bpe_cache {
    struct short_set *sets;
    struct long_slot *slots;
};

void bpe_cache_init(struct bpe_cache *c);
void bpe_cache_release(struct bpe_cache *c);

/*
 * Memory for a table that look-ups jump about in, for free(): in large pages, where the
 * system has them, asked for before the first touch.
 */
void *bpe_table_new(size_t bytes);

static inline uint64_t
cache_fold(uint64_t a, uint64_t b)
{
    __extension__ typedef unsigned __int128 u128;
    u128 product = (u128)(a ^ 0x9E3779B97F4A7C15u) * (b ^ 0xD1B54A32D192ED03u);
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* A word as its bytes lie in memory, the first one lowest. */
static inline uint64_t
little(uint64_t word)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    return __builtin_bswap64(word);
#else
    return word;
#endif
}

/* The first n bytes of a word, n <= 8. */
static inline uint64_t
low_bytes(uint64_t word, size_t n)
{
    return n >= 8 ? word : word & ~(UINT64_MAX << 8 * n);
}

/* n <= SHORT_KEY. */
static inline struct short_key
short_key(const char *s, size_t n)
{
    struct short_key k;
    memcpy(k.word, s, sizeof k.word);
    for (size_t i = 0; i < 2; i++)
        k.word[i] = little(k.word[i]);
    uint64_t high = n > 8 ? low_bytes(k.word[1], n - 8) : 0;
    k.word[0] = low_bytes(k.word[0], n);
    k.word[1] = high | (uint64_t)n << 56;
    return k;
}

static inline struct short_set *
short_set(const struct bpe_cache *c, const struct short_key *k)
{
    return &c->sets[cache_fold(k->word[0], k->word[1]) & (SHORT_SETS - 1)];
}

static inline bool
short_is(const struct short_key *a, const struct short_key *b)
{
    return !((a->word[0] ^ b->word[0]) | (a->word[1] ^ b->word[1]));
}

/*
 * Writes the ids of k to out, which has room for SHORT_IDS, and returns how many they
 * are; 0: not there.
 */
static inline size_t
short_get(const struct short_set *set, const struct short_key *k, uint32_t *out)
{
    const struct short_slot *slot = &set->slot[!short_is(&set->slot[0].key, k)];
    if (!short_is(&slot->key, k))
        return 0;
    memcpy(out, slot->ids, sizeof slot->ids);
    out[SHORT_IDS - 1] &= ID_MASK;
    return slot->ids[SHORT_IDS - 1] >> COUNT_SHIFT;
}

/* The newer of two is kept first. */
static inline void
short_put(struct short_set *set, const struct short_key *k, const uint32_t *ids, size_t count)
{
    if (count == 0 || count > SHORT_IDS)
        return;
    set->slot[1] = set->slot[0];
    set->slot[0].key = *k;
    for (size_t i = 0; i < SHORT_IDS; i++)
        set->slot[0].ids[i] = i < count ? ids[i] : 0;
    set->slot[0].ids[SHORT_IDS - 1] |= (uint32_t)count << COUNT_SHIFT;
}

/* The same for SHORT_KEY < n <= LONG_KEY. */
static inline struct long_key
long_key(const char *s, size_t n)
{
    struct long_key k;
    memcpy(k.word, s, sizeof k.word);
    for (size_t i = 0; i < 4; i++)
        k.word[i] = little(k.word[i]);
    k.word[2] = n > 16 ? low_bytes(k.word[2], n - 16) : 0;
    k.word[3] = n > 24 ? low_bytes(k.word[3], n - 24) : 0;
    k.word[3] |= (uint64_t)n << 56;
    return k;
}

static inline struct long_slot *
long_slot(const struct bpe_cache *c, const struct long_key *k)
{
    uint64_t hash = cache_fold(cache_fold(k->word[0], k->word[1]), cache_fold(k->word[2], k->word[3]));
    return &c->slots[hash & (LONG_SLOTS - 1)];
}

static inline size_t
long_get(const struct long_slot *slot, const struct long_key *k, uint32_t *out)
{
    if (memcmp(&slot->key, k, sizeof *k) != 0)
        return 0;
    memcpy(out, slot->ids, sizeof slot->ids);
    out[LONG_IDS - 1] &= ID_MASK;
    return slot->ids[LONG_IDS - 1] >> COUNT_SHIFT;
}

static inline void
long_put(struct long_slot *slot, const struct long_key *k, const uint32_t *ids, size_t count)
{
    if (count == 0 || count > LONG_IDS)
        return;
    slot->key = *k;
    for (size_t i = 0; i < LONG_IDS; i++)
        slot->ids[i] = i < count ? ids[i] : 0;
    slot->ids[LONG_IDS - 1] |= (uint32_t)count << COUNT_SHIFT;
}

#endif
