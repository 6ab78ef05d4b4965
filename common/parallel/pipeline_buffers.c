/* What a pipeline table needs of memory: micro-batches alive at once, and message buffers. */
#include "base/err.h"
#include "base/mem.h"
#include "parallel/pipeline.h"
#include "parallel/pipeline_private.h"

/* The most by which one kind of work of a chunk is ahead of another. */
static int
most_ahead(const struct pipeline_table *t, int stage, int chunk, unsigned begins, unsigned ends)
{
    int ahead = 0, most = 0;

    for (int i = 0; i < t->count[stage]; i++) {
        const struct pipeline_task *k = &t->task[stage][i];
        if (k->chunk != chunk)
            continue;
        ahead += (begins >> k->work & 1) != 0;
        most = ahead > most ? ahead : most;
        ahead -= (ends >> k->work & 1) != 0;
    }
    return most;
}

int
pipeline_slots(const struct pipeline_table *t, int stage, int *slots)
{
    unsigned input = 1 << PIPELINE_INPUT, weight = 1 << PIPELINE_WEIGHT;
    int most = 0;

    for (int c = 0; c < t->chunks; c++) {
        slots[c] = most_ahead(t, stage, c, 1 << PIPELINE_FORWARD, 1 << PIPELINE_BACKWARD | weight);
        int ahead = most_ahead(t, stage, c, input, weight);
        most = ahead > most ? ahead : most;
    }
    return most;
}

/* Forwards and backwards of each piece that are done, when the table runs with few buffers. */
struct progress {
    const struct pipeline_table *t;
    int *forward, *input; /* [pieces] */
    int *next;            /* [stages] */
    int capacity;         /* how far a piece may be ahead of the one that takes its messages */
};

/* Has the message come, and is there a buffer for what the task sends? */
static bool
can_run(const struct progress *p, int piece, const struct pipeline_task *k)
{
    int last = p->t->stages * p->t->chunks - 1, m = k->micro;

    if (k->work == PIPELINE_FORWARD)
        return (piece == 0 || m < p->forward[piece - 1]) &&
               (piece == last || m < p->forward[piece + 1] + p->capacity);
    if (k->work == PIPELINE_WEIGHT)
        return true;
    return m < p->forward[piece] && (piece == last || m < p->input[piece + 1]) &&
           (piece == 0 || m < p->input[piece - 1] + p->capacity);
}

static bool
run_next(struct progress *p, int stage)
{
    if (p->next[stage] == p->t->count[stage])
        return false;
    const struct pipeline_task *k = &p->t->task[stage][p->next[stage]];
    int piece = pipeline_piece(p->t, stage, k->chunk);
    if (!can_run(p, piece, k))
        return false;
    p->forward[piece] += k->work == PIPELINE_FORWARD;
    p->input[piece] += k->work == PIPELINE_BACKWARD || k->work == PIPELINE_INPUT;
    p->next[stage]++;
    return true;
}

/*
 * Does the table end? Every piece's messages go in one order and tasks never choose between
 * them: whether it ends does not depend on how long anything takes.
 */
static bool
ends(struct progress *p)
{
    for (bool moved = true; moved;) {
        moved = false;
        for (int s = 0; s < p->t->stages; s++)
            while (run_next(p, s))
                moved = true;
    }
    for (int s = 0; s < p->t->stages; s++)
        if (p->next[s] < p->t->count[s])
            return false;
    return true;
}

static int
check_order(const struct pipeline_table *t)
{
    int *next = mem_zarray(2 * (size_t)t->chunks, sizeof *next), result = 0;

    for (int s = 0; s < t->stages && result == 0; s++) {
        for (int i = 0; i < 2 * t->chunks; i++)
            next[i] = 0;
        for (int i = 0; i < t->count[s] && result == 0; i++) {
            const struct pipeline_task *k = &t->task[s][i];
            if (k->work != PIPELINE_WEIGHT &&
                next[2 * k->chunk + (k->work != PIPELINE_FORWARD)]++ != k->micro)
                result = err_set(STATUS_FAILED,
                                 "pipeline stage %d, task %d: micro-batch %d is not in order", s, i,
                                 k->micro);
        }
    }
    free(next);
    return result;
}

int
pipeline_depth(const struct pipeline_table *t)
{
    size_t pieces = (size_t)t->stages * (size_t)t->chunks;
    int most = t->micros > 2 ? t->micros : 2, depth = 1;

    if (check_order(t) < 0)
        return -1;
    while (++depth < most) {
        struct progress p = {.t = t, .capacity = t->stages > 1 ? 2 * depth : depth};
        p.forward = mem_zarray(2 * pieces + (size_t)t->stages, sizeof *p.forward);
        p.input = p.forward + pieces;
        p.next = p.input + pieces;
        bool enough = ends(&p);
        free(p.forward);
        if (enough)
            break;
    }
    return depth;
}

int64_t
pipeline_buffers(const struct pipeline_table *t, int stage)
{
    int64_t depth = pipeline_depth(t), borders = 0;

    for (int c = 0; c < t->chunks; c++)
        for (int b = 0; b < PIPELINE_BORDERS; b++) {
            /* Between chunks of one stage what goes out lies where it comes in. */
            bool own = t->stages > 1 || b == PIPELINE_X_IN || b == PIPELINE_DY_IN;
            borders += own &&
                       pipeline_border_is(t, pipeline_piece(t, stage, c), (enum pipeline_border)b);
        }
    return depth < 0 ? 0 : depth * borders;
}
