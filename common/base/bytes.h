#ifndef BASE_BYTES_H
#define BASE_BYTES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Little-endian loads and stores at any alignment, and LEB128. */

static inline uint16_t
load_u16(const void *p)
{
    const uint8_t *b = p;
    return (uint16_t)(b[0] | b[1] << 8);
}

static inline uint32_t
load_u32(const void *p)
{
    const uint8_t *b = p;
    return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

static inline uint64_t
load_u64(const void *p)
{
    const uint8_t *b = p;
    return (uint64_t)load_u32(b) | (uint64_t)load_u32(b + 4) << 32;
}

static inline void
store_u16(void *p, uint16_t v)
{
    uint8_t *b = p;
    b[0] = (uint8_t)v;
    b[1] = (uint8_t)(v >> 8);
}

static inline void
store_u32(void *p, uint32_t v)
{
    store_u16(p, (uint16_t)v);
    store_u16((uint8_t *)p + 2, (uint16_t)(v >> 16));
}

static inline void
store_u64(void *p, uint64_t v)
{
    store_u32(p, (uint32_t)v);
    store_u32((uint8_t *)p + 4, (uint32_t)(v >> 32));
}

/* Minimal LEB128 of v into p (at most 10 bytes); returns the bytes written. */
size_t leb128_store(void *p, uint64_t v);

/*
 * Reads a minimal LEB128 of at most 64 bits from [*p, end) and moves *p past
 * it. 0, or -1 when it is cut, too long or not minimal (no error record).
 */
int leb128_load(const uint8_t **p, const uint8_t *end, uint64_t *out);

#endif
