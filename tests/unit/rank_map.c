/* Rank maps: every rank once, never more links than the naive order, and on small networks beside all placements. */
#include "parallel/rank_map.h"

#include <stdlib.h>

#include "tests/unit/tap.h"

struct example {
    const char *network;
    int per_node;
    int size[AXES]; /* tensor, context, expert, data, pipeline */
};

static int64_t
product(const struct example *e)
{
    int64_t n = 1;

    for (int a = 0; a < AXES; a++)
        n *= e->size[a];
    return n;
}

static bool
each_node_is_full(const struct rank_map *m, int nodes)
{
    int *count = calloc((size_t)nodes, sizeof *count);
    bool full = true;

    for (int r = 0; r < m->ranks; r++)
        if (m->node[r] >= 0 && m->node[r] < nodes)
            count[m->node[r]]++;
    for (int i = 0; i < nodes; i++)
        full = full && count[i] == m->per_node;
    free(count);
    return full;
}

static void
test_example(const struct example *e, struct rank_map *m, struct network *n, enum axis order[AXES])
{
    int64_t counted[AXES];

    grid_default_order(order);
    if (!ok(network_parse(n, e->network) == 0 && rank_map_make(m, n, e->size, order, e->per_node) == 0,
            "%s, %d ranks, %d a node", e->network, (int)product(e), e->per_node))
        return;
    ok(each_node_is_full(m, n->nodes), "each rank once, each node full");
    rank_map_hops(n, e->size, order, m->node, counted);
    ok(memcmp(counted, m->hops, sizeof counted) == 0, "its links are those that are counted");
    ok(m->hops[AXIS_TENSOR] + m->hops[AXIS_PIPELINE] <= m->naive[AXIS_TENSOR] + m->naive[AXIS_PIPELINE] &&
           rank_map_cost(m->hops) <= rank_map_cost(m->naive),
       "no more than in the naive order: tensor %d (%d), pipeline %d (%d), data %d (%d)",
       (int)m->hops[AXIS_TENSOR], (int)m->naive[AXIS_TENSOR], (int)m->hops[AXIS_PIPELINE],
       (int)m->naive[AXIS_PIPELINE], (int)m->hops[AXIS_DATA], (int)m->naive[AXIS_DATA]);
    if (e->size[AXIS_TENSOR] > 1 && e->per_node % e->size[AXIS_TENSOR] == 0)
        ok(m->hops[AXIS_TENSOR] == 0, "tensor groups share a node");
}

/* The least cost of all placements of ranks on nodes, one rank a node. */
static int64_t
least_cost(const struct network *n, const int size[AXES], const enum axis order[AXES], int *node, int placed,
           int ranks, int64_t least)
{
    int64_t hops[AXES], cost;

    if (placed == ranks) {
        rank_map_hops(n, size, order, node, hops);
        cost = rank_map_cost(hops);
        return cost < least ? cost : least;
    }
    for (int i = placed; i < ranks; i++) {
        int t = node[placed];
        node[placed] = node[i];
        node[i] = t;
        least = least_cost(n, size, order, node, placed + 1, ranks, least);
        node[i] = node[placed];
        node[placed] = t;
    }
    return least;
}

static void
test_brute_force(const struct example *e)
{
    struct rank_map m;
    struct network n;
    enum axis order[AXES];
    int node[8], ranks = (int)product(e);
    int64_t least;

    test_example(e, &m, &n, order);
    for (int r = 0; r < ranks; r++)
        node[r] = r;
    least = least_cost(&n, e->size, order, node, 1, ranks, INT64_MAX); /* rank 0 stays: a torus looks alike from everywhere */
    ok(20 * rank_map_cost(m.hops) <= 21 * least, "cost %d, the least of all placements is %d", (int)rank_map_cost(m.hops),
       (int)least);
    rank_map_release(&m);
}

