#include "tokenizer/bpe_joins.h"

#include <string.h>

#include "base/mem.h"
#include "tokenizer/bpe_pairs.h"
#include "tokenizer/bytelevel.h"

/*
 * Proof that a cut is one, for units that are bytes. Of a character c, let R(c) be the
 * highest rank among the merges that make its bytes one token when c stands alone. Say
 * c is *firm* if it becomes one token and every merge (x, p) with p a beginning of c
 * (x ending in a whole character or in a tail; ASCII is looked at below), and every
 * merge (q, y) with q a tail of c, has a rank above R(c). As long as a firm c is not
 * whole and nothing has crossed its borders, its next own merge has a rank <= R(c), so
 * that BPE, which takes the lowest rank, prefers it: the parts of a firm character are
 * never joined to a neighbour. Let (x, y) be the first merge across c1|c2. If x ends
 * with all of c1 and y begins with all of c2, the pair (c1, c2) is in the set. If x is
 * a tail of c1, c1 is not firm, or stands behind an ASCII character that took its
 * beginning away; likewise y. For characters that are tokens but not firm, the pairs
 * (c1, first of y), (last of x, c2) of all such merges are put into the set; others are
 * JOIN_SLOW, and so is a character behind an ASCII one: then the set is also asked for
 * (last byte of c1, c2), (c1, first byte of c2) and (last byte, first byte).
 *
 * Where units are characters, a character that is unknown becomes byte tokens, unk or
 * nothing. An unk may wait for the next known character, and around nothing the
 * neighbours meet: then JOIN_ALL. Byte tokens are cut from their neighbours unless
 * merges take them.
 */

enum {
    GATHER_LOG = 23, /* bits of the set while it is gathered, as a power of two */
    LEAST_LOG = 16,
    SPARSE = 32, /* bits a pair, at least */
    BMP = 0x10000,
    EXPAND_MOST = 1 << 25 /* steps; a hostile vocabulary makes its characters slow instead */
};

#define NO_SYMBOL UINT32_MAX /* cannot stand beside a border of characters */

/* The end or the beginning of a token. */
struct edge {
    uint32_t symbol; /* code point, JOIN_TAIL or JOIN_HEAD + byte, NO_SYMBOL */
    uint8_t parts;   /* bytes of the part; 0: a whole character */
    uint8_t bytes[3];
};

struct gather {
    struct bpe *b;
    struct edge *first, *last; /* by id */
    VEC(struct bpe_merge) heads, tails; /* merges whose y begins, whose x is part of a character */
    /* the lowest rank of a merge of a part, but for those behind ASCII: by its bytes */
    uint32_t head_one[256], head_two[BMP], tail_one[256], tail_two[BMP];
};

static inline uint32_t
two(const uint8_t *s)
{
    return (uint32_t)s[0] << 8 | s[1];
}

static inline uint64_t
pair_hash64(uint32_t left, uint32_t right)
{
    return ((uint64_t)left << 21 | right) * 0x9E3779B97F4A7C15u;
}

static inline bool
in_set(const struct bpe_joins *j, uint32_t left, uint32_t right)
{
    uint64_t bit = pair_hash64(left, right) >> j->shift;
    return j->bits[bit / 64] >> bit % 64 & 1;
}

static void
put(struct bpe_joins *j, uint32_t left, uint32_t right)
{
    uint64_t bit = pair_hash64(left, right) >> j->shift;
    j->bits[bit / 64] |= (uint64_t)1 << bit % 64;
}

static size_t
length_of(unsigned char lead)
{
    return lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
}

/* The character at s[0..n), cut short where the text is. */
static inline uint32_t
char_at(const unsigned char *s, size_t n, size_t *used)
{
    size_t length = length_of(s[0]);
    if (length > n)
        length = n;
    *used = length;
    switch (length) {
    case 1:
        return s[0];
    case 2:
        return (s[0] & 0x1Fu) << 6 | (s[1] & 0x3Fu);
    case 3:
        return (s[0] & 0x0Fu) << 12 | (s[1] & 0x3Fu) << 6 | (s[2] & 0x3Fu);
    default:
        return (s[0] & 0x07u) << 18 | (s[1] & 0x3Fu) << 12 | (s[2] & 0x3Fu) << 6 | (s[3] & 0x3Fu);
    }
}

