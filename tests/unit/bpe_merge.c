/*
 * BPE on random vocabularies and strings against the definition: look at all pairs,
 * merge the one of the lowest rank, the leftmost of equals, again and again. The
 * vocabularies are made to join across characters and parts of characters, with ranks
 * in any order and ranks that several merges share.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "tap.h"
#include "tokenizer/bpe.h"
#include "tokenizer/bytelevel.h"

enum { MERGES = 120, TEXTS = 30, TEXT_CHARS = 24, LONG_CHARS = 1500, IDS = 1024 };

/* What a case is made of. */
struct setup {
    bool byte_level, shared_ranks, shuffled, ignore_merges;
    bool lacks_units, byte_fallback, fuse_unk, with_unk;
};

struct model {
    struct setup setup;
    struct bpe bpe;
    struct vocab vocab;
    VEC(struct bpe_merge) merges;
    uint32_t rank[IDS][IDS], result[IDS][IDS]; /* rank UINT32_MAX: no merge */
    uint32_t ids;
    bool units_made;
};

static uint64_t state = 1;

static uint32_t
random_below(uint32_t n)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((state >> 33) % n);
}

/* Characters that share first and last bytes, of every length. */
static const char *const alphabet[] = {
    "a", "b", " ", "\n", "\xC3\xA9", "\xC4\xA9", "\xC3\xAA", "\xE2\x96\x81", "\xE3\x81\x82",
    "\xE3\x81\x84", "\xE3\x82\x82", "\xE5\x8C\x97", "\xE4\xBA\xAC", "\xE5\x8C\x84", "\xE4\xBA\x97",
    "\xF0\x9F\x98\x80", "\xF0\x9F\x98\x97", "\xE6\x9D\xB1"};
enum { LETTERS = sizeof alphabet / sizeof *alphabet };

static uint32_t letters; /* of them in use */

static void
random_text(struct str *out, size_t chars)
{
    str_clear(out);
    uint32_t first = random_below(LETTERS);
    for (size_t i = 0; i < chars; i++) {
        const char *c = alphabet[(first + random_below(letters)) % LETTERS];
        str_add(out, c, strlen(c));
    }
}

/* ---- the vocabulary ---- */

static uint32_t
text_id(struct model *m, const char *s, size_t n)
{
    for (uint32_t id = 0; id < m->ids; id++) {
        size_t length;
        const char *text = vocab_get(&m->vocab, id, &length);
        if (text && length == n && !memcmp(text, s, n))
            return id;
    }
    return UINT32_MAX;
}

/* Is it one unit? */
static bool
is_unit(const struct model *m, const char *s, size_t n)
{
    size_t chars = 0;
    for (size_t i = 0; i < n; i++)
        chars += ((unsigned char)s[i] & 0xC0) != 0x80;
    return n == 1 || (!m->setup.byte_level && chars == 1);
}

/*
 * The id of a text or, byte-level, of bytes; made when there is none, but for units that
 * are to be missing.
 */
static uint32_t
token(struct model *m, const char *s, size_t n)
{
    struct str mapped = {0};
    if (m->setup.byte_level)
        bytes_to_chars(s, n, &mapped);
    else
        str_add(&mapped, s, n);
    uint32_t id = text_id(m, mapped.data, mapped.len);
    if (id == UINT32_MAX && m->ids < IDS && !(m->units_made && is_unit(m, s, n))) {
        id = m->ids++;
        vocab_add(&m->vocab, id, mapped.data, mapped.len);
    }
    str_release(&mapped);
    return id;
}

static void
add_units(struct model *m)
{
    bool lacks = m->setup.lacks_units;
    if (m->setup.byte_level) {
        for (unsigned i = 0; i < 256; i++)
            if (!lacks || (i != 0xE5 && i != 0xA9))
                token(m, (const char[]){(char)(unsigned char)i}, 1);
    } else {
        for (size_t i = 0; i < LETTERS; i++)
            if (!lacks || i % 3 != 1)
                token(m, alphabet[i], strlen(alphabet[i]));
        for (unsigned i = 0; i < 256; i++) {
            char name[8];
            snprintf(name, sizeof name, "<0x%02X>", i);
            if (m->setup.byte_fallback && (i != 0xAA || random_below(2)))
                token(m, name, 6);
        }
    }
    if (m->setup.with_unk)
        m->bpe.unk = token(m, "<unk>", 5);
    m->units_made = true;
}

