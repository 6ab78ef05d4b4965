#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stdbool.h>
#include <stddef.h>

/*
 * One big block, carved in order, every piece aligned to 64 bytes. The same
 * carving code runs twice: first on an arena without memory, which only counts
 * (that figure is what --plan prints), then on one of exactly that size.
 */
struct arena {
    char *base;   /* NULL while counting */
    size_t size;  /* 0 while counting */
    size_t used;
};

/* Reserves `size` bytes, zero-filled, huge pages advised. 0 or -1. */
int arena_init(struct arena *a, size_t size);
void arena_release(struct arena *a);

/* The next `size` bytes; NULL while counting. Overrunning a real arena aborts. */
void *arena_take(struct arena *a, size_t size);
void *arena_take_array(struct arena *a, size_t count, size_t size);

#endif
