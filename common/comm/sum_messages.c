/*
 * Sums by messages: every rank sends each part to the rank that adds it, which has all of them
 * before it adds in rank order; then the parts are gathered. 2 (n - 1) / n of the buffer leave
 * each rank, as in a ring, in 2 exchanges instead of 2 (n - 1).
 */
#include "base/mem.h"
#include "comm/sum_private.h"

enum { ROUND_BYTES = 2 << 20, WHOLE_BYTES = 64 << 10, WHOLE_RANKS = 2 };

/* Parts differ in length by fewer bytes than this, so that theirs need not be ROUND_BYTES exactly. */
enum { SLACK = 1024 };

static int
messages_open(struct comm *c)
{
    struct comm_sums *s = c->sums;
    size_t ranks = (size_t)c->size;

    if (s->landing[0])
        return 0;
    for (int i = 0; i < 2; i++)
        s->landing[i] = mem_alloc(WHOLE_RANKS * (size_t)ROUND_BYTES + ranks * SLACK);
    s->sizes = mem_array(ranks, sizeof *s->sizes);
    s->offsets = mem_array(ranks, sizeof *s->offsets);
    s->send_sizes = mem_array(ranks, sizeof *s->send_sizes);
    s->send_offsets = mem_array(ranks, sizeof *s->send_offsets);
    return 0;
}

static struct sum_part
added_by(const struct comm *c, const struct sum_job *job, size_t round, int rank)
{
    return job->whole ? sum_whole(job, round) : sum_part(c, job, round, rank);
}

static int
messages_begin(struct comm *c, const struct sum_job *job, size_t round)
{
    struct comm_sums *s = c->sums;
    struct sum_part mine = added_by(c, job, round, c->rank);

    for (int r = 0; r < c->size; r++) {
        struct sum_part theirs = added_by(c, job, round, r);
        s->send_offsets[r] = theirs.at;
        s->send_sizes[r] = r == c->rank ? 0 : theirs.bytes;
        s->offsets[r] = (size_t)r * mine.bytes;
        s->sizes[r] = r == c->rank ? 0 : mine.bytes;
    }
    return c->ops->all_to_all_v(c, job->from, s->send_sizes, s->send_offsets, s->landing[round % 2],
                                s->sizes, s->offsets, &s->pending[round % 2]);
}

static int
gather(struct comm *c, const struct sum_job *job, size_t round)
{
    struct comm_sums *s = c->sums;
    struct comm_request *q = NULL;

    for (int r = 0; r < c->size; r++) {
        struct sum_part p = sum_part(c, job, round, r);
        s->sizes[r] = p.bytes;
        s->offsets[r] = p.into;
    }
    if (c->ops->all_gather_v(c, job->to + s->offsets[c->rank], s->sizes[c->rank], job->to, s->sizes,
                             s->offsets, &q) != 0)
        return -1;
    return comm_wait(c, &q);
}

static int
messages_finish(struct comm *c, const struct sum_job *job, size_t round)
{
    struct comm_sums *s = c->sums;
    struct sum_part mine = added_by(c, job, round, c->rank);

    if (comm_wait(c, &s->pending[round % 2]) != 0)
        return -1;
    for (int r = 0; r < c->size; r++)
        s->source[r] = r == c->rank ? job->from + mine.at
                                    : s->landing[round % 2] + (size_t)r * mine.bytes;
    sum_add(job->type, job->to + mine.into, s->source, c->size, mine.bytes / job->size);
    return job->whole || job->scatter ? 0 : gather(c, job, round);
}

const struct sum_way sum_by_messages = {
    .round_bytes = ROUND_BYTES,
    .whole_bytes = WHOLE_BYTES,
    .whole_ranks = WHOLE_RANKS,
    .open = messages_open,
    .begin = messages_begin,
    .finish = messages_finish,
};
