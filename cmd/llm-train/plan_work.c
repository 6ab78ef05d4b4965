/* How long one rank of a planned machine works on a micro-batch. */
#include "cmd/llm-train/plan_work.h"

#include <math.h>

/* ---- ways ---- */

/* Ranks of this node that differ on the axes of the mask only. */
static int
members_in_node(const struct layout *l, unsigned axes, int domains)
{
    int count = 0;

    for (int rank = 0; rank < domains && rank < l->ranks; rank++) {
        int at[AXES];
        bool mine = true;
        grid_coordinates(l->size, l->order, rank, at);
        for (int a = 0; a < AXES; a++)
            mine = mine && (at[a] == 0 || (axes & 1u << a));
        count += mine;
    }
    return count;
}

/*
 * A group within a node talks at the node's inner rate. Of one that goes over nodes each ring leaves a
 * node once; the node's links are shared by as many rings as its ranks are in.
 */
static struct way
way_of(const struct layout *l, const struct machine_file *m, unsigned axes)
{
    int domains = (int)m->domains, members = members_in_node(l, axes, domains);
    struct way w = {.size = 1};

    for (int a = 0; a < AXES; a++)
        w.size *= axes & 1u << a ? l->size[a] : 1;
    if (members == w.size) {
        w.rate = m->inner;
        w.latency = m->inner_latency;
        return w;
    }
    int here = l->ranks < domains ? l->ranks : domains;
    w.rate = m->link * m->links * members / here;
    if (members > 1 && m->inner > 0 && m->inner < w.rate)
        w.rate = m->inner;
    w.latency = m->latency;
    return w;
}

static double
way_time(const struct way *w, double bytes, double messages)
{
    return w->size == 1 ? 0 : (w->rate > 0 ? bytes / w->rate : 0) + messages * w->latency;
}

/* Rings (Thakur et al., "Optimization of Collective Communication Operations in MPICH", 2005): each
 * of n - 1 messages is an n-th; a sum that all have goes round twice. */
double
way_all_reduce(const struct way *w, double bytes)
{
    return 2 * way_scatter(w, bytes);
}

double
way_scatter(const struct way *w, double bytes)
{
    return way_time(w, bytes * (w->size - 1) / w->size, w->size - 1);
}

double
way_exchange(const struct way *w, double bytes)
{
    return way_time(w, bytes, w->size - 1);
}

double
way_send(const struct way *w, double bytes)
{
    return way_time(w, bytes, 1);
}

/* ---- the rank ---- */

static enum machine_precision
precision_of(const struct trainer *t)
{
    return t->precision == PRECISION_FP32 ? MACHINE_FP32 : MACHINE_BF16;
}

void
plan_rank_init(struct plan_rank *r, const struct trainer *t, const struct layout *l,
               const struct machine_file *m)
{
    const struct ops *ops = &t->kernels->ops[t->precision];
    const struct machine_rate *rate = &m->rate[precision_of(t)];
    unsigned context = 1u << AXIS_CONTEXT, data = 1u << AXIS_DATA, expert = 1u << AXIS_EXPERT;
    double domains = (double)m->domains;

    *r = (struct plan_rank){
        .c = &t->config,
        .l = l,
        .m = m,
        .products = rate->products / domains,
        .linear = rate->products / domains,
        .attention = rate->attention / domains,
        .stream = m->stream / domains,
        .update = m->update / domains,
        .bandwidth = m->bandwidth / domains,
        .act = (double)ops->act_size,
        .wide = (double)ops->wide_size,
        .fp8 = t->phase->fp8,
        .sequences = (double)t->micro_batch,
        .length = (double)t->seq_length,
        .tokens = (double)(t->micro_batch * t->seq_length) / l->size[AXIS_CONTEXT],
        .split = l->size[AXIS_TENSOR],
        .tensor = way_of(l, m, 1u << AXIS_TENSOR),
        .context = way_of(l, m, context),
        .expert = way_of(l, m, expert),
        .pipeline = way_of(l, m, 1u << AXIS_PIPELINE),
        .dense = way_of(l, m, data | expert | context),
        .experts = way_of(l, m, data | context),
    };
    if (r->fp8 && m->rate[MACHINE_FP8].products > 0)
        r->linear = m->rate[MACHINE_FP8].products / domains;
}

