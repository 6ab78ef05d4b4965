/* Which CPUs of a host each of its ranks takes. */
#include "parallel/place.h"

#include <sched.h>

#include "base/err.h"
#include "base/mem.h"

/* What a rank tells the others of its host. */
struct seat {
    cpu_set_t cpus;
    int threads;
};

struct host {
    struct comm *comm;
    struct seat *seats; /* by rank of comm */
};

static void
host_release(struct host *h)
{
    comm_release(h->comm);
    free(h->seats);
}

static int
host_gather(struct comm *world, int threads, struct host *h)
{
    struct seat mine = {.threads = threads};

    *h = (struct host){0};
    CPU_ZERO(&mine.cpus);
    if (sched_getaffinity(0, sizeof mine.cpus, &mine.cpus) != 0)
        return err_sys("the CPU mask of this process");
    if (world->ops->split_host(world, &h->comm) != 0)
        return -1;
    h->seats = mem_zarray((size_t)h->comm->size, sizeof *h->seats);
    if (comm_all_gather(h->comm, &mine, h->seats, sizeof mine) == 0)
        return 0;
    host_release(h);
    return -1;
}

static bool
overlap(const cpu_set_t *a, const cpu_set_t *b)
{
    cpu_set_t both;

    CPU_AND(&both, a, b);
    return CPU_COUNT(&both) > 0;
}

int
place_share(struct comm *world, int *share, int *place)
{
    struct host h;

    if (host_gather(world, 1, &h) != 0)
        return -1;
    *share = *place = 0;
    for (int r = 0; r < h.comm->size; r++)
        if (overlap(&h.seats[r].cpus, &h.seats[h.comm->rank].cpus)) {
            *place += r < h.comm->rank;
            ++*share;
        }
    host_release(&h);
    return 0;
}

/* May the ranks with rank `me`'s mask be pinned? The same answer for all of them. */
static bool
can_pin(const struct host *h, int me, int *part, int *parts)
{
    const cpu_set_t *mask = &h->seats[me].cpus;
    int cpus = CPU_COUNT(mask), most = 0;

    *part = *parts = 0;
    for (int r = 0; r < h->comm->size; r++) {
        const struct seat *s = &h->seats[r];
        if (!overlap(&s->cpus, mask))
            continue;
        if (!CPU_EQUAL(&s->cpus, mask))
            return false;
        *part += r < me;
        ++*parts;
        most = s->threads > most ? s->threads : most;
    }
    /* The smallest part has cpus / parts CPUs. Alone, a rank keeps the mask it was given. */
    return *parts > 1 && cpus / *parts >= most;
}

int
place_ranks(struct comm *world, struct threads *pool, bool *pinned)
{
    struct host h;
    int part, parts;

    *pinned = false;
    if (host_gather(world, threads_count(pool), &h) != 0)
        return -1;
    if (can_pin(&h, h.comm->rank, &part, &parts))
        *pinned = threads_pin(pool, part, parts);
    host_release(&h);
    return 0;
}
