/*
 * ZeRO-3 between hosts: own runs stay, units are gathered by messages into one of three
 * buffers, the next one while this one is computed with. Which buffer is a function of the calls
 * alone, so that all ranks gather the same units in the same order.
 */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "parallel/weights_private.h"

static size_t
align_up(size_t n)
{
    return (n + 63) & ~(size_t)63;
}

static bool
has_matrix(const struct params *p, const struct slice_unit *u)
{
    for (int i = u->param; i < u->param_end; i++)
        if (p->param[i].vector < 0)
            return true;
    return false;
}

/* The decoder counts the layers of the whole model; a part's table ends with its last one. */
static int
slot_of(const struct units *u, int unit)
{
    return unit < u->count - 1 ? unit : u->count - 1;
}

/* The slices' units that lie in unit k of the decoder. */
static void
add_cuts(struct weights *w, int k, const int *ranks)
{
    struct units *u = &w->units;
    struct gathered_unit *unit = &u->unit[k];

    *unit = (struct gathered_unit){.cut = u->cuts, .buffer = -1};
    for (int s = 0; s < w->shares; s++)
        for (int i = 0; i < w->share[s].slices->units; i++) {
            const struct slice_unit *slice = &w->share[s].slices->unit[i];
            const struct param *last = &w->params->param[slice->param_end - 1];
            const struct reduced_run *own = slices_run(w->share[s].slices, i, ranks[s]);
            struct gathered_cut cut = {.share = s, .unit = i, .at = unit->bytes};
            if (slot_of(u, weights_unit_of(w->params, slice->param)) != k)
                continue;
            cut.begin = w->params->param[slice->param].offset;
            cut.end = last->offset + last->size;
            cut.own = u->own_bytes;
            cut.stays = !has_matrix(w->params, slice);
            u->cut[u->cuts++] = cut;
            if (!cut.stays)
                unit->bytes += align_up((size_t)(cut.end - cut.begin) * w->act_size);
            u->own_bytes += align_up((size_t)(own->end - own->begin) * w->act_size);
        }
    unit->cut_end = u->cuts;
}

static int
layers_of(const struct params *p)
{
    int last = -1;

    for (int i = 0; i < p->count; i++)
        last = p->param[i].layer > last ? p->param[i].layer : last;
    return last + 1;
}

void
units_lay_out(struct weights *w, const int *ranks)
{
    struct units *u = &w->units;
    int slices = 0;

    for (int s = 0; s < w->shares; s++)
        slices += w->share[s].slices->units;
    u->count = layers_of(w->params) + 2;
    u->unit = mem_array((size_t)u->count, sizeof *u->unit);
    u->cut = mem_array((size_t)slices + 1, sizeof *u->cut);
    for (int k = 0; k < u->count; k++) {
        add_cuts(w, k, ranks);
        bool outside = k == 0 || k == u->count - 1;
        for (int b = outside ? 0 : 1; b < (outside ? 1 : GATHER_BUFFERS); b++)
            if (u->unit[k].bytes > u->buffer_bytes[b])
                u->buffer_bytes[b] = u->unit[k].bytes;
    }
}

void
units_release(struct weights *w)
{
    free(w->units.unit);
    free(w->units.cut);
    w->units = (struct units){0};
}

size_t
units_bytes(const struct units *u, size_t *gathered)
{
    *gathered = 0;
    for (int b = 0; b < GATHER_BUFFERS; b++)
        *gathered += align_up(u->buffer_bytes[b]);
    return u->own_bytes;
}

void
units_take_memory(struct weights *w)
{
    struct units *u = &w->units;

    u->own = arena_take(&w->arena, u->own_bytes);
    for (int b = 0; b < GATHER_BUFFERS; b++)
        u->buffer[b] =
            (struct gather_buffer){.base = arena_take(&w->arena, u->buffer_bytes[b]), .unit = -1};
}

/* The part of a unit that element e lies in. */
static struct gathered_cut *
cut_with(const struct units *u, const struct gathered_unit *unit, int64_t e)
{
    for (int i = unit->cut; i < unit->cut_end; i++)
        if (u->cut[i].begin <= e && e < u->cut[i].end)
            return &u->cut[i];
    return NULL;
}

void *
units_own(const struct weights *w, int64_t e)
{
    const struct units *u = &w->units;
    int unit = slot_of(u, weights_unit_of(w->params, weights_param_at(w->params, e)));
    const struct gathered_cut *c = cut_with(u, &u->unit[unit], e);

    if (!c)
        return NULL;
    const struct share *s = &w->share[c->share];
    const struct reduced_run *own = slices_run(s->slices, c->unit, s->comm->rank);
    return u->own + c->own + (size_t)(e - own->begin) * w->act_size;
}

