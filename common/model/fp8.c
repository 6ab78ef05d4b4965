#include "model/fp8.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "model/decoder_impl.h"

/* The scales of fp8-hybrid, and rounding a product's operands with them. */

struct fp8 {
    struct fp8_options options;
    int64_t tensors;
    int64_t steps, next; /* in the history; where the next goes */
    float *scale;        /* [tensors] */
    float *history;      /* [options.history][tensors], a ring */
    int32_t *amax;       /* [tensors], bits of FP32 */
    int64_t *saturated;  /* [tensors]: elements of each that were too large for their scale */
    int *first_tensor;   /* [params->count]: of a linear map's three, -1: not in FP8 */
    struct fp8_seen *seen; /* [workers] */
    int workers;
};

static enum fp8_format
format_of(int tensor)
{
    return tensor % FP8_ROLES == FP8_GRADIENT ? FP8_E5M2 : FP8_E4M3;
}

/* ---- the state ---- */

static void
name_tensors(struct fp8 *f, const struct params *p, int64_t layers)
{
    int tensor = 0;

    for (int i = 0; i < p->count; i++)
        f->first_tensor[i] = -1;
    for (int64_t l = 0; l < layers; l++) {
        const struct layer_params *at = &p->layer[l];
        const int linears[FP8_LINEARS] = {at->qkv, at->output, at->up, at->down};

        for (int i = 0; i < FP8_LINEARS; i++, tensor += FP8_ROLES)
            if (linears[i] >= 0) /* else another rank's */
                f->first_tensor[linears[i]] = tensor;
    }
}

struct fp8 *
fp8_carve(struct arena *a, const struct config *c, const struct params *p,
          const struct fp8_options *o, int workers)
{
    size_t tensors = (size_t)c->num_hidden_layers * FP8_LINEARS * FP8_ROLES;
    size_t history = o->recipe == FP8_DELAYED ? (size_t)o->history : 0;
    struct fp8 *f = arena_take(a, sizeof *f);
    struct fp8 taken = {
        .options = *o,
        .tensors = (int64_t)tensors,
        .scale = arena_take_array(a, tensors, sizeof *taken.scale),
        .history = arena_take_array(a, tensors * history, sizeof *taken.history),
        .amax = arena_take_array(a, tensors, sizeof *taken.amax),
        .saturated = arena_take_array(a, tensors, sizeof *taken.saturated),
        .first_tensor = arena_take_array(a, (size_t)p->count, sizeof *taken.first_tensor),
        .seen = arena_take_array(a, (size_t)workers, sizeof *taken.seen),
        .workers = workers,
    };

    if (!f)
        return NULL;
    *f = taken;
    name_tensors(f, p, c->num_hidden_layers);
    fp8_reset(f);
    return f;
}

int64_t
fp8_tensors(const struct fp8 *f)
{
    return f->tensors;
}

const struct fp8_options *
fp8_options(const struct fp8 *f)
{
    return &f->options;
}

int32_t *
fp8_step_amax(struct fp8 *f)
{
    return f->amax;
}

const int64_t *
fp8_step_saturated(const struct fp8 *f)
{
    return f->saturated;
}

static void
begin_step(struct fp8 *f)
{
    memset(f->saturated, 0, (size_t)f->tensors * sizeof *f->saturated);
    memset(f->amax, 0, (size_t)f->tensors * sizeof *f->amax);
}

void
fp8_reset(struct fp8 *f)
{
    f->steps = f->next = 0;
    for (int64_t i = 0; i < f->tensors; i++)
        f->scale[i] = 1;
    begin_step(f);
}

static float
float_of(int32_t bits)
{
    float x;

    memcpy(&x, &bits, sizeof x);
    return x;
}

/* A tiny amax would give an infinite scale: the largest number then stands for it. */
static float
scale_for(enum fp8_format format, int margin, float amax, float otherwise)
{
    float scale;

    if (!isfinite(amax) || amax <= 0)
        return otherwise;
    scale = ldexpf(fp8_max(format), -margin) / amax;
    return isinf(scale) ? FLT_MAX : scale;
}

/* fmaxf passes over a NaN in the history. */
static float
remembered_amax(const struct fp8 *f, int64_t tensor)
{
    int64_t newest = (f->next + f->options.history - 1) % f->options.history;
    float amax = f->history[newest * f->tensors + tensor];

    if (f->options.amax == FP8_AMAX_MAX)
        for (int64_t i = 0; i < f->steps; i++)
            amax = fmaxf(amax, f->history[i * f->tensors + tensor]);
    return amax;
}

void
fp8_end_step(struct fp8 *f)
{
    if (f->options.recipe == FP8_DELAYED) {
        float *entry = f->history + f->next * f->tensors;

        for (int64_t i = 0; i < f->tensors; i++)
            entry[i] = float_of(f->amax[i]);
        f->next = (f->next + 1) % f->options.history;
        f->steps += f->steps < f->options.history;
        for (int64_t i = 0; i < f->tensors; i++)
            f->scale[i] = scale_for(format_of((int)i), f->options.margin, remembered_amax(f, i),
                                    f->scale[i]);
    }
    begin_step(f);
}

void
fp8_drop_step(struct fp8 *f)
{
    begin_step(f);
}

int64_t
fp8_history(const struct fp8 *f)
{
    return f->steps;
}

