#include <math.h>
#include <string.h>

#include "kernels/merge.h"
#include "model/decoder_impl.h"

/*
 * Attention over a context group of c ranks (Liu et al., "Ring Attention with Blockwise
 * Transformers", 2023). Keys and values go round: in step s a rank has those of rank - s, and
 * while it computes its queries' part over them they are sent on and the next ones arrive. With
 * the chunks of context.c a rank's queries see
 *
 *   of its own keys        what comes before each, as in a sequence of their own
 *   of an earlier rank's   its first chunk, all queries all of it
 *   of a later rank's      both chunks, the queries of the second chunk alone
 *
 * but for documents and windows: S^2/2c^2 pairs in every step, S/2c more in the first. Parts are merged in FP32 in the order of steps and rounded once. In the
 * backward pass the gradients of keys and values go round behind them, one step later, each rank
 * adding its part, and are whole when they have come back.
 *
 * Sent by a rank, of T tokens: 2 (c - 1) T kv numbers of act forward, the same again and 2 c T kv
 * wide ones backward, beside 2 T S query flops and 5.
 */
enum { TAG_KEYS = 1, TAG_GRADIENTS = 2 };

void
ring_carve(struct decoder *d)
{
    struct ring *x = d->ring;
    size_t act = d->ops->act_size, wide = d->ops->wide_size;
    size_t kv = (size_t)(d->capacity * 2 * d->kv);
    size_t local = (size_t)(d->options.seq_length / d->context_size);
    size_t part = local * (size_t)(d->group * (d->config->head_dim + 1)) * wide;

    if (!x)
        return;
    for (int i = 0; i < 2; i++)
        x->kv[i] = arena_take_array(&d->arena, kv, act);
    x->sum = arena_take_array(&d->arena, (size_t)(d->capacity * d->query), wide);
    x->part_each = (part + 63) / 64 * 64;
    x->part = arena_take_array(&d->arena, (size_t)threads_count(d->pool), x->part_each);
    if (!d->options.training)
        return;
    for (int i = 0; i < 2; i++)
        x->d_kv[i] = arena_take_array(&d->arena, kv, wide);
    x->d_kv_part = arena_take_array(&d->arena, kv, wide);
}

/* ---- one step: this rank's queries over the keys of rank `owner` ---- */

struct ring_job {
    const struct decoder *d;
    const struct layer_state *s;
    const struct tokens *t;
    int owner;
    const void *kv;        /* act [T][2 kv]; NULL: this rank's own, in s->qkv */
    const void *d_context; /* NULL: forward */
    void *d_kv;            /* wide [T][2 kv]: overwritten where a sequence has anything to see */
};

/* Rows of a sequence's queries, and how many of the owner's keys (the first ones) they meet. */
struct meeting {
    int64_t row, rows, keys;
};

static struct meeting
meeting_of(const struct ring_job *j)
{
    int rank = j->d->options.context->rank;
    int64_t length = j->t->length, chunk = length / 2;

    if (j->owner == rank)
        return (struct meeting){0, length, length};
    if (j->owner < rank)
        return (struct meeting){0, length, chunk};
    return (struct meeting){chunk, chunk, length};
}

static const int32_t *
first_keys(const struct ring_job *j, int64_t sequence, const struct meeting *m)
{
    const struct decoder *d = j->d;

    return d->ring->first + j->owner * d->capacity + sequence * j->t->length + m->row;
}

/* Do documents and windows leave anything of the owner's keys to a sequence's queries? */
static bool
sees_any(const struct ring_job *j, int64_t sequence, const struct meeting *m)
{
    const int32_t *first = first_keys(j, sequence, m);

    for (int64_t i = 0; i < m->rows; i++)
        if (first[i] < m->keys)
            return true;
    return false;
}

