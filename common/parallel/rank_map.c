/* Rank maps: candidates of a few kinds, all of them counted. */
#include "parallel/rank_map.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"

/*
 * A layer waits for its tensor group several times a micro-batch; context and expert groups once or
 * twice; a pipeline's message is one a micro-batch, and a step has one data ring, which overlaps.
 */
int
rank_map_weight(enum axis a)
{
    static const int weight[AXES] = {
        [AXIS_TENSOR] = 64, [AXIS_CONTEXT] = 16, [AXIS_EXPERT] = 16,
        [AXIS_PIPELINE] = 4, [AXIS_DATA] = 1,
    };

    return weight[a];
}

int64_t
rank_map_cost(const int64_t hops[AXES])
{
    int64_t cost = 0;

    for (int a = 0; a < AXES; a++)
        cost += rank_map_weight((enum axis)a) * hops[a];
    return cost;
}

void
rank_map_hops(const struct network *n, const int size[AXES], const enum axis order[AXES],
              const int *node, int64_t hops[AXES])
{
    int ranks = 1, c[AXES], stride[AXES];

    for (int i = 0; i < AXES; i++) {
        stride[order[i]] = ranks;
        ranks *= size[order[i]];
        hops[order[i]] = 0;
    }
    for (int r = 0; r < ranks; r++) {
        grid_coordinates(size, order, r, c);
        for (int a = 0; a < AXES; a++) {
            bool last = c[a] == size[a] - 1;
            if (size[a] == 1 || (last && a == AXIS_PIPELINE))
                continue;
            hops[a] += network_hops(n, node[r], node[last ? r - c[a] * stride[a] : r + stride[a]]);
        }
    }
}

/* ---- walks through the network ---- */

enum { LEVELS = AXES, BUDGET = 30000000 };

/*
 * Boxes within boxes: level 0 has a box of box[0] nodes, level 1 is a box of box[1] such boxes, and so
 * on. Within a level the smaller boxes follow each other like a snake, so that neighbours are
 * adjacent; between levels nothing turns round, so that the same places of neighbouring boxes
 * are as far from each other as the boxes. backwards: the last dimension is fastest.
 */
struct walk {
    int levels, volume[LEVELS], box[LEVELS][NETWORK_DIMS];
    unsigned backwards; /* a bit a level */
};

/* Digit by digit of `at` (reflected Gray code of mixed radix), each times its unit, added to c. */
static void
snake(const int *size, int dims, bool backwards, int at, const int *unit, int c[NETWORK_DIMS])
{
    for (int i = 0; i < dims; i++) {
        int d = backwards ? dims - 1 - i : i;
        int digit = at % size[d];
        at /= size[d];
        c[d] += (at % 2 ? size[d] - 1 - digit : digit) * unit[d];
    }
}

static int
walk_node(const struct network *n, const struct walk *w, int at)
{
    int c[NETWORK_DIMS] = {0}, unit[NETWORK_DIMS] = {1, 1, 1, 1, 1, 1}, node = 0;

    if (n->kind == NETWORK_TREE)
        return at;
    for (int i = 0; i < w->levels; i++) {
        snake(w->box[i], n->dims, w->backwards >> i & 1, at % w->volume[i], unit, c);
        at /= w->volume[i];
        for (int d = 0; d < n->dims; d++)
            unit[d] *= w->box[i][d];
    }
    for (int d = n->dims - 1; d >= 0; d--)
        node = node * n->size[d] + c[d];
    return node;
}

/* ---- candidates ---- */

struct search {
    const struct network *network;
    const int *size;
    const enum axis *order;
    struct rank_map *map;
    int *path, *node;    /* [nodes] of a walk, [ranks] of a candidate */
    const int *sequence; /* [ranks]: ranks in the order in which they fill nodes */
    int64_t limit, best; /* of tensor and pipeline links; cost of the map */
    int64_t budget;      /* ranks that may still be placed: a large machine gets fewer candidates */
};

static void
try_walk(struct search *s, const struct walk *w)
{
    int64_t hops[AXES], cost;

    if ((s->budget -= s->map->ranks) < 0)
        return;
    for (int i = 0; i < s->network->nodes; i++)
        s->path[i] = walk_node(s->network, w, i);
    for (int i = 0; i < s->map->ranks; i++)
        s->node[s->sequence[i]] = s->path[i / s->map->per_node];
    rank_map_hops(s->network, s->size, s->order, s->node, hops);
    cost = rank_map_cost(hops);
    if (cost >= s->best || hops[AXIS_TENSOR] + hops[AXIS_PIPELINE] > s->limit)
        return;
    s->best = cost;
    memcpy(s->map->node, s->node, (size_t)s->map->ranks * sizeof *s->node);
    memcpy(s->map->hops, hops, sizeof hops);
}

