#include <stdlib.h>
#include <string.h>

#include "base/die.h"
#include "base/err.h"
#include "base/mem.h"
#include "checkpoint/model_source.h"
#include "cmd/llm-train/arrays.h"
#include "cmd/llm-train/tensors.h"
#include "cmd/llm-train/train.h"
#include "cmd/llm-train/trainer.h"

/*
 * --init of a model whose tokenizer was extended since (llm-tokenize --extend): the
 * vocabulary grows, and a new token's rows begin as the mean of those it replaces.
 */

/* That of --init; NULL: none is there. */
static struct tokenizer *
load_old(void)
{
    char *path = trainer_init_path();
    struct tokenizer *old = path ? tokenizer_load(path) : NULL;

    free(path);
    if (!old)
        err_clear();
    return old;
}

/* How many tokens the weights of --init know: the model may have more rows than its tokenizer ids. */
static uint32_t
known_tokens(const struct trainer *t, const struct tokenizer *old)
{
    uint32_t rows = (uint32_t)t->config.vocab_size;

    return old && tokenizer_vocabulary(old) < rows ? tokenizer_vocabulary(old) : rows;
}

static int
set_vocabulary(struct trainer *t, uint32_t size)
{
    struct config grown = {0};

    if (config_grow(&grown, &t->config, size) < 0)
        return -1;
    config_release(&t->config);
    t->config = grown;
    params_release(&t->whole);
    if (params_init(&t->whole, &t->config) < 0)
        return -1;
    tensors_choose(t);
    return 0;
}

int
trainer_grow_vocabulary(struct trainer *t)
{
    struct new_tokens *n = &t->new_tokens;
    bool asked = options.extend_vocabulary != NULL;
    struct tokenizer *old;
    int result;

    if (!options.init || t->from || !options.tokenizer || !t->tokenizer)
        return 0;
    old = load_old();
    result = new_tokens_find(n, asked ? old : NULL, t->tokenizer, known_tokens(t, old));
    tokenizer_free(old);
    if (result < 0 && !asked) {
        new_tokens_release(n); /* not an extension of this model's: check_fit() has the word */
        err_clear();
        return 0;
    }
    if (result < 0)
        return -1;
    if (asked && n->first == n->end)
        return err_set(STATUS_INPUT, "--extend-vocabulary %s: has no token that the model of --init lacks",
                       options.extend_vocabulary);
    if ((int64_t)n->end <= t->config.vocab_size)
        return 0; /* there are rows for them already */
    return set_vocabulary(t, n->end);
}

/* Which of the source's tensors is that of the whole table: the same order, without new adapters. */
static int
number_in(const struct trainer *t, int param)
{
    int number = param;

    for (int i = 0; i < param; i++)
        number -= t->whole.param[i].adapter != 0;
    return number;
}

/* A tensor of the whole table, by way of memory for one tensor. */
static int
load_tensor(struct trainer *t, const struct model_source *source, int param, float *space)
{
    const struct param *p = &t->whole.param[param], *from;
    bool rows = param == t->whole.embedding || param == t->whole.head;
    int number = number_in(t, param);

    memset(space, 0, (size_t)p->size * sizeof *space);
    if (p->adapter) {
        params_fill(t->pool, p, &t->config, &(struct params_init){.seed = (uint64_t)common.seed}, 0, p->size, space);
        arrays_set_tensor(t, param, space);
        return 0;
    }
    from = &source->params.param[number];
    if (model_source_read(source, number, 0, from->size < p->size ? from->size : p->size, space) < 0)
        return -1;
    if (rows && t->new_tokens.first != t->new_tokens.end)
        new_tokens_fill(&t->new_tokens, p->columns, space);
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
    if (t->new_tokens.first != t->new_tokens.end && t->world->rank == 0)
        note("the vectors of %u new tokens begin as the means of those that they replace",
             (unsigned)(t->new_tokens.end - t->new_tokens.first));
    return 0;
}