/* ---- work ---- */

double
work_seconds(const struct work *w)
{
    return w->products + w->attention + w->elementwise + w->tensor + w->context + w->expert;
}

void
work_add(struct work *to, const struct work *from, double times)
{
    to->products += from->products * times;
    to->attention += from->attention * times;
    to->elementwise += from->elementwise * times;
    to->tensor += from->tensor * times;
    to->context += from->context * times;
    to->expert += from->expert * times;
    to->operations += from->operations * times;
    to->bytes.tensor += from->bytes.tensor * times;
    to->bytes.context += from->bytes.context * times;
    to->bytes.expert += from->bytes.expert * times;
    to->messages.tensor += from->messages.tensor * times;
    to->messages.context += from->messages.context * times;
    to->messages.expert += from->messages.expert * times;
}

/* Elementwise work moves so many bytes. */
static void
move(const struct plan_rank *r, struct work *w, double bytes)
{
    if (r->stream > 0)
        w->elementwise += bytes / r->stream;
}

/* How much longer a product takes because its last wave of tiles leaves units idle. */
static double
last_wave(const struct machine_file *m, double rows, double columns)
{
    double best = HUGE_VAL;

    if (m->units <= 0 || m->tile[0] <= 0)
        return 1;
    for (int turned = 0; turned < 2; turned++) {
        double tiles = ceil(rows / m->tile[turned]) * ceil(columns / m->tile[!turned]);
        best = fmin(best,
                    ceil(tiles / m->units) * m->units * m->tile[0] * m->tile[1] / (rows * columns));
    }
    return best;
}

/* A product at a rate, by its least size, or by the bytes it moves (Williams et al., "Roofline", 2009). */
static void
product(const struct plan_rank *r, struct work *w, double rate, double m, double n, double k,
        double bytes)
{
    double least = fmin(m, fmin(n, k)), operations = 2 * m * n * k;
    double seconds = rate > 0
                         ? operations / rate * (1 + r->m->half_size / least) * last_wave(r->m, m, n)
                         : 0;

    if (r->bandwidth > 0)
        seconds = fmax(seconds, bytes / r->bandwidth);
    w->products += seconds + r->m->overhead;
    w->operations += operations;
}

/* y = x W', forward: x [tokens][in], W [out][in]. */
static void
linear_forward(const struct plan_rank *r, struct work *w, double tokens, double out, double in)
{
    double x = tokens * in, y = tokens * out;

    product(r, w, r->linear, tokens, out, in, r->act * (x + y + out * in));
    if (r->fp8)
        move(r, w, x * (r->act + 1)); /* rounded beforehand */
}

/* … and its two products backward; the gradient of W is added to. */
static void
linear(const struct plan_rank *r, struct passes *p, double tokens, double out, double in)
{
    double x = tokens * in, y = tokens * out;

    linear_forward(r, &p->forward, tokens, out, in);
    product(r, &p->input, r->linear, tokens, in, out, r->act * (x + y + out * in));
    product(r, &p->weight, r->linear, out, in, tokens, r->act * (x + y) + 2 * r->wide * out * in);
    move(r, &p->weight, r->m->accumulate * out * in);
    if (r->fp8)
        move(r, &p->input, y * (r->act + 2)); /* rounded, and once more transposed */
}

static void
sum_over_tensor(const struct plan_rank *r, struct work *w)
{
    double bytes = r->tokens * (double)r->c->hidden_size * r->act;

    if (r->tensor.size == 1)
        return;
    w->tensor += way_all_reduce(&r->tensor, bytes);
    w->bytes.tensor += bytes;
    w->messages.tensor += 2 * (r->tensor.size - 1);
}

