#ifndef PARALLEL_REDUCE_PRIVATE_H
#define PARALLEL_REDUCE_PRIVATE_H

#include "base/arena.h"
#include "base/err.h"
#include "parallel/reduce.h"

/* What reduce.c and its two ways of moving gradients share; nobody else includes it. */

/* A run of at most REDUCE_PIECE elements of the gradient array with one owner. */
struct piece {
    int64_t begin, end;
    int owner;
    int twin;         /* tied embedding: the same elements' piece of the other gradient; else -1 */
    int64_t elements; /* of tensors: gaps between them are never reported ready */
    int64_t waiting;  /* of those, not yet ready in this step */
    bool published;   /* this rank's part is final */
    bool reduced;     /* this rank owns it and has finished its tree */
};

/* A maximal tree node of some rank; its gradients lie in that rank's buffer `index`. */
struct node {
    struct tree_run run;
    int rank, index;
};

/* values[to] += values[from]: over the buffers of a rank, or over all ranks' nodes. */
struct addition {
    int to, from;
};

/*
 * A way of moving pieces. open takes the buffers; begin is called before the first buffer
 * of a step is filled; publish when this rank's nodes of a piece are final. For a piece of
 * its own, collect sets *there when all nodes are here, and where; home puts the sum,
 * which stands at node 0's place, where it belongs; complete lets all ranks have all sums.
 */
struct reduce_way {
    int (*open)(struct reducer *r);
    void (*close)(struct reducer *r);
    int (*begin)(struct reducer *r);
    int (*publish)(struct reducer *r, int piece);
    int (*collect)(struct reducer *r, int piece, bool *there, float **at);
    void (*home)(struct reducer *r, int piece, float *const *at);
    int (*complete)(struct reducer *r);
    const float *(*sum)(const struct reducer *r);
};
extern const struct reduce_way reduce_in_memory, reduce_by_messages;

struct reducer {
    struct comm *comm; /* a group of its own: tags do not meet other messages */
    const struct params *params;
    struct threads *pool;
    int groups;
    bool overwritten;
    bool alone;      /* one rank with one group: a tied embedding's sparse gradient is moved away */
    bool tied_clean; /* … and that has left zeros for the next step */
    struct tree_run run;
    struct slice *slices;
    struct piece *pieces;
    int piece_count;

    int buffers;
    float *buffer[TREE_DEPTH]; /* [grad_elements] each */

    struct node *nodes;                   /* of all ranks, ascending */
    int node_count, own_nodes, own_first; /* this rank's: nodes[own_first …] */
    struct addition *tree;                /* over nodes, in order; the sum is left at node 0 */

    struct tree_stack stack;
    struct addition last[TREE_DEPTH]; /* over buffers, once the last group is there */
    int last_count;
    int next;      /* the next group */
    uint32_t step; /* from 1 */

    int *queue;             /* own pieces in the order they became final here */
    int queued, queue_head; /* [queue_head, queued) are not yet reduced */
    int own_pieces;         /* so many will come */
    float **at;             /* scratch: where the nodes of one piece lie */
    int early;              /* own pieces that were reduced before reducer_finish */
    bool finishing;         /* the hook leaves the work to reducer_finish */
    bool failed;
    struct err error;

    const struct reduce_way *way;
    void *state;  /* the way's own */
    double *sums; /* reducer_gather_sums: flags and block sums of each rank */
    size_t *sum_sizes, *sum_offsets;
    size_t *loss_sizes, *loss_offsets; /* of each rank's losses */
};

/*
 * reduce_pieces.c: makes r->pieces from r->slices; how many elements of tensors lie in
 * [begin, end).
 */
void reduce_cut(struct reducer *r);
int64_t reduce_covered(const struct params *p, int64_t begin, int64_t end);
/* The first piece that ends behind element e. */
int reduce_find(const struct reducer *r, int64_t e);

/* reduce_add.c: the additions, in order, over elements [0, n) of the values; or zeros. */
void reduce_sum(struct threads *pool, const struct addition *additions, int count,
                float *const *value, int64_t n);
void reduce_zero(struct threads *pool, float *value, int64_t n);

/* to += from, from = 0; runs of from that are zero already cost no more than reading them. */
void reduce_move(struct threads *pool, float *to, float *from, int64_t n);

/* Bytes in which messages of that many nodes of other ranks land. */
uint64_t reduce_staging(int remote);

#endif
