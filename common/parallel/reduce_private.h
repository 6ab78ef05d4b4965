#ifndef PARALLEL_REDUCE_PRIVATE_H
#define PARALLEL_REDUCE_PRIVATE_H

#include "base/arena.h"
#include "base/err.h"
#include "parallel/hosts.h"
#include "parallel/reduce.h"

/* What the reducer's files share; nobody else includes it. */

/* A run of at most REDUCE_PIECE elements of one tensor with one owner. */
struct piece {
    int64_t at, size; /* in a gradient buffer */
    int64_t home;     /* of own pieces with a ring: in r->sums */
    int param;        /* params->count: the input side of a tied embedding */
    int owner, leader; /* its owner; the rank of this host that adds the host's parts */
    int twin;       /* tied embedding: the same elements' piece of the other gradient; else -1 */
    bool published; /* this rank's part is final */
    bool reduced;   /* this rank owns it and has finished its tree */
};

/* What a step does with a tensor. */
struct tensor {
    int64_t at, size;     /* in a gradient buffer; -1: not reduced here */
    int64_t before;       /* elements of a gradient buffer that tensors before it take */
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
 * What the ranks of a host make of their nodes: maximal tree nodes, too. Those of this host
 * stand at one of its nodes; others come by messages.
 */
struct part {
    struct tree_run run;
    int host;
    int node; /* in r->nodes; of this host's parts */
};

/* Additions in order. */
struct additions {
    struct addition *list;
    int count;
};

/* Pieces in the order in which something became final: [head, count) are to be dealt with. */
struct queue {
    int *piece;
    int count, head;
};

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
struct window;
struct messages;

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

    struct hosts hosts;
    struct node *nodes;           /* of all ranks, ascending */
    int node_count;
    int own_first;                /* this rank's first */
    int home;                     /* the node at which sums come to stand */
    struct additions on_host;     /* over nodes: this host's */
    struct part *parts;           /* of all hosts, ascending */
    int part_count, own_parts;    /* this host's so many */
    struct additions over_hosts;  /* over parts */
    struct leaf *leaves;          /* of run; the last one's additions are done piece by piece */

    uint32_t step; /* from 1 */
    bool open;     /* a step was begun */
    struct queue led;   /* pieces that this rank leads for: final here, to be added on the host */
    struct queue own;   /* own ones: added on the host, to be added to other hosts' parts */
    struct queue sent;  /* led for other hosts' owners: on their way */
    int led_pieces, own_pieces; /* so many will come */
    float **at;         /* scratch: where the nodes, or the parts, of one piece lie */
    int early;          /* own pieces that were reduced before reducer_finish */
    bool finishing;         /* the hook leaves the work to reducer_finish */
    bool failed;
    struct err error;

    struct window *window;
    struct messages *messages;
    struct tied *tied; /* NULL: no other stage has the other use */
};

/*
 * reduce_cut.c: lays tensors out in a gradient buffer (r->tensor, r->extent) and cuts
 * r->pieces by r->slices.
 */
void reduce_lay_out(struct reducer *r);
/*
 * Where an element of the flat array (or the end of a run) stands in a gradient buffer; of a frozen
 * tensor, which has no room there: what comes behind it. Elements of a run that have room.
 */
int64_t reduce_place(const struct reducer *r, int64_t element);
int64_t reduce_extent(const struct reducer *r, const struct reduced_run *run);
/* Where a rank's run of each unit begins among its own runs, at [units] or NULL; their extent. */
int64_t reduce_place_sums(const struct reducer *r, int rank, int64_t *at);
void reduce_cut(struct reducer *r);

/* reduce_add.c: the additions, in order, over elements [0, n) of the values; or zeros. */
void reduce_sum(struct threads *pool, const struct addition *additions, int count,
                float *const *value, int64_t n);
void reduce_zero(struct threads *pool, float *value, int64_t n);

/* to += from, from = 0; runs of from that are zero already cost no more than reading them. */
void reduce_move(struct threads *pool, float *to, float *from, int64_t n);

/* Where this rank's sum of an own piece stands. */
float *reduce_own_sum(const struct reducer *r, const struct piece *p);

/* The progress hook (arg: the reducer); forgets what a step knew of its tensors. */
void reduce_progress(void *arg);
void reduce_end_step(struct reducer *r);

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

/* reduce_plan.c: nodes, parts and additions, once r->hosts is known; and what frees them. */
void reduce_plan_tree(struct reducer *r);
void reduce_free_plan(struct reducer *r);

/*
 * reduce_window.c: the gradients of a host's ranks. begin: before the first buffer of a step
 * is filled; publish: this rank's nodes of a piece are final; collect: are those of all ranks of
 * the host? value[] is set to where this host's nodes lie; read: this host's parts of a piece were
 * read, and their memory is free (said by its leader), is_read: were they?; complete: this rank has
 * reduced what it leads for; with zero 0 all of the host have.
 */
int reduce_window_open(struct reducer *r);
void reduce_window_close(struct reducer *r);
int reduce_window_begin(struct reducer *r);
void reduce_window_publish(struct reducer *r, int piece);
bool reduce_window_collect(struct reducer *r, int piece, float **value);
void reduce_window_read(struct reducer *r, int piece);
bool reduce_window_is_read(const struct reducer *r, int piece);
int reduce_window_complete(struct reducer *r);
/* Where node n's part of a piece lies; element `at` of a buffer of the host's rank `place`. */
float *reduce_window_node(const struct reducer *r, int n, const struct piece *p);
float *reduce_window_sums(const struct reducer *r, int64_t at);

/*
 * reduce_messages.c: between hosts. expect: posts receives for own pieces, as slots are free;
 * send: this host's parts of a piece to its owner; sent: were they?; collect: have the other hosts'
 * parts of the oldest own piece come? spread: with zero 0 every host gets all sums.
 */
int reduce_messages_open(struct reducer *r);
void reduce_messages_close(struct reducer *r);
void reduce_messages_begin(struct reducer *r);
int reduce_messages_expect(struct reducer *r);
int reduce_messages_send(struct reducer *r, int piece);
int reduce_messages_sent(struct reducer *r, int piece, bool *yes);
int reduce_messages_collect(struct reducer *r, int piece, bool *there, float **value);
int reduce_messages_complete(struct reducer *r);

/* Bytes in which messages of that many parts of other hosts land. */
uint64_t reduce_staging(int remote);

#endif
