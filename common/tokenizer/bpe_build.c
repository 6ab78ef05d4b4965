#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "tokenizer/bpe_cache.h"
#include "tokenizer/bpe_joins.h"
#include "tokenizer/bpe_pairs.h"
#include "tokenizer/bytelevel.h"

/* The tables of a BPE model, from its vocabulary and merges. */

/*
 * Puts all merges into a table of 2^log slots. Returns -1, the place of a merge that
 * stands twice, or count when one comes too far from its home.
 */
static long
fill_pairs(struct bpe *b, const struct bpe_merge *merges, uint32_t count, unsigned log)
{
    size_t slots = ((size_t)1 << log) + PAIR_REACH; /* no wrapping; the last one stays empty */
    free(b->pairs);
    b->pairs = memset(bpe_table_new(slots * sizeof *b->pairs), 0xFF, slots * sizeof *b->pairs);
    b->pair_shift = PAIR_BITS - log;
    size_t run = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t h = pair_mix(b, merges[i].left, merges[i].right);
        uint64_t tag = h << (64 - PAIR_TAG), *home = b->pairs + (h >> b->pair_shift), *slot = home;
        while (*slot != PAIR_EMPTY && (*slot ^ tag) >> (64 - PAIR_TAG))
            slot++;
        if (*slot != PAIR_EMPTY)
            return i;
        if (slot - home >= PAIR_REACH - 1)
            return count;
        *slot = tag | merges[i].rank;
    }
    for (size_t i = 0; i < slots && run < PAIR_REACH; i++)
        run = b->pairs[i] == PAIR_EMPTY ? 0 : run + 1;
    return run < PAIR_REACH ? -1 : (long)count;
}

/* Merges made to collide under one factor would have to do so under all of them. */
static long
build_pairs(struct bpe *b, const struct bpe_merge *merges, uint32_t count)
{
    enum { TRIES = 16 };
    unsigned log = PAIR_LEAST_LOG;
    long at = count;
    while (((uint64_t)3 << log) < (uint64_t)4 * count)
        log++;
    for (unsigned i = 0; at == count && i < TRIES; i++) {
        b->pair_factor = hash_mix(i) | 1;
        at = fill_pairs(b, merges, count, log + i / 8);
    }
    if (at >= 0)
        return at;
    size_t words = (size_t)1 << (PAIR_BITS - b->pair_shift + 3 - 6);
    b->filter_mask = (uint32_t)(64 * words - 1);
    b->pair_filter = bpe_table_new(words * sizeof *b->pair_filter);
    memset(b->pair_filter, 0, words * sizeof *b->pair_filter);
    uint32_t ranks = count ? merges[count - 1].rank + 1 : 1;
    b->results = mem_zarray(ranks, sizeof *b->results);
    for (uint32_t i = 0; i < count; i++) {
        b->results[merges[i].rank] = merges[i].result;
        uint32_t bit = filter_bit(b, pair_mix(b, merges[i].left, merges[i].right));
        b->pair_filter[bit / 64] |= (uint64_t)1 << bit % 64;
    }
    return -1;
}

static void
build_byte_units(struct bpe *b)
{
    struct str c = {0};
    for (unsigned i = 0; i < 256; i++) {
        str_clear(&c);
        str_add_utf8(&c, byte_to_char((uint8_t)i));
        b->byte_units[i] = vocab_find(b->vocab, c.data, c.len);
    }
    str_release(&c);
    b->byte_pairs = mem_array(65536, sizeof *b->byte_pairs);
    for (unsigned i = 0; i < 65536; i++) {
        uint32_t left = b->byte_units[i >> 8], right = b->byte_units[i & 255];
        b->byte_pairs[i] = left == NO_UNIT || right == NO_UNIT ? NO_RANK
                                                               : pair_rank(b, left, right);
    }
}

static void
build_char_units(struct bpe *b)
{
    struct str c = {0};
    b->char_units = mem_array(0x10000, sizeof *b->char_units);
    for (uint32_t i = 0; i < 0x10000; i++) {
        b->char_units[i] = NO_UNIT;
        if (i >= 0xD800 && i <= 0xDFFF)
            continue;
        str_clear(&c);
        str_add_utf8(&c, i);
        b->char_units[i] = vocab_find(b->vocab, c.data, c.len);
    }
    str_release(&c);
}

/* ---- ignore_merges ---- */

static void
add_word(struct bpe *b, struct bpe_scratch *s, uint32_t id, const char *text, size_t n,
         struct ids *ids)
{
    if (n == 0 || utf8_valid(text, n) != n)
        return;
    vec_clear(ids);
    bpe_encode_miss(b, s, text, n, ids);
    if (ids->len == 1 && ids->data[0] == id)
        return;
    vocab_add(&b->words, id, text, n);
    uint32_t bit = word_bit(text, n);
    b->word_filter[bit / 64] |= (uint64_t)1 << bit % 64;
    if (n > b->longest_word)
        b->longest_word = n;
}

/*
 * The tokens that merges do not reach: with ignore_merges a piece that is a token is
 * that token, which only of these makes a difference. Pieces are valid UTF-8: most
 * vocabularies have none.
 */
static void
build_words(struct bpe *b)
{
    struct bpe_scratch *scratch = bpe_scratch_new();
    b->word_filter = mem_zarray(WORD_BITS / 64, sizeof *b->word_filter);
    struct str bytes = {0};
    struct ids ids = {0};
    uint32_t one, two;
    for (uint32_t id = 0; id < b->vocab->entries.len; id++) {
        size_t n;
        const char *s = vocab_get(b->vocab, id, &n);
        str_clear(&bytes);
        if (s && !b->byte_level)
            add_word(b, scratch, id, s, n, &ids);
        else if (s && chars_to_bytes(s, n, &bytes) && bytes.len > 0)
            add_word(b, scratch, id, bytes.data, bytes.len, &ids);
    }
    str_release(&bytes);
    vec_release(&ids);
    bpe_scratch_free(scratch);
    vocab_index(&b->words, &one, &two); /* the map is one to one: no string stands twice */
}

long
bpe_build(struct bpe *b, const struct vocab *vocab, const struct bpe_merge *merges, uint32_t count)
{
    b->vocab = vocab;
    long twice = build_pairs(b, merges, count);
    if (twice >= 0)
        return twice;
    for (unsigned i = 0; i < 256; i++) {
        char name[8];
        snprintf(name, sizeof name, "<0x%02X>", i);
        b->byte_tokens[i] = vocab_find(vocab, name, 6);
    }
    if (b->byte_level)
        build_byte_units(b);
    else
        build_char_units(b);
    bpe_joins_build(b, merges, count);
    if (b->ignore_merges)
        build_words(b);
    return -1;
}

void
bpe_release(struct bpe *b)
{
    free(b->prefix);
    free(b->suffix);
    free(b->pairs);
    free(b->pair_filter);
    free(b->results);
    free(b->byte_pairs);
    free(b->char_units);
    bpe_joins_release(&b->joins);
    free(b->word_filter);
    vocab_release(&b->words);
}
