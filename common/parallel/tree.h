#ifndef PARALLEL_TREE_H
#define PARALLEL_TREE_H

#include <stdbool.h>

/*
 * The tree in which gradients are added, whatever the ranks: tree(n leaves) =
 * tree(first p) + tree(rest), p the largest power of two < n. Its nodes are the
 * aligned runs [k 2^j, (k+1) 2^j) cut at n. A leaf is a reduce group. A rank holds a
 * contiguous run of leaves; it adds what lies within its run and hands on the roots of
 * what it added (the maximal nodes of its run).
 */
struct tree_run {
    int begin, end;
};

/*
 * The leaves of `rank`: rank*leaves/ranks up to the next; sizes differ by at most one. ranks
 * <= leaves.
 */
struct tree_run tree_share(int leaves, int ranks, int rank);

/* Are a, b neighbours whose sum is a node of tree(leaves)? */
bool tree_joins(int leaves, struct tree_run a, struct tree_run b);

/*
 * Adding as a stack program: leaves are pushed in ascending order; after each push
 * the two topmost runs are added while tree_joins says so.
 */
enum { TREE_DEPTH = 64 };
struct tree_stack {
    int leaves, depth;
    struct tree_run run[TREE_DEPTH]; /* entry i lives in buffer i */
};
void tree_push(struct tree_stack *s, int leaf);
/* The next addition: run[depth-2] += run[depth-1], then depth falls by one. False: none. */
bool tree_fold(struct tree_stack *s);

/* The maximal nodes of a run, ascending; how many (<= TREE_DEPTH). */
int tree_nodes(int leaves, struct tree_run run, struct tree_run nodes[TREE_DEPTH]);

/*
 * Buffers that the program for `run` needs at once, the one being filled included; and the
 * most that any rank needs. For a run that begins at a multiple of its (power of two)
 * length it is log2 + 1.
 */
int tree_buffers(int leaves, struct tree_run run);
int tree_buffers_most(int leaves, int ranks);

#endif
