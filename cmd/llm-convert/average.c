/* Several models as one, the weighted mean of each weight: a model_source that reads them all. */
#include "cmd/llm-convert/convert.h"

#include <string.h>

#include "base/err.h"
#include "base/mem.h"

enum { CHUNK = 65536 };

struct average {
    struct model_source *model; /* owned, of one shape; the first one's files stand for all */
    const double *weight;       /* the route's */
    size_t models;
    double sum; /* of the weights */
};

/* Sums in double, in the order of the command line. */
static int
read_chunk(const struct average *a, int param, int64_t offset, int64_t n, double *sum, float *out)
{
    memset(sum, 0, (size_t)n * sizeof *sum);
    for (size_t k = 0; k < a->models; k++) {
        if (model_source_read(&a->model[k], param, offset, n, out) < 0)
            return -1;
        for (int64_t i = 0; i < n; i++)
            sum[i] += a->weight[k] * (double)out[i];
    }
    for (int64_t i = 0; i < n; i++)
        out[i] = (float)(sum[i] / a->sum);
    return 0;
}

static int
average_read(void *state, int param, int64_t offset, int64_t n, float *out)
{
    double *sum = mem_array(CHUNK, sizeof *sum);
    int result = 0;
    for (int64_t m; n > 0 && result == 0; n -= m, offset += m, out += m) {
        m = n < CHUNK ? n : CHUNK;
        result = read_chunk(state, param, offset, m, sum, out);
    }
    free(sum);
    return result;
}

static const struct model_source *
average_base(void *state)
{
    const struct average *a = state;
    return &a->model[0];
}

static void
average_close(void *state)
{
    struct average *a = state;
    for (size_t i = 0; i < a->models; i++)
        model_source_close(&a->model[i]);
    free(a->model);
    free(a);
}

static const struct model_reader average_reader = {
    .kind = "average", .read = average_read, .base = average_base, .close = average_close};

/* 1: known, into out; 0: a model without one. */
static int
fingerprint(const struct model_source *m, uint8_t out[16])
{
    struct tokenizer *t = model_source_tokenizer(m);
    if (!t) {
        err_clear();
        return 0;
    }
    tokenizer_fingerprint(t, out);
    tokenizer_free(t);
    return 1;
}

static int
check_alike(const struct model_source *a, const struct model_source *b)
{
    uint8_t x[16], y[16];
    struct str why = {0};
    int result = 0;
    if (!config_same_shape(&a->config, &b->config, &why))
        result = err_set(STATUS_INPUT, "%s: another shape than %s: %s", b->path, a->path,
                         why.data ? why.data : "");
    else if (fingerprint(a, x) && fingerprint(b, y) && memcmp(x, y, sizeof x) != 0)
        result = err_set(STATUS_INPUT, "%s: another tokenizer than that of %s", b->path, a->path);
    str_release(&why);
    return result;
}

static int
open_all(struct average *a, const struct route *r)
{
    a->model = mem_zarray(r->inputs, sizeof *a->model);
    for (; a->models < r->inputs; a->models++) {
        struct model_source *m = &a->model[a->models];
        if (model_source_open_as(m, r->input[a->models],
                                 kind_name(route_kind(r->input[a->models]))) < 0)
            return -1;
        a->sum += r->weight[a->models];
        if (source_check_sums(m) < 0 || (a->models > 0 && check_alike(&a->model[0], m) < 0)) {
            a->models++;
            return -1;
        }
    }
    return 0;
}

int
average_open(struct model_source *m, const struct route *r)
{
    struct average *a = mem_zalloc(sizeof *a);
    a->weight = r->weight;
    *m = (struct model_source){.reader = &average_reader, .state = a};
    int result = open_all(a, r);
    if (result == 0)
        result = config_copy(&m->config, &a->model[0].config);
    if (result == 0)
        result = params_init(&m->params, &m->config);
    if (result == 0) {
        m->path = mem_printf("the average of %zu models", a->models);
        m->dtype = a->model[0].dtype;
    } else {
        model_source_close(m);
    }
    return result;
}