static void
add_merge(struct model *m, const char *s, size_t left, size_t n)
{
    struct bpe_merge g = {.left = token(m, s, left), .right = token(m, s + left, n - left)};
    g.result = token(m, s, n);
    if (g.left == UINT32_MAX || g.right == UINT32_MAX || g.result == UINT32_MAX ||
        m->result[g.left][g.right] != UINT32_MAX)
        return;
    m->result[g.left][g.right] = g.result;
    vec_push(&m->merges, g);
}

/* Joins random neighbours of random texts: the parts grow as those of a trainer do. */
static void
grow(struct model *m)
{
    struct str text = {0};
    for (int tries = 0; tries < 4 * MERGES && m->merges.len < MERGES && m->ids < IDS - 8; tries++) {
        size_t starts[4 * 8 + 1], n = 0;
        random_text(&text, 2 + random_below(6));
        for (size_t i = 0; i < text.len; i++)
            if (m->setup.byte_level || ((unsigned char)text.data[i] & 0xC0) != 0x80)
                starts[n++] = i;
        starts[n] = text.len;
        while (n > 1 && random_below(6)) {
            size_t i = random_below((uint32_t)n - 1);
            add_merge(m, text.data + starts[i], starts[i + 1] - starts[i],
                      starts[i + 2] - starts[i]);
            memmove(starts + i + 1, starts + i + 2, (n - i - 1) * sizeof *starts);
            n--;
        }
    }
    str_release(&text);
}

static void
rank_merges(struct model *m)
{
    size_t n = m->merges.len;
    struct bpe_merge *list = m->merges.data;
    for (size_t i = n; m->setup.shuffled && i-- > 1;) {
        size_t j = random_below((uint32_t)i + 1);
        struct bpe_merge swap = list[i];
        list[i] = list[j];
        list[j] = swap;
    }
    /* merges of one result stand together and share its rank */
    uint32_t rank = 0;
    for (size_t i = 0; i < n; i++) {
        list[i].rank = rank;
        for (size_t j = i + 1; m->setup.shared_ranks && j < n; j++)
            if (list[j].result == list[i].result) {
                struct bpe_merge swap = list[j];
                memmove(list + i + 2, list + i + 1, (j - i - 1) * sizeof *list);
                list[++i] = swap;
                list[i].rank = rank;
            }
        rank++;
    }
    for (size_t i = 0; i < n; i++)
        m->rank[list[i].left][list[i].right] = list[i].rank;
}

static struct model *
model_new(struct setup setup)
{
    struct model *m = mem_zalloc(sizeof *m);
    uint32_t one, two;
    m->setup = setup;
    memset(m->rank, 0xFF, sizeof m->rank);
    memset(m->result, 0xFF, sizeof m->result);
    letters = 3 + random_below(LETTERS - 3);
    m->bpe = (struct bpe){.byte_level = setup.byte_level,
                          .ignore_merges = setup.ignore_merges,
                          .byte_fallback = setup.byte_fallback,
                          .fuse_unk = setup.fuse_unk,
                          .unk = UINT32_MAX};
    add_units(m);
    grow(m);
    rank_merges(m);
    vocab_index(&m->vocab, &one, &two);
    bpe_build(&m->bpe, &m->vocab, m->merges.data, (uint32_t)m->merges.len);
    return m;
}

static void
model_free(struct model *m)
{
    bpe_release(&m->bpe);
    vocab_release(&m->vocab);
    vec_release(&m->merges);
    free(m);
}

/* ---- the definition ---- */

static bool
add_bytes(struct model *m, const char *s, size_t n, struct ids *out)
{
    uint32_t ids[8];
    char name[8];
    for (size_t i = 0; i < n; i++) {
        snprintf(name, sizeof name, "<0x%02X>", (unsigned char)s[i]);
        ids[i] = m->setup.byte_fallback ? text_id(m, name, 6) : UINT32_MAX;
        if (ids[i] == UINT32_MAX)
            return false;
    }
    for (size_t i = 0; i < n; i++)
        vec_push(out, ids[i]);
    return true;
}

static void
definition_units(struct model *m, const struct str *text, struct ids *out)
{
    bool waits = false;
    struct str unit = {0};
    for (size_t at = 0, n; at < text->len; at += n) {
        for (n = 1; !m->setup.byte_level && at + n < text->len &&
                    ((unsigned char)text->data[at + n] & 0xC0) == 0x80;)
            n++;
        str_clear(&unit);
        if (m->setup.byte_level)
            bytes_to_chars(text->data + at, n, &unit);
        else
            str_add(&unit, text->data + at, n);
        uint32_t id = text_id(m, unit.data, unit.len);
        if (id == UINT32_MAX) {
            if (add_bytes(m, unit.data, unit.len, out) || m->bpe.unk == UINT32_MAX)
                continue;
            if (waits && !m->setup.fuse_unk)
                vec_push(out, m->bpe.unk);
            waits = true;
            continue;
        }
        if (waits)
            vec_push(out, m->bpe.unk);
        waits = false;
        vec_push(out, id);
    }
    if (waits)
        vec_push(out, m->bpe.unk);
    str_release(&unit);
}

