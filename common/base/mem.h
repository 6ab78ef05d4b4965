#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Allocation that never returns NULL: running out of memory is the one error on
 * which code below cmd/ ends the process. free() releases what these return.
 */
void *mem_alloc(size_t size);
void *mem_zalloc(size_t size);                /* zero-filled */
void *mem_array(size_t count, size_t size);   /* count * size, overflow is fatal */
void *mem_zarray(size_t count, size_t size);  /* the same, zero-filled */
void *mem_grow(void *old, size_t size);       /* realloc */
void *mem_grow_array(void *old, size_t count, size_t size);
char *mem_strdup(const char *s);
char *mem_strndup(const char *s, size_t n);
void *mem_dup(const void *p, size_t size);
char *mem_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Aligned to 64 bytes; released with free(). */
void *mem_aligned(size_t size);

/*
 * Zero-filled, and in large pages where the system has them: for tables that look-ups
 * jump about in. Released with free().
 */
void *mem_large(size_t size);

/* *out = a * b, or a + b; false when it does not fit. For sizes read from files. */
bool mem_mul(size_t a, size_t b, size_t *out);
bool mem_add(size_t a, size_t b, size_t *out);

/* Allocations of this process so far by what is above, growing included. */
uint64_t mem_allocations(void);

/* Frees *p and sets it to NULL. Usable as __attribute__((cleanup(mem_free_at))). */
void mem_free_at(void *p);

#endif
