#include <math.h>

#include "model/walk.h"

/*
 * Rotary positions (Su et al., 2021). Frequencies and angles are computed in
 * FP32 as the models were trained with them: an exact angle would differ from theirs by 1e-4 at
 * position 2000.
 */

/* Scaling of Llama 3.1: waves longer than the original context / low are stretched by factor, those
 * shorter than it / high are kept, those between are blended. */
static float
scale_llama3(const struct config *c, float frequency)
{
    float factor = (float)c->rope_factor, low = (float)c->rope_low_freq_factor;
    float high = (float)c->rope_high_freq_factor, context = (float)c->rope_original_max_position;
    float wave = 2 * 3.14159265358979f / frequency;

    if (wave < context / high)
        return frequency;
    if (wave > context / low)
        return frequency / factor;
    float smooth = (context / wave - low) / (high - low);
    return (1 - smooth) * frequency / factor + smooth * frequency;
}

/* Peng et al., 2023, equation 17: the pair that turns `rotations` times within the original context. */
static double
yarn_pair(const struct config *c, double rotations)
{
    double turns = (double)c->rope_original_max_position / (rotations * 2 * M_PI);

    return (double)c->rotary_dim * log(turns) / (2 * log(c->rope_theta));
}

/*
 * YaRN: pairs that turn less than beta_slow times in the original context are stretched by factor,
 * those that turn more than beta_fast times are kept, those between are blended by their number.
 */
static float
scale_yarn(const struct config *c, int64_t pair, float power)
{
    double low = yarn_pair(c, c->rope_beta_fast), high = yarn_pair(c, c->rope_beta_slow);

    if (c->rope_truncate) {
        low = floor(low);
        high = ceil(high);
    }
    low = fmax(low, 0);
    high = fmin(high, (double)(c->rotary_dim - 1));
    if (low == high)
        high += 0.001; /* as transformers does against a division by zero */
    float ramp = ((float)pair - (float)low) / (float)(high - low);
    float keep = 1 - fminf(fmaxf(ramp, 0), 1);
    return 1 / ((float)c->rope_factor * power) * (1 - keep) + 1 / power * keep;
}

/* Only the first part of the pairs turns, by the frequencies of the whole head. */
static float
scale_proportional(const struct config *c, int64_t pair, float frequency)
{
    int64_t pairs = (int64_t)floor(c->rope_partial * (double)c->head_dim / 2);

    return pair < pairs ? frequency / (float)c->rope_factor : 0;
}

static float
frequency_of(const struct config *c, int64_t pair)
{
    float exponent = (float)(2 * pair) / (float)c->rotary_dim;
    float power = powf((float)c->rope_theta, exponent), frequency = 1 / power;

    switch (c->rope_scaling) {
    case ROPE_LINEAR:
        return frequency / (float)c->rope_factor;
    case ROPE_LLAMA3:
        return scale_llama3(c, frequency);
    case ROPE_YARN:
        return scale_yarn(c, pair, power);
    case ROPE_LONGROPE: /* the short ones: see config_check_length */
        return 1 / ((float)c->rope_divisors[pair] * power);
    case ROPE_PROPORTIONAL:
        return scale_proportional(c, pair, frequency);
    case ROPE_DYNAMIC: /* the same as without it up to max_position_embeddings */
    case ROPE_DEFAULT:
        break;
    }
    return frequency;
}

static void
put_wide(const struct ops *ops, void *table, int64_t at, double value)
{
    if (ops->wide_size == sizeof(double))
        ((double *)table)[at] = value;
    else
        ((float *)table)[at] = (float)value;
}

void
rotary_table(const struct config *c, const struct ops *ops, int64_t positions, void *cos_sin)
{
    int64_t half = c->rotary_dim / 2;
    double scale = c->rope_attention_factor > 0 ? c->rope_attention_factor : 1;

    for (int64_t i = 0; i < half; i++) {
        float frequency = frequency_of(c, i);

        for (int64_t p = 0; p < positions; p++) {
            float angle = (float)p * frequency;

            put_wide(ops, cos_sin, p * c->rotary_dim + i, scale * cos((double)angle));
            put_wide(ops, cos_sin, p * c->rotary_dim + half + i, scale * sin((double)angle));
        }
    }
}

struct rotary_job {
    const struct decoder *d;
    void *qkv;
    const void *cos_sin;
    bool inverse;
    int64_t tokens;
};

static int
rotate_rows(void *arg, size_t cell, int worker)
{
    const struct rotary_job *j = arg;
    const struct decoder *d = j->d;
    const struct config *c = d->config;
    int64_t row = (int64_t)cell * ROW_CELL;

    (void)worker;
    /* Queries and keys lie side by side. */
    d->ops->rotary(act_at(d, j->qkv, row * d->qkv), d->qkv, rows_of_cell(cell, ROW_CELL, j->tokens),
                   d->heads + d->kv_heads, c->head_dim, c->rotary_dim,
                   d->positions + row, j->cos_sin, j->inverse);
    return 0;
}

/* Rotation is orthogonal, times a factor: backward is the inverse rotation of the gradient, times it. */
void
rotary_apply(const struct decoder *d, void *qkv, bool inverse, int64_t tokens)
{
    struct rotary_job job = {d, qkv, walking(d) ? d->walk->cos_sin : d->cos_sin, inverse, tokens};

    if (d->config->position == POSITION_ROTARY)
        run_cells(d, tokens, ROW_CELL, rotate_rows, &job);
}
