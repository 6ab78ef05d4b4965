#include <stdlib.h>
#include <string.h>

#include "base/die.h"
#include "base/err.h"
#include "base/mem.h"
#include "checkpoint/model_source.h"
#include "cmd/llm-train/train.h"
#include "cmd/llm-train/trainer.h"
#include "json/json.h"
#include "tokenizer/extension.h"

/*
 * --init of a model whose tokenizer was extended since (llm-tokenize --extend): the
 * vocabulary grows, and a new token's rows begin as the mean of those it replaces.
 */

/* How many tokens the weights of --init know. */
static uint32_t
known_tokens(const struct trainer *t)
{
    uint32_t known = (uint32_t)t->config.vocab_size;
    struct tokenizer *old = tokenizer_load(options.init);

    if (old && tokenizer_vocabulary(old) < known)
        known = tokenizer_vocabulary(old); /* the model has more rows than its tokenizer ids */
    if (!old)
        err_clear(); /* none is there: all rows count */
    tokenizer_free(old);
    return known;
}

/* The configuration is read again from its text, which checkpoints copy, with the new size. */
static int
set_vocabulary(struct trainer *t, uint32_t size)
{
    struct json_doc doc = {0};
    struct config grown = {0};

    if (json_doc_parse(&doc, "config.json", t->config.json, strlen(t->config.json)) < 0)
        return -1;
    json_object_set_new(doc.root, "vocab_size", json_integer(size));
    char *text = json_dumps(doc.root, JSON_INDENT(2));
    int result = config_parse(&grown, "config.json", text, strlen(text));

    free(text);
    json_doc_release(&doc);
    if (result < 0)
        return -1;
    config_release(&t->config);
    t->config = grown;
    params_release(&t->params);
    return params_init(&t->params, &t->config);
}

int
trainer_grow_vocabulary(struct trainer *t)
{
    if (!options.init || t->from || !options.tokenizer || !t->tokenizer)
        return 0;
    uint32_t all = tokenizer_vocabulary(t->tokenizer), first = known_tokens(t);
    const uint32_t *ids;

    for (uint32_t id = first; id < all; id++)
        if (!tokenizer_replaces(t->tokenizer, id, &ids))
            return 0; /* not an extension of this model's: check_fit() has the word */
    if (first >= all)
        return 0;
    t->first_new = first;
    t->end_new = all;
    if ((int64_t)all <= t->config.vocab_size)
        return 0; /* there are rows for them already */
    return set_vocabulary(t, all);
}

/* The weights of the smaller model at their places in the larger one. */
static void
spread(const struct params *from, const float *weights, const struct params *to, float *out)
{
    memset(out, 0, (size_t)to->elements * sizeof *out);
    for (int i = 0; i < from->count; i++)
        memcpy(out + to->param[i].offset, weights + from->param[i].offset,
               (size_t)from->param[i].size * sizeof *out);
}

/* rows: [vocab][columns]. Replaced ids are smaller than the token's own: they have a row. */
static void
fill_rows(const struct trainer *t, const struct param *p, float *weights)
{
    float *rows = weights + p->offset;
    double *mean = mem_array((size_t)p->columns, sizeof *mean);

    for (uint32_t id = t->first_new; id < t->end_new; id++) {
        const uint32_t *ids = NULL;
        size_t n = tokenizer_replaces(t->tokenizer, id, &ids);

        memset(mean, 0, (size_t)p->columns * sizeof *mean);
        for (size_t k = 0; k < n; k++)
            for (int64_t c = 0; c < p->columns; c++)
                mean[c] += (double)rows[ids[k] * p->columns + c];
        for (int64_t c = 0; c < p->columns; c++)
            rows[id * p->columns + c] = (float)(mean[c] / (double)n);
    }
    free(mean);
}

int
trainer_load_weights(const struct trainer *t, const struct model_source *source, float *out)
{
    const struct params *p = &t->params;

    if (p->elements == source->params.elements) {
        if (model_source_load(source, out) < 0)
            return -1;
    } else {
        float *weights = mem_array((size_t)source->params.elements, sizeof *weights);
        int result = model_source_load(source, weights);

        if (result == 0)
            spread(&source->params, weights, p, out);
        free(weights);
        if (result < 0)
            return -1;
    }
    if (t->first_new == t->end_new)
        return 0;
    fill_rows(t, &p->param[p->embedding], out);
    if (p->head != p->embedding)
        fill_rows(t, &p->param[p->head], out);
    if (t->world->rank == 0)
        note("the vectors of %u new tokens begin as the means of those that they replace",
             (unsigned)(t->end_new - t->first_new));
    return 0;
}