void
fp8_export(const struct fp8 *f, float *scale, float *history)
{
    size_t row = (size_t)f->tensors * sizeof *history;
    int64_t oldest = f->steps < f->options.history ? 0 : f->next;

    memcpy(scale, f->scale, row);
    for (int64_t i = 0; i < f->steps; i++)
        memcpy(history + i * f->tensors,
               f->history + (oldest + i) % f->options.history * f->tensors, row);
}

void
fp8_import(struct fp8 *f, const float *scale, const float *history, int64_t steps)
{
    size_t row = (size_t)f->tensors * sizeof *history;
    int64_t left_out = steps > f->options.history ? steps - f->options.history : 0;

    fp8_reset(f);
    if (f->options.recipe != FP8_DELAYED)
        return;
    memcpy(f->scale, scale, row);
    f->steps = steps - left_out;
    f->next = f->steps % f->options.history;
    memcpy(f->history, history + left_out * f->tensors, (size_t)f->steps * row);
}

/* ---- rounding ---- */

enum { ROUND_CELL = 16384 };

struct round_job {
    const struct decoder *d;
    struct fp8 *f;
    char *out; /* NULL: only look */
    const char *x;
    int64_t n;
    enum fp8_format format;
    float scale;
};

static int
round_cell(void *arg, size_t cell, int worker)
{
    const struct round_job *j = arg;
    const struct ops *ops = j->d->ops;
    size_t at = cell * ROUND_CELL * ops->act_size;

    ops->quantize(j->out ? j->out + at : NULL, j->x + at, rows_of_cell(cell, ROUND_CELL, j->n),
                  j->format, j->scale, &j->f->seen[worker]);
    return 0;
}

static int32_t
bits_of(float x)
{
    int32_t bits;

    memcpy(&bits, &x, sizeof bits);
    return bits;
}

/* Runs the job on the pool and returns what all its workers saw. */
static struct fp8_seen
run_rounding(struct round_job *j)
{
    struct fp8 *f = j->f;
    struct fp8_seen all = {0};

    memset(f->seen, 0, (size_t)f->workers * sizeof *f->seen);
    run_cells(j->d, j->n, ROUND_CELL, round_cell, j);
    for (int w = 0; w < f->workers; w++) {
        if (bits_of(f->seen[w].amax) > bits_of(all.amax))
            all.amax = f->seen[w].amax;
        all.saturated += f->seen[w].saturated;
    }
    return all;
}

/* Current scaling reads a tensor once more, for its amax, when it is first seen. */
static struct fp8_seen
round_tensor(const struct decoder *d, void *out, const void *x, int64_t n, int tensor, bool again)
{
    struct fp8 *f = d->fp8;
    struct round_job job = {.d = d, .f = f, .x = x, .n = n, .format = format_of(tensor)};

    if (f->options.recipe == FP8_TENSORWISE && !again)
        f->scale[tensor] = scale_for(job.format, 0, run_rounding(&job).amax, 1);
    job.out = out;
    job.scale = f->scale[tensor];
    return run_rounding(&job);
}

static void
note_amax(struct fp8 *f, int tensor, float amax)
{
    if (bits_of(amax) > f->amax[tensor])
        f->amax[tensor] = bits_of(amax);
}

int
fp8_tensor(const struct decoder *d, int weight, enum fp8_role role)
{
    int first = d->in_fp8 ? d->fp8->first_tensor[weight] : -1;

    return first < 0 ? -1 : first + (int)role;
}

double
fp8_unscale(const struct decoder *d, int a, int b)
{
    if (a < 0)
        return 0;
    return (double)(1 / d->fp8->scale[a]) * (double)(1 / d->fp8->scale[b]);
}

const void *
fp8_operand(const struct decoder *d, void *buffer, const void *x, int64_t n, int tensor, bool again)
{
    if (tensor < 0)
        return x;

    struct fp8_seen seen = round_tensor(d, buffer, x, n, tensor, again);
    if (!again && d->recording) {
        note_amax(d->fp8, tensor, seen.amax);
        d->fp8->saturated[tensor] += seen.saturated;
    }
    return buffer;
}

struct convert_job {
    const struct ops *ops;
    char *act;
    const char *wide;
    int64_t n;
};

static int
convert_cell(void *arg, size_t cell, int worker)
{
    const struct convert_job *j = arg;
    size_t at = cell * ROUND_CELL;

    (void)worker;
    j->ops->to_act(j->act + at * j->ops->act_size, j->wide + at * j->ops->wide_size,
                   rows_of_cell(cell, ROUND_CELL, j->n));
    return 0;
}

/* From the master weights: what `act` held does not matter, so this may be repeated. */
void
fp8_round_weights(const struct decoder *d, char *act)
{
    for (int i = 0; i < d->params->count; i++) {
        const struct param *p = &d->params->param[i];
        int tensor = fp8_tensor(d, i, FP8_WEIGHT);
        char *at = act + (size_t)p->offset * d->ops->act_size;
        struct convert_job job = {d->ops, at, weight_wide(d, i), p->size};

        if (tensor < 0)
            continue;
        run_cells(d, p->size, ROUND_CELL, convert_cell, &job);

        struct fp8_seen seen = round_tensor(d, at, at, p->size, tensor, false);
        note_amax(d->fp8, tensor, seen.amax);
        d->fp8->saturated[tensor] = seen.saturated; /* made twice, it is the same once */
    }
}