/* The arguments of both directions, with results wide: out and lse of the whole sequence. */
static struct attention
meet(const struct ring_job *j, int64_t sequence, int64_t head, int worker, const struct meeting *m)
{
    const struct decoder *d = j->d;
    struct attention a = attention_group(d, j->s, j->t, sequence, head, worker);
    int64_t row = sequence * j->t->length, key = head * d->config->head_dim;

    a.part = true;
    a.queries = m->rows;
    a.keys = m->keys;
    a.q0 = j->kv ? m->keys : 0;
    a.first = first_keys(j, sequence, m);
    a.q = act_at_const(d, a.q, m->row * a.q_stride);
    a.out = act_at(d, a.out, m->row * a.out_stride);
    a.lse = wide_at(d, a.lse, m->row);
    if (j->kv) {
        a.kv_stride = 2 * d->kv;
        a.k = act_at_const(d, j->kv, row * a.kv_stride + key);
        a.v = act_at_const(d, a.k, d->kv);
    }
    return a;
}

/* Where a group's rows stand in the wide sums [T][query]. */
static void *
sum_of(const struct ring_job *j, int64_t sequence, int64_t head, const struct meeting *m)
{
    const struct decoder *d = j->d;
    int64_t row = sequence * j->t->length + m->row;

    return wide_at(d, d->ring->sum, row * d->query + head * d->group * d->config->head_dim);
}

static int
forward_cell(void *arg, size_t cell, int worker)
{
    const struct ring_job *j = arg;
    const struct decoder *d = j->d;
    int64_t sequence = (int64_t)cell / d->kv_heads, head = (int64_t)cell % d->kv_heads;
    struct meeting m = meeting_of(j);
    void *sum = sum_of(j, sequence, head, &m);

    if (!sees_any(j, sequence, &m))
        return 0;
    struct attention a = meet(j, sequence, head, worker, &m);
    void *lse = a.lse;
    if (!j->kv) {
        a.out = sum;
        d->ops->attention_forward(&a);
        return 0;
    }
    a.out_stride = d->group * d->config->head_dim;
    a.out = d->ring->part + (size_t)worker * d->ring->part_each;
    a.lse = wide_at(d, a.out, m.rows * a.out_stride);
    a.lse_stride = m.rows;
    d->ops->attention_forward(&a);
    attention_merge(d->ops, &a, sum, d->query, lse, j->t->length);
    return 0;
}

static int
backward_cell(void *arg, size_t cell, int worker)
{
    const struct ring_job *j = arg;
    const struct decoder *d = j->d;
    int64_t sequence = (int64_t)cell / d->kv_heads, head = (int64_t)cell % d->kv_heads;
    int64_t head_dim = d->config->head_dim, row = sequence * j->t->length;
    int64_t width = d->group * head_dim;
    struct meeting m = meeting_of(j);
    char *sum = sum_of(j, sequence, head, &m);

    if (!sees_any(j, sequence, &m))
        return 0;
    struct attention a = meet(j, sequence, head, worker, &m);
    a.d_out = act_at_const(d, j->d_context, (row + m.row) * d->query + head * width);
    a.dkv_stride = 2 * d->kv;
    a.d_k = wide_at(d, j->d_kv, row * a.dkv_stride + head * head_dim);
    a.d_v = wide_at(d, a.d_k, d->kv);
    a.dq_stride = j->kv ? width : d->query;
    a.d_q = j->kv ? d->ring->part + (size_t)worker * d->ring->part_each : sum;
    d->ops->attention_backward(&a);
    for (int64_t i = 0; j->kv && i < m.rows; i++)
        d->ops->add_wide(wide_at(d, sum, i * d->query), wide_at(d, a.d_q, i * width), width);
    return 0;
}

/* Adds a step's gradients of keys and values, a cell a sequence, to those that came round. */
struct add_job {
    const struct ring_job *step;
    void *sum;
};

