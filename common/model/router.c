#include <math.h>
#include <string.h>

#include "model/moe_impl.h"

/*
 * The router: which experts a token goes to, with which weights, and what keeps the load even.
 * Logits and softmax are wide. 2 T experts hidden flops forward, twice that backward.
 *
 * The losses, over the R rows that the routers of all layers have for a micro-batch:
 *   auxiliary  experts * sum over e of (count of e / R) (sum of e's probabilities / R): Fedus et
 *              al., "Switch Transformers", 2022, equations 4 to 6, with all layers in one, as
 *              transformers computes it for these families
 *   z          the mean of log_z^2: Zoph et al., "ST-MoE", 2022, equation 5
 * The counts are constants for the gradient.
 */

struct router_job {
    const struct decoder *d;
    const struct moe_state *s;
    int64_t tokens;
    double *sums;
};

/* Turns logits into probabilities. */
static void
softmax(const struct decoder *d, void *row, int64_t n, double *log_z)
{
    double most = (double)-INFINITY, sum = 0;

    for (int64_t e = 0; e < n; e++)
        most = fmax(most, wide_get(d, row, e));
    for (int64_t e = 0; e < n; e++) {
        double power = exp(wide_get(d, row, e) - most);

        sum += power;
        wide_put(d, row, e, power);
    }
    for (int64_t e = 0; e < n; e++)
        wide_put(d, row, e, wide_get(d, row, e) / sum);
    *log_z = most + log(sum);
}

static int
softmax_rows(void *arg, size_t cell, int worker)
{
    const struct router_job *j = arg;
    const struct decoder *d = j->d;
    int64_t n = d->moe->experts, row = (int64_t)cell * ROW_CELL;
    int64_t end = row + rows_of_cell(cell, ROW_CELL, j->tokens);

    (void)worker;
    for (; row < end; row++) {
        double log_z;

        softmax(d, wide_at(d, j->s->probs, row * n), n, &log_z);
        wide_put(d, j->s->log_z, row, log_z);
    }
    return 0;
}

void
router_forward(const struct decoder *d, const struct moe_state *s, int weight, const void *h,
               int64_t tokens)
{
    struct router_job job = {.d = d, .s = s, .tokens = tokens};

    linear_forward_wide(d, s->probs, h, weight, tokens);
    run_cells(d, tokens, ROW_CELL, softmax_rows, &job);
}

/* ---- the choice ---- */

/* The k experts of most probability, ascending; of equals the lower one. */
static void
choose(const struct decoder *d, const void *probs, int32_t *chosen)
{
    int64_t n = d->moe->experts, k = d->moe->per_token, count = 0;

    /* By falling probability, */
    for (int64_t e = 0; e < n; e++) {
        double p = wide_get(d, probs, e);
        int64_t at = count;

        while (at > 0 && p > wide_get(d, probs, chosen[at - 1]))
            at--;
        if (at == k)
            continue;
        count += count < k;
        memmove(chosen + at + 1, chosen + at, (size_t)(count - at - 1) * sizeof *chosen);
        chosen[at] = (int32_t)e;
    }
    /* then by number. */
    for (int64_t i = 1; i < k; i++) {
        int32_t e = chosen[i];
        int64_t at = i;

        for (; at > 0 && chosen[at - 1] > e; at--)
            chosen[at] = chosen[at - 1];
        chosen[at] = e;
    }
}

static int
choose_rows(void *arg, size_t cell, int worker)
{
    const struct router_job *j = arg;
    const struct moe *m = j->d->moe;
    int64_t row = (int64_t)cell * ROW_CELL, end = row + rows_of_cell(cell, ROW_CELL, j->tokens);

    (void)worker;
    for (; row < end; row++)
        choose(j->d, wide_at(j->d, j->s->probs, row * m->experts), m->expert + row * m->per_token);
    return 0;
}

/* Rows sorted by expert, entries of one expert in order. */
static void
sort_rows(struct moe *m, int64_t entries)
{
    memset(m->begin, 0, (size_t)(m->experts + 1) * sizeof *m->begin);
    for (int64_t i = 0; i < entries; i++)
        m->begin[m->expert[i] + 1]++;
    for (int64_t e = 0; e < m->experts; e++)
        m->begin[e + 1] += m->begin[e];
    for (int64_t i = 0; i < entries; i++) {
        int64_t row = m->begin[m->expert[i]]++;

        m->row[i] = (int32_t)row;
        m->entry[row] = (int32_t)i;
    }
    memmove(m->begin + 1, m->begin, (size_t)m->experts * sizeof *m->begin);
    m->begin[0] = 0;
}

/* The sum of a token's chosen probabilities where its weights are their shares of it, else 1. */
static double
divisor_of(const struct decoder *d, const void *probs, const int32_t *chosen)
{
    double sum = 0;

    if (!d->config->norm_topk_prob)
        return 1;
    for (int64_t j = 0; j < d->moe->per_token; j++)
        sum += wide_get(d, probs, chosen[j]);
    return sum;
}

static void
set_weights(const struct decoder *d, const struct moe_state *s, int64_t tokens)
{
    const struct moe *m = d->moe;
    int64_t k = m->per_token;

    for (int64_t t = 0; t < tokens; t++) {
        const void *probs = wide_at_const(d, s->probs, t * m->experts);
        const int32_t *chosen = m->expert + t * k;
        double divisor = divisor_of(d, probs, chosen);

        for (int64_t j = 0; j < k; j++)
            wide_put(d, m->weight, m->row[t * k + j], wide_get(d, probs, chosen[j]) / divisor);
    }
}

