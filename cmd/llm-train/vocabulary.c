#include <stdlib.h>
#include <string.h>

#include "base/die.h"
#include "base/err.h"
#include "base/mem.h"
#include "checkpoint/model_source.h"
#include "cmd/llm-train/arrays.h"
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
    params_release(&t->whole);
    return params_init(&t->whole, &t->config);
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

/* rows: [vocab][columns]. Replaced ids are smaller than the token's own: they have a row. */
static void
fill_rows(const struct trainer *t, int64_t columns, float *rows)
{
    double *mean = mem_array((size_t)columns, sizeof *mean);

    for (uint32_t id = t->first_new; id < t->end_new; id++) {
        const uint32_t *ids = NULL;
        size_t n = tokenizer_replaces(t->tokenizer, id, &ids);

        memset(mean, 0, (size_t)columns * sizeof *mean);
        for (size_t k = 0; k < n; k++)
            for (int64_t c = 0; c < columns; c++)
                mean[c] += (double)rows[ids[k] * columns + c];
        for (int64_t c = 0; c < columns; c++)
            rows[id * columns + c] = (float)(mean[c] / (double)n);
    }
    free(mean);
}

/* A tensor of the whole table, by way of memory for one tensor. */
static int
load_tensor(struct trainer *t, const struct model_source *source, int param, float *space)
{
    const struct param *p = &t->whole.param[param], *from = &source->params.param[param];
    bool rows = param == t->whole.embedding || param == t->whole.head;

    memset(space, 0, (size_t)p->size * sizeof *space);
    if (model_source_read(source, param, 0, from->size < p->size ? from->size : p->size, space) < 0)
        return -1;
    if (rows && t->first_new != t->end_new)
        fill_rows(t, p->columns, space);
    arrays_set_tensor(t, param, space);
    return 0;
}

int
trainer_load_weights(struct trainer *t, const struct model_source *source)
{
    int64_t largest = 0;
    int result = 0;

    for (int i = 0; i < t->params.count; i++) {
        int64_t size = t->whole.param[t->params.param[i].whole.index].size;
        largest = size > largest ? size : largest;
    }
    float *space = mem_array((size_t)largest, sizeof *space);
    for (int i = 0; i < t->params.count && result == 0; i++)
        result = load_tensor(t, source, t->params.param[i].whole.index, space);
    free(space);
    if (result < 0)
        return -1;
    if (t->first_new != t->end_new && t->world->rank == 0)
        note("the vectors of %u new tokens begin as the means of those that they replace",
             (unsigned)(t->end_new - t->first_new));
    return 0;
}