static int
add_gradients(void *arg, size_t sequence, int worker)
{
    const struct add_job *a = arg;
    const struct ring_job *j = a->step;
    const struct decoder *d = j->d;
    struct meeting m = meeting_of(j);
    int64_t row = (int64_t)sequence * j->t->length * 2 * d->kv;

    (void)worker;
    if (sees_any(j, (int64_t)sequence, &m))
        d->ops->add_wide(wide_at(d, a->sum, row), wide_at_const(d, j->d_kv, row),
                         m.keys * 2 * d->kv);
    return 0;
}

/* ---- rows in and out ---- */

struct row_job {
    const struct decoder *d;
    const void *from;
    void *to;
    int64_t tokens;
};

static int
pack_rows(void *arg, size_t cell, int worker)
{
    const struct row_job *j = arg;
    const struct decoder *d = j->d;
    int64_t begin = (int64_t)cell * ROW_CELL, end = begin + rows_of_cell(cell, ROW_CELL, j->tokens);

    (void)worker;
    for (int64_t i = begin; i < end; i++)
        memcpy(act_at(d, j->to, i * 2 * d->kv), act_at_const(d, j->from, i * d->qkv + d->query),
               (size_t)(2 * d->kv) * d->ops->act_size);
    return 0;
}

/* The sums, rounded: the context. */
static int
round_rows(void *arg, size_t cell, int worker)
{
    const struct row_job *j = arg;
    const struct decoder *d = j->d;
    int64_t row = (int64_t)cell * ROW_CELL, rows = rows_of_cell(cell, ROW_CELL, j->tokens);

    (void)worker;
    d->ops->to_act(act_at(d, j->to, row * d->query), wide_at_const(d, j->from, row * d->query),
                   rows * d->query);
    return 0;
}

/* d_qkv of the queries' sums and of the keys' and values' gradients. */
static int
round_gradient_rows(void *arg, size_t cell, int worker)
{
    const struct row_job *j = arg;
    const struct decoder *d = j->d;
    int64_t begin = (int64_t)cell * ROW_CELL, end = begin + rows_of_cell(cell, ROW_CELL, j->tokens);

    (void)worker;
    for (int64_t i = begin; i < end; i++) {
        d->ops->to_act(act_at(d, j->to, i * d->qkv), wide_at(d, d->ring->sum, i * d->query),
                       d->query);
        d->ops->to_act(act_at(d, j->to, i * d->qkv + d->query),
                       wide_at_const(d, j->from, i * 2 * d->kv), 2 * d->kv);
    }
    return 0;
}

/* ---- messages ---- */

struct passing {
    struct comm_request *send, *receive;
};

static int
start_receive(const struct decoder *d, struct passing *p, void *into, size_t bytes, int tag)
{
    struct comm *c = d->options.context;

    return c->ops->receive(c, into, bytes, (c->rank + c->size - 1) % c->size, tag, &p->receive);
}

static int
start_send(const struct decoder *d, struct passing *p, const void *from, size_t bytes, int tag)
{
    struct comm *c = d->options.context;

    return c->ops->send(c, from, bytes, (c->rank + 1) % c->size, tag, &p->send);
}

static int
finish(const struct decoder *d, struct comm_request **q)
{
    return *q ? comm_wait(d->options.context, q) : 0;
}

/* Sends the keys of step s on and takes the next ones; not in the last step. */
static int
start_keys(const struct decoder *d, struct passing *p, int step, size_t bytes)
{
    void *const *kv = d->ring->kv;

    if (step + 1 == d->context_size)
        return 0;
    if (start_receive(d, p, kv[(step + 1) % 2], bytes, TAG_KEYS) != 0)
        return -1;
    return start_send(d, p, kv[step % 2], bytes, TAG_KEYS);
}

static int
finish_both(const struct decoder *d, struct passing *p)
{
    return finish(d, &p->receive) != 0 || finish(d, &p->send) != 0 ? -1 : 0;
}

static int
owner_in(const struct decoder *d, int step)
{
    return (d->options.context->rank + d->context_size - step) % d->context_size;
}

