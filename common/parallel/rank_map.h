#ifndef PARALLEL_RANK_MAP_H
#define PARALLEL_RANK_MAP_H

#include <stdint.h>

#include "parallel/grid.h"
#include "parallel/network.h"

/*
 * Where ranks run. Tensor groups share a node, then context and expert groups; pipeline neighbours
 * are neighbours in the network, data rings compact. Of many ways to fill the network (boxes of nodes
 * for a group, in boxes for the next larger group, …) the one with the fewest links, weighted, is
 * taken, of those that need no more for tensor and pipeline groups than the naive order, in which
 * rank r runs on node r / per_node.
 */
struct rank_map {
    int ranks, per_node;
    int *node; /* [ranks] */
    /*
     * Links that the messages of one round cross, by axis: every rank sends to the next one of its
     * group, the last one to the first but for pipelines.
     */
    int64_t hops[AXES], naive[AXES];
};

/* What a link costs on an axis, in the sum that is minimized. */
int rank_map_weight(enum axis a);

/*
 * Makes one for a grid. A tree's number of nodes is set from the ranks. 0, or -1 (STATUS_USAGE: the
 * network has another number of nodes than ranks / per_node).
 */
int rank_map_make(struct rank_map *m, struct network *n, const int size[AXES],
                  const enum axis order[AXES], int per_node);
void rank_map_release(struct rank_map *m);

/* Counts the links of any placement. */
void rank_map_hops(const struct network *n, const int size[AXES], const enum axis order[AXES],
                   const int *node, int64_t hops[AXES]);
int64_t rank_map_cost(const int64_t hops[AXES]);

#endif