/* ---- the edges of tokens ---- */

static bool
is_tail(unsigned char c)
{
    return (c & 0xC0) == 0x80;
}

static struct edge
first_edge(const uint8_t *s, size_t n)
{
    struct edge e = {NO_SYMBOL, 0, {0}};
    if (n == 0 || is_tail(s[0]))
        return e;
    size_t used = length_of(s[0]);
    if (used <= n) {
        e.symbol = char_at(s, n, &used);
        return e;
    }
    e.symbol = JOIN_HEAD + s[0];
    e.parts = (uint8_t)n;
    memcpy(e.bytes, s, n);
    return e;
}

static struct edge
last_edge(const uint8_t *s, size_t n)
{
    struct edge e = {NO_SYMBOL, 0, {0}};
    size_t tails = 0, used;
    while (tails < n && tails < 4 && is_tail(s[n - 1 - tails]))
        tails++;
    if (tails < n && tails < 4 && length_of(s[n - 1 - tails]) == tails + 1) {
        e.symbol = char_at(s + n - 1 - tails, tails + 1, &used);
    } else if (tails == n && tails > 0 && tails < 4) {
        e.symbol = JOIN_TAIL + s[n - 1];
        e.parts = (uint8_t)n;
        memcpy(e.bytes, s, n);
    }
    return e;
}

static void
find_edges(struct gather *g)
{
    const struct vocab *v = g->b->vocab;
    struct str bytes = {0};
    g->first = mem_array(v->entries.len + 1, sizeof *g->first);
    g->last = mem_array(v->entries.len + 1, sizeof *g->last);
    for (uint32_t id = 0; id < v->entries.len; id++) {
        size_t n = 0;
        const char *s = vocab_get(v, id, &n);
        str_clear(&bytes);
        if (s && !g->b->byte_level)
            str_add(&bytes, s, n);
        else if (s)
            chars_to_bytes(s, n, &bytes); /* none when some character stands for no byte */
        const uint8_t *data = (const uint8_t *)bytes.data;
        g->first[id] = first_edge(data, bytes.len);
        g->last[id] = last_edge(data, bytes.len);
    }
    str_release(&bytes);
}

/* ---- firm characters ---- */

/* R(c) of the n bytes of a character; NO_RANK: they do not become one token. */
static uint32_t
rank_of_char(const struct bpe *b, const uint8_t *s, size_t n)
{
    uint32_t ids[4], highest = 0;
    for (size_t i = 0; i < n; i++)
        ids[i] = b->byte_units[s[i]];
    while (n > 1) {
        uint32_t best = NO_RANK;
        size_t place = 0;
        for (size_t i = 0; i + 1 < n; i++) {
            uint32_t rank = pair_rank(b, ids[i], ids[i + 1]);
            if (rank < best) {
                best = rank;
                place = i;
            }
        }
        if (best == NO_RANK)
            return NO_RANK;
        highest = best > highest ? best : highest;
        ids[place] = b->results[best];
        memmove(ids + place + 1, ids + place + 2, (n - place - 2) * sizeof *ids);
        n--;
    }
    return highest;
}

static bool
is_firm(const struct gather *g, const uint8_t *s, size_t n, uint32_t rank)
{
    if (n == 1)
        return true;
    bool firm = g->head_one[s[0]] > rank && g->tail_one[s[n - 1]] > rank;
    if (n > 2)
        firm = firm && g->head_two[two(s)] > rank && g->tail_two[two(s + 1)] > rank;
    return firm;
}

static void
lower(uint32_t *rank, uint32_t to)
{
    if (to < *rank)
        *rank = to;
}

