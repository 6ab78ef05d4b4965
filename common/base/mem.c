#include "base/mem.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/die.h"

static atomic_uint_fast64_t allocations;

static void *
check(void *p, size_t size)
{
    if (!p)
        die(STATUS_FAILED, "out of memory (%zu bytes)", size);
    atomic_fetch_add_explicit(&allocations, 1, memory_order_relaxed);
    return p;
}

uint64_t
mem_allocations(void)
{
    return atomic_load_explicit(&allocations, memory_order_relaxed);
}

static size_t
product(size_t count, size_t size)
{
    size_t total;

    if (!mem_mul(count, size, &total))
        die(STATUS_FAILED, "out of memory (%zu times %zu bytes)", count, size);
    return total;
}

void *
mem_alloc(size_t size)
{
    return check(malloc(size ? size : 1), size);
}

void *
mem_zalloc(size_t size)
{
    return check(calloc(1, size ? size : 1), size);
}

void *
mem_array(size_t count, size_t size)
{
    return mem_alloc(product(count, size));
}

void *
mem_zarray(size_t count, size_t size)
{
    return mem_zalloc(product(count, size));
}

void *
mem_grow(void *old, size_t size)
{
    return check(realloc(old, size ? size : 1), size);
}

void *
mem_grow_array(void *old, size_t count, size_t size)
{
    return mem_grow(old, product(count, size));
}

char *
mem_strdup(const char *s)
{
    return mem_dup(s, strlen(s) + 1);
}

char *
mem_strndup(const char *s, size_t n)
{
    size_t len = strnlen(s, n);
    char *copy = mem_alloc(len + 1);

    memcpy(copy, s, len);
    copy[len] = '\0';
    return copy;
}

void *
mem_dup(const void *p, size_t size)
{
    void *copy = mem_alloc(size);

    if (size)
        memcpy(copy, p, size);
    return copy;
}

char *
mem_printf(const char *fmt, ...)
{
    char *text = NULL;
    va_list ap;
    int len;

    va_start(ap, fmt);
    len = vasprintf(&text, fmt, ap);
    va_end(ap);
    return check(len < 0 ? NULL : text, 0);
}

void *
mem_aligned(size_t size)
{
    size_t rounded;

    if (!mem_add(size ? size : 1, 63, &rounded))
        die(STATUS_FAILED, "out of memory (%zu bytes)", size);
    return check(aligned_alloc(64, rounded & ~(size_t)63), size);
}

void *
mem_large(size_t size)
{
    enum { HUGE_PAGE = 2 << 20 };
    size_t rounded;

    if (size < HUGE_PAGE)
        return memset(mem_aligned(size), 0, size);
    if (!mem_add(size, HUGE_PAGE - 1, &rounded))
        die(STATUS_FAILED, "out of memory (%zu bytes)", size);
    rounded &= ~(size_t)(HUGE_PAGE - 1);
    void *p = check(aligned_alloc(HUGE_PAGE, rounded), size);
    madvise(p, rounded, MADV_HUGEPAGE); /* a wish: may fail */
    return memset(p, 0, size);
}

bool
mem_mul(size_t a, size_t b, size_t *out)
{
    return !__builtin_mul_overflow(a, b, out);
}

bool
mem_add(size_t a, size_t b, size_t *out)
{
    return !__builtin_add_overflow(a, b, out);
}

void
mem_free_at(void *p)
{
    void *pointer;

    memcpy(&pointer, p, sizeof pointer);
    free(pointer);
    pointer = NULL;
    memcpy(p, &pointer, sizeof pointer);
}
