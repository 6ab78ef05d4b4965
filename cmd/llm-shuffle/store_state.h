#ifndef LLM_SHUFFLE_STORE_STATE_H
#define LLM_SHUFFLE_STORE_STATE_H

#include "base/vec.h"
#include "store.h"
#include "strand.h"

/* What store.c (in) and store_write.c (out) share. */

__extension__ typedef unsigned __int128 u128;

/* A copy of a document. */
struct record {
    uint64_t key, ordinal, tokens, bytes, hash;
    uint64_t at; /* of its bytes in the bucket's data, or in memory */
    uint32_t source, epoch;
};

/* Copies of one epoch whose keys lie in one interval, in order of arrival. */
struct bucket {
    VEC(struct record) records; /* in memory */
    struct strand meta, data;   /* else */
    uint64_t tokens;
};

/*
 * Sources that are sorted together: all of them, or each apart. Buckets stand in the
 * order of (epoch, key): [epochs][store.split].
 */
struct group {
    uint32_t epochs;
    struct bucket *buckets;
    /* What store_select drew: everything before (last_epoch, key, ordinal). */
    bool limited;
    uint32_t last_epoch;
    uint64_t limit_key, limit_ordinal;
};

struct store_source {
    uint64_t name; /* hash of the name */
    uint32_t group;
};

struct store {
    struct store_options o;
    struct spill spill;
    uint32_t split; /* buckets an epoch: 1 in memory */
    size_t unit;    /* bytes a token, loss byte included */
    size_t room;    /* buffer of a bucket's data */
    VEC(struct store_source) sources;
    VEC(struct group) groups;
    struct strand arena; /* documents in memory */
    uint64_t copies;     /* records in memory */
    bool open;
    struct record doc;   /* the open one; at: in the arena */
    VEC(uint64_t) doc_at; /* in each epoch's bucket, once spilled */
    uint8_t *piece;      /* [PIECE_TOKENS] units */
};

enum { PIECE_TOKENS = 16384 };

/* The key of the record's copy in this epoch. */
uint64_t store_key(const struct store *s, const struct record *r, uint32_t epoch);

static inline struct bucket *
bucket_of(struct store *s, uint32_t group, uint32_t epoch, uint64_t key)
{
    uint32_t part = (uint32_t)((u128)key * s->split >> 64);
    return &s->groups.data[group].buckets[(size_t)epoch * s->split + part];
}

/* An order of records: sorted by key, ties as they came. */
struct sort_item {
    uint64_t key;
    uint64_t index;
};

/* Sorts n items by key, stably; `room` has n more. */
void sort_by_key(struct sort_item *items, struct sort_item *room, size_t n);

/* A bucket's records, in memory or loaded into *loaded. NULL on error. */
struct record *bucket_records(const struct store *s, const struct bucket *b,
                              struct record **loaded, size_t *count);

#endif
