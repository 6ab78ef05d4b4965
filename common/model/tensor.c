#include <math.h>

#include "base/err.h"
#include "model/decoder_impl.h"

/*
 * What the ranks of a tensor group exchange (Shoeybi et al., 2019, "Megatron-LM"; sequence
 * parallelism: Korthikanti et al., 2022, "Reducing activation recomputation"). qkv and up are cut
 * by rows: from all tokens' input each rank makes some of the outputs. output and down are cut by
 * columns: each rank makes a part of the sum that is every output. Embedding and head are cut by
 * rows of the vocabulary (the loss: below).
 *
 *                           forward                    backward
 *   stream to qkv, up       (gathered)                 summed, of all tokens
 *   output, down to stream  summed, of all tokens      (gathered)
 *
 * With sequence parallelism the stream and the norms hold a run of the tokens: what is in
 * parentheses happens and a sum gives every rank its run. T hidden elements are in each exchange;
 * sums are of messages in the act type, accumulated in order of ranks (comm.h), so that the same
 * ranks give the same bits.
 */

static bool
alone(const struct decoder *d)
{
    return d->tensor_size == 1;
}

static bool
in_runs(const struct decoder *d)
{
    return d->options.sequence_parallel && !alone(d);
}

static enum comm_type
type_of(size_t element)
{
    return element == 2 ? COMM_BF16 : element == 4 ? COMM_F32 : COMM_F64;
}

/* A call that computes goes on after a failure, so that no rank is left waiting, and returns it. */
static void
note(struct decoder *d, int status)
{
    if (status < 0)
        d->failed = -1;
}

/* ---- the group ---- */

/* Memory that the first sum takes is taken here, not in some later step. */
static int
warm(struct comm *c)
{
    double nothing = 0;

    return comm_sum(c, &nothing, 1, COMM_F64);
}

int
tensor_open(struct decoder *d)
{
    int64_t heads = d->config->num_key_value_heads, size = d->tensor_size;
    struct comm *c = d->options.tensor;

    if (alone(d))
        return 0;
    if (c->ops->split(c, heads < size ? (int)(c->rank * heads / size) : c->rank, c->rank,
                      &d->same_keys) < 0)
        return -1;
    return warm(c) < 0 || warm(d->same_keys) < 0 ? -1 : 0;
}

void
tensor_close(struct decoder *d)
{
    if (d->same_keys)
        comm_release(d->same_keys);
    d->same_keys = NULL;
}

int64_t
tensor_rows(const struct decoder *d, int64_t tokens)
{
    return in_runs(d) ? tokens / d->tensor_size : tokens;
}

int
tensor_check_tokens(const struct decoder *d, int64_t sequences, int64_t length)
{
    int64_t tokens = sequences * length;

    if (in_runs(d) && tokens % d->tensor_size != 0)
        return err_set(STATUS_INPUT,
                       "sequence-parallel: the %lld tokens of %lld sequences of %lld are not a "
                       "multiple of tensor-parallel (%d)",
                       (long long)tokens, (long long)sequences, (long long)length, d->tensor_size);
    return 0;
}

/* ---- tokens ---- */

void *
own_rows(const struct decoder *d, void *all, const struct tokens *t)
{
    return in_runs(d) ? act_at(d, all, tensor_rank(d) * t->rows * d->hidden) : all;
}

void
gather_rows(struct decoder *d, void *all, const struct tokens *t)
{
    size_t bytes = (size_t)(t->rows * d->hidden) * d->ops->act_size;

    if (in_runs(d))
        note(d, comm_all_gather(d->options.tensor, own_rows(d, all, t), all, bytes));
}

const void *
gathered(struct decoder *d, const void *rows, const struct tokens *t)
{
    size_t bytes = (size_t)(t->rows * d->hidden) * d->ops->act_size;

    if (!in_runs(d))
        return rows;
    note(d, comm_all_gather(d->options.tensor, rows, d->gathered, bytes));
    return d->gathered;
}

void *
partial_of(const struct decoder *d, void *rows)
{
    return in_runs(d) ? d->h : rows;
}

void
sum_rows(struct decoder *d, void *rows, void *partial, const struct tokens *t)
{
    struct comm *c = d->options.tensor;
    enum comm_type type = type_of(d->ops->act_size);
    size_t n = (size_t)(t->rows * d->hidden);

    if (in_runs(d))
        note(d, comm_sum_scatter(c, partial, rows, n, type));
    else if (!alone(d))
        note(d, comm_sum(c, rows, n, type));
}

void
linear_forward_sum(struct decoder *d, void *y, const void *x, int weight, int bias,
                   const struct tokens *t)
{
    void *partial = partial_of(d, y);

    linear_forward(d, partial, x, weight, tensor_rank(d) == 0 ? bias : -1, t->count);
    sum_rows(d, y, partial, t);
}

void
sum_parts(struct decoder *d, void *wide, int64_t n)
{
    if (!alone(d))
        note(d, comm_sum(d->options.tensor, wide, (size_t)n, type_of(d->ops->wide_size)));
}

