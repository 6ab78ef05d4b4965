#include <string.h>

#include "base/err.h"
#include "model/decoder_impl.h"

/* One micro-batch: forward and backward, piece by piece or whole, or the loss alone. */

/* Sums per sequence, tokens in order. */
static void
sum_losses(const struct decoder *d, const struct batch *b, struct sequence_loss *out)
{
    for (int64_t s = 0; s < b->sequences; s++) {
        struct sequence_loss sum = {0};

        for (int64_t i = s * b->length; i < (s + 1) * b->length; i++) {
            if (b->targets[i] < 0)
                continue;
            sum.loss += d->loss[i];
            sum.z_loss += d->log_z[i] * d->log_z[i];
            sum.scored++;
        }
        out[s] = sum;
    }
}

/* What a micro-batch, or this rank's part of it, is of the loss: its scored targets. */
static double
scored_share(const struct batch *b)
{
    int64_t scored = 0;

    for (int64_t i = 0; i < b->sequences * b->length; i++)
        scored += b->targets[i] >= 0;
    return (double)scored;
}

static void
report_routers(const struct decoder *d, const struct slot *s, const struct tokens *t,
               const struct batch *mine, struct sequence_loss *out)
{
    double share = scored_share(mine);

    if (!d->moe)
        return;
    router_losses(d, s->router, t->count * d->context_size, &out->router_aux_loss,
                  &out->router_z_loss);
    out->router_aux_loss *= share;
    out->router_z_loss *= share;
}

static size_t
stream_bytes(const struct decoder *d, const struct tokens *t)
{
    return (size_t)(t->rows * d->hidden) * d->ops->act_size;
}

size_t
decoder_border_sums(const struct config *c)
{
    return (size_t)router_sums(c) * sizeof(double);
}

static size_t
sums_bytes(const struct decoder *d)
{
    return decoder_border_sums(d->config);
}

/* ---- weights and gradients of units ---- */

int
unit_need(const struct decoder *d, int unit, int next)
{
    return d->source ? d->source->need(d->source->arg, unit, next) : 0;
}

void
unit_done(const struct decoder *d, int unit)
{
    if (d->source)
        d->source->done(d->source->arg, unit);
}

bool
has_gradient(const struct decoder *d, int param)
{
    const struct params *p = d->params;

    return !p->param[param < p->count ? param : p->embedding].frozen;
}

void *
gradient_at(const struct decoder *d, int param, bool *fresh)
{
    return d->gradients->at(d->gradients->arg, param, fresh);
}

void
gradients_ready(struct decoder *d, int begin, int end)
{
    if (d->gradients->last)
        tensor_sum_gradients(d, begin, end);
    for (int i = begin; i < end && d->gradients->ready; i++)
        if (has_gradient(d, i))
            d->gradients->ready(d->gradients->arg, i);
}

/* The tensors of layer i stand together: from its first norm to the next thing's first tensor. */
static void
layer_ready(struct decoder *d, int i)
{
    const struct params *p = d->params;
    int begin = p->layer[i].attention_norm, end = begin;

    while (end < p->count && p->param[end].layer == i)
        end++;
    gradients_ready(d, begin, end);
}

/* The head's part. With tied weights the dense gradient of the embedding is complete with it. */
static void
head_ready(struct decoder *d)
{
    const struct params *p = d->params;

    gradients_ready(d, p->final_norm, p->count);
    if (p->tied)
        gradients_ready(d, p->embedding, p->embedding + 1);
}

static void
embeddings_ready(struct decoder *d)
{
    const struct params *p = d->params;

    if (p->position >= 0)
        gradients_ready(d, p->position, p->position + 1);
    if (p->tied_offset >= 0)
        gradients_ready(d, p->count, p->count + 1);
    else
        gradients_ready(d, p->embedding, p->embedding + 1);
}

/* Units of the head: its own and, where tied, the embeddings'. */
static int
need_head(const struct decoder *d, int next)
{
    int layers = (int)d->config->num_hidden_layers;

    if (unit_need(d, layers + 1, d->params->tied ? 0 : next) < 0)
        return -1;
    return d->params->tied ? unit_need(d, 0, next) : 0;
}

