/*
 * Sums in memory that all ranks share. Each rank copies a round's values into its slot and says
 * so; then it adds what lies in all slots, its own part alone or everything. Where parts are
 * gathered, a rank leaves its sum in its own slot, where nobody else reads that part any more.
 *
 * Four slots and counters that only grow: round k + 1 begins before round k is finished, and takes
 * the slot of round k - 3. Who has begun round k - 1, which this rank has seen in finishing it,
 * has finished round k - 3.
 */
#include <stdalign.h>
#include <stdatomic.h>

#include "base/err.h"
#include "base/sys.h"
#include "comm/progress.h"
#include "comm/sum_private.h"

enum { SLOTS = 4, SLOT_BYTES = 256 << 10, WHOLE_BYTES = 64 << 10, LOOKS = 100 };

/* The head of each rank's window, followed by its slots. */
struct head {
    alignas(64) _Atomic uint64_t arrived; /* rounds whose values are in this rank's slots */
    alignas(64) _Atomic uint64_t reduced; /* rounds whose sum of its part is */
};
enum { HEAD_BYTES = 4096 };

static struct head *
head_of(struct comm *c, int rank)
{
    return c->sums->base[rank];
}

static char *
slot_of(struct comm *c, int rank, uint64_t round)
{
    return (char *)c->sums->base[rank] + HEAD_BYTES + round % SLOTS * SLOT_BYTES;
}

static int
memory_open(struct comm *c)
{
    struct comm_sums *s = c->sums;

    if (s->window)
        return 0;
    /* A new window is zero: counters need no beginning. */
    return c->ops->share(c, HEAD_BYTES + SLOTS * SLOT_BYTES, &s->base, &s->window);
}

/* Waits until a rank's counter has come to `count`. */
static int
await(struct comm *c, const _Atomic uint64_t *counter, uint64_t count)
{
    struct comm_pause pause = {.what = "sum"};

    for (int i = 0; i < LOOKS; i++)
        if (atomic_load_explicit(counter, memory_order_acquire) >= count)
            return 0;
    double start = sys_seconds();
    while (atomic_load_explicit(counter, memory_order_acquire) < count)
        if (comm_pause(&pause) != 0)
            return -1;
    c->stats.seconds_waiting += sys_seconds() - start;
    return 0;
}

static int
memory_begin(struct comm *c, const struct sum_job *job, size_t round)
{
    struct comm_sums *s = c->sums;
    char *slot = slot_of(c, c->rank, s->begun);

    if (job->scatter) {
        for (int r = 0; r < c->size; r++) {
            struct sum_part p = sum_part(c, job, round, r);
            if (r != c->rank)
                memcpy(slot + p.place, job->from + p.at, p.bytes);
        }
    } else {
        struct sum_part p = sum_whole(job, round);
        memcpy(slot, job->from + p.at, p.bytes);
    }
    s->begun++;
    atomic_store_explicit(&head_of(c, c->rank)->arrived, s->begun, memory_order_release);
    return 0;
}

/* Adds the bytes p of this round: this rank's are where they were, the others' in the slots. */
static void
add(struct comm *c, const struct sum_job *job, const struct sum_part *p)
{
    struct comm_sums *s = c->sums;

    for (int r = 0; r < c->size; r++)
        s->source[r] = r == c->rank ? job->from + p->at : slot_of(c, r, s->finished) + p->place;
    sum_add(job->type, job->to + p->into, s->source, c->size, p->bytes / job->size);
}

static int
gather(struct comm *c, const struct sum_job *job, size_t round)
{
    struct comm_sums *s = c->sums;
    struct sum_part mine = sum_part(c, job, round, c->rank);

    memcpy(slot_of(c, c->rank, s->finished) + mine.place, job->to + mine.into, mine.bytes);
    atomic_store_explicit(&head_of(c, c->rank)->reduced, s->finished + 1, memory_order_release);
    for (int d = 1; d < c->size; d++) {
        int r = (c->rank + d) % c->size;
        struct sum_part p = sum_part(c, job, round, r);
        if (await(c, &head_of(c, r)->reduced, s->finished + 1) != 0)
            return -1;
        memcpy(job->to + p.into, slot_of(c, r, s->finished) + p.place, p.bytes);
    }
    return 0;
}

static int
memory_finish(struct comm *c, const struct sum_job *job, size_t round)
{
    struct comm_sums *s = c->sums;
    struct sum_part p = job->whole ? sum_whole(job, round) : sum_part(c, job, round, c->rank);

    for (int r = 0; r < c->size; r++)
        if (r != c->rank && await(c, &head_of(c, r)->arrived, s->finished + 1) != 0)
            return -1;
    add(c, job, &p);
    if (!job->whole && !job->scatter && gather(c, job, round) != 0)
        return -1;
    s->finished++;
    return 0;
}

const struct sum_way sum_in_memory = {
    .round_bytes = SLOT_BYTES,
    .whole_bytes = WHOLE_BYTES,
    .whole_ranks = 2,
    .open = memory_open,
    .begin = memory_begin,
    .finish = memory_finish,
};