void
router_choose(const struct decoder *d, const struct moe_state *s, int64_t tokens)
{
    struct router_job job = {.d = d, .s = s, .tokens = tokens};

    run_cells(d, tokens, ROW_CELL, choose_rows, &job);
    sort_rows(d->moe, tokens * d->moe->per_token);
    set_weights(d, s, tokens);
}

/* ---- losses ---- */

enum { EXPERT_CELL = 8 };

/* Tokens in order for every expert. */
static int
count_experts(void *arg, size_t cell, int worker)
{
    const struct router_job *j = arg;
    const struct decoder *d = j->d;
    const struct moe *m = d->moe;
    int64_t e = (int64_t)cell * EXPERT_CELL, end = e + rows_of_cell(cell, EXPERT_CELL, m->experts);

    (void)worker;
    for (; e < end; e++) {
        double sum = 0;

        for (int64_t t = 0; t < j->tokens; t++)
            sum += wide_get(d, j->s->probs, t * m->experts + e);
        j->sums[e] += (double)(m->begin[e + 1] - m->begin[e]);
        j->sums[m->experts + e] += sum;
    }
    return 0;
}

void
router_count(const struct decoder *d, const struct moe_state *s, int64_t tokens, double *sums)
{
    struct router_job job = {.d = d, .s = s, .tokens = tokens, .sums = sums};
    double sum = 0;

    run_cells(d, d->moe->experts, EXPERT_CELL, count_experts, &job);
    for (int64_t t = 0; t < tokens; t++)
        sum += wide_get(d, s->log_z, t) * wide_get(d, s->log_z, t);
    sums[2 * d->moe->experts] += sum;
}

int64_t
router_sums(const struct config *c)
{
    return c->num_experts > 0 ? 2 * c->num_experts + 1 : 0;
}

void
router_losses(const struct decoder *d, const double *sums, int64_t tokens, double *aux, double *z)
{
    int64_t experts = d->moe->experts;
    double rows = (double)(config_sparse_layers(d->config) * tokens);

    *aux = 0;
    for (int64_t e = 0; e < experts; e++)
        *aux += sums[e] / rows * (sums[experts + e] / rows);
    *aux *= (double)experts;
    *z = sums[2 * experts] / rows;
}

void
router_prepare(const struct decoder *d, const double *sums, int64_t tokens, double weight)
{
    struct moe *m = d->moe;
    double rows = (double)(config_sparse_layers(d->config) * tokens);
    double factor = weight * d->options.router_aux_loss * (double)m->experts / (rows * rows);

    for (int64_t e = 0; e < m->experts; e++)
        m->pull[e] = factor * sums[e];
    m->pull_z = weight * d->options.router_z_loss * 2 / rows;
}

/* ---- backward ---- */

/*
 * One token: from the gradients of its weights to those of its probabilities, in d_p, and through
 * the softmax to those of the logits.
 */
static void
backward_row(const struct decoder *d, const void *probs, double log_z, int64_t t, void *d_p)
{
    const struct moe *m = d->moe;
    const int32_t *chosen = m->expert + t * m->per_token, *row = m->row + t * m->per_token;
    double divisor = divisor_of(d, probs, chosen), common = 0, mean = 0;

    for (int64_t e = 0; e < m->experts; e++)
        wide_put(d, d_p, e, m->pull[e]);
    for (int64_t j = 0; d->config->norm_topk_prob && j < m->per_token; j++)
        common += wide_get(d, m->d_weight, row[j]) * wide_get(d, m->weight, row[j]);
    for (int64_t j = 0; j < m->per_token; j++) {
        double from_weight = (wide_get(d, m->d_weight, row[j]) - common) / divisor;

        wide_put(d, d_p, chosen[j], m->pull[chosen[j]] + from_weight);
    }
    for (int64_t e = 0; e < m->experts; e++)
        mean += wide_get(d, probs, e) * wide_get(d, d_p, e);
    for (int64_t e = 0; e < m->experts; e++) {
        double p = wide_get(d, probs, e);

        wide_put(d, d_p, e, p * (wide_get(d, d_p, e) - mean + m->pull_z * log_z));
    }
}

static int
backward_rows(void *arg, size_t cell, int worker)
{
    const struct router_job *j = arg;
    const struct decoder *d = j->d;
    const struct moe *m = d->moe;
    int64_t row = (int64_t)cell * ROW_CELL, end = row + rows_of_cell(cell, ROW_CELL, j->tokens);

    (void)worker;
    for (; row < end; row++) {
        void *d_logits = wide_at(d, m->d_logits, row * m->experts);

        backward_row(d, wide_at(d, j->s->probs, row * m->experts), wide_get(d, j->s->log_z, row),
                     row, d_logits);
        d->ops->to_act(act_at(d, m->d_logits_act, row * m->experts), d_logits, m->experts);
    }
    return 0;
}

void
router_backward(const struct decoder *d, const struct moe_state *s, int64_t tokens)
{
    struct router_job job = {.d = d, .s = s, .tokens = tokens};

    run_cells(d, tokens, ROW_CELL, backward_rows, &job);
}