static void
definition(struct model *m, const struct str *text, struct ids *out)
{
    struct str mapped = {0};
    vec_clear(out);
    if (m->setup.byte_level)
        bytes_to_chars(text->data, text->len, &mapped);
    else
        str_add(&mapped, text->data, text->len);
    uint32_t whole = m->setup.ignore_merges ? text_id(m, mapped.data, mapped.len) : UINT32_MAX;
    str_release(&mapped);
    if (whole != UINT32_MAX) {
        vec_push(out, whole);
        return;
    }
    definition_units(m, text, out);
    for (;;) {
        uint32_t best = UINT32_MAX;
        size_t place = 0;
        for (size_t i = 0; i + 1 < out->len; i++) {
            uint32_t rank = m->rank[out->data[i]][out->data[i + 1]];
            if (rank < best) {
                best = rank;
                place = i;
            }
        }
        if (best == UINT32_MAX)
            return;
        out->data[place] = m->result[out->data[place]][out->data[place + 1]];
        memmove(out->data + place + 1, out->data + place + 2,
                (out->len - place - 2) * sizeof *out->data);
        out->len--;
    }
}

/* ---- the tests ---- */

/* Encoded anew and from caches, with and without a cache of the caller's. */
static bool
agrees(struct model *m, struct bpe_scratch *s, const struct str *text)
{
    struct ids right = {0}, ids = {0};
    bool same = true;
    definition(m, text, &right);
    for (int i = 0; i < 3 && same; i++) {
        vec_clear(&ids);
        if (i < 2)
            bpe_encode(&m->bpe, s, text->data, text->len, &ids);
        else
            bpe_encode_miss(&m->bpe, s, text->data, text->len, &ids);
        same = ids.len == right.len &&
               (ids.len == 0 || !memcmp(ids.data, right.data, ids.len * sizeof *ids.data));
    }
    vec_release(&right);
    vec_release(&ids);
    return same;
}

static void
test_setup(const char *name, struct setup setup, int models)
{
    int texts = 0, wrong = 0;
    struct str text = {0};
    for (int i = 0; i < models; i++) {
        struct model *m = model_new(setup);
        struct bpe_scratch *s = bpe_scratch_new();
        for (int k = 0; k < TEXTS; k++, texts++) {
            random_text(&text, 1 + random_below(TEXT_CHARS));
            wrong += !agrees(m, s, &text);
        }
        random_text(&text, 100 + random_below(400));
        wrong += !agrees(m, s, &text);
        bpe_scratch_free(s);
        model_free(m);
    }
    ok(wrong == 0, "%s: %d models, %d texts, %d wrong", name, models, texts, wrong);
    str_release(&text);
}

/* Runs, alternations and random texts without a cut, many windows long. */
static void
test_long(const char *name, struct setup setup)
{
    int wrong = 0;
    struct str text = {0};
    for (int i = 0; i < 6; i++) {
        struct model *m = model_new(setup);
        struct bpe_scratch *s = bpe_scratch_new();
        for (size_t period = 1; period < 5; period++) {
            str_clear(&text);
            for (size_t k = 0; k < LONG_CHARS; k++) {
                const char *c = alphabet[k % period];
                str_add(&text, c, strlen(c));
            }
            wrong += !agrees(m, s, &text);
        }
        letters = 2;
        random_text(&text, LONG_CHARS);
        wrong += !agrees(m, s, &text);
        bpe_scratch_free(s);
        model_free(m);
    }
    ok(wrong == 0, "%s: long texts, %d wrong", name, wrong);
    str_release(&text);
}

/* A model without units or merges. */
static struct model *
model_empty(void)
{
    struct model *m = mem_zalloc(sizeof *m);
    memset(m->rank, 0xFF, sizeof m->rank);
    memset(m->result, 0xFF, sizeof m->result);
    m->bpe.unk = UINT32_MAX;
    return m;
}

/* The merges, of ranks as they stand, into tables. */
static void
model_build(struct model *m)
{
    uint32_t one, two;
    rank_merges(m);
    vocab_index(&m->vocab, &one, &two);
    bpe_build(&m->bpe, &m->vocab, m->merges.data, (uint32_t)m->merges.len);
}

