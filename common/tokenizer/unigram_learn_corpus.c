#include "tokenizer/unigram_learn.h"

#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "text/classes.h"

/* From counted words, as bytes, to words of numbered characters. */

enum { PADDING = 4, SPACE_POINT = 0x2581 };

static uint32_t
point_at(const char *s, size_t *used)
{
    uint32_t c = text_peek(s, used);

    return c == ' ' ? SPACE_POINT : c;
}

static bool
is_always(const struct unigram_alphabet_options *o, uint32_t point)
{
    return point && point < 0x80 && strchr(o->always, (int)point);
}

static void
add_symbol(struct unigram_corpus *c, const struct character_count *ch)
{
    c->symbols++;
    c->points[c->symbols] = ch->point;
    c->counts[c->symbols] = ch->count;
}

/* Numbers the space, then the others by frequency as far as coverage and limit go. */
static void
choose_symbols(struct unigram_corpus *c, const uint64_t *counts,
               const struct unigram_alphabet_options *o)
{
    VEC(struct character_count) all = {0};
    uint64_t limit = o->limit && o->limit < UNIGRAM_SYMBOLS_MOST ? o->limit : UNIGRAM_SYMBOLS_MOST;
    uint64_t total = 0, covered = 0, taken = 0;

    for (uint32_t p = 1; p < CLASS_CODE_POINTS; p++) {
        total += counts[p];
        if (p == SPACE_POINT || counts[p] || is_always(o, p))
            vec_push(&all, ((struct character_count){counts[p], p}));
    }
    qsort(all.data, all.len, sizeof *all.data, character_count_order);
    c->points = mem_zarray(all.len + 1, sizeof *c->points);
    c->counts = mem_zarray(all.len + 1, sizeof *c->counts);
    add_symbol(c, &(struct character_count){counts[SPACE_POINT], SPACE_POINT});
    for (size_t i = 0; i < all.len; i++) {
        bool wanted = all.data[i].count && taken < limit &&
                      (double)covered < o->coverage * (double)total;

        covered += wanted ? all.data[i].count : 0;
        taken += wanted;
        if (all.data[i].point != SPACE_POINT && (wanted || is_always(o, all.data[i].point)))
            add_symbol(c, &all.data[i]);
    }
    vec_release(&all);
}

static void
add_word(struct unigram_corpus *c, const uint16_t *numbers, const char *s, size_t n,
         uint64_t count)
{
    size_t start = c->text.len;

    vec_reserve(&c->text, n + 2);
    for (size_t at = 0, used = 1; at <= n; at += used) {
        unigram_symbol number = at < n ? numbers[point_at(s + at, &used)] : 0;

        if (number) {
            c->text.data[c->text.len++] = number;
        } else if (c->text.len > start) {
            uint32_t length = (uint32_t)(c->text.len - start);

            c->weight += count * length;
            vec_push(&c->words, ((struct unigram_word){count, (uint32_t)start, length}));
            vec_push(&c->text, 0);
            start = c->text.len;
        }
    }
}

int
unigram_corpus_build(struct unigram_corpus *c, struct piece_counts *pieces,
                     const struct unigram_alphabet_options *o)
{
    uint64_t *counts = piece_counts_characters(pieces);
    uint16_t *numbers = mem_zarray(CLASS_CODE_POINTS, sizeof *numbers);

    *c = (struct unigram_corpus){0};
    counts[SPACE_POINT] += counts[' '];
    counts[' '] = 0;
    choose_symbols(c, counts, o);
    free(counts);
    for (uint32_t i = 1; i <= c->symbols; i++)
        numbers[c->points[i]] = (uint16_t)i;
    for (size_t i = 0; i < pieces->pieces.len && c->text.len < UINT32_MAX / 2; i++) {
        const struct piece_count *p = &pieces->pieces.data[i];

        add_word(c, numbers, pieces->pool.data + p->start, p->length, p->count);
    }
    free(numbers);
    piece_counts_release(pieces);
    if (c->text.len >= UINT32_MAX / 2)
        return err_set(STATUS_FAILED, "the words that differ have more than 2 billion characters: "
                                      "train on a part of the texts (--sample)");
    vec_reserve(&c->text, PADDING);
    memset(c->text.data + c->text.len, 0, PADDING * sizeof *c->text.data);
    return 0;
}

void
unigram_corpus_release(struct unigram_corpus *c)
{
    vec_release(&c->text);
    vec_release(&c->words);
    free(c->points);
    free(c->counts);
    *c = (struct unigram_corpus){0};
}
