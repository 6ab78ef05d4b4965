#include "parallel/hosts.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"

/* The ranks of a group by the memory that they share. */

/* Numbers hosts by their first rank; first[r]: the first rank on r's. */
static void
number_hosts(struct hosts *h, const int32_t *first)
{
    int n = 0, size = h->comm->size;

    h->host = mem_array((size_t)size, sizeof *h->host);
    h->place = mem_array((size_t)size, sizeof *h->place);
    h->begin = mem_array((size_t)size + 1, sizeof *h->begin);
    h->rank = mem_array((size_t)size, sizeof *h->rank);
    for (int r = 0; r < size; r++)
        if (first[r] == r) {
            h->begin[h->count] = n;
            for (int k = r; k < size; k++)
                if (first[k] == r) {
                    h->host[k] = h->count;
                    h->place[k] = n - h->begin[h->count];
                    h->rank[n++] = k;
                }
            h->count++;
        }
    h->begin[h->count] = n;
    h->mine = h->host[h->comm->rank];
}

int
hosts_open(struct hosts *h, struct comm *c, int most)
{
    struct comm *host = NULL;
    int32_t *first = mem_array((size_t)c->size, sizeof *first), mine = c->rank;
    int result = -1;

    *h = (struct hosts){.comm = c};
    if (c->ops->split_host(c, &host) != 0)
        goto out;
    int part = most > 0 ? host->rank / most : 0;
    if (host->ops->split(host, part, c->rank, &h->local) != 0 ||
        comm_all_reduce(h->local, &mine, 1, COMM_I32, COMM_MIN) != 0 ||
        comm_all_gather(c, &mine, first, sizeof mine) != 0)
        goto out;
    number_hosts(h, first);
    result = 0;
out:
    comm_release(host);
    free(first);
    return result;
}

void
hosts_close(struct hosts *h)
{
    comm_release(h->local);
    free(h->host);
    free(h->place);
    free(h->begin);
    free(h->rank);
    *h = (struct hosts){0};
}

int
hosts_leader(const struct hosts *h, int host, int owner)
{
    int size = h->begin[host + 1] - h->begin[host];

    return h->rank[h->begin[host] + h->place[owner] % size];
}
