/* Cutting the flat parameter array into the owners' runs of norm blocks. */
#include "parallel/slices.h"

#include <stdlib.h>

#include "base/mem.h"

/* What is computed at one time: the same number. */
static int
unit_of(const struct params *p, int i)
{
    int layer = p->param[i].layer;

    if (layer >= 0)
        return layer + 1;
    return i == p->embedding ? 0 : i == p->position ? -1 : -2;
}

static bool
counts(const bool *mine, int i)
{
    return !mine || mine[i];
}

static void
find_units(struct slices *s, const struct params *p, const bool *mine)
{
    s->unit = mem_array((size_t)p->count + 1, sizeof *s->unit);
    for (int i = 0, end; i < p->count; i = end) {
        end = i + 1;
        if (!counts(mine, i))
            continue;
        while (end < p->count && counts(mine, end) && unit_of(p, end) == unit_of(p, i))
            end++;
        s->unit[s->units] = (struct slice_unit){i, end, s->units % s->owners};
        s->units++;
    }
}

/* ---- a walk over the norm blocks of a unit, in steps as long as wanted ---- */

struct walk {
    const struct params *p;
    int param, param_end, run;
    int64_t within; /* blocks of that run behind us */
    int64_t block;
};

/* As params_block: blocks are cut within a run of rows. */
static int64_t
run_width(const struct param *t)
{
    return t->kind == PARAM_NORM || t->kind == PARAM_BIAS ? 1 : t->columns;
}

static int64_t
run_elements(const struct param *t, int run)
{
    return t->whole.run[run].count * run_width(t);
}

static int64_t
run_blocks(const struct param *t, int run)
{
    return (run_elements(t, run) + NORM_BLOCK - 1) / NORM_BLOCK;
}

/* Moves over the ends of runs and tensors; false at the end of the unit. */
static bool
settle(struct walk *w)
{
    while (w->param < w->param_end) {
        const struct param *t = &w->p->param[w->param];
        if (w->run == t->whole.runs) {
            w->param++;
            w->run = 0;
        } else if (w->within == run_blocks(t, w->run)) {
            w->run++;
            w->within = 0;
        } else {
            return true;
        }
    }
    return false;
}

/* Where the block that the walk stands at begins, and where the one before ended. */
static int64_t
block_begin(struct walk *w)
{
    const struct param *last = &w->p->param[w->param_end - 1];

    if (!settle(w))
        return last->offset + last->size;
    const struct param *t = &w->p->param[w->param];
    return t->offset + t->whole.run[w->run].local * run_width(t) + w->within * NORM_BLOCK;
}

/* Blocks of this run of rows that lie wholly before element `target`, the current one at least. */
static void
step(struct walk *w, int64_t target)
{
    const struct param *t = &w->p->param[w->param];
    int64_t left = run_blocks(t, w->run) - w->within;
    int64_t n = (target - block_begin(w)) / NORM_BLOCK;

    n = n < 1 ? 1 : n < left ? n : left;
    w->within += n;
    w->block += n;
}

/* Moves on to the beginning of a block that is nearest to element `target`. */
static void
walk_to(struct walk *w, int64_t target)
{
    while (settle(w)) {
        struct walk next = *w;
        int64_t here = block_begin(w), there;
        if (here >= target)
            break;
        step(&next, target);
        there = block_begin(&next);
        if (there - target > target - here)
            break;
        *w = next;
    }
}

/* The element behind the block before the one the walk stands at. */
static int64_t
end_before(struct walk *w, int64_t begin)
{
    const struct param *t = &w->p->param[w->param_end - 1];

    if (!settle(w))
        return t->offset + t->size;
    t = &w->p->param[w->param];
    if (w->within > 0 || w->run > 0)
        return block_begin(w);
    t = &w->p->param[w->param - 1]; /* the gap in front of a tensor belongs to nobody */
    return t->offset + t->size > begin ? t->offset + t->size : begin;
}

static int64_t
blocks_below(const struct params *p, int param)
{
    int64_t n = 0;

    for (int i = 0; i < param; i++)
        for (int k = 0; k < p->param[i].whole.runs; k++)
            n += run_blocks(&p->param[i], k);
    return n;
}

static void
cut_unit(const struct slices *s, const struct params *p, const struct slice_unit *u,
         struct reduced_run *run)
{
    const struct param *last = &p->param[u->param_end - 1];
    struct walk w = {.p = p, .param = u->param, .param_end = u->param_end};
    int64_t begin = p->param[u->param].offset, size = last->offset + last->size - begin;
    int64_t part = size / s->owners, rest = size % s->owners;

    w.block = blocks_below(p, u->param);
    for (int i = 0; i < s->owners; i++) {
        int64_t at = block_begin(&w);
        run[i] = (struct reduced_run){.block = w.block, .begin = at};
        walk_to(&w, begin + part * (i + 1) + rest * (i + 1) / s->owners);
        run[i].block_end = w.block;
        run[i].end = w.block > run[i].block ? end_before(&w, at) : at;
    }
}

void
slices_cut(struct slices *s, const struct params *p, const bool *mine, int owners)
{
    int n = 0;

    *s = (struct slices){.owners = owners};
    find_units(s, p, mine);
    size_t all = (size_t)s->units * (size_t)owners + 1;
    s->cut = mem_array(all, sizeof *s->cut);
    s->owned = mem_array(all, sizeof *s->owned);
    s->first = mem_array((size_t)owners + 1, sizeof *s->first);
    for (int u = 0; u < s->units; u++)
        cut_unit(s, p, &s->unit[u], s->cut + (size_t)u * (size_t)owners);
    for (int i = 0; i < owners; i++) {
        s->first[i] = n;
        for (int u = 0; u < s->units; u++)
            if (slices_run(s, u, i)->block_end > slices_run(s, u, i)->block)
                s->owned[n++] = *slices_run(s, u, i);
    }
    s->first[owners] = n;
}

void
slices_release(struct slices *s)
{
    free(s->unit);
    free(s->cut);
    free(s->owned);
    free(s->first);
    *s = (struct slices){0};
}

const struct reduced_run *
slices_of(const struct slices *s, int owner, int *count)
{
    *count = s->first[owner + 1] - s->first[owner];
    return s->owned + s->first[owner];
}

const struct reduced_run *
slices_run(const struct slices *s, int unit, int owner)
{
    int i = (owner + s->owners - s->unit[unit].start) % s->owners;

    return s->cut + (size_t)unit * (size_t)s->owners + i;
}

int
slices_owner(const struct slices *s, int unit, int run)
{
    return (s->unit[unit].start + run) % s->owners;
}

int
slices_find(const struct slices *s, int64_t e, int *run)
{
    int64_t low = 0, high = (int64_t)s->units * s->owners;

    /* The first run that ends behind e: empty ones end where they begin. */
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (s->cut[middle].end <= e)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == (int64_t)s->units * s->owners || s->cut[low].begin > e)
        return -1;
    *run = (int)(low % s->owners);
    return (int)(low / s->owners);
}
