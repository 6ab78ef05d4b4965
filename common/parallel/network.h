#ifndef PARALLEL_NETWORK_H
#define PARALLEL_NETWORK_H

#include "base/str.h"

/*
 * How the nodes of a machine are joined, as far as distances go: a torus of up to six dimensions (of
 * Tofu-D the dimensions X, Y, Z, A, B, C; a mesh of two is a ring of two), or a fat tree by the
 * nodes below each leaf switch. Nodes are numbered with the first dimension fastest, leaf by leaf.
 */
enum network_kind { NETWORK_NONE, NETWORK_TORUS, NETWORK_TREE };
enum { NETWORK_DIMS = 6 };

struct network {
    enum network_kind kind;
    int dims, size[NETWORK_DIMS]; /* torus: the shape of the job's allocation */
    int leaf;                     /* tree: nodes below a leaf switch */
    int nodes;                    /* torus: the product of the sizes */
};

/*
 * Reads "torus 4x6x4", "tree 16" (nodes stays 0: it follows from the ranks). 0, or -1
 * (STATUS_USAGE) with a record that does not name a place.
 */
int network_parse(struct network *n, const char *text);

/* The coordinate of a node in a torus. */
void network_coordinate(const struct network *n, int node, int coordinate[NETWORK_DIMS]);

/* Links between two nodes on a shortest way: a tree has 2 below one leaf, 4 between two. */
int network_hops(const struct network *n, int from, int to);

/* "(1,0,2)" in a torus, "7" in a tree. */
void network_name(const struct network *n, int node, struct str *out);

#endif
