#include "base/arena.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/die.h"
#include "base/err.h"
#include "base/mem.h"

enum { ALIGN = 64 };

int
arena_init(struct arena *a, size_t size)
{
    void *base;

    *a = (struct arena){0};
    if (!size)
        size = ALIGN;
    base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED)
        return err_sys("arena of %zu bytes", size);
    madvise(base, size, MADV_HUGEPAGE); /* advice: its refusal changes nothing */
    a->base = base;
    a->size = size;
    return 0;
}

void
arena_release(struct arena *a)
{
    if (a->base)
        munmap(a->base, a->size);
    *a = (struct arena){0};
}

void *
arena_take(struct arena *a, size_t size)
{
    size_t start = a->used, end;

    if (!mem_add(start, size, &end) || !mem_add(end, ALIGN - 1, &end))
        die(STATUS_FAILED, "out of memory (an arena piece of %zu bytes)", size);
    end &= ~(size_t)(ALIGN - 1);
    a->used = end;
    if (!a->base)
        return NULL;
    /* The counting pass and this one disagree: nothing sensible can follow. */
    if (start + size > a->size)
        abort();
    return a->base + start;
}

void *
arena_take_array(struct arena *a, size_t count, size_t size)
{
    size_t total;

    if (!mem_mul(count, size, &total))
        die(STATUS_FAILED, "out of memory (an arena piece of %zu times %zu bytes)", count, size);
    return arena_take(a, total);
}
