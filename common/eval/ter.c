#include "eval/ter.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Tercom's limits, and sacrebleu's own on the number of shifts that are tried. */
enum { SHIFT_SIZE = 10, SHIFT_DISTANCE = 50, BEAM = 25, CANDIDATES = 1000 };
enum { UNREACHED = 1 << 30 };

enum edit { KEEP, SUBSTITUTE, DELETE, INSERT };

struct cell {
    int cost;
    enum edit edit;
};

struct ter {
    const struct ids *target;
    size_t words;       /* of the answer */
    struct cell *table; /* [words + 1][target + 1], of the answer as it is */
    struct cell *trial; /* the same of a shifted one */
    ptrdiff_t *align;   /* [target]: the answer's word beside each; -1: before all */
    unsigned char *target_wrong, *answer_wrong; /* [target], [words] */
    size_t tried;
};

static struct cell *
cell_at(const struct ter *t, struct cell *table, size_t i, size_t j)
{
    return &table[i * (t->target->len + 1) + j];
}

static void
better(struct cell *cell, int cost, enum edit edit)
{
    if (cost < cell->cost)
        *cell = (struct cell){cost, edit};
}

/*
 * Levenshtein distance around the diagonal, from row `from` on (those before are of the same
 * words). O(words · beam).
 */
static int
distance(const struct ter *t, struct cell *table, const uint32_t *answer, size_t from)
{
    size_t n = t->target->len;
    double ratio = t->words ? (double)n / (double)t->words : 1;
    ptrdiff_t beam = BEAM < ratio / 2 ? (ptrdiff_t)ceil(ratio / 2 + BEAM) : BEAM;
    for (size_t j = 0; from == 0 && j <= n; j++)
        *cell_at(t, table, 0, j) = (struct cell){(int)j, INSERT};
    for (size_t i = from ? from : 1; i <= t->words; i++) {
        ptrdiff_t diagonal = (ptrdiff_t)floor((double)i * ratio);
        size_t low = diagonal > beam ? (size_t)(diagonal - beam) : 0;
        size_t high = i == t->words || (size_t)(diagonal + beam) > n ? n + 1
                                                                     : (size_t)(diagonal + beam);
        for (size_t j = 0; j <= n; j++)
            *cell_at(t, table, i, j) = (struct cell){UNREACHED, KEEP};
        for (size_t j = low; j < high; j++) {
            struct cell *cell = cell_at(t, table, i, j);
            if (j) {
                bool same = answer[i - 1] == t->target->data[j - 1];
                better(cell, cell_at(t, table, i - 1, j - 1)->cost + !same,
                       same ? KEEP : SUBSTITUTE);
            }
            better(cell, cell_at(t, table, i - 1, j)->cost + 1, DELETE);
            if (j)
                better(cell, cell_at(t, table, i, j - 1)->cost + 1, INSERT);
        }
    }
    return cell_at(t, table, t->words, n)->cost;
}

/*
 * Reads the edits of the last distance() back: what stands beside what, and which words are wrong.
 */
static void
read_alignment(struct ter *t)
{
    size_t i = t->words, j = t->target->len;
    while (i || j) {
        enum edit edit = cell_at(t, t->table, i, j)->edit;
        if (edit == INSERT || !i) {
            j--;
            t->target_wrong[j] = 1;
            t->align[j] = (ptrdiff_t)i - 1;
        } else if (edit == DELETE || !j) {
            i--;
            t->answer_wrong[i] = 1;
        } else {
            i--;
            j--;
            t->target_wrong[j] = t->answer_wrong[i] = edit == SUBSTITUTE;
            t->align[j] = (ptrdiff_t)i;
        }
    }
}

/* answer[start, start + length) moved before what stands at `to`. */
static void
perform(const uint32_t *answer, size_t n, size_t start, size_t length, size_t to, uint32_t *out)
{
    size_t end = start + length;
    if (to < start) {
        memcpy(out, answer, n * sizeof *out);
        memcpy(out + to, answer + start, length * sizeof *out);
        memcpy(out + to + length, answer + to, (start - to) * sizeof *out);
        return;
    }
    /* behind: within the sequence itself `to` counts from its end */
    size_t before = to > end ? to - end : to - start;
    if (before > n - end)
        before = n - end;
    memcpy(out, answer, n * sizeof *out);
    memcpy(out + start, answer + end, before * sizeof *out);
    memcpy(out + start + before, answer + start, length * sizeof *out);
}

