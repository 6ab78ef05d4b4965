#ifndef BASE_VEC_H
#define BASE_VEC_H

#include "base/mem.h"

/*
 * Growing arrays: VEC(uint32_t) ids = {0}; vec_push(&ids, 7); ids.data[i];
 * ids.len; vec_release(&ids). Named types: struct ids VEC_BODY(uint32_t).
 */
#define VEC_BODY(type) \
    {                  \
        type *data;    \
        size_t len, cap; \
    }
#define VEC(type) struct VEC_BODY(type)

#define vec_reserve(v, more)                                                      \
    ((v)->len + (more) > (v)->cap                                                 \
         ? (void)((v)->cap = vec_capacity((v)->cap, (v)->len + (more)),           \
                  (v)->data = mem_grow_array((v)->data, (v)->cap, sizeof *(v)->data)) \
         : (void)0)
#define vec_push(v, item) (vec_reserve(v, 1), (void)((v)->data[(v)->len++] = (item)))
#define vec_clear(v) ((void)((v)->len = 0))
#define vec_release(v) (free((v)->data), (v)->data = NULL, (void)((v)->len = (v)->cap = 0))

/* Next capacity for at least `need` items: doubles, at least 16. */
static inline size_t
vec_capacity(size_t cap, size_t need)
{
    cap = cap < 16 ? 16 : cap;
    while (cap < need)
        cap *= 2;
    return cap;
}

/* The id list that tokenizers fill and shards carry. */
#include <stdint.h>
#include <stdlib.h>
struct ids VEC_BODY(uint32_t);

#endif
