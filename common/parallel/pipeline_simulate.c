/* A pipeline table run on paper: is it whole, does it end, how long does it take. */
#include <math.h>

#include "base/err.h"
#include "base/mem.h"
#include "parallel/pipeline_table.h"

/* When each piece's work on each micro-batch ends; NAN: not done. [stages * chunks][micros] */
struct simulation {
    const struct pipeline_table *t;
    const struct pipeline_costs *costs;
    double *forward, *input, *weight;
    double *free_at, *busy; /* [stages] */
    int *next;              /* [stages] */
};

static size_t
piece_of(const struct pipeline_table *t, int stage, int chunk)
{
    return (size_t)chunk * (size_t)t->stages + (size_t)stage;
}

static double *
ends_of(const struct simulation *s, double *ends, size_t piece, int micro)
{
    return &ends[piece * (size_t)s->t->micros + (size_t)micro];
}

static void
simulation_init(struct simulation *s, const struct pipeline_table *t, const struct pipeline_costs *c)
{
    size_t stages = (size_t)t->stages, pieces = stages * (size_t)t->chunks;
    size_t all = pieces * (size_t)t->micros;

    *s = (struct simulation){
        .t = t,
        .costs = c,
        .forward = mem_zarray(3 * all, sizeof(double)),
        .free_at = mem_zarray(2 * stages, sizeof(double)),
        .next = mem_zarray(stages, sizeof(int)),
    };
    s->input = s->forward + all;
    s->weight = s->input + all;
    s->busy = s->free_at + stages;
    for (size_t i = 0; i < 3 * all; i++)
        s->forward[i] = NAN;
}

static void
simulation_release(struct simulation *s)
{
    free(s->forward);
    free(s->free_at);
    free(s->next);
}

/* When what a task waits for is there; NAN: not yet. */
static double
ready_at(const struct simulation *s, int stage, const struct pipeline_task *task)
{
    const struct pipeline_table *t = s->t;
    size_t piece = piece_of(t, stage, task->chunk), last = (size_t)t->stages * (size_t)t->chunks - 1;
    double hop = t->stages > 1 ? s->costs->transfer : 0;

    if (task->work == PIPELINE_FORWARD)
        return piece == 0 ? 0 : *ends_of(s, s->forward, piece - 1, task->micro) + hop;
    if (task->work == PIPELINE_WEIGHT)
        return *ends_of(s, s->input, piece, task->micro);
    double own = *ends_of(s, s->forward, piece, task->micro);
    if (piece == last || isnan(own))
        return own;
    double behind = *ends_of(s, s->input, piece + 1, task->micro) + hop;
    return behind < own ? own : behind;
}

/* Does the next task of a stage if it can. */
static bool
advance(struct simulation *s, int stage)
{
    const struct pipeline_table *t = s->t;
    if (s->next[stage] == t->count[stage])
        return false;
    const struct pipeline_task *task = &t->task[stage][s->next[stage]];
    double ready = ready_at(s, stage, task), cost = 0;
    if (isnan(ready))
        return false;

    size_t piece = piece_of(t, stage, task->chunk);
    bool input = task->work == PIPELINE_INPUT || task->work == PIPELINE_BACKWARD;
    bool weight = task->work == PIPELINE_WEIGHT || task->work == PIPELINE_BACKWARD;
    cost += task->work == PIPELINE_FORWARD ? s->costs->forward[piece] : 0;
    cost += input ? s->costs->input[piece] : 0;
    cost += weight ? s->costs->weight[piece] : 0;
    double end = fmax(ready, s->free_at[stage]) + cost;
    if (task->work == PIPELINE_FORWARD)
        *ends_of(s, s->forward, piece, task->micro) = end;
    if (input)
        *ends_of(s, s->input, piece, task->micro) = end;
    if (weight)
        *ends_of(s, s->weight, piece, task->micro) = end;
    s->free_at[stage] = end;
    s->busy[stage] += cost;
    s->next[stage]++;
    return true;
}

