/* Which CPUs of a host each of its ranks takes. */
#include "parallel/place.h"

#include <sched.h>

#include "base/err.h"
#include "base/mem.h"
#include "parallel/topology.h"

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

/*
 * May the ranks with rank `me`'s mask be pinned? The same answer for all of them. Alone (one
 * part), a rank's threads are only bound to memory domains, where there are several.
 */
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
    return cpus / *parts >= most; /* the smallest part has cpus / parts CPUs */
}

int
place_ranks(struct comm *world, struct threads *pool, bool *pinned)
{
    int part, parts, threads = threads_count(pool), result;
    struct seats seats = {0};
    struct host h;
    int32_t seated;

    *pinned = false;
    if (host_gather(world, threads, &h) != 0)
        return -1;
    seated = can_pin(&h, h.comm->rank, &part, &parts) &&
             topology_seats(&h.seats[h.comm->rank].cpus, parts, part, threads, &seats);
    /* A rank without a seat would run where others are pinned. */
    result = comm_all_reduce(h.comm, &seated, 1, COMM_I32, COMM_MIN);
    if (result == 0 && seated && (parts > 1 || seats.domains > 1))
        *pinned = threads_bind(pool, seats.thread);
    if (!*pinned && parts * threads > CPU_COUNT(&h.seats[h.comm->rank].cpus))
        threads_calm(pool);
    seats_release(&seats);
    host_release(&h);
    return result;
}