/* Sorts out the merges of parts. */
static void
find_parts(struct gather *g, const struct bpe_merge *merges, uint32_t count)
{
    memset(g->head_one, 0xFF, sizeof g->head_one);
    memset(g->head_two, 0xFF, sizeof g->head_two);
    memset(g->tail_one, 0xFF, sizeof g->tail_one);
    memset(g->tail_two, 0xFF, sizeof g->tail_two);
    for (uint32_t i = 0; i < count; i++) {
        const struct edge *x = &g->last[merges[i].left], *y = &g->first[merges[i].right];
        if (x->symbol == NO_SYMBOL || y->symbol == NO_SYMBOL)
            continue;
        put(&g->b->joins, x->symbol, y->symbol);
        uint32_t rank = merges[i].rank;
        if (x->parts) {
            vec_push(&g->tails, merges[i]);
            if (x->parts == 1)
                lower(&g->tail_one[x->bytes[0]], rank);
            else if (x->parts == 2)
                lower(&g->tail_two[two(x->bytes)], rank);
        }
        if (y->parts) {
            vec_push(&g->heads, merges[i]);
            if (x->symbol < 0x80)
                continue;
            if (y->parts == 1)
                lower(&g->head_one[y->bytes[0]], rank);
            else if (y->parts == 2)
                lower(&g->head_two[two(y->bytes)], rank);
        }
    }
}

/* The pairs of one character, a token that is not firm; false: it must be JOIN_SLOW. */
static bool
expand(struct gather *g, uint32_t c, const uint8_t *s, size_t n)
{
    struct bpe_joins *j = &g->b->joins;
    for (size_t i = 0; i < g->tails.len; i++) {
        const struct edge *x = &g->last[g->tails.data[i].left];
        const struct edge *y = &g->first[g->tails.data[i].right];
        if (x->parts >= n || memcmp(x->bytes, s + n - x->parts, x->parts))
            continue;
        if (y->parts)
            return false;
        put(j, c, y->symbol);
    }
    for (size_t i = 0; i < g->heads.len; i++) {
        const struct edge *x = &g->last[g->heads.data[i].left];
        const struct edge *y = &g->first[g->heads.data[i].right];
        if (y->parts >= n || memcmp(y->bytes, s, y->parts))
            continue;
        if (x->parts)
            return false;
        put(j, x->symbol, c);
    }
    return true;
}

/* The UTF-8 of a character below U+10000. */
static size_t
put_char(uint32_t c, uint8_t s[3])
{
    if (c < 0x80) {
        s[0] = (uint8_t)c;
        return 1;
    }
    size_t n = c < 0x800 ? 2 : 3;
    s[n - 1] = (uint8_t)(0x80 | (c & 0x3F));
    s[n - 2] = (uint8_t)(n == 2 ? 0xC0 | c >> 6 : 0x80 | (c >> 6 & 0x3F));
    if (n == 3)
        s[0] = (uint8_t)(0xE0 | c >> 12);
    return n;
}

static void
build_byte_chars(struct gather *g)
{
    struct bpe *b = g->b;
    size_t steps = 0;
    for (uint32_t c = 0; c < BMP; c++) {
        uint8_t s[3], *flags = &b->joins.chars[c];
        size_t n = put_char(c, s);
        *flags = n == 1 ? JOIN_ASCII : 0;
        for (size_t i = 0; i < n; i++)
            if (b->byte_units[s[i]] == NO_UNIT)
                *flags |= JOIN_ALL;
        if (*flags & JOIN_ALL)
            continue;
        uint32_t rank = rank_of_char(b, s, n);
        if (rank != NO_RANK && is_firm(g, s, n, rank))
            continue;
        steps += g->tails.len + g->heads.len;
        if (rank == NO_RANK || steps > EXPAND_MOST || !expand(g, c, s, n))
            *flags |= JOIN_SLOW;
    }
    for (unsigned i = 0; i < 256; i++)
        if (b->byte_units[i] == NO_UNIT)
            b->joins.astral |= JOIN_ALL;
    b->joins.astral |= JOIN_SLOW;
}

/* ---- units that are characters ---- */

static void
build_chars(struct gather *g, const struct bpe_merge *merges, uint32_t count)
{
    struct bpe *b = g->b;
    bool bytes = b->byte_fallback;
    uint8_t *is_byte = mem_zalloc(b->vocab->entries.len + 1);
    for (unsigned i = 0; i < 256; i++) {
        bytes = bytes && b->byte_tokens[i] != NO_UNIT;
        if (b->byte_tokens[i] != NO_UNIT)
            is_byte[b->byte_tokens[i]] = 1;
    }
    for (uint32_t i = 0; i < count && bytes; i++)
        bytes = !is_byte[merges[i].left] && !is_byte[merges[i].right];
    free(is_byte);
    uint8_t unknown = bytes ? 0 : JOIN_ALL;
    for (uint32_t c = 0; c < BMP; c++)
        b->joins.chars[c] = b->char_units[c] == NO_UNIT ? unknown : 0;
    b->joins.astral = unknown;
}

