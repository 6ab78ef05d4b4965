/* The process grid: ranks and coordinates, and the groups along its axes. */
#include "parallel/grid.h"

#include <string.h>

#include "base/err.h"

static const char *const names[AXES] = {
    [AXIS_TENSOR] = "tensor", [AXIS_CONTEXT] = "context",   [AXIS_EXPERT] = "expert",
    [AXIS_DATA] = "data",     [AXIS_PIPELINE] = "pipeline",
};

const char *
axis_name(enum axis a)
{
    return names[a];
}

void
grid_default_order(enum axis order[AXES])
{
    for (int i = 0; i < AXES; i++)
        order[i] = (enum axis)i;
}

static int
axis_find(const char *name, size_t length)
{
    for (int i = 0; i < AXES; i++)
        if (strlen(names[i]) == length && memcmp(names[i], name, length) == 0)
            return i;
    return -1;
}

int
grid_parse_order(const char *text, enum axis order[AXES])
{
    bool named[AXES] = {false};
    int n = 0;

    for (const char *at = text;; at++) {
        size_t length = strcspn(at, ",");
        int axis = axis_find(at, length);
        if (axis < 0)
            return err_set(STATUS_USAGE,
                           "%s: '%.*s' is none of tensor, context, expert, data, pipeline", text,
                           (int)length, at);
        if (named[axis])
            return err_set(STATUS_USAGE, "%s: '%s' stands there twice", text, names[axis]);
        named[axis] = true;
        order[n++] = (enum axis)axis;
        at += length;
        if (*at == '\0')
            break;
    }
    for (int i = 0; i < AXES; i++)
        if (!named[i])
            order[n++] = (enum axis)i;
    return 0;
}

int
grid_fit(int size[AXES], int ranks)
{
    int64_t others = 1;

    for (int i = 0; i < AXES; i++) {
        if (i == AXIS_DATA)
            continue;
        if (size[i] < 1)
            return err_set(STATUS_USAGE, "%s-parallel size %d: at least 1", names[i], size[i]);
        others *= size[i];
        if (others > ranks)
            break;
    }
    if (others > ranks || ranks % others != 0) {
        int64_t below = ranks / others * others, above = below + others;
        int64_t near = below > 0 && ranks - below <= above - ranks ? below : above;
        return err_set(STATUS_USAGE,
                       "%d ranks: tensor %d x context %d x expert %d x pipeline %d does not divide "
                       "them; the nearest number is %lld",
                       ranks, size[AXIS_TENSOR], size[AXIS_CONTEXT], size[AXIS_EXPERT],
                       size[AXIS_PIPELINE], (long long)near);
    }
    size[AXIS_DATA] = (int)(ranks / others);
    return 0;
}

void
grid_coordinates(const int size[AXES], const enum axis order[AXES], int rank, int coordinate[AXES])
{
    for (int i = 0; i < AXES; i++) {
        coordinate[order[i]] = rank % size[order[i]];
        rank /= size[order[i]];
    }
}

int
grid_rank(const int size[AXES], const enum axis order[AXES], const int coordinate[AXES])
{
    int rank = 0;

    for (int i = AXES - 1; i >= 0; i--)
        rank = rank * size[order[i]] + coordinate[order[i]];
    return rank;
}

int
grid_group(const struct grid *g, unsigned axes, struct comm **out)
{
    int fixed[AXES];

    /* The group is named by its lowest rank: the coordinates with the free axes at 0. */
    for (int i = 0; i < AXES; i++)
        fixed[i] = axes & 1u << i ? 0 : g->coordinate[i];
    return g->world->ops->split(g->world, grid_rank(g->size, g->order, fixed), g->world->rank, out);
}

int
grid_init(struct grid *g, struct comm *world, const int size[AXES], const enum axis order[AXES])
{
    int64_t ranks = 1;

    *g = (struct grid){.world = world};
    for (int i = 0; i < AXES; i++) {
        g->size[i] = size[i];
        g->order[i] = order[i];
        ranks *= size[i];
    }
    if (ranks != world->size)
        return err_set(STATUS_USAGE, "a grid of %lld ranks for %d", (long long)ranks, world->size);
    grid_coordinates(size, order, world->rank, g->coordinate);
    for (unsigned i = 0; i < AXES; i++)
        if (grid_group(g, 1u << i, &g->along[i]) != 0) {
            grid_release(g);
            return -1;
        }
    return 0;
}

void
grid_release(struct grid *g)
{
    for (int i = 0; i < AXES; i++)
        comm_release(g->along[i]);
    *g = (struct grid){0};
}