/* Runs until nothing moves; returns the first stage that is not at its end, or -1. */
static int
run(struct simulation *s)
{
    for (bool moved = true; moved;) {
        moved = false;
        for (int i = 0; i < s->t->stages; i++)
            while (advance(s, i))
                moved = true;
    }
    for (int i = 0; i < s->t->stages; i++)
        if (s->next[i] < s->t->count[i])
            return i;
    return -1;
}

/* Counts of a stage's tasks of each kind by chunk; weights in ascending order. */
static int
check_stage(const struct pipeline_table *t, int stage)
{
    size_t all = (size_t)t->chunks * (size_t)t->micros;
    uint8_t *seen = mem_zarray(3 * all, 1);
    int *weights = mem_zarray((size_t)t->chunks, sizeof *weights), result = 0;

    for (int i = 0; i < t->count[stage] && result == 0; i++) {
        const struct pipeline_task *k = &t->task[stage][i];
        bool known = k->chunk >= 0 && k->chunk < t->chunks && k->micro >= 0 && k->micro < t->micros;
        size_t at = known ? (size_t)k->chunk * (size_t)t->micros + (size_t)k->micro : 0;
        bool forward = k->work == PIPELINE_FORWARD, weight = k->work != PIPELINE_INPUT && !forward;
        if (!known || (forward && seen[at]++) ||
            (!forward && k->work != PIPELINE_WEIGHT && seen[all + at]++) ||
            (weight && seen[2 * all + at]++))
            result = err_set(STATUS_FAILED, "pipeline stage %d, task %d: micro-batch %d out of range or twice",
                             stage, i, k->micro);
        else if (weight && weights[k->chunk]++ != k->micro)
            result = err_set(STATUS_FAILED, "pipeline stage %d, task %d: weight gradients of micro-batch %d out of order",
                             stage, i, k->micro);
    }
    for (size_t i = 0; i < 3 * all && result == 0; i++)
        if (!seen[i])
            result = err_set(STATUS_FAILED, "pipeline stage %d: micro-batch %d is not done whole", stage,
                             (int)(i % (size_t)t->micros));
    free(seen);
    free(weights);
    return result;
}

int
pipeline_table_check(const struct pipeline_table *t)
{
    size_t pieces = (size_t)t->stages * (size_t)t->chunks;
    double *ones = mem_zarray(pieces, sizeof *ones);
    struct pipeline_costs costs = {ones, ones, ones, 0};
    struct simulation s;
    int result = 0;

    for (int i = 0; i < t->stages && result == 0; i++)
        result = check_stage(t, i);
    if (result == 0) {
        for (size_t i = 0; i < pieces; i++)
            ones[i] = 1;
        simulation_init(&s, t, &costs);
        int stuck = run(&s);
        if (stuck >= 0)
            result = err_set(STATUS_FAILED, "pipeline stage %d waits for ever at its task %d", stuck,
                             s.next[stuck]);
        simulation_release(&s);
    }
    free(ones);
    return result;
}

/* Most activations that a stage holds at once. */
static int
most_alive(const struct pipeline_table *t, int stage)
{
    int alive = 0, most = 0;

    for (int i = 0; i < t->count[stage]; i++) {
        uint8_t work = t->task[stage][i].work;
        alive += work == PIPELINE_FORWARD;
        most = alive > most ? alive : most;
        alive -= work == PIPELINE_BACKWARD || work == PIPELINE_WEIGHT;
    }
    return most;
}

void
pipeline_simulate(const struct pipeline_table *t, const struct pipeline_costs *c,
                  struct pipeline_time *out)
{
    struct simulation s;
    double busy = 0;

    simulation_init(&s, t, c);
    run(&s);
    out->seconds = 0;
    for (int i = 0; i < t->stages; i++) {
        out->seconds = fmax(out->seconds, s.free_at[i]);
        busy += s.busy[i];
        if (out->alive)
            out->alive[i] = most_alive(t, i);
    }
    out->bubble = out->seconds > 0 ? 1 - busy / (out->seconds * t->stages) : 0;
    simulation_release(&s);
}