/* 13,824 nodes of Fugaku as 48x6x48, tensor 6, pipeline 8: one link between neighbours is the least there can be. */
static void
test_fugaku(void)
{
    static const int size[AXES] = {6, 1, 1, 288, 8};
    struct network n;
    struct rank_map m;
    enum axis order[AXES];

    grid_default_order(order);
    ok(network_parse(&n, "torus 48x6x48") == 0 && rank_map_make(&m, &n, size, order, 1) == 0, "a whole machine");
    ok(m.hops[AXIS_TENSOR] == 13824 && m.hops[AXIS_PIPELINE] == 13824 / 8 * 7, "neighbours are one link apart");
    ok(m.hops[AXIS_DATA] < 13824 * 5 / 4, "almost all of data rings, too");
    rank_map_release(&m);
}

static void
test_refused(void)
{
    static const char *const bad[] = {"torus", "torus 0x2", "torus 2x", "torus 2x2x2x2x2x2x2", "tree 0", "ring 4", "torus 99999x99999"};
    struct network n;
    struct rank_map m;
    enum axis order[AXES];
    int size[AXES] = {1, 1, 1, 4, 1};

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ok(network_parse(&n, bad[i]) < 0, "refused: %s", bad[i]);
    grid_default_order(order);
    ok(network_parse(&n, "torus 3") == 0 && rank_map_make(&m, &n, size, order, 1) < 0, "three nodes for four ranks");
    ok(rank_map_make(&m, &n, size, order, 3) < 0, "four ranks, three a node");
}

static void
test_distances(void)
{
    struct network n;
    struct str s = {0};

    ok(network_parse(&n, "torus 4x3x2") == 0 && n.nodes == 24, "a torus of 24");
    ok(network_hops(&n, 0, 3) == 1 && network_hops(&n, 0, 2) == 2 && network_hops(&n, 0, 4) == 1 &&
           network_hops(&n, 0, 8) == 1 && network_hops(&n, 0, 23) == 3 && network_hops(&n, 5, 5) == 0,
       "its distances go round");
    network_name(&n, 23, &s);
    ok(strcmp(s.data, "(3,2,1)") == 0, "the name of its last node is %s", s.data);
    str_release(&s);
    ok(network_parse(&n, "tree 4") == 0 && network_hops(&n, 0, 3) == 2 && network_hops(&n, 3, 4) == 4,
       "a tree: below one leaf, and over the spine");
}

int
main(void)
{
    static const struct example large[] = {
        {"torus 4x6x4", 4, {4, 1, 1, 12, 8}},          {"torus 2x3x2", 4, {4, 1, 1, 3, 4}},
        {"torus 4x4x4", 1, {2, 1, 1, 4, 8}},           {"torus 4x2x2x2x3x2", 4, {2, 2, 1, 24, 8}},
        {"torus 8x8", 2, {4, 1, 2, 4, 4}},             {"tree 4", 4, {4, 1, 1, 4, 4}},
        {"tree 8", 2, {2, 1, 2, 4, 8}},                {"torus 5x7", 1, {1, 1, 1, 7, 5}},
        {"torus 6x2", 2, {6, 1, 1, 2, 2}},             {"tree 3", 1, {2, 1, 1, 2, 3}},
    };
    static const struct example small[] = {
        {"torus 2x2", 1, {1, 1, 1, 2, 2}},   {"torus 2x3", 1, {1, 1, 1, 2, 3}}, {"torus 2x3", 1, {1, 1, 1, 3, 2}},
        {"torus 2x2x2", 1, {2, 1, 1, 2, 2}}, {"torus 4x2", 1, {1, 1, 1, 4, 2}}, {"torus 4x2", 1, {1, 1, 1, 2, 4}},
        {"torus 4x2", 1, {2, 1, 1, 1, 4}},   {"torus 8", 1, {2, 1, 1, 2, 2}},   {"torus 2x4", 1, {4, 1, 1, 2, 1}},
        {"torus 7", 1, {1, 1, 1, 7, 1}},
    };

    test_distances();
    for (size_t i = 0; i < sizeof large / sizeof *large; i++) {
        struct rank_map m;
        struct network n;
        enum axis order[AXES];
        test_example(&large[i], &m, &n, order);
        rank_map_release(&m);
    }
    for (size_t i = 0; i < sizeof small / sizeof *small; i++)
        test_brute_force(&small[i]);
    test_fugaku();
    test_refused();
    return done();
}
