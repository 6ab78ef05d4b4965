/* Sums in rank order: the same bits whichever way the numbers travel. */
#include "base/err.h"
#include "base/mem.h"
#include "comm/sum_private.h"

/* Parts begin at multiples of this many elements: whole vectors and cache lines. */
enum { PART_UNIT = 32 };

static bool messages_only;

void
comm_sum_messages_only(bool on)
{
    messages_only = on;
}

static size_t
smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

struct sum_part
sum_whole(const struct sum_job *job, size_t round)
{
    size_t begin = round * job->chunk, n = smaller(job->chunk, job->count - begin);

    return (struct sum_part){begin * job->size, begin * job->size, 0, n * job->size};
}

/* Where rank `rank`'s part of n elements begins. */
static size_t
cut(size_t n, int rank, int ranks)
{
    return rank == ranks ? n : n / PART_UNIT * (size_t)rank / (size_t)ranks * PART_UNIT;
}

struct sum_part
sum_part(const struct comm *c, const struct sum_job *job, size_t round, int rank)
{
    struct sum_part p = sum_whole(job, round);

    if (job->scatter) {
        p.at += (size_t)rank * job->count * job->size;
        p.place = (size_t)rank * p.bytes;
        return p;
    }
    size_t n = p.bytes / job->size, begin = cut(n, rank, c->size);
    p.place = begin * job->size;
    p.at += p.place;
    p.into += p.place;
    p.bytes = (cut(n, rank + 1, c->size) - begin) * job->size;
    return p;
}

/* Shared memory if one host has all ranks: the same on every rank. */
static int
all_on_one_host(struct comm *c, bool *yes)
{
    struct comm *host;

    if (c->ops->split_host(c, &host) != 0)
        return -1;
    *yes = host->size == c->size;
    comm_release(host);
    return 0;
}

static int
sums_open(struct comm *c)
{
    struct comm_sums *s = mem_zalloc(sizeof *s);
    bool one_host;

    c->sums = s;
    s->source = mem_array((size_t)c->size, sizeof *s->source);
    if (all_on_one_host(c, &one_host) != 0)
        return -1;
    s->way = one_host ? &sum_in_memory : &sum_by_messages;
    if (one_host && s->way->open(c) != 0) { /* all ranks failed together */
        err_clear();
        s->way = &sum_by_messages;
    }
    return 0;
}

void
sums_release(struct comm *c)
{
    struct comm_sums *s = c->sums;

    if (!s)
        return;
    if (s->window)
        c->ops->unshare(c, s->window);
    free(s->source);
    free(s->landing[0]);
    free(s->landing[1]);
    free(s->sizes);
    free(s->offsets);
    free(s->send_sizes);
    free(s->send_offsets);
    free(s);
    c->sums = NULL;
}

/* Rounds overlap: while this rank adds and gathers one, the next one is on its way. */
static int
run(struct comm *c, const struct sum_way *way, const struct sum_job *job)
{
    size_t rounds = (job->count + job->chunk - 1) / job->chunk;

    if (way->begin(c, job, 0) != 0)
        return -1;
    for (size_t k = 0; k < rounds; k++)
        if ((k + 1 < rounds && way->begin(c, job, k + 1) != 0) || way->finish(c, job, k) != 0)
            return -1;
    return 0;
}

static size_t
type_size(enum comm_type t)
{
    return t == COMM_F64 ? 8 : t == COMM_F32 ? 4 : t == COMM_BF16 ? 2 : 0;
}

static int
sum(struct comm *c, struct sum_job *job)
{
    if (!c->sums && sums_open(c) != 0)
        return -1;
    const struct sum_way *way = messages_only ? &sum_by_messages : c->sums->way;
    size_t ranks = (size_t)c->size, each = job->scatter ? ranks * job->size : job->size;
    size_t bytes = job->count * each;

    if (way->open(c) != 0)
        return -1;
    job->whole = !job->scatter &&
                 (c->size <= way->whole_ranks || bytes * ranks <= way->whole_bytes);
    job->chunk = way->round_bytes / each;
    if (job->chunk >= PART_UNIT)
        job->chunk -= job->chunk % PART_UNIT;
    if (way == &sum_in_memory) { /* messages count themselves */
        c->stats.calls++;
        c->stats.bytes += (job->scatter ? 1 : 2) * (bytes / ranks * (ranks - 1));
    }
    return run(c, way, job);
}

static int
not_a_number(const char *what)
{
    return err_set(STATUS_FAILED, "%s: numbers of F32, F64 or BF16 only", what);
}

int
comm_sum(struct comm *c, void *buffer, size_t count, enum comm_type t)
{
    struct sum_job job = {
        .from = buffer, .to = buffer, .count = count, .type = t, .size = type_size(t)};

    if (job.size == 0)
        return not_a_number("comm_sum");
    return c->size == 1 || count == 0 ? 0 : sum(c, &job);
}

int
comm_sum_scatter(struct comm *c, const void *send, void *receive, size_t count_each,
                 enum comm_type t)
{
    struct sum_job job = {.from = send,
                          .to = receive,
                          .count = count_each,
                          .type = t,
                          .size = type_size(t),
                          .scatter = true};

    if (job.size == 0)
        return not_a_number("comm_sum_scatter");
    if (c->size > 1 && count_each > 0)
        return sum(c, &job);
    if (send != receive && count_each > 0)
        memmove(receive, send, count_each * job.size);
    return 0;
}
