/* Requests shared among the ranks, and their results gathered. */
#include "cmd/llm-eval/eval.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/vec.h"

int64_t
engine_max_length(const struct model *m)
{
    return options.seq_length ? options.seq_length : m->config->max_position_embeddings;
}

/* ---- shares ---- */

typedef VEC(size_t) number_list;

static size_t
common_bytes(const struct str *a, const struct str *b)
{
    size_t n = a->len < b->len ? a->len : b->len, i = 0;
    while (i < n && a->data[i] == b->data[i])
        i++;
    return i;
}

/* Bytes that two requests begin with alike. */
static size_t
shared(const struct request *a, const struct request *b)
{
    size_t n = common_bytes(&a->context, &b->context);
    if (n < a->context.len || n < b->context.len)
        return n;
    return n + common_bytes(&a->continuation, &b->continuation);
}

static int
compare(const struct str *a, const struct str *b)
{
    size_t n = a->len < b->len ? a->len : b->len;
    int order = n ? memcmp(a->data, b->data, n) : 0;
    return order ? order : (a->len > b->len) - (a->len < b->len);
}

static int
by_text(const void *x, const void *y, void *arg)
{
    const struct request *r = arg;
    size_t i = *(const size_t *)x, j = *(const size_t *)y;
    int order = compare(&r[i].context, &r[j].context);
    if (order == 0)
        order = compare(&r[i].continuation, &r[j].continuation);
    return order ? order : (i > j) - (i < j);
}

/* What a request costs behind the one before it, in bytes of text. */
static uint64_t
cost(const struct request *r, size_t alike)
{
    enum { FIXED = 16, BYTES_A_TOKEN = 4 };
    uint64_t bytes = r->context.len + r->continuation.len - alike + FIXED;
    if (r->type == REQUEST_GENERATE)
        bytes += (uint64_t)(r->max_new ? r->max_new : 256) * BYTES_A_TOKEN;
    return bytes;
}

/*
 * Where the list is cut behind `part` of `parts`: near that part of the cost, where neighbours
 * have least in common, so that trees stay whole.
 */
static size_t
cut_at(const uint64_t *done, const size_t *alike, size_t n, uint64_t part, uint64_t parts)
{
    uint64_t total = done[n], wanted = total / parts * part, slack = total / parts / 16;
    size_t best = n;
    if (part == parts)
        return n;
    for (size_t i = 0; i < n; i++) {
        if (done[i] + slack < wanted || (done[i] > wanted + slack && best < n))
            continue;
        if (best == n || alike[i] < alike[best])
            best = i;
    }
    return best;
}

/* This rank's part of a list, which it becomes. */
static void
take_share(number_list *list, const struct request *r, const struct comm *comm)
{
    size_t n = list->len;
    if (comm->size == 1 || n == 0)
        return;
    qsort_r(list->data, n, sizeof *list->data, by_text, (void *)(uintptr_t)r);
    uint64_t *done = mem_zarray(n + 1, sizeof *done);
    size_t *alike = mem_zarray(n, sizeof *alike);
    for (size_t i = 0; i < n; i++) {
        const struct request *x = &r[list->data[i]];
        alike[i] = i ? shared(&r[list->data[i - 1]], x) : 0;
        done[i + 1] = done[i] + cost(x, alike[i]);
    }
    uint64_t parts = (uint64_t)comm->size, part = (uint64_t)comm->rank;
    size_t begin = part ? cut_at(done, alike, n, part, parts) : 0;
    size_t end = cut_at(done, alike, n, part + 1, parts);
    list->len = end > begin ? end - begin : 0;
    memmove(list->data, list->data + begin, list->len * sizeof *list->data);
    free(done);
    free(alike);
}

/* ---- results ---- */

/* A result on its way to the other ranks; its text follows. */
struct parcel {
    uint64_t number, text;
    double log_likelihood;
    int64_t tokens, is_greedy;
};

static void
pack(struct str *out, const number_list *list, const struct result *results)
{
    for (size_t i = 0; i < list->len; i++) {
        const struct result *r = &results[list->data[i]];
        struct parcel p = {list->data[i], r->text.len, r->log_likelihood, r->tokens, r->is_greedy};
        str_add(out, &p, sizeof p);
        if (r->text.len)
            str_add(out, r->text.data, r->text.len);
    }
}

static void
unpack(const char *data, size_t n, struct result *results)
{
    for (size_t at = 0; at < n;) {
        struct parcel p;
        memcpy(&p, data + at, sizeof p);
        at += sizeof p;
        struct result *r = &results[p.number];
        r->log_likelihood = p.log_likelihood;
        r->tokens = p.tokens;
        r->is_greedy = p.is_greedy != 0;
        str_clear(&r->text);
        str_add(&r->text, data + at, p.text);
        at += p.text;
    }
}

static int
gather(struct comm *comm, const struct str *own, struct result *out)
{
    size_t ranks = (size_t)comm->size, all = 0;
    uint64_t length = own->len;
    uint64_t *lengths = mem_zarray(ranks, sizeof *lengths);
    size_t *sizes = mem_zarray(ranks, sizeof *sizes), *offsets = mem_zarray(ranks, sizeof *offsets);
    struct comm_request *q = NULL;
    char *data = NULL;
    int result = comm_all_gather(comm, &length, lengths, sizeof length);
    if (result < 0)
        goto out;
    for (size_t i = 0; i < ranks; i++) {
        sizes[i] = (size_t)lengths[i];
        offsets[i] = all;
        all += sizes[i];
    }
    data = mem_alloc(all + 1);
    result = comm->ops->all_gather_v(comm, own->len ? own->data : data, own->len, data, sizes,
                                     offsets, &q);
    if (result == 0)
        result = comm_wait(comm, &q);
    for (size_t i = 0; i < ranks && result == 0; i++)
        if ((int)i != comm->rank)
            unpack(data + offsets[i], sizes[i], out);
out:
    free(data);
    free(lengths);
    free(sizes);
    free(offsets);
    return result;
}

/* ---- all of it ---- */

static int
answer(struct model *m, const struct request *r, const number_list *scored,
       const number_list *generated, struct result *out)
{
    if (!m->tokenizer)
        return err_set(STATUS_INPUT, "%s: requests need the model's tokenizer: %s", m->source.path,
                       m->why_no_tokenizer);
    if (scored->len && engine_score(m, r, scored->data, scored->len, out) < 0)
        return -1;
    return generated->len ? engine_generate(m, r, generated->data, generated->len, out) : 0;
}

int
engine_run(struct model *m, const struct request *r, size_t n, struct comm *comm,
           struct result *out)
{
    number_list scored = {0}, generated = {0};
    struct str own = {0};
    for (size_t i = 0; i < n; i++) {
        out[i] = (struct result){0};
        vec_push(r[i].type == REQUEST_GENERATE ? &generated : &scored, i);
    }
    take_share(&scored, r, m->share);
    take_share(&generated, r, m->share);
    int result = answer(m, r, &scored, &generated, out);
    result = comm_agree(comm, result < 0 ? (int)err_status() : STATUS_OK);
    if (result == 0 && m->share->size > 1) {
        pack(&own, &scored, out);
        pack(&own, &generated, out);
        result = gather(m->share, &own, out);
    }
    str_release(&own);
    vec_release(&scored);
    vec_release(&generated);
    return result;
}