/* ---- a layer ---- */

/* Sizes of this rank's part. */
struct sizes {
    double hidden, query, kv;
    double rows; /* tokens of the residual stream: a part of them where they are split, too */
};

static struct sizes
sizes_of(const struct plan_rank *r)
{
    const struct config *c = r->c;
    double heads = (double)c->num_key_value_heads;

    return (struct sizes){
        .hidden = (double)c->hidden_size,
        .query = (double)(c->num_attention_heads * c->head_dim) / r->split,
        .kv = fmax(heads / r->split, 1) * (double)c->head_dim,
        .rows = r->tokens / (r->l->sequence_parallel ? r->split : 1),
    };
}

/*
 * Softmax of scores needs two products forward. Blocked (Dao et al., 2022), as here, five backward, of
 * which one computes the scores again, and no score that the mask leaves out; a program that stores
 * all scores needs four.
 */
static void
attention(const struct plan_rank *r, struct passes *p, const struct sizes *s, int layer, bool again)
{
    bool stored = r->m->scores > 0;
    double context = r->context.size;
    double pairs = r->sequences / context *
                   (stored ? r->length * r->length
                           : decoder_attended(r->c, (int64_t)r->length, layer));
    double operations = 2 * s->query * pairs;
    double scores = pairs * s->query / (double)r->c->head_dim * r->m->scores;

    p->forward.attention += r->attention > 0 ? 2 * operations / r->attention : 0;
    p->forward.operations += 2 * operations;
    double back = (stored ? 4 : 5) + (again ? 2 : 0);
    p->input.attention += r->attention > 0 ? back * operations / r->attention : 0;
    p->input.operations += back * operations;
    move(r, &p->forward, scores);
    move(r, &p->input, scores * (again ? 2.5 : 1.5));
}

/* Keys and values go round, their gradients behind them (model/ring.c), while attention goes on. */
static void
ring(const struct plan_rank *r, struct passes *p, const struct sizes *s)
{
    double n = r->context.size, kv = 2 * r->tokens * s->kv;
    double forward = (n - 1) * kv * r->act, backward = forward + n * kv * r->wide;

    if (n == 1)
        return;
    p->forward.context += fmax(0, way_exchange(&r->context, forward) - p->forward.attention);
    p->input.context += fmax(0, way_exchange(&r->context, backward) - p->input.attention);
    p->forward.bytes.context += forward;
    p->input.bytes.context += backward;
    p->forward.messages.context += n - 1;
    p->input.messages.context += 2 * n - 1;
}

/*
 * Bytes of norms, sums and rotation: forward a norm reads and writes, a sum reads two and writes one.
 * Backward a norm reads its input and two gradients and writes one, and its output is made again.
 */
static void
around(const struct plan_rank *r, struct passes *p, const struct sizes *s, bool again)
{
    double stream = s->rows * s->hidden * r->act, heads = r->tokens * (s->query + s->kv) * r->act;
    double turned = r->c->position == POSITION_ROTARY ? 2 * heads : 0,
           normed = r->c->qk_norm ? 2 * heads : 0;
    double forward = (2 * 2 + 2 * 3) * stream + turned + normed;

    move(r, &p->forward, forward);
    move(r, &p->input, (2 * 6 + 2 * 3) * stream + turned + 2 * normed + (again ? forward : 0));
}

/* Of `inner` numbers a token; backward they are made again, for the gradient of the last matrix. */
static void
activation(const struct plan_rank *r, struct passes *p, double tokens, double inner)
{
    double in = r->c->mlp == MLP_SWIGLU ? 2 : 1, bytes = tokens * inner * r->act;

    move(r, &p->forward, (in + 1) * bytes);
    move(r, &p->input, (2 * in + 1 + in + 1) * bytes);
}

