#ifndef TOKENIZER_VOCAB_H
#define TOKENIZER_VOCAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "base/vec.h"

/*
 * Byte strings with ids, both ways. Ids may have gaps. vocab_add any number of
 * times, then vocab_index once, then look-ups by any number of threads.
 */
struct vocab_entry {
    uint32_t start, length; /* in pool; length VOCAB_GAP: no such id */
};
struct vocab {
    struct str pool;
    VEC(struct vocab_entry) entries; /* by id */
    uint32_t *slots;                 /* open addressing: id + 1, 0 empty */
    uint32_t mask;
    uint32_t count; /* entries that are no gaps */
};

enum { VOCAB_MAX = 1 << 24 }; /* ids are at most three bytes in a shard */
#define VOCAB_GAP UINT32_MAX

void vocab_release(struct vocab *v);

/* false when the id has a string already. id < VOCAB_MAX. */
bool vocab_add(struct vocab *v, uint32_t id, const char *s, size_t n);

/* Builds the index; returns false and the two ids when a string stands twice. */
bool vocab_index(struct vocab *v, uint32_t *first, uint32_t *second);

/* The id of s[0..n); UINT32_MAX when absent. */
uint32_t vocab_find(const struct vocab *v, const char *s, size_t n);

/* The string of an id; NULL for a gap and beyond the end. */
const char *vocab_get(const struct vocab *v, uint32_t id, size_t *n);

#endif
