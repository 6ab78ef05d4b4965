#include <string.h>

#include "model/decoder_impl.h"

/* One micro-batch: forward and backward, or the loss alone. */

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

int
decoder_loss(struct decoder *d, const struct batch *b, struct sequence_loss *out,
             double *token_loss)
{
    struct tokens t = {b->sequences, b->length, b->sequences * b->length};

    if (decoder_check_batch(d, b) < 0)
        return -1;
    d->recording = false;
    decoder_forward(d, b, &t);
    loss_run(d, d->h_final, NULL, b->targets, t.count, 0, 0, NULL);
    sum_losses(d, b, out);
    if (token_loss)
        memcpy(token_loss, d->loss, (size_t)t.count * sizeof *token_loss);
    return 0;
}

struct ready {
    void (*fn)(void *arg, int64_t begin, int64_t end);
    void *arg;
};

/* Tells that the gradients from one table entry up to another (-1: the table's end) are complete.
 */
static void
tell(const struct decoder *d, const struct ready *r, int from, int to)
{
    const struct params *p = d->params;

    if (r->fn)
        r->fn(r->arg, p->param[from].offset, to < 0 ? p->elements : p->param[to].offset);
}

/* The head's part. With tied weights the dense gradient of the embedding is complete with it. */
static void
tell_head(const struct decoder *d, const struct ready *r)
{
    const struct params *p = d->params;

    tell(d, r, p->final_norm, -1);
    if (p->tied_offset >= 0)
        tell(d, r, p->embedding, p->embedding + 1);
}

static void
tell_layer(const struct decoder *d, const struct ready *r, int i)
{
    const struct params *p = d->params;
    bool last = i + 1 == d->config->num_hidden_layers;

    tell(d, r, p->layer[i].attention_norm, last ? p->final_norm : p->layer[i + 1].attention_norm);
}

static void
tell_embeddings(const struct decoder *d, const struct ready *r)
{
    const struct params *p = d->params;

    if (p->position >= 0)
        tell(d, r, p->position, p->position + 1);
    if (p->tied_offset < 0)
        tell(d, r, p->embedding, p->embedding + 1);
    else if (r->fn)
        r->fn(r->arg, p->tied_offset, p->grad_elements);
}

static void
backward(struct decoder *d, const struct batch *b, const struct tokens *t, void *grads,
         const struct ready *r)
{
    const struct params *p = d->params;
    struct norm_at final = {p->final_norm, p->final_norm_bias, d->mean_final, d->rstd_final};
    int layers = (int)d->config->num_hidden_layers;

    norm_backward(d, &final, d->d_x, d->d_h, NULL, d->x_final, t->count, grads);
    tell_head(d, r);
    for (int i = layers - 1; i >= 0; i--) {
        layer_backward(d, i, t, grads);
        tell_layer(d, r, i);
    }
    embedding_backward(d, d->d_x, b->inputs, t->count, grads);
    tell_embeddings(d, r);
}

int
decoder_train(struct decoder *d, const struct batch *b, void *grads, double scale, double z,
              struct sequence_loss *out, void (*ready)(void *arg, int64_t begin, int64_t end),
              void *arg)
{
    struct tokens t = {b->sequences, b->length, b->sequences * b->length};
    struct ready r = {ready, arg};

    if (decoder_check_batch(d, b) < 0)
        return -1;
    d->recording = true;
    for (int i = 0; i < d->params->count; i++)
        d->written[i] = !b->overwrite;
    decoder_forward(d, b, &t);
    loss_run(d, d->h_final, d->d_h, b->targets, t.count, scale, z, grads);
    sum_losses(d, b, out);
    backward(d, b, &t, grads, &r);
    return 0;
}
