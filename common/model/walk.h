#ifndef MODEL_WALK_H
#define MODEL_WALK_H

#include "model/decoder_impl.h"

/*
 * Private to common/model: inference in runs. A run is as many tokens of one or more items as the
 * decoder holds; they stand in rows, items one after the other, and go through each matrix
 * product together. Attention alone goes by items: within each layer, the items of a cache put
 * their keys and values into it and attend one after the other.
 */
enum {
    WALK_PIECE = 128,   /* tokens that attend at once, at most */
    WALK_HEAD_ROWS = 512, /* cells of the head, as those of gemm_grid */
    WALK_HEAD_COLUMNS = 768
};

struct kv_cache {
    const struct decoder *d;
    int64_t capacity, length;
    char *keys_values; /* act: of each layer keys [capacity][kv], then values */
    void *cos_sin;     /* wide [capacity][rotary_dim] */
    char *scratch;     /* of attention: a piece a worker */
    size_t scratch_each;
    char *lanes;   /* act: a worker's keys [capacity][head_dim], then values; NULL: not yet used */
    int64_t turn;  /* the length behind the items that are looked at */
    int32_t group; /* of the run in hand; -1: none */
};

/* Tokens [offset, offset + n) of an item, in rows [row, row + n) of the run. */
struct walk_piece {
    const struct walk_item *item;
    int64_t offset, n, row;
    size_t score, scores; /* those of the item's that belong to these tokens */
};

/* The pieces of one cache: order[first .. first + count). */
struct walk_group {
    struct kv_cache *cache;
    int32_t first, count;
    int32_t parts;
};

/* Pieces of a group that one worker takes, on keys and values of its own unless it has them all. */
struct walk_part {
    int32_t group, first, count;
};

/* What the head found about one row in one block of columns. */
struct walk_block {
    double log_z; /* log of the sum of e^logit */
    float max;
};

struct walk {
    bool active; /* else the decoder is scoring batches */
    const void *cos_sin;
    struct kv_cache *largest; /* whose scratch and lanes the run uses */
    int64_t tokens;           /* rows in use */
    uint32_t *ids;            /* [capacity] */
    /* all [capacity] */
    struct walk_piece *piece;
    int32_t *order;
    struct walk_group *group;
    struct walk_part *part;
    int32_t pieces, groups, parts;
    /* the head; rows: of the run that are scored, in order */
    int32_t *row, *place; /* [capacity]; and which of them a row of the run is */
    float **logits;       /* [capacity]: where they are wanted, or NULL */
    int64_t rows;
    char *tile;           /* wide [workers][head rows][head columns] */
    struct walk_block *block; /* [head rows][blocks of columns] */
    double *log_z;            /* [head rows] */
};

static inline bool
walking(const struct decoder *d)
{
    return d->walk && d->walk->active;
}

/* The decoder's memory for it: counted and taken. */
void walk_carve(struct decoder *d);

/* A run: emptied; tokens of an item from `offset` on added, as many as fit: how many. */
void walk_begin(struct decoder *d);
int64_t walk_add(struct decoder *d, const struct walk_item *item, int64_t offset);

/* All layers and the final norm of the run: leaves d->h_final. 0 or -1 (a group's). */
int walk_layers(struct decoder *d);

/* walk_attention.c: of layer i, from s->qkv to s->context. */
void walk_attention(struct decoder *d, const struct layer_state *s, int layer);
void walk_cut(struct decoder *d); /* groups and parts of the run */

/* walk_head.c: scores and logits of the run from d->h_final. 0 or -1 (a group's). */
void walk_head_carve(struct decoder *d);
int walk_head(struct decoder *d);

/* infer.c: can this decoder infer at all, and do the items fit? 0 or -1. */
int check_inference(const struct decoder *d);
int check_ids(const struct decoder *d, const uint32_t *ids, int64_t n);
int check_room(const struct kv_cache *c, int64_t at, int64_t n);

#endif
