#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "tokenizer/bpe_pairs.h"
#include "tokenizer/bytelevel.h"

/* The tables of a BPE model, from its vocabulary and merges. */

/* Does the text hold ▁ behind something else? */
static bool
mark_inside(const char *s, size_t n)
{
    bool other = false;
    while (n > 0) {
        if (n >= MARK_LEN && !memcmp(s, MARK, MARK_LEN)) {
            if (other)
                return true;
            s += MARK_LEN;
            n -= MARK_LEN;
        } else {
            other = true;
            s++;
            n--;
        }
    }
    return false;
}

static long
build_pairs(struct bpe *b, const struct bpe_merge *merges, uint32_t count)
{
    uint32_t size = 16;
    while (size < 2 * (uint64_t)count)
        size *= 2;
    b->pairs = mem_array(size, sizeof *b->pairs);
    b->pair_mask = size - 1;
    for (uint32_t i = 0; i < size; i++)
        b->pairs[i] = (struct pair_slot){UINT64_MAX, NO_RANK, 0};
    b->filter_mask = 8 * size - 1;
    b->pair_filter = mem_zarray(size / 8, sizeof *b->pair_filter);
    uint32_t ranks = count ? merges[count - 1].rank + 1 : 1;
    b->results = mem_zarray(ranks, sizeof *b->results);
    b->merge_count = count;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t key = pair_key(merges[i].left, merges[i].right);
        struct pair_slot *slot =
            &b->pairs[pair_find(b, merges[i].left, merges[i].right) - b->pairs];
        if (slot->key == key)
            return i;
        *slot = (struct pair_slot){key, merges[i].rank, merges[i].result};
        b->results[merges[i].rank] = merges[i].result;
        uint32_t bit = filter_bit(b, key);
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

static void
build_words(struct bpe *b)
{
    struct str bytes = {0};
    uint32_t one, two;
    for (uint32_t id = 0; id < b->vocab->entries.len; id++) {
        size_t n;
        const char *s = vocab_get(b->vocab, id, &n);
        str_clear(&bytes);
        if (s && chars_to_bytes(s, n, &bytes))
            vocab_add(&b->words, id, bytes.data ? bytes.data : "", bytes.len);
    }
    str_release(&bytes);
    vocab_index(&b->words, &one, &two); /* the map is one to one: no string stands twice */
}

/* Words before ▁ may be encoded apart when no merge could join them. */
static bool
can_cut(const struct bpe *b)
{
    uint32_t id = vocab_find(b->vocab, MARK, MARK_LEN);
    if (b->byte_level || b->ignore_merges || b->prefix || b->suffix || id == UINT32_MAX)
        return false;
    for (uint32_t i = 0; i < b->merge_count; i++) {
        size_t n;
        const char *s = vocab_get(b->vocab, b->results[i], &n);
        if (s && mark_inside(s, n))
            return false;
    }
    return true;
}

/*
 * ASCII characters that no merge takes (a newline that is <0x0A>) part words, too. An
 * unknown character elsewhere must not wait for its place in the row, though: so all
 * byte tokens must be there.
 */
static void
find_alone(struct bpe *b, const struct bpe_merge *merges, uint32_t count)
{
    bool bytes = b->byte_fallback;
    for (unsigned i = 0; i < 256; i++)
        bytes = bytes && b->byte_tokens[i] != NO_UNIT;
    for (unsigned c = 0; c < 128; c++) {
        b->alone[c] = NO_UNIT;
        if (b->cut_before_mark && bytes)
            b->alone[c] = b->char_units[c] != NO_UNIT ? b->char_units[c] : b->byte_tokens[c];
    }
    for (unsigned c = 0; c < 128; c++)
        for (uint32_t i = 0; i < count && b->alone[c] != NO_UNIT; i++)
            if (merges[i].left == b->alone[c] || merges[i].right == b->alone[c])
                b->alone[c] = NO_UNIT;
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
    if (b->byte_level) {
        build_byte_units(b);
        if (b->ignore_merges)
            build_words(b);
    } else {
        build_char_units(b);
    }
    b->cut_before_mark = can_cut(b);
    find_alone(b, merges, count);
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
    vocab_release(&b->words);
}
