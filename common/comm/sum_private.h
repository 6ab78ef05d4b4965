#ifndef COMM_SUM_PRIVATE_H
#define COMM_SUM_PRIVATE_H

#include <stddef.h>

#include "comm/comm.h"

/*
 * What the files of comm_sum share; nobody else includes it.
 *
 * A sum goes in rounds of a bounded number of elements, so that its memory never grows and stays
 * in the caches. In a round every rank adds up its part; where all ranks want all parts they then
 * gather them, or, if the round is small or there are two ranks, everyone adds everything: one
 * exchange less, and the same bits.
 */
struct sum_job {
    const char *from; /* comm_sum: also where the result goes */
    char *to;         /* of this rank's part; comm_sum: from */
    size_t count;     /* comm_sum: of the buffer; comm_sum_scatter: of each part */
    size_t chunk;     /* elements of `count` in a round */
    enum comm_type type;
    size_t size; /* bytes of an element */
    bool scatter;
    bool whole; /* everyone adds everything */
};

/* A run of bytes of a round: rank j's part, or all of it. */
struct sum_part {
    size_t at;    /* in job.from */
    size_t into;  /* in job.to */
    size_t place; /* among the bytes of this round, where all parts follow each other */
    size_t bytes;
};
struct sum_part sum_part(const struct comm *c, const struct sum_job *job, size_t round, int rank);
struct sum_part sum_whole(const struct sum_job *job, size_t round);

/* begin() of a round comes before finish() of the round before; both 0 or -1 with a record. */
struct sum_way {
    size_t round_bytes;          /* all parts of a round take at most these together */
    size_t whole_bytes;          /* up to these, times ranks, everyone adds everything */
    int whole_ranks;             /* up to these ranks, too */
    int (*open)(struct comm *c); /* collective */
    int (*begin)(struct comm *c, const struct sum_job *job, size_t round);
    int (*finish)(struct comm *c, const struct sum_job *job, size_t round);
};
extern const struct sum_way sum_in_memory, sum_by_messages;

/* A communicator's memory for sums, made at its first one. */
struct comm_sums {
    const struct sum_way *way; /* of this communicator */
    const char **source;       /* [size] */

    /* Shared memory (sum_memory.c). */
    void **base, *window;
    uint64_t begun, finished; /* rounds, in all sums */

    /* Messages (sum_messages.c): where the parts of two rounds land. */
    char *landing[2];
    size_t *sizes, *offsets, *send_sizes, *send_offsets; /* [size] */
    struct comm_request *pending[2];
};

/* to[i] = from[0][i] + from[1][i] + …, n elements; `to` may be one of them. (sum_add.c) */
void sum_add(enum comm_type t, char *to, const char *const *from, int count, size_t n);

/* Frees c->sums. */
void sums_release(struct comm *c);

#endif