static void
head_done(const struct decoder *d)
{
    if (d->params->tied)
        unit_done(d, 0);
    unit_done(d, (int)d->config->num_hidden_layers + 1);
}

/* ---- forward ---- */

static struct slot *
slot_of(const struct decoder *d, int piece, int slot)
{
    return &d->slot[piece][slot];
}

/* The unit that the forward pass needs behind layer i of a piece; -1: nothing. */
static int
unit_behind(const struct decoder *d, const struct model_piece *p, int i)
{
    if (i + 1 < p->end)
        return i + 2;
    return p->head ? (int)d->config->num_hidden_layers + 1 : -1;
}

static int
embed(struct decoder *d, const struct model_piece *p, const struct batch *b,
      const struct tokens *t, void *x)
{
    void *partial = partial_of(d, x);

    if (unit_need(d, 0, p->begin + 1) < 0)
        return -1;
    embedding_forward(d, partial, b->inputs, t->count);
    sum_rows(d, x, partial, t);
    unit_done(d, 0);
    return 0;
}

/* Layers of a piece; leaves d->delta. */
static int
forward_layers(struct decoder *d, int piece, const struct slot *s, const struct tokens *t)
{
    const struct model_piece *p = &d->piece[piece];

    for (int i = p->begin; i < p->end; i++) {
        const struct layer_state *l = slot_layer(d, piece, s, i);

        if (unit_need(d, i + 1, unit_behind(d, p, i)) < 0)
            return -1;
        layer_forward(d, l, i, i > p->begin ? l[-1].x_mid : NULL, t);
        unit_done(d, i + 1);
    }
    return 0;
}

/* The stream that leaves a piece: to the final norm, or to y. */
static int
leave_piece(struct decoder *d, int piece, struct slot *s, const struct tokens *t, void *y)
{
    const struct model_piece *p = &d->piece[piece];
    const void *x_mid = slot_layer(d, piece, s, p->end - 1)->x_mid;
    struct norm_at final = final_norm_at(d, s);

    if (!p->head) {
        d->ops->add(y, x_mid, d->delta, t->rows * d->hidden);
        memcpy((char *)y + stream_bytes(d, t), s->router, sums_bytes(d));
        return 0;
    }
    if (unit_need(d, (int)d->config->num_hidden_layers + 1, -1) < 0)
        return -1;
    norm_forward(d, &final, own_rows(d, d->h_final, t), s->x_final, x_mid, d->delta, t->rows);
    gather_rows(d, d->h_final, t);
    unit_done(d, (int)d->config->num_hidden_layers + 1);
    d->h_final_of = s;
    return context_sum_routers(d, s->router);
}

static int
forward(struct decoder *d, int piece, int slot, const struct batch *b, const void *x, void *y)
{
    const struct model_piece *p = &d->piece[piece];
    struct tokens t = tokens_of(d, b->sequences, b->length);
    struct slot *s = slot_of(d, piece, slot);
    void *first = s->layer[0].x;
    size_t sums = sums_bytes(d);

    if (decoder_check_batch(d, b) < 0)
        return -1;
    d->failed = 0;
    struct batch mine = context_batch(d, b);
    d->router = s->router;
    memset(s->router, 0, sums);
    if (!p->embedding) {
        memcpy(first, x, stream_bytes(d, &t));
        memcpy(s->router, (const char *)x + stream_bytes(d, &t), sums);
    } else if (embed(d, p, &mine, &t, first) < 0) {
        return -1;
    }
    if (forward_layers(d, piece, s, &t) < 0 || leave_piece(d, piece, s, &t, y) < 0)
        return -1;
    return d->failed;
}

int
decoder_forward_piece(struct decoder *d, int piece, int slot, const struct batch *b, const void *x,
                      void *y)
{
    d->recording = true;
    return forward(d, piece, slot, b, x, y);
}

/* ---- backward ---- */