/* ---- gathering ---- */

static int
await(struct weights *w, int unit)
{
    struct units *u = &w->units;

    for (int i = u->unit[unit].cut; i < u->unit[unit].cut_end; i++)
        if (comm_wait(w->share[u->cut[i].share].comm, &u->cut[i].request) != 0)
            return -1;
    return 0;
}

static int
empty(struct weights *w, struct gather_buffer *b)
{
    int unit = b->unit;

    if (unit < 0)
        return 0;
    b->unit = w->units.unit[unit].buffer = -1;
    return await(w, unit);
}

static int
start_cut(struct weights *w, struct gathered_cut *c, char *buffer)
{
    const struct share *s = &w->share[c->share];
    size_t *sizes = s->sizes + (size_t)c->unit * (size_t)s->comm->size;
    size_t *offsets = s->offsets + (size_t)c->unit * (size_t)s->comm->size;

    for (int i = 0; i < s->comm->size; i++) {
        const struct reduced_run *run = slices_run(s->slices, c->unit, i);
        sizes[i] = (size_t)(run->end - run->begin) * w->act_size;
        offsets[i] = (size_t)(run->begin - c->begin) * w->act_size;
    }
    return s->comm->ops->all_gather_v(s->comm, w->units.own + c->own, sizes[s->comm->rank],
                                      buffer + c->at, sizes, offsets, &c->request);
}

static int
start(struct weights *w, int unit, int buffer)
{
    struct units *u = &w->units;
    struct gather_buffer *b = &u->buffer[buffer];

    if (empty(w, b) != 0)
        return -1;
    b->unit = unit;
    b->used = u->calls;
    u->unit[unit].buffer = buffer;
    for (int i = u->unit[unit].cut; i < u->unit[unit].cut_end; i++)
        if (!u->cut[i].stays && start_cut(w, &u->cut[i], b->base) != 0)
            return -1;
    return 0;
}

/* The buffer that a unit may have: nobody uses it, and it was used longest ago; else -1. */
static int
free_buffer(const struct units *u, int unit)
{
    bool outside = unit == 0 || unit == u->count - 1;
    int found = -1;

    for (int b = outside ? 0 : 1; b < (outside ? 1 : GATHER_BUFFERS); b++)
        if (u->buffer[b].users == 0 && (found < 0 || u->buffer[b].used < u->buffer[found].used))
            found = b;
    return found;
}

static int
need(void *arg, int number, int next_number)
{
    struct weights *w = arg;
    struct units *u = &w->units;
    int unit = slot_of(u, number), next = next_number < 0 ? -1 : slot_of(u, next_number), b;

    u->calls++;
    if (u->unit[unit].bytes > 0) {
        if (u->unit[unit].buffer < 0) {
            b = free_buffer(u, unit);
            if (b < 0)
                return err_set(STATUS_FAILED, "weights: no buffer for unit %d", number);
            if (start(w, unit, b) != 0)
                return -1;
        }
        if (await(w, unit) != 0)
            return -1;
        u->buffer[u->unit[unit].buffer].users++;
        u->buffer[u->unit[unit].buffer].used = u->calls;
    }
    if (next < 0 || u->unit[next].bytes == 0 || u->unit[next].buffer >= 0)
        return 0;
    b = free_buffer(u, next);
    return b < 0 ? 0 : start(w, next, b);
}

static void
done(void *arg, int number)
{
    struct weights *w = arg;
    struct units *u = &w->units;
    int buffer = u->unit[slot_of(u, number)].buffer;

    if (buffer >= 0 && u->buffer[buffer].users > 0)
        u->buffer[buffer].users--;
}

static const void *
act(void *arg, int param)
{
    const struct weights *w = arg;
    const struct units *u = &w->units;
    const struct gathered_unit *unit = &u->unit[slot_of(u, weights_unit_of(w->params, param))];
    int64_t e = w->params->param[param].offset;
    const struct gathered_cut *c = cut_with(u, unit, e);

    if (!c || unit->buffer < 0)
        return NULL;
    return u->buffer[unit->buffer].base + c->at + (size_t)(e - c->begin) * w->act_size;
}

const struct weight_source units_source = {.need = need, .done = done, .act = act};

int
units_forget(struct weights *w)
{
    for (int b = 0; b < GATHER_BUFFERS; b++)
        if (empty(w, &w->units.buffer[b]) != 0)
            return -1;
    return 0;
}