static size_t
keys_bytes(const struct decoder *d, const struct tokens *t, size_t element)
{
    return (size_t)(t->count * 2 * d->kv) * element;
}

/* ---- all steps ---- */

static int
forward_steps(const struct decoder *d, const struct layer_state *s, const struct tokens *t)
{
    const struct ring *x = d->ring;
    struct passing keys = {0};

    for (int step = 0; step < d->context_size; step++) {
        struct ring_job job = {.d = d, .s = s, .t = t, .owner = owner_in(d, step)};

        job.kv = step > 0 ? x->kv[step % 2] : NULL;
        if (start_keys(d, &keys, step, keys_bytes(d, t, d->ops->act_size)) != 0)
            return -1;
        run_cells(d, t->sequences * d->kv_heads, 1, forward_cell, &job);
        if (finish_both(d, &keys) != 0)
            return -1;
    }
    return 0;
}

/*
 * The gradients of step s's keys, which the rank before has sent, get this rank's part and go on;
 * d_kv[s % 2] is where they stand. In the step after the last one a rank's own come back.
 */
static int
backward_step(const struct decoder *d, struct ring_job *job, int step, struct passing *gradients)
{
    const struct ring *x = d->ring;
    size_t bytes = keys_bytes(d, job->t, d->ops->wide_size);
    void *sum = x->d_kv[step % 2];
    struct add_job add = {job, sum};

    if (step > 0 && start_receive(d, gradients, sum, bytes, TAG_GRADIENTS) != 0)
        return -1;
    job->d_kv = step > 0 ? x->d_kv_part : sum;
    run_cells(d, job->t->sequences * d->kv_heads, 1, backward_cell, job);
    if (finish_both(d, gradients) != 0)
        return -1;
    if (step > 0)
        run_cells(d, job->t->sequences, 1, add_gradients, &add);
    return start_send(d, gradients, sum, bytes, TAG_GRADIENTS);
}

static int
backward_steps(const struct decoder *d, struct ring_job *job)
{
    const struct ring *x = d->ring;
    struct passing keys = {0}, gradients = {0};
    int steps = d->context_size;

    for (int step = 0; step < steps; step++) {
        job->owner = owner_in(d, step);
        job->kv = step > 0 ? x->kv[step % 2] : NULL;
        if (start_keys(d, &keys, step, keys_bytes(d, job->t, d->ops->act_size)) != 0 ||
            backward_step(d, job, step, &gradients) != 0 || finish_both(d, &keys) != 0)
            return -1;
    }
    if (start_receive(d, &gradients, x->d_kv[steps % 2], keys_bytes(d, job->t, d->ops->wide_size),
                      TAG_GRADIENTS) != 0)
        return -1;
    return finish_both(d, &gradients);
}

static void
pack_keys(const struct decoder *d, const struct layer_state *s, const struct tokens *t)
{
    struct row_job job = {d, s->qkv, d->ring->kv[0], t->count};

    run_cells(d, t->count, ROW_CELL, pack_rows, &job);
}

void
ring_forward(struct decoder *d, const struct layer_state *s, const struct tokens *t)
{
    struct row_job result = {d, d->ring->sum, s->context, t->count};

    pack_keys(d, s, t);
    if (forward_steps(d, s, t) != 0)
        d->failed = -1;
    run_cells(d, t->count, ROW_CELL, round_rows, &result);
}

void
ring_backward(struct decoder *d, const struct layer_state *s, const struct tokens *t,
              const void *d_context, void *d_qkv)
{
    struct ring_job job = {.d = d, .s = s, .t = t, .d_context = d_context};
    struct row_job result = {d, d->ring->d_kv[d->context_size % 2], d_qkv, t->count};

    pack_keys(d, s, t);
    if (backward_steps(d, &job) != 0)
        d->failed = -1;
    run_cells(d, t->count, ROW_CELL, round_gradient_rows, &result);
}