/* ---- loss ---- */

void
part_targets(const struct decoder *d, const int32_t *targets, int64_t rows, int32_t elsewhere)
{
    int64_t begin = d->params->param[d->params->head].whole.run[0].whole;

    for (int64_t i = 0; i < rows; i++) {
        int64_t at = targets[i] - begin;
        bool here = at >= 0 && at < d->vocab;
        d->part_targets[i] = targets[i] < 0 ? -1 : here ? (int32_t)at : elsewhere;
    }
}

/* log_z and loss of a row, of which rank r has log_z at parts[r][0] and, where it has it, the
 * target's logit at parts[r][1]. */
static void
join_parts(const struct decoder *d, int64_t i, int64_t rows, bool scored, double *loss,
           double *log_z)
{
    const double *parts = d->parts + i;
    double most = parts[0], sum = 0, logit = 0;

    for (int r = 1; r < d->tensor_size; r++)
        most = parts[2 * r * rows] > most ? parts[2 * r * rows] : most;
    for (int r = 0; r < d->tensor_size; r++) {
        sum += exp(parts[2 * r * rows] - most);
        logit += parts[(2 * r + 1) * rows];
    }
    *log_z = most + log(sum);
    *loss = scored ? *log_z - logit : 0;
}

void
join_losses(struct decoder *d, const int32_t *targets, int64_t rows, double *loss, double *log_z)
{
    double *own = d->parts + tensor_rank(d) * 2 * rows;

    for (int64_t i = 0; i < rows; i++) {
        own[i] = log_z[i];
        own[rows + i] = d->part_targets[i] < 0 ? 0 : log_z[i] - loss[i];
    }
    note(d, comm_all_gather(d->options.tensor, own, d->parts, (size_t)(2 * rows) * sizeof *own));
    for (int64_t i = 0; i < rows; i++)
        join_parts(d, i, rows, targets[i] >= 0, &loss[i], &log_z[i]);
}

/* ---- gradients ---- */

static bool
is_norm(const struct params *p, int i)
{
    const struct param *t = &p->param[i];
    const struct layer_params *l = t->layer < 0 ? NULL : &p->layer[t->layer];

    return t->kind == PARAM_NORM || i == p->final_norm_bias ||
           (l && (i == l->attention_norm_bias || i == l->mlp_norm_bias));
}

/* Of each head: a rank has the part of its own heads. */
static bool
is_head_norm(const struct params *p, int i)
{
    const struct param *t = &p->param[i];
    const struct layer_params *l = t->layer < 0 ? NULL : &p->layer[t->layer];

    return l && (i == l->query_norm || i == l->key_norm);
}

static bool
is_qkv(const struct params *p, int i)
{
    const struct param *t = &p->param[i];
    const struct layer_params *l = t->layer < 0 ? NULL : &p->layer[t->layer];

    return l && (i == l->qkv || i == l->qkv_bias);
}

static void
sum_gradient(struct decoder *d, struct comm *c, int param, int64_t begin, int64_t n)
{
    bool fresh = false;
    void *all = gradient_at(d, param, params_in_product(d->params, param) ? &fresh : NULL);
    void *gradient = wide_at(d, all, begin);

    note(d, comm_sum(c, gradient, (size_t)n, type_of(d->ops->wide_size)));
}

/* Does every tensor rank have all of it, and of its gradient what comes of its own part of the weight? */
static bool
is_whole_adapter(const struct param *t)
{
    return t->adapter && t->rows == t->whole.rows && t->columns == t->whole.columns;
}

/* Rows of B of keys and values, elements [*begin, size); false: it is another tensor. */
static bool
is_keys_adapter(const struct decoder *d, int i, int64_t *begin)
{
    const struct param *t = &d->params->param[i];
    const struct adapters *l =
        t->layer < 0 ? NULL : &d->params->param[d->params->layer[t->layer].qkv].adapters;

    if (t->adapter != 'b' || l->b != i)
        return false;
    *begin = t->size;
    for (int k = l->parts - 1; k >= 0 && l->part[k].row >= d->query; k--)
        *begin = l->part[k].at * t->columns;
    return *begin < t->size;
}

/* Keys' and values' rows stand behind the queries'. */
void
tensor_sum_gradients(struct decoder *d, int begin, int end)
{
    const struct params *p = d->params;
    bool shared_keys = d->same_keys && d->same_keys->size > 1;

    if (alone(d))
        return;
    for (int i = begin; i < end && i < p->count; i++) {
        int64_t size = p->param[i].size, queries = size / d->qkv * d->query, keys;

        if (!has_gradient(d, i))
            continue;
        if (is_head_norm(p, i) || (is_norm(p, i) && in_runs(d)) || is_whole_adapter(&p->param[i]))
            sum_gradient(d, d->options.tensor, i, 0, size);
        else if (shared_keys && is_keys_adapter(d, i, &keys))
            sum_gradient(d, d->same_keys, i, keys, size - keys);
        else if (is_qkv(p, i) && shared_keys)
            sum_gradient(d, d->same_keys, i, queries, size - queries);
    }
}
