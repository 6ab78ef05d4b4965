#include "checkpoint/merged_source.h"

#include <string.h>

#include "base/mem.h"

struct merged {
    struct model_source base;
    int *index;      /* [tensors without adapters]: which of the base's each is */
    float **adapter; /* [base tensors]: all of an adapter's values; NULL: is none */
};

/* Elements of a row's columns that are summed at a time. */
enum { CHUNK = 512 };

/* out [n] += s B A at columns [column, column + n) of one row, whose row of B is b [rank]. */
static void
add_columns(const struct lora *l, const float *b, const float *a, int64_t columns, int64_t column,
            int64_t n, float *out)
{
    double sum[CHUNK];

    for (int64_t m; n > 0; n -= m, column += m, out += m) {
        m = n < CHUNK ? n : CHUNK;
        memset(sum, 0, sizeof sum);
        for (int64_t r = 0; r < l->rank; r++)
            for (int64_t i = 0; i < m; i++)
                sum[i] += (double)b[r] * (double)a[r * columns + column + i];
        for (int64_t i = 0; i < m; i++)
            out[i] = (float)((double)out[i] + l->alpha / (double)l->rank * sum[i]);
    }
}

/* Columns [column, column + n) of row `row` of weight w. */
static void
add_row(const struct merged *s, const struct param *w, int64_t row, int64_t column, int64_t n,
        float *out)
{
    const struct lora *l = &s->base.config.lora;
    const struct adapters *t = &w->adapters;

    for (int k = 0; k < t->parts; k++) {
        int64_t in = row - t->part[k].row;
        if (in < 0 || in >= t->part[k].rows)
            continue;
        add_columns(l, s->adapter[t->b] + (t->part[k].at + in) * l->rank,
                    s->adapter[t->a] + k * l->rank * w->columns, w->columns, column, n, out);
    }
}

static int
merged_read(void *state, int param, int64_t offset, int64_t n, float *out)
{
    const struct merged *s = state;
    const struct param *w = &s->base.params.param[s->index[param]];

    if (model_source_read(&s->base, s->index[param], offset, n, out) < 0)
        return -1;
    for (int64_t m; w->adapters.parts > 0 && n > 0; n -= m, offset += m, out += m) {
        int64_t column = offset % w->columns;
        m = n < w->columns - column ? n : w->columns - column;
        add_row(s, w, offset / w->columns, column, m, out);
    }
    return 0;
}

static const struct model_source *
merged_base(void *state)
{
    const struct merged *s = state;
    return &s->base;
}

static void
merged_close(void *state)
{
    struct merged *s = state;

    for (int i = 0; s->adapter && i < s->base.params.count; i++)
        free(s->adapter[i]);
    free(s->adapter);
    free(s->index);
    model_source_close(&s->base);
    free(s);
}

static const struct model_reader merged_reader = {
    .kind = "merged", .read = merged_read, .base = merged_base, .close = merged_close};

const struct model_source *
merged_source_base(const struct model_source *m)
{
    return m->reader == &merged_reader ? model_source_base(m) : NULL;
}

/* Both tables have the same tensors in the same order but for the adapters. */
static int
read_adapters(struct merged *s)
{
    const struct params *p = &s->base.params;
    int plain = 0;

    s->index = mem_zarray((size_t)p->count + 1, sizeof *s->index);
    s->adapter = mem_zarray((size_t)p->count + 1, sizeof *s->adapter);
    for (int i = 0; i < p->count; i++) {
        if (!p->param[i].adapter) {
            s->index[plain++] = i;
            continue;
        }
        s->adapter[i] = mem_array((size_t)p->param[i].size, sizeof **s->adapter);
        if (model_source_read(&s->base, i, 0, p->param[i].size, s->adapter[i]) < 0)
            return -1;
    }
    return 0;
}

int
merged_source_open(struct model_source *m)
{
    struct merged *s = mem_zalloc(sizeof *s);

    s->base = *m;
    *m = (struct model_source){.path = mem_strdup(s->base.path),
                               .reader = &merged_reader,
                               .state = s,
                               .trained = s->base.trained,
                               .dtype = s->base.dtype};
    if (config_copy(&m->config, &s->base.config) < 0 ||
        config_set_lora(&m->config, &(struct lora){0}) < 0 || params_init(&m->params, &m->config) < 0)
        return -1;
    return read_adapters(s);
}
