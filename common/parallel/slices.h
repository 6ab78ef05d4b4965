#ifndef PARALLEL_SLICES_H
#define PARALLEL_SLICES_H

#include <stdbool.h>
#include <stdint.h>

#include "model/params.h"

/*
 * Who owns which part of the flat parameter array. It is cut unit by unit, so that what is
 * ready (or needed) at one time is spread over all owners: the embedding, the positions, a layer,
 * the final norm and the head; only tensors that are shared among these owners, and consecutive
 * ones. A unit is cut into one run of whole norm blocks an owner, as even as can be (some may be
 * empty); unit u deals from owner u mod owners on. A part's embedding is always its unit
 * 0: it is cut alike where its two uses are on different ranks.
 */
struct reduced_run {
    int64_t block, block_end; /* numbers as params_block counts them */
    int64_t begin, end;       /* elements of the flat array, gaps between tensors included */
};

struct slice_unit {
    int param, param_end; /* tensors [param, param_end) */
    int start;            /* owner of its first run */
};

struct slices {
    int owners, units;
    struct slice_unit *unit;
    struct reduced_run *cut;   /* [units][owners] ascending; run i is owner (start + i) mod owners' */
    struct reduced_run *owned; /* the same by owner, without empty ones */
    int *first;                /* [owners + 1]: owned[first[i] …] are owner i's */
};

/* mine: [p->count], the tensors that count; NULL: all. */
void slices_cut(struct slices *s, const struct params *p, const bool *mine, int owners);
void slices_release(struct slices *s);

/* The runs of an owner, ascending. */
const struct reduced_run *slices_of(const struct slices *s, int owner, int *count);

/* The run of unit `unit` that an owner has, perhaps empty. */
const struct reduced_run *slices_run(const struct slices *s, int unit, int owner);

/* The unit of element e, or -1; and which of its runs. */
int slices_find(const struct slices *s, int64_t e, int *run);
int slices_owner(const struct slices *s, int unit, int run);

#endif
