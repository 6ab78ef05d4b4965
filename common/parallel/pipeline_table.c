/* The tables of the pipeline schedules. */
#include "parallel/pipeline_table.h"

#include "base/err.h"
#include "base/mem.h"

const char *
pipeline_schedule_name(enum pipeline_schedule s)
{
    static const char *const names[PIPELINE_SCHEDULES] = {"gpipe", "1f1b", "interleaved",
                                                          "zero-bubble"};
    return names[s];
}

static void
put(struct pipeline_table *t, int stage, enum pipeline_work work, int chunk, int micro)
{
    t->task[stage][t->count[stage]++] =
        (struct pipeline_task){(uint8_t)work, (int16_t)chunk, (int32_t)micro};
}

static int
least(int a, int b)
{
    return a < b ? a : b;
}

static void
make_gpipe(struct pipeline_table *t)
{
    for (int s = 0; s < t->stages; s++) {
        for (int m = 0; m < t->micros; m++)
            put(t, s, PIPELINE_FORWARD, 0, m);
        for (int m = 0; m < t->micros; m++)
            put(t, s, PIPELINE_BACKWARD, 0, m);
    }
}

/* Stage s is ahead of its backwards by as many forwards as there are stages behind it. */
static void
make_1f1b(struct pipeline_table *t)
{
    for (int s = 0; s < t->stages; s++) {
        int ahead = least(t->stages - 1 - s, t->micros);
        for (int m = 0; m < ahead; m++)
            put(t, s, PIPELINE_FORWARD, 0, m);
        for (int m = ahead; m < t->micros; m++) {
            put(t, s, PIPELINE_FORWARD, 0, m);
            put(t, s, PIPELINE_BACKWARD, 0, m - ahead);
        }
        for (int m = t->micros - ahead; m < t->micros; m++)
            put(t, s, PIPELINE_BACKWARD, 0, m);
    }
}

/*
 * The k-th forward (backward) of a stage: `stages` micro-batches go through chunk 0, then
 * through chunk 1 and so on; backwards from the last chunk.
 */
static void
put_interleaved(struct pipeline_table *t, int stage, enum pipeline_work work, int k)
{
    int round = t->stages * t->chunks, chunk = k / t->stages % t->chunks;

    put(t, stage, work, work == PIPELINE_FORWARD ? chunk : t->chunks - 1 - chunk,
        k / round * t->stages + k % t->stages);
}

static void
make_interleaved(struct pipeline_table *t)
{
    int all = t->micros * t->chunks;

    for (int s = 0; s < t->stages; s++) {
        int ahead = 2 * (t->stages - 1 - s) + (t->chunks - 1) * t->stages;
        ahead = t->micros == t->stages ? all : least(ahead, all);
        for (int k = 0; k < ahead; k++)
            put_interleaved(t, s, PIPELINE_FORWARD, k);
        for (int k = ahead; k < all; k++) {
            put_interleaved(t, s, PIPELINE_FORWARD, k);
            put_interleaved(t, s, PIPELINE_BACKWARD, k - ahead);
        }
        for (int k = all - ahead; k < all; k++)
            put_interleaved(t, s, PIPELINE_BACKWARD, k);
    }
}

/*
 * ZB-H1 keeps 1F1B's order of forwards and input passes. Stage s puts its weight passes off
 * by s micro-batches: those left over fill its gap at the end, as the forwards that
 * stages nearer the beginning do more at the start fill theirs. No stage holds more
 * than `stages` micro-batches.
 */
static void
make_zero_bubble(struct pipeline_table *t)
{
    for (int s = 0; s < t->stages; s++) {
        int forward = least(t->stages - s, t->micros), weight = 0;
        for (int m = 0; m < forward; m++)
            put(t, s, PIPELINE_FORWARD, 0, m);
        for (int m = 0; m < t->micros; m++) {
            put(t, s, PIPELINE_INPUT, 0, m);
            if (m >= s)
                put(t, s, PIPELINE_WEIGHT, 0, weight++);
            if (forward < t->micros)
                put(t, s, PIPELINE_FORWARD, 0, forward++);
        }
        while (weight < t->micros)
            put(t, s, PIPELINE_WEIGHT, 0, weight++);
    }
}

static int
check_sizes(enum pipeline_schedule s, int stages, int chunks, int micros)
{
    if (stages < 1 || stages > INT16_MAX || micros < 1 || chunks < 1 || chunks > INT16_MAX ||
        (int64_t)micros * chunks > INT32_MAX / 3 || (int64_t)micros * stages > INT32_MAX / 8)
        return err_set(STATUS_USAGE, "pipeline of %d stages, %d chunks, %d micro-batches is out of range",
                       stages, chunks, micros);
    if (s != PIPELINE_INTERLEAVED && chunks != 1)
        return err_set(STATUS_USAGE, "pipeline schedule %s has one chunk a stage, not %d",
                       pipeline_schedule_name(s), chunks);
    if (s == PIPELINE_INTERLEAVED && (chunks < 2 || micros % stages))
        return err_set(STATUS_USAGE,
                       "interleaved pipeline: wants 2 or more chunks a stage (%d) and micro-batches "
                       "(%d) that are a multiple of the stages (%d)",
                       chunks, micros, stages);
    return 0;
}

int
pipeline_table_make(enum pipeline_schedule s, int stages, int chunks, int micros,
                    struct pipeline_table *out)
{
    static void (*const make[PIPELINE_SCHEDULES])(struct pipeline_table *) = {
        make_gpipe, make_1f1b, make_interleaved, make_zero_bubble};
    size_t most = 3 * (size_t)micros * (size_t)chunks;

    if (check_sizes(s, stages, chunks, micros) < 0)
        return -1;
    *out = (struct pipeline_table){.stages = stages, .chunks = chunks, .micros = micros};
    out->count = mem_zarray((size_t)stages, sizeof *out->count);
    out->task = mem_zarray((size_t)stages, sizeof *out->task);
    for (int i = 0; i < stages; i++)
        out->task[i] = mem_zarray(most, sizeof **out->task);
    make[s](out);
    return 0;
}

void
pipeline_table_release(struct pipeline_table *t)
{
    for (int i = 0; t->task && i < t->stages; i++)
        free(t->task[i]);
    free(t->task);
    free(t->count);
    *t = (struct pipeline_table){0};
}