/* The final norm's output of a slot in h_final, made again if another stands there. */
static void
restore_h_final(struct decoder *d, const struct slot *s, const struct tokens *t)
{
    struct norm_at final = final_norm_at(d, s);

    if (d->h_final_of != s) {
        norm_forward(d, &final, own_rows(d, d->h_final, t), NULL, s->x_final, NULL, t->rows);
        gather_rows(d, d->h_final, t);
    }
    d->h_final_of = NULL;
}

/* From the loss to the gradient of the stream that enters the final norm, in d_x. */
static int
backward_head(struct decoder *d, const struct model_piece *p, const struct slot *s,
              const struct batch *b, const struct tokens *t, double scale, double z,
              struct sequence_loss *out)
{
    struct norm_at final = final_norm_at(d, s);
    void *d_h = own_rows(d, d->d_h, t);

    if (need_head(d, p->end) < 0)
        return -1;
    restore_h_final(d, s, t);
    loss_run(d, d->h_final, d->d_h, b, t->count, scale, z, true);
    sum_losses(d, b, out);
    report_routers(d, s, t, b, out);
    sum_rows(d, d_h, d->d_h, t);
    norm_backward(d, &final, d->d_x, d_h, NULL, s->x_final, t->rows);
    head_done(d);
    head_ready(d);
    return 0;
}

static struct weight_state *
pending_layer(const struct decoder *d, int piece, int weight_slot, int i)
{
    const struct model_piece *p = &d->piece[piece];

    return &d->pending[piece][weight_slot * (p->end - p->begin) + i - p->begin];
}

/* weight_slot -1: weights now. */
static int
backward_layers(struct decoder *d, int piece, const struct slot *s, const struct tokens *t,
                int weight_slot)
{
    const struct model_piece *p = &d->piece[piece];

    for (int i = p->end - 1; i >= p->begin; i--) {
        struct weight_state *w = weight_slot < 0 ? NULL : pending_layer(d, piece, weight_slot, i);

        if (unit_need(d, i + 1, i > p->begin || p->embedding ? i : -1) < 0)
            return -1;
        layer_backward(d, slot_layer(d, piece, s, i), i, t, w);
        unit_done(d, i + 1);
        if (!w)
            layer_ready(d, i);
    }
    return 0;
}

static int
backward(struct decoder *d, int piece, int slot, int weight_slot, const struct batch *b,
         const struct gradients *g, double scale, double z, const void *dy, void *dx,
         struct sequence_loss *out)
{
    const struct model_piece *p = &d->piece[piece];
    struct tokens t = tokens_of(d, b->sequences, b->length);
    const struct slot *s = slot_of(d, piece, slot);

    d->failed = 0;
    d->gradients = g;
    d->recording = true;
    struct batch mine = context_batch(d, b);
    if (!p->head) {
        memcpy(d->d_x, dy, stream_bytes(d, &t));
        memcpy(s->router, (const char *)dy + stream_bytes(d, &t), sums_bytes(d));
    } else if (backward_head(d, p, s, &mine, &t, scale, z, out) < 0) {
        return -1;
    }
    if (d->moe)
        router_prepare(d, s->router, t.count * d->context_size, scale * scored_share(b));
    if (backward_layers(d, piece, s, &t, weight_slot) < 0)
        return -1;
    if (!p->embedding) {
        memcpy(dx, d->d_x, stream_bytes(d, &t));
        memcpy((char *)dx + stream_bytes(d, &t), s->router, sums_bytes(d));
    } else {
        embedding_backward(d, gathered(d, d->d_x, &t), mine.inputs, t.count);
        embeddings_ready(d);
    }
    return d->failed;
}

int
decoder_backward_piece(struct decoder *d, int piece, int slot, const struct batch *b,
                       const struct gradients *g, double scale, double z, const void *dy, void *dx,
                       struct sequence_loss *out)
{
    return backward(d, piece, slot, -1, b, g, scale, z, dy, dx, out);
}