/* One MLP on some tokens. up_again: its first product is done again. */
static void
mlp(const struct plan_rank *r, struct passes *p, double tokens, double inner, bool up_again)
{
    double hidden = (double)r->c->hidden_size, gated = r->c->mlp == MLP_SWIGLU ? 2 : 1;

    linear(r, p, tokens, gated * inner, hidden);
    linear(r, p, tokens, hidden, inner);
    activation(r, p, tokens, inner);
    if (up_again)
        linear_forward(r, &p->input, tokens, gated * inner, hidden);
}

/* All experts alike: tokens go out and come back, forward and backward. */
static void
experts(const struct plan_rank *r, struct passes *p, bool up_again)
{
    const struct config *c = r->c;
    double held = (double)c->num_experts / r->expert.size,
           pairs = r->tokens * (double)c->num_experts_per_tok;
    double bytes = 2 * pairs * (double)c->hidden_size * r->act * (r->expert.size - 1) /
                   r->expert.size;
    struct passes one = {0};

    product(r, &p->forward, r->products, r->tokens, (double)c->num_experts, (double)c->hidden_size,
            0);
    product(r, &p->input, r->products, r->tokens, (double)c->hidden_size, (double)c->num_experts,
            0);
    product(r, &p->weight, r->products, (double)c->num_experts, (double)c->hidden_size, r->tokens,
            0);
    mlp(r, &one, pairs / held, (double)c->moe_intermediate_size / r->split, up_again);
    work_add(&p->forward, &one.forward, held);
    work_add(&p->input, &one.input, held);
    work_add(&p->weight, &one.weight, held);
    /* Rows gathered and scattered. */
    move(r, &p->forward, 4 * pairs * (double)c->hidden_size * r->act);
    move(r, &p->input, 4 * pairs * (double)c->hidden_size * r->act);
    if (r->expert.size == 1)
        return;
    p->forward.expert += 2 * way_exchange(&r->expert, bytes / 2);
    p->input.expert += 2 * way_exchange(&r->expert, bytes / 2);
    p->forward.bytes.expert += bytes;
    p->input.bytes.expert += bytes;
    p->forward.messages.expert += 2 * (r->expert.size - 1);
    p->input.messages.expert += 2 * (r->expert.size - 1);
}

/* One weight's adapters of so many columns together (model/adapters.c), forward. */
static void
adapter_forward(const struct plan_rank *r, struct work *w, double columns, double out, double in)
{
    linear_forward(r, w, r->tokens, columns, in);
    product(r, w, r->linear, r->tokens, out, columns,
            r->act * (r->tokens * (columns + 2 * out) + out * columns));
}

/* All of its backward products are in `input`: those of frozen weights are what `weight` is for. */
static void
adapter(const struct plan_rank *r, struct passes *p, int targets, double out, double in, bool again)
{
    double columns = targets * (double)r->c->lora.rank, tokens = r->tokens;

    if (targets == 0)
        return;
    adapter_forward(r, &p->forward, columns, out, in);
    if (again)
        adapter_forward(r, &p->input, columns, out, in);
    linear_forward(r, &p->input, tokens, columns, in);
    linear_forward(r, &p->input, tokens, columns, out);
    product(r, &p->input, r->linear, out, columns, tokens, r->act * tokens * (out + columns));
    product(r, &p->input, r->linear, columns, in, tokens, r->act * tokens * (columns + in));
    product(r, &p->input, r->linear, tokens, in, columns,
            r->act * (tokens * (columns + 2 * in) + columns * in));
}

static void
adapters(const struct plan_rank *r, struct passes *p, const struct sizes *s, int i,
         enum recompute recompute)
{
    unsigned t = r->c->lora.targets;
    bool full = recompute == RECOMPUTE_FULL;
    double inner = (double)r->c->intermediate_size / r->split;
    int q = (t & LORA_QUERY) != 0, k = (t & LORA_KEY) != 0, v = (t & LORA_VALUE) != 0;
    int gate = (t & LORA_GATE) != 0, up = (t & LORA_UP) != 0;