/* ---- the set ---- */

/* Makes the set as small as it may be: the hash's high bits are the place. */
static void
shrink(struct bpe_joins *j)
{
    size_t words = (size_t)1 << (GATHER_LOG - 6), pairs = 0;
    unsigned log = GATHER_LOG;
    for (size_t i = 0; i < words; i++)
        pairs += (size_t)__builtin_popcountll(j->bits[i]);
    while (log > LEAST_LOG && ((size_t)1 << (log - 1)) >= SPARSE * pairs)
        log--;
    unsigned by = GATHER_LOG - log;
    uint64_t *small = mem_aligned((size_t)1 << (log - 3));
    memset(small, 0, (size_t)1 << (log - 3));
    for (size_t i = 0; i < words; i++)
        for (uint64_t rest = j->bits[i]; rest; rest &= rest - 1) {
            size_t bit = (i * 64 + (size_t)__builtin_ctzll(rest)) >> by;
            small[bit / 64] |= (uint64_t)1 << bit % 64;
        }
    free(j->bits);
    j->bits = small;
    j->shift = 64 - log;
}

void
bpe_joins_build(struct bpe *b, const struct bpe_merge *merges, uint32_t count)
{
    struct bpe_joins *j = &b->joins;
    if (b->prefix || b->suffix)
        return; /* units depend on their place in the piece: never cut */
    struct gather *g = mem_zalloc(sizeof *g);
    g->b = b;
    j->bits = mem_zarray((size_t)1 << (GATHER_LOG - 6), sizeof *j->bits);
    j->shift = 64 - GATHER_LOG;
    j->chars = mem_zalloc(BMP);
    find_edges(g);
    find_parts(g, merges, count);
    if (b->byte_level)
        build_byte_chars(g);
    else
        build_chars(g, merges, count);
    shrink(j);
    free(g->first);
    free(g->last);
    vec_release(&g->heads);
    vec_release(&g->tails);
    free(g);
}

void
bpe_joins_release(struct bpe_joins *j)
{
    free(j->bits);
    free(j->chars);
}

/* ---- cutting ---- */

static inline unsigned
flags_of(const struct bpe_joins *j, uint32_t c)
{
    return c < BMP ? j->chars[c] : j->astral;
}

/* May merges of parts reach across c1|c2, of which `tail` and `head` are the next bytes? */
static bool
parts_join(const struct bpe_joins *j, uint32_t c1, uint32_t c2, unsigned char tail,
           unsigned char head)
{
    return (c1 >= 0x80 && in_set(j, JOIN_TAIL + (uint32_t)tail, c2)) ||
           (c2 >= 0x80 && in_set(j, c1, JOIN_HEAD + (uint32_t)head)) ||
           (c1 >= 0x80 && c2 >= 0x80 &&
            in_set(j, JOIN_TAIL + (uint32_t)tail, JOIN_HEAD + (uint32_t)head));
}

size_t
bpe_cut(const struct bpe_joins *j, const char *text, size_t n, uint32_t *ends, size_t most)
{
    const unsigned char *s = (const unsigned char *)text;
    size_t at, used, count = 0;
    uint32_t c1 = char_at(s, n, &at);
    /* flags of c1 as the table has them, and with what its left neighbour adds */
    unsigned raw = flags_of(j, c1), flags = raw;
    for (; at < n && count < most; at += used) {
        uint32_t c2 = char_at(s + at, n - at, &used);
        unsigned raw2 = flags_of(j, c2), flags2 = raw2;
        if ((raw & ~raw2) & JOIN_ASCII)
            flags2 |= JOIN_SLOW;
        bool joined = in_set(j, c1, c2);
        if ((flags | flags2) & (JOIN_SLOW | JOIN_ALL))
            joined = joined || ((flags | flags2) & JOIN_ALL) ||
                     parts_join(j, c1, c2, s[at - 1], s[at]);
        ends[count] = (uint32_t)at;
        count += !joined;
        c1 = c2;
        raw = raw2;
        flags = flags2;
    }
    if (at >= n && count < most)
        ends[count++] = (uint32_t)n;
    return count;
}