struct shift {
    int gain;
    size_t length, start, to;
};

/* Tercom's order: more gain, longer, earlier, to an earlier place. */
static bool
greater(struct shift a, struct shift b)
{
    if (a.gain != b.gain)
        return a.gain > b.gain;
    if (a.length != b.length)
        return a.length > b.length;
    return a.start != b.start ? a.start < b.start : a.to < b.to;
}

static bool
any(const unsigned char *flags, size_t n)
{
    return memchr(flags, 1, n) != NULL;
}

/* Tries all places for one sequence of the answer that stands in the target at `at`. */
static void
try_places(struct ter *t, const uint32_t *answer, size_t start, size_t at, size_t length, int now,
           struct shift *best, bool *found)
{
    uint32_t *shifted = mem_array(t->words, sizeof *shifted);
    ptrdiff_t previous = -1;
    for (size_t k = 0; k <= length && at + k <= t->target->len; k++) {
        ptrdiff_t to = at + k == 0 ? 0 : t->align[at + k - 1] + 1;
        if (to == previous)
            continue;
        previous = to;
        perform(answer, t->words, start, length, (size_t)to, shifted);
        size_t same = 0;
        while (same < t->words && shifted[same] == answer[same])
            same++;
        memcpy(cell_at(t, t->trial, same, 0), cell_at(t, t->table, same, 0),
               (t->target->len + 1) * sizeof *t->trial);
        int edits = distance(t, t->trial, shifted, same + 1);
        struct shift s = {now - edits, length, start, (size_t)to};
        t->tried++;
        if (!*found || greater(s, *best))
            *best = s;
        *found = true;
    }
    free(shifted);
}

/* The best shift of the answer; false: there is none to try. */
static bool
find_shift(struct ter *t, const uint32_t *answer, int now, struct shift *best)
{
    bool found = false;
    memset(t->answer_wrong, 0, t->words);
    read_alignment(t);
    for (size_t start = 0; start < t->words; start++) {
        for (size_t at = 0; at < t->target->len; at++) {
            size_t apart = start > at ? start - at : at - start;
            for (size_t n = 1; apart <= SHIFT_DISTANCE && n <= SHIFT_SIZE; n++) {
                if (start + n > t->words || at + n > t->target->len ||
                    answer[start + n - 1] != t->target->data[at + n - 1])
                    break;
                ptrdiff_t beside = t->align[at];
                if (!any(t->answer_wrong + start, n) || !any(t->target_wrong + at, n) ||
                    (beside >= (ptrdiff_t)start && beside < (ptrdiff_t)(start + n)))
                    continue;
                try_places(t, answer, start, at, n, now, best, &found);
                if (t->tried >= CANDIDATES)
                    return found;
            }
        }
    }
    return found;
}

size_t
ter_edits(const struct ids *answer, const struct ids *target)
{
    if (!target->len || !answer->len)
        return answer->len + target->len;
    struct ter t = {.target = target, .words = answer->len};
    uint32_t *words = mem_array(answer->len, sizeof *words);
    uint32_t *next = mem_array(answer->len, sizeof *next);
    size_t shifts = 0;
    t.table = mem_array(answer->len + 1, (target->len + 1) * sizeof *t.table);
    t.trial = mem_array(answer->len + 1, (target->len + 1) * sizeof *t.trial);
    t.align = mem_array(target->len, sizeof *t.align);
    t.target_wrong = mem_zalloc(target->len);
    t.answer_wrong = mem_zalloc(answer->len);
    memcpy(words, answer->data, answer->len * sizeof *words);
    int now = distance(&t, t.table, words, 0);
    for (;;) {
        struct shift best;
        if (!find_shift(&t, words, now, &best) || t.tried >= CANDIDATES || best.gain <= 0)
            break;
        perform(words, t.words, best.start, best.length, best.to, next);
        uint32_t *swap = words;
        words = next;
        next = swap;
        now = distance(&t, t.table, words, 0);
        shifts++;
    }
    free(words);
    free(next);
    free(t.table);
    free(t.trial);
    free(t.align);
    free(t.target_wrong);
    free(t.answer_wrong);
    return shifts + (size_t)now;
}