/* Tokens of 2, 4, 8 … letters: windows must grow until they hold some of them. */
static void
test_powers(void)
{
    struct model *m = model_empty();
    struct bpe_scratch *s = bpe_scratch_new();
    struct str text = {0};
    for (size_t i = 0; i < 1024; i++)
        str_add(&text, "a", 1);
    token(m, "a", 1);
    for (size_t n = 1; n <= 512; n *= 2)
        add_merge(m, text.data, n, 2 * n);
    model_build(m);
    int wrong = 0;
    for (size_t n = 1; n < 5000; n = n * 3 + 1) {
        str_clear(&text);
        for (size_t i = 0; i < n; i++)
            str_add(&text, "a", 1);
        wrong += !agrees(m, s, &text);
    }
    ok(wrong == 0, "runs with tokens of up to 1,024 units, %d wrong", wrong);
    str_release(&text);
    bpe_scratch_free(s);
    model_free(m);
}

/*
 * Neighbours c0 c1 c2 … that merge from the right, since the last pair has the lowest
 * rank: which of them pair up depends on the end of the chain, however far it is. Windows
 * that end within find out at the next one.
 */
static void
test_chains(void)
{
    struct model *m = model_empty();
    struct bpe_scratch *s = bpe_scratch_new();
    struct str chain = {0}, text = {0};
    enum { CHAIN = 200 };
    for (uint32_t i = 0; i <= CHAIN; i++)
        str_add_utf8(&chain, 0x4E00 + i);
    for (size_t i = 0; i <= CHAIN; i++)
        token(m, chain.data + 3 * i, 3);
    for (size_t i = CHAIN; i-- > 0;)
        add_merge(m, chain.data + 3 * i, 3, 6);
    add_merge(m, (char[]){chain.data[3 * CHAIN], chain.data[3 * CHAIN + 1],
                          chain.data[3 * CHAIN + 2], chain.data[0], chain.data[1], chain.data[2]},
              3, 6);
    model_build(m);
    int wrong = 0;
    for (size_t i = 0; i < 60; i++) {
        str_clear(&text);
        while (text.len < 3 * LONG_CHARS) {
            size_t begin = random_below(CHAIN / 2), n = 1 + random_below(CHAIN - (uint32_t)begin);
            str_add(&text, chain.data, 3 * (i % 2 ? CHAIN + 1 : n));
        }
        wrong += !agrees(m, s, &text);
    }
    ok(wrong == 0, "chains that merge from the far end, %d wrong", wrong);
    str_release(&chain);
    str_release(&text);
    bpe_scratch_free(s);
    model_free(m);
}

int
main(void)
{
    test_setup("bytes", (struct setup){.byte_level = true}, 30);
    test_setup("bytes, any order", (struct setup){.byte_level = true, .shuffled = true}, 30);
    test_setup("bytes, shared ranks",
               (struct setup){.byte_level = true, .shared_ranks = true, .shuffled = true}, 24);
    test_setup("bytes, whole words", (struct setup){.byte_level = true, .ignore_merges = true}, 24);
    test_setup("bytes, some missing",
               (struct setup){.byte_level = true, .lacks_units = true, .with_unk = true}, 24);
    test_setup("bytes, some missing, without unk",
               (struct setup){.byte_level = true, .lacks_units = true}, 24);
    test_setup("characters", (struct setup){0}, 30);
    test_setup("characters, any order", (struct setup){.shuffled = true}, 24);
    test_setup("characters, shared ranks", (struct setup){.shared_ranks = true}, 24);
    test_setup("characters, whole words", (struct setup){.ignore_merges = true}, 24);
    test_setup("byte fallback", (struct setup){.lacks_units = true, .byte_fallback = true}, 24);
    test_setup("byte fallback, unk",
               (struct setup){.lacks_units = true, .byte_fallback = true, .with_unk = true}, 24);
    test_setup("unk", (struct setup){.lacks_units = true, .with_unk = true}, 24);
    test_setup("fused unk",
               (struct setup){.lacks_units = true, .with_unk = true, .fuse_unk = true}, 24);
    test_setup("unknown vanish", (struct setup){.lacks_units = true}, 24);
    test_long("bytes", (struct setup){.byte_level = true});
    test_long("bytes, any order", (struct setup){.byte_level = true, .shuffled = true});
    test_long("characters", (struct setup){.shared_ranks = true});
    test_powers();
    test_chains();
    return done();
}