/* All boxes for this level and those above it that fill what is left of the network's sides. */
static void
try_boxes(struct search *s, struct walk *w, int level, int d, int volume, const int left[NETWORK_DIMS])
{
    int rest[NETWORK_DIMS];

    if (level == w->levels) {
        for (w->backwards = 0; w->backwards < 1u << w->levels; w->backwards++)
            try_walk(s, w);
    } else if (d < s->network->dims) {
        for (int side = 1; side <= left[d] && side <= volume; side++)
            if (left[d] % side == 0 && volume % side == 0) {
                w->box[level][d] = side;
                try_boxes(s, w, level, d + 1, volume / side, left);
            }
    } else if (volume == 1) {
        for (int i = 0; i < s->network->dims; i++)
            rest[i] = left[i] / w->box[level][i];
        try_boxes(s, w, level + 1, 0, level + 1 < w->levels ? w->volume[level + 1] : 1, rest);
    }
}

/* Levels of `factor` nodes; each bit of merge joins a level with the next one. */
static void
try_levels(struct search *s, const int *factor, int levels, unsigned merge)
{
    struct walk w = {0};

    for (int i = 0; i < levels; i++) {
        if (i > 0 && merge >> (i - 1) & 1)
            w.volume[w.levels - 1] *= factor[i];
        else
            w.volume[w.levels++] = factor[i];
    }
    try_boxes(s, &w, 0, 0, w.volume[0], s->network->size);
}

/* Ranks ordered with these axes fastest first; each axis beyond a node is a level. */
static void
try_order(struct search *s, const enum axis fastest[AXES])
{
    int *sequence = mem_array((size_t)s->map->ranks, sizeof *sequence), c[AXES];
    int factor[LEVELS], levels = 0, group = 1, done = 1;

    for (int i = 0; i < s->map->ranks; i++) {
        grid_coordinates(s->size, fastest, i, c);
        sequence[i] = grid_rank(s->size, s->order, c);
    }
    s->sequence = sequence;
    for (int i = 0; i < AXES; i++) {
        group *= s->size[fastest[i]];
        if (group % s->map->per_node != 0 || group / s->map->per_node == done)
            continue;
        factor[levels++] = group / s->map->per_node / done;
        done = group / s->map->per_node;
    }
    if (levels == 0)
        factor[levels++] = 1;
    if (s->network->kind == NETWORK_TREE)
        try_walk(s, &(struct walk){0});
    for (unsigned merge = 0; merge < 1u << (levels - 1) && s->network->kind == NETWORK_TORUS; merge++)
        try_levels(s, factor, levels, merge);
    free(sequence);
}

static int
check_size(struct network *n, int ranks, int per_node)
{
    if (per_node < 1 || ranks % per_node != 0)
        return err_set(STATUS_USAGE, "%d ranks are not a multiple of %d a node", ranks, per_node);
    if (n->kind == NETWORK_TREE)
        n->nodes = ranks / per_node;
    if (n->nodes != ranks / per_node)
        return err_set(STATUS_USAGE, "%d ranks, %d a node, need %d nodes; the network has %d", ranks,
                       per_node, ranks / per_node, n->nodes);
    return 0;
}

int
rank_map_make(struct rank_map *m, struct network *n, const int size[AXES],
              const enum axis order[AXES], int per_node)
{
    static const enum axis orders[][AXES] = {
        {AXIS_TENSOR, AXIS_CONTEXT, AXIS_EXPERT, AXIS_PIPELINE, AXIS_DATA},
        {AXIS_TENSOR, AXIS_EXPERT, AXIS_CONTEXT, AXIS_PIPELINE, AXIS_DATA},
        {AXIS_TENSOR, AXIS_CONTEXT, AXIS_EXPERT, AXIS_DATA, AXIS_PIPELINE},
    };
    struct search s = {.network = n, .size = size, .order = order, .map = m};
    int ranks = 1;

    *m = (struct rank_map){0};
    for (int a = 0; a < AXES; a++)
        ranks *= size[a];
    if (check_size(n, ranks, per_node) < 0)
        return -1;
    *m = (struct rank_map){.ranks = ranks, .per_node = per_node};
    m->node = mem_array((size_t)ranks, sizeof *m->node);
    for (int r = 0; r < ranks; r++)
        m->node[r] = r / per_node;
    rank_map_hops(n, size, order, m->node, m->naive);
    memcpy(m->hops, m->naive, sizeof m->hops);
    s.budget = BUDGET;
    s.limit = m->naive[AXIS_TENSOR] + m->naive[AXIS_PIPELINE];
    s.best = rank_map_cost(m->naive);
    s.path = mem_array((size_t)n->nodes, sizeof *s.path);
    s.node = mem_array((size_t)ranks, sizeof *s.node);
    for (size_t i = 0; i < sizeof orders / sizeof *orders; i++)
        try_order(&s, orders[i]);
    try_order(&s, order);
    free(s.path);
    free(s.node);
    return 0;
}

void
rank_map_release(struct rank_map *m)
{
    free(m->node);
    *m = (struct rank_map){0};
}
