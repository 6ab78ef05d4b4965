#ifndef PARALLEL_REDUCE_PRIVATE_H
#define PARALLEL_REDUCE_PRIVATE_H

#include "base/arena.h"
#include "base/err.h"
#include "parallel/reduce.h"

/* What reduce.c and its ways of keeping and moving gradients share; nobody else includes it. */

/* A run of at most REDUCE_PIECE elements of one tensor with one owner. */
struct piece {
    int64_t at, size; /* in a gradient buffer */
    int64_t home;     /* of own pieces with a ring: in r->sums */
    int param;        /* params->count: the input side of a tied embedding */
    int owner;
    int twin;       /* tied embedding: the same elements' piece of the other gradient; else -1 */
    bool published; /* this rank's part is final */
    bool reduced;   /* this rank owns it and has finished its tree */
};

/* What a step does with a tensor. */
struct tensor {
    int64_t at, size;     /* in a gradient buffer; -1: not reduced here */
    int piece, piece_end; /* its pieces */
    int group;            /* begun last; run.begin - 1: none in this step */
    bool ready;           /* in the last group */
    float *place;         /* in that group */
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

/* One of this rank's groups: the buffer that it fills, and what is added when it is complete. */
struct leaf {
    int buffer;
    struct addition *fold;
    int folds;
};

/*
 * A way of moving pieces. open takes the buffers; begin is called before the first buffer
 * of a step is filled; publish when this rank's nodes of a piece are final. For a piece of
 * its own, collect sets *there when all nodes are here, and where (those of this rank at
 * r->at[own_first …]); reduced tells that they were read. taken: may this rank overwrite its part
 * of a published piece? complete: the sums are final, and with zero 0 all ranks have them all; sum:
 * where, with zero 0, the sum of what is at `at` in a gradient buffer stands, or comes to stand.
 */
struct reduce_way {
    int (*open)(struct reducer *r);
    void (*close)(struct reducer *r);
    int (*begin)(struct reducer *r);
    int (*publish)(struct reducer *r, int piece);
    int (*collect)(struct reducer *r, int piece, bool *there, float **at);
    void (*reduced)(struct reducer *r, int piece);
    int (*taken)(struct reducer *r, int piece, bool *yes);
    int (*complete)(struct reducer *r);
    float *(*sum)(const struct reducer *r, int64_t at);
};
extern const struct reduce_way reduce_in_memory, reduce_by_messages;

/* A tensor's gradient in the ring. */
struct ring_entry {
    int param;
    int64_t begin, end;
};

/* Gradients one behind the other until their owners took them: reduce_ring.c. */
struct ring {
    float *base;
    int64_t size;
    struct ring_entry *entry; /* [capacity], oldest at `first` */
    int capacity, first, count;
};

struct tied;

struct reducer {
    struct comm *comm; /* a group of its own: tags do not meet other messages */
    const struct params *params;
    struct threads *pool;
    int groups, zero;
    bool alone;      /* one rank with one group: a tied embedding's sparse gradient is moved away */
    bool tied_clean; /* … and that has left zeros for the next step */
    bool rounded;    /* messages are BF16 */
    bool *mine;
    struct tree_run run;
    struct slices slices;

    int64_t extent;        /* elements of a gradient buffer: the tensors reduced here */
    struct tensor *tensor; /* [params->count + 1], the last one the input side */
    struct piece *pieces;
    int piece_count;

    int buffers;
    float *buffer[TREE_DEPTH]; /* [extent] each */
    bool ringed;
    struct ring ring;
    float *sums;         /* with a ring: the own runs, each from a multiple of 16 */
    int64_t *sums_at;    /* [units] where the own run of each begins there */
    struct arena arena;  /* of sums */

    struct node *nodes;                   /* of all ranks, ascending */
    int node_count, own_nodes, own_first; /* this rank's: nodes[own_first …] */
    struct addition *tree;                /* over nodes, in order; the sum is left at one of ours, or node 0 */
    struct leaf *leaves;                  /* of run, the last one's additions done piece by piece */

    uint32_t step; /* from 1 */
    bool open;     /* a step was begun */
    int *queue;    /* own pieces in the order they became final here */
    int queued, queue_head; /* [queue_head, queued) are not yet reduced */
    int own_pieces;         /* so many will come */
    float **at;             /* scratch: where the nodes of one piece lie */
    int early;              /* own pieces that were reduced before reducer_finish */
    bool finishing;         /* the hook leaves the work to reducer_finish */
    bool failed;
    struct err error;

    const struct reduce_way *way;
    void *state;       /* the way's own */
    struct tied *tied; /* NULL: no other stage has the other use */
    double *block_sums; /* reducer_gather_sums: flags and block sums of each rank */
    size_t *sum_sizes, *sum_offsets;
    size_t *loss_sizes, *loss_offsets; /* of each rank's losses */
};

/*
 * reduce_cut.c: lays tensors out in a gradient buffer (r->tensor, r->extent) and cuts
 * r->pieces by r->slices.
 */
void reduce_lay_out(struct reducer *r);
/* Where a rank's run of each unit begins among its own runs, at [units] or NULL; their extent. */
int64_t reduce_place_sums(const struct slices *s, int rank, int64_t *at);
void reduce_cut(struct reducer *r);

/* reduce_add.c: the additions, in order, over elements [0, n) of the values; or zeros. */
void reduce_sum(struct threads *pool, const struct addition *additions, int count,
                float *const *value, int64_t n);
void reduce_zero(struct threads *pool, float *value, int64_t n);

/* to += from, from = 0; runs of from that are zero already cost no more than reading them. */
void reduce_move(struct threads *pool, float *to, float *from, int64_t n);

/* Where this rank's sum of an own piece stands. */
float *reduce_own_sum(const struct reducer *r, const struct piece *p);

/* Keeps the error record for reducer_finish. */
void reduce_fail(struct reducer *r);

/*
 * reduce_ring.c: do gradients stand in a ring; its elements; room for a tensor's gradient,
 * waiting for it (some place after an error, which is kept).
 */
bool reduce_has_ring(const struct reducer_options *o, int ranks);
int reduce_ring_open(struct reducer *r);
void reduce_ring_close(struct reducer *r);
int64_t reduce_ring_size(const struct reducer *r);
float *reduce_ring_take(struct reducer *r, int param);

/*
 * reduce_tied.c: exchanges own pieces of an embedding with the other stage's owner, in the
 * order in which they stand, and adds what comes. advance: as far as it goes without waiting.
 */
int reduce_tied_open(struct reducer *r, const struct reducer_options *o);
void reduce_tied_close(struct reducer *r);
void reduce_tied_begin(struct reducer *r);
int reduce_tied_advance(struct reducer *r);
bool reduce_tied_done(const struct reducer *r);
uint64_t reduce_tied_bytes(int64_t own_elements); /* that other ranks' parts land in */

/* Bytes in which messages of that many nodes of other ranks land. */
uint64_t reduce_staging(int remote);

#endif
