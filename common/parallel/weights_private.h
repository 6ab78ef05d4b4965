#ifndef PARALLEL_WEIGHTS_PRIVATE_H
#define PARALLEL_WEIGHTS_PRIVATE_H

#include "base/arena.h"
#include "parallel/weights.h"

/* What weights.c and its ways of sharing have in common; nobody else includes it. */

enum weights_kind { WEIGHTS_PRIVATE, WEIGHTS_WINDOW, WEIGHTS_GATHERED, WEIGHTS_UNITS };

/* Ranks that share the same tensors: the dense ones, or a part's experts. */
struct share {
    struct comm *comm; /* a group of its own */
    const struct slices *slices;
    char *act;         /* of element 0 of the flat array; not with units */
    void **base, *window;
    uint32_t begun, written; /* how often; see struct line */
    float *packed;           /* vectors on their way, rank after rank */
    size_t *sizes, *offsets; /* of a unit's runs by owner, in bytes; [units][ranks] */
    size_t *vector_sizes, *vector_offsets; /* in packed, in bytes; [ranks] */
    struct comm_request **gathers;         /* [units] */
};

/* A unit of the slices as a part of a unit of the decoder. */
struct gathered_cut {
    int share, unit;       /* in share.slices */
    int64_t begin, end;    /* elements of the flat array */
    size_t at, own;        /* bytes: in the buffer, and the own run among the own runs */
    bool stays;            /* norms and biases alone: nothing to gather */
    struct comm_request *request;
};

struct gathered_unit {
    int cut, cut_end;
    size_t bytes;
    int buffer; /* that holds it, or -1 */
};

struct gather_buffer {
    char *base;
    int unit;       /* that it holds, or -1 */
    int users;
    uint64_t used;  /* when, in calls */
};

enum { GATHER_BUFFERS = 3 }; /* 0: embeddings and head; else layers */

struct units {
    struct gathered_cut *cut;
    struct gathered_unit *unit; /* [units] of the decoder */
    int cuts, count;
    char *own;                  /* the own runs */
    size_t own_bytes, buffer_bytes[GATHER_BUFFERS];
    struct gather_buffer buffer[GATHER_BUFFERS];
    uint64_t calls;
};

struct weights {
    const struct params *params;
    size_t act_size;
    enum weights_kind kind;
    struct share share[2];
    int shares;
    uint8_t *share_of; /* [params->count] */
    struct arena arena;
    float *vectors;
    struct units units;
    struct weight_source source;
};

/* The decoder's unit of a tensor. */
int weights_unit_of(const struct params *p, int param);
int weights_param_at(const struct params *p, int64_t element);

/* weights_units.c: ZeRO-3 by messages. lay_out: sizes alone, from the shares' slices. */
void units_lay_out(struct weights *w, const int *ranks);
void units_release(struct weights *w);
void units_take_memory(struct weights *w);
size_t units_bytes(const struct units *u, size_t *gathered);
void *units_own(const struct weights *w, int64_t element);
int units_forget(struct weights *w); /* what was gathered; waits for what is on its way */
extern const struct weight_source units_source;

/* weights_vectors.c: norms and biases of all owners. */
void vectors_open(struct weights *w, struct share *s);
int vectors_gather(struct weights *w, struct share *s);
void vectors_copy(const struct weights *w, const struct share *s, int rank, float *to,
                  const float *from);

#endif