    adapter(r, p, q + k + v, q * s->query + (k + v) * s->kv, s->hidden, full);
    adapter(r, p, (t & LORA_QKV) != 0, s->query + 2 * s->kv, s->hidden, full);
    adapter(r, p, (t & LORA_OUTPUT) != 0, s->hidden, s->query, full);
    if (config_sparse(r->c, i))
        return;
    adapter(r, p, gate + up, (gate + up) * inner, s->hidden, recompute != RECOMPUTE_NONE);
    adapter(r, p, (t & LORA_DOWN) != 0, s->hidden, inner, false);
}

/* Layer i; what the backward pass does again is in `input`. */
static void
layer(const struct plan_rank *r, int i, enum recompute recompute, struct passes *p)
{
    struct sizes s = sizes_of(r);
    bool full = recompute == RECOMPUTE_FULL, stored = r->m->scores > 0;
    bool up_again = full || (recompute == RECOMPUTE_SELECTIVE && !stored);

    attention(r, p, &s, i, full || (recompute == RECOMPUTE_SELECTIVE && stored));
    ring(r, p, &s);
    linear(r, p, r->tokens, s.query + 2 * s.kv, s.hidden);
    linear(r, p, r->tokens, s.hidden, s.query);
    if (full) {
        linear_forward(r, &p->input, r->tokens, s.query + 2 * s.kv, s.hidden);
        linear_forward(r, &p->input, r->tokens, s.hidden, s.query);
    }
    if (config_sparse(r->c, i)) {
        experts(r, p, up_again);
        if (r->c->shared_intermediate_size > 0)
            mlp(r, p, r->tokens, (double)r->c->shared_intermediate_size / r->split, up_again);
    } else {
        mlp(r, p, r->tokens, (double)r->c->intermediate_size / r->split, up_again);
    }
    adapters(r, p, &s, i, recompute);
    around(r, p, &s, full);
    /* Attention's and the MLP's output, the gradients of their inputs (Shoeybi et al., 2019). */
    for (int k = 0; k < 2; k++) {
        sum_over_tensor(r, &p->forward);
        sum_over_tensor(r, &p->input);
    }
    if (full)
        sum_over_tensor(r, &p->input);
}

/* ---- the ends ---- */

static void
embedding(const struct plan_rank *r, struct passes *p)
{
    double numbers = r->tokens * (double)r->c->hidden_size;

    move(r, &p->forward, 2 * numbers * r->act);
    move(r, &p->input, numbers * (r->act + 2 * r->wide));
    sum_over_tensor(r, &p->forward);
}

/* All of its work is done in the backward task. Logits are wide; their gradient is written beside. */
static void
head(const struct plan_rank *r, struct passes *p)
{
    double vocabulary = (double)r->c->vocab_size / r->split, hidden = (double)r->c->hidden_size;
    double x = r->tokens * hidden, y = r->tokens * vocabulary, w = vocabulary * hidden;

    product(r, &p->input, r->products, r->tokens, vocabulary, hidden,
            r->act * (x + w) + r->wide * y);
    product(r, &p->input, r->products, r->tokens, hidden, vocabulary, r->act * (x + w + y));
    move(r, &p->input, (2 * r->wide + r->act) * y + 8 * x * r->act);
    if (r->c->lora.rank == 0) { /* else it is frozen */
        product(r, &p->input, r->products, vocabulary, hidden, r->tokens,
                r->act * (x + y) + 2 * r->wide * w);
        move(r, &p->input, r->m->accumulate * w);
    }
    sum_over_tensor(r, &p->input);
}

void
plan_piece(const struct plan_rank *r, const struct model_piece *piece, enum recompute recompute,
           struct passes *out)
{
    *out = (struct passes){0};
    for (int i = piece->begin; i < piece->end; i++)
        layer(r, i, recompute, out);
    if (piece->embedding)
        embedding(r, out);
    if (piece->head)
        head(r, out);
}
