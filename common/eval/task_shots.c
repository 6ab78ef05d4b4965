/* Which examples stand before a question. */
#include "eval/task_shots.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"

static void
add_to_bucket(struct shots *s, const char *target, size_t number)
{
    for (size_t i = 0; i < s->buckets.len; i++)
        if (strcmp(s->buckets.data[i].target, target) == 0) {
            vec_push(&s->buckets.data[i].members, number);
            return;
        }
    struct bucket b = {.target = mem_strdup(target)};
    vec_push(&b.members, number);
    vec_push(&s->buckets, b);
}

int
shots_open(struct shots *s, const struct task_definition *d, const document_list *pool,
           bool exclude, const struct python_random *generator, char *const *targets)
{
    *s = (struct shots){.definition = d, .pool = pool, .exclude = exclude, .generator = *generator};
    if (d->sampler == SAMPLER_STRATIFIED)
        for (size_t i = 0; i < pool->len; i++) {
            add_to_bucket(s, targets[i], i);
            if (s->buckets.len > 1000)
                return err_set(STATUS_INPUT, "stratified examples: more than 1000 targets");
        }
    return 0;
}

void
shots_close(struct shots *s)
{
    for (size_t i = 0; i < s->buckets.len; i++) {
        free(s->buckets.data[i].target);
        vec_release(&s->buckets.data[i].members);
    }
    vec_release(&s->buckets);
    vec_release(&s->drawn);
}

static int
too_few(size_t wanted, size_t there)
{
    return err_set(STATUS_INPUT, "%zu examples are to be drawn from %zu documents", wanted, there);
}

/* Appends random.sample(list, k) to s->drawn. 0 or -1. */
static int
sample_of(struct shots *s, const size_t *list, size_t n, size_t k)
{
    if (k > n)
        return too_few(k, n);
    size_t *at = mem_array(k + 1, sizeof *at);
    python_random_sample(&s->generator, n, k, at);
    for (size_t i = 0; i < k; i++)
        vec_push(&s->drawn, list ? list[at[i]] : at[i]);
    free(at);
    return 0;
}

static bool
is_document(const struct shots *s, size_t number, const json_t *document)
{
    return json_equal(s->pool->data[number], document);
}

/* Takes the document out of what was drawn and keeps the first n. */
static void
take_out(struct shots *s, const json_t *document, size_t n)
{
    size_t kept = 0;

    for (size_t i = 0; i < s->drawn.len && kept < n; i++)
        if (!is_document(s, s->drawn.data[i], document))
            s->drawn.data[kept++] = s->drawn.data[i];
    s->drawn.len = kept;
}

/* All of the pool but the document, and its copies. */
static size_t
others(const struct shots *s, const json_t *document, size_t *list)
{
    size_t n = 0;

    for (size_t i = 0; i < s->pool->len; i++)
        if (!is_document(s, i, document))
            list[n++] = i;
    return n;
}

/*
 * EleutherAI's rule: n of the pool; where the document may be among them n + 1 less the
 * document; and where that leaves too few (it is there several times) n of all others.
 */
static int
draw_default(struct shots *s, const json_t *document, size_t n)
{
    if (!s->exclude)
        return sample_of(s, NULL, s->pool->len, n);
    if (sample_of(s, NULL, s->pool->len, n + 1) < 0)
        return -1;
    take_out(s, document, n);
    if (s->drawn.len == n)
        return 0;
    size_t *list = mem_array(s->pool->len + 1, sizeof *list);
    vec_clear(&s->drawn);
    int result = sample_of(s, list, others(s, document, list), n);
    free(list);
    return result;
}

static int
draw_first(struct shots *s, const json_t *document, size_t n)
{
    for (size_t i = 0; i < s->pool->len && s->drawn.len < n; i++)
        if (!s->exclude || !is_document(s, i, document))
            vec_push(&s->drawn, i);
    return s->drawn.len < n ? too_few(n, s->drawn.len) : 0;
}

/*
 * jp-stable: of each target its share of n, rounded down; what is left goes one by one to the target
 * with the fewest (the first of them); all drawn target by target, then shuffled.
 */
static int
draw_stratified(struct shots *s, size_t n)
{
    size_t count = s->buckets.len, *share = mem_zarray(count + 1, sizeof *share), given = 0;
    int result = count ? 0 : too_few(n, 0);

    for (size_t i = 0; i < count; i++) {
        double ratio = (double)s->buckets.data[i].members.len / (double)s->pool->len;
        share[i] = (size_t)(ratio * (double)n);
        given += share[i];
    }
    for (; count && given < n; given++) {
        size_t least = 0;

        for (size_t i = 1; i < count; i++)
            if (share[i] < share[least])
                least = i;
        share[least]++;
    }
    for (size_t i = 0; result == 0 && i < count; i++)
        result = sample_of(s, s->buckets.data[i].members.data, s->buckets.data[i].members.len,
                           share[i]);
    if (result == 0)
        python_random_shuffle(&s->generator, s->drawn.data, s->drawn.len);
    free(share);
    return result;
}

int
shots_draw(struct shots *s, const json_t *document, size_t n)
{
    vec_clear(&s->drawn);
    if (n == 0)
        return 0;
    switch (s->definition->sampler) {
    case SAMPLER_FIRST_N: return draw_first(s, document, n);
    case SAMPLER_STRATIFIED: return draw_stratified(s, n);
    case SAMPLER_DEFAULT: break;
    }
    return draw_default(s, document, n);
}
