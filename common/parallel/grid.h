#ifndef PARALLEL_GRID_H
#define PARALLEL_GRID_H

#include "comm/comm.h"

/*
 * The process grid: every rank has a coordinate on five axes. The first axis of
 * the order changes fastest with the rank, so its ranks are neighbours (on one host).
 */
enum axis { AXIS_TENSOR, AXIS_CONTEXT, AXIS_EXPERT, AXIS_DATA, AXIS_PIPELINE, AXES };

const char *axis_name(enum axis a); /* "tensor", ... */

struct grid {
    int size[AXES];
    enum axis order[AXES]; /* fastest first */
    int coordinate[AXES];  /* this rank's */
    struct comm *world;    /* the caller's */
    struct comm *along
        [AXES]; /* the ranks that differ from this one on that axis only; rank there = coordinate */
};

/* The default order: tensor, context, expert, data, pipeline. */
void grid_default_order(enum axis order[AXES]);

/*
 * Reads "tensor,data,pipeline,…": axes fastest first; those not named follow in the
 * default order. 0, or -1 (STATUS_USAGE: an unknown or doubled name).
 */
int grid_parse_order(const char *text, enum axis order[AXES]);

/*
 * Fills in size[AXIS_DATA] from the number of ranks and the other sizes. 0, or -1
 * (STATUS_USAGE) when they do not divide it, naming the nearest number of ranks that works.
 */
int grid_fit(int size[AXES], int ranks);

/* Between ranks and coordinates, by arithmetic alone. */
void
grid_coordinates(const int size[AXES], const enum axis order[AXES], int rank, int coordinate[AXES]);
int grid_rank(const int size[AXES], const enum axis order[AXES], const int coordinate[AXES]);

/* Makes the groups along every axis. Collective. The product of sizes is world->size. 0 or -1. */
int
grid_init(struct grid *g, struct comm *world, const int size[AXES], const enum axis order[AXES]);
void grid_release(struct grid *g);

/*
 * The group of ranks that differ from this one on the axes of the mask only (1 << AXIS_DATA | …),
 * in order of the grid. For example data with expert: the ranks that hold the same
 * dense parameters. Collective; released by the caller. 0 or -1.
 */
int grid_group(const struct grid *g, unsigned axes, struct comm **out);

#endif
