/* Pairs of a preferred and a rejected text: each becomes a sequence. */
#include "pair.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct pair *
pair_new(uint64_t length, unsigned width)
{
    struct pair *p = mem_zalloc(sizeof *p);

    p->width = width;
    p->most = 2 * length;
    return p;
}

void
pair_free(struct pair *p)
{
    if (!p)
        return;
    str_release(&p->ids);
    str_release(&p->loss);
    free(p);
}

void
pair_begin(struct pair *p, const struct shard_document *d)
{
    p->document = *d;
    p->too_long = false;
    str_clear(&p->ids);
    str_clear(&p->loss);
}

void
pair_add(struct pair *p, const uint8_t *packed, const uint8_t *loss, size_t n)
{
    p->too_long |= p->loss.len + n > p->most;
    if (p->too_long)
        n = p->most > p->loss.len ? (size_t)p->most - p->loss.len : 0;
    str_add(&p->ids, packed, n * p->width);
    for (size_t i = 0; i < n; i++)
        str_addc(&p->loss, loss && !loss[i] ? 0 : 1);
}