int
decoder_backward_input(struct decoder *d, int piece, int slot, int weight_slot,
                       const struct batch *b, const struct gradients *g, double scale, double z,
                       const void *dy, void *dx, struct sequence_loss *out)
{
    return backward(d, piece, slot, weight_slot, b, g, scale, z, dy, dx, out);
}

int
decoder_backward_weight(struct decoder *d, int piece, int slot, int weight_slot,
                        const struct batch *b, const struct gradients *g)
{
    const struct model_piece *p = &d->piece[piece];
    struct tokens t = tokens_of(d, b->sequences, b->length);
    const struct slot *s = slot_of(d, piece, slot);

    d->failed = 0;
    d->gradients = g;
    d->recording = true;
    for (int i = p->end - 1; i >= p->begin; i--) {
        layer_backward_weight(d, slot_layer(d, piece, s, i), i, &t,
                              pending_layer(d, piece, weight_slot, i));
        layer_ready(d, i);
    }
    return d->failed;
}

int64_t
decoder_border(const struct decoder *d, int64_t sequences, size_t *element)
{
    size_t size = *element = d->ops->act_size;

    return tokens_of(d, sequences, d->options.seq_length).rows * d->hidden +
           (int64_t)((sums_bytes(d) + size - 1) / size);
}

/* ---- the whole model ---- */

int
decoder_loss_piece(struct decoder *d, int piece, int slot, const struct batch *b,
                   struct sequence_loss *out, double *token_loss)
{
    struct tokens t = tokens_of(d, b->sequences, b->length);

    d->failed = 0;
    struct batch mine = context_batch(d, b);
    if (need_head(d, -1) < 0)
        return -1;
    restore_h_final(d, slot_of(d, piece, slot), &t);
    loss_run(d, d->h_final, NULL, &mine, t.count, 0, 0, false);
    head_done(d);
    sum_losses(d, &mine, out);
    report_routers(d, slot_of(d, piece, slot), &t, &mine, out);
    if (token_loss && context_token_loss(d, b, token_loss) < 0)
        return -1;
    return d->failed;
}

int
decoder_loss(struct decoder *d, const struct batch *b, struct sequence_loss *out,
             double *token_loss)
{
    d->recording = false;
    if (forward(d, 0, 0, b, NULL, NULL) < 0)
        return -1;
    return decoder_loss_piece(d, 0, 0, b, out, token_loss);
}

/* Gradients in the caller's flat array. */
struct flat {
    struct decoder *d;
    void *grads;
    void (*ready)(void *arg, int64_t begin, int64_t end);
    void *arg;
};

static void *
flat_at(void *arg, int param, bool *fresh)
{
    const struct flat *f = arg;
    const struct params *p = f->d->params;

    if (param == p->count)
        return wide_at(f->d, f->grads, p->tied_offset);
    if (fresh) {
        *fresh = !f->d->written[param];
        f->d->written[param] = true;
    }
    return wide_at(f->d, f->grads, p->param[param].offset);
}

/* Gaps belong to the tensor before them. */
static void
flat_ready(void *arg, int param)
{
    const struct flat *f = arg;
    const struct params *p = f->d->params;

    if (!f->ready)
        return;
    if (param == p->count)
        f->ready(f->arg, p->tied_offset, p->grad_elements);
    else
        f->ready(f->arg, p->param[param].offset,
                 param + 1 < p->count ? p->param[param + 1].offset : p->elements);
}

int
decoder_train(struct decoder *d, const struct batch *b, void *grads, double scale, double z,
              struct sequence_loss *out, void (*ready)(void *arg, int64_t begin, int64_t end),
              void *arg)
{
    struct flat flat = {d, grads, ready, arg};
    struct gradients g = {&flat, flat_at, flat_ready, true};

    for (int i = 0; i < d->params->count; i++)
        d->written[i] = !b->overwrite;
    if (decoder_forward_piece(d, 0, 0, b, NULL, NULL) < 0)
        return -1;
    return decoder_backward_piece(d, 0, 0, b, &g, scale, z, NULL, NULL, out);
}
