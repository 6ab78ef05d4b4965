#include "model/params.h"

#include <math.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/rng.h"
#include "model/params_impl.h"

/* The parameter table in its one order, and the weights a new model starts from. */

enum {
    PARAM_ALIGN = 16, /* elements: 64 bytes of float */
    PARAMS_PER_LAYER = 14 + MOST_ADAPTERS,
    PARAMS_OUTSIDE = 5
};

static int64_t
align_up(int64_t n)
{
    return (n + PARAM_ALIGN - 1) / PARAM_ALIGN * PARAM_ALIGN;
}

/* Begins a tensor of the whole table. NULL: the part does not have it. */
static struct param *
begin(struct making *m, bool held, enum param_kind kind, int layer, const char *name, int64_t rows,
      int64_t columns)
{
    struct param *t = &m->p->param[m->p->count];
    int index = m->whole++;

    if (!held)
        return NULL;
    memset(t, 0, sizeof *t);
    if (layer >= 0)
        snprintf(t->name, sizeof t->name, "layers.%d.%s", layer, name);
    else
        snprintf(t->name, sizeof t->name, "%s", name);
    t->kind = kind;
    t->decay = kind == PARAM_MATRIX || kind == PARAM_EMBEDDING;
    t->layer = layer;
    t->expert = -1;
    t->columns = columns;
    t->vector = -1;
    t->whole = (struct place_in_whole){.index = index, .rows = rows, .columns = columns};
    return t;
}

/* Appends rows; those that follow the last ones in the whole tensor, too, make one run with them. */
static void
add_run(struct param *t, int64_t first, int64_t count, bool counted)
{
    struct row_run *last = t->whole.runs ? &t->whole.run[t->whole.runs - 1] : NULL;

    if (last && last->whole + last->count == first && last->counted == counted) {
        last->count += count;
        t->rows += count;
        return;
    }
    t->whole.run[t->whole.runs++] = (struct row_run){t->rows, first, count, counted};
    t->rows += count;
}

/*
 * Ends the tensor: its rows are known. A vector, until here rows of one element, becomes one row.
 * Returns its index; -1 for NULL.
 */
static int
end(struct making *m, struct param *t)
{
    struct params *p = m->p;

    if (!t)
        return -1;
    t->offset = p->elements;
    t->size = t->rows * t->columns;
    p->elements = align_up(t->offset + t->size);
    p->parameters += t->size;
    if (params_is_vector(t)) {
        t->vector = p->vectors;
        p->vectors = align_up(p->vectors + t->size);
        t->columns = t->rows;
        t->rows = 1;
        t->whole.columns = t->whole.rows;
        t->whole.rows = 1;
    }
    return p->count++;
}

/* Share `rank` of n in `size` runs as even as can be. */
static int64_t
cut(int64_t n, int rank, int size)
{
    return n / size * rank + n % size * rank / size;
}

int
making_same(struct making *m, bool held, enum param_kind kind, int layer, const char *name,
         int64_t rows, int64_t columns)
{
    struct param *t = begin(m, held, kind, layer, name, rows, columns);

    if (t)
        add_run(t, 0, rows, m->part.tensor_rank == 0);
    return end(m, t);
}

int
making_rows(struct making *m, bool held, enum param_kind kind, int layer, const char *name,
         int64_t blocks, int64_t rows, int64_t columns)
{
    struct param *t = begin(m, held, kind, layer, name, blocks * rows, columns);
    int rank = m->part.tensor_rank, size = m->part.tensor_size;

    for (int64_t b = 0; t && b < blocks; b++) {
        int64_t first = cut(rows, rank, size);
        add_run(t, b * rows + first, cut(rows, rank + 1, size) - first, true);
    }
    return end(m, t);
}

int
making_columns(struct making *m, bool held, int layer, const char *name, int64_t rows, int64_t columns)
{
    struct param *t = begin(m, held, PARAM_MATRIX, layer, name, rows, columns);
    int rank = m->part.tensor_rank, size = m->part.tensor_size;

    if (t) {
        t->whole.column = cut(columns, rank, size);
        t->columns = cut(columns, rank + 1, size) - t->whole.column;
        t->residual_output = true;
        add_run(t, 0, rows, true);
    }
    return end(m, t);
}

/* What run r of the rows has of a range, counted in the whole tensor. */
static struct row_range
overlap(const struct row_run *r, const struct row_range *range)
{
    int64_t begin = r->whole > range->first ? r->whole : range->first;
    int64_t end = r->whole + r->count, range_end = range->first + range->rows;

    end = end < range_end ? end : range_end;
    return (struct row_range){begin, end > begin ? end - begin : 0};
}

int64_t
rows_within(const struct param *w, const struct row_range *range, int64_t *local)
{
    int64_t n = 0;

    for (int i = 0; i < w->whole.runs; i++) {
        const struct row_run *r = &w->whole.run[i];
        struct row_range here = overlap(r, range);
        if (here.rows > 0 && n == 0)
            *local = r->local + here.first - r->whole;
        n += here.rows;
    }
    return n;
}

int
making_rows_of(struct making *m, bool held, int layer, const char *name, int weight,
               const struct row_range *range, int ranges, int64_t columns)
{
    struct param *t;
    int64_t rows = 0;

    for (int k = 0; k < ranges; k++)
        rows += range[k].rows;
    t = begin(m, held, PARAM_MATRIX, layer, name, rows, columns);
    rows = 0;
    for (int k = 0; t && k < ranges; rows += range[k++].rows)
        for (int i = 0; i < m->p->param[weight].whole.runs; i++) {
            const struct row_run *r = &m->p->param[weight].whole.run[i];
            struct row_range here = overlap(r, &range[k]);
            if (here.rows > 0)
                add_run(t, rows + here.first - range[k].first, here.rows, r->counted);
        }
    return end(m, t);
}

/* Query, key and value rows of this rank's heads; a head of keys may be held by several ranks. */
static int
add_qkv(struct making *m, bool held, enum param_kind kind, int layer, const char *name,
        int64_t columns)
{
    const struct config *c = m->c;
    int64_t rank = m->part.tensor_rank, size = m->part.tensor_size, dim = c->head_dim;
    int64_t heads = c->num_attention_heads, groups = c->num_key_value_heads;
    struct param *t = begin(m, held, kind, layer, name, (heads + 2 * groups) * dim, columns);
    int64_t first = groups >= size ? groups / size * rank : rank * groups / size;
    int64_t count = groups >= size ? groups / size : 1;
    bool counted = groups >= size || rank % (size / groups) == 0;

    if (t) {
        add_run(t, heads / size * rank * dim, heads / size * dim, true);
        add_run(t, (heads + first) * dim, count * dim, counted);
        add_run(t, (heads + groups + first) * dim, count * dim, counted);
    }
    return end(m, t);
}

static void
add_attention(struct making *m, bool held, int i)
{
    const struct config *c = m->c;
    struct layer_params *l = &m->p->layer[i];
    int64_t hidden = c->hidden_size, heads = c->num_attention_heads * c->head_dim;

    l->attention_norm = making_same(m, held, PARAM_NORM, i, "attention_norm.weight", hidden, 1);
    if (c->norm_bias)
        l->attention_norm_bias = making_same(m, held, PARAM_BIAS, i, "attention_norm.bias", hidden, 1);
    l->qkv = add_qkv(m, held, PARAM_MATRIX, i, "attention.qkv.weight", hidden);
    if (c->attention_bias)
        l->qkv_bias = add_qkv(m, held, PARAM_BIAS, i, "attention.qkv.bias", 1);
    if (c->qk_norm) {
        l->query_norm = making_same(m, held, PARAM_NORM, i, "attention.query_norm.weight", c->head_dim, 1);
        l->key_norm = making_same(m, held, PARAM_NORM, i, "attention.key_norm.weight", c->head_dim, 1);
    }
    l->output = making_columns(m, held, i, "attention.output.weight", hidden, heads);
    if (c->output_bias)
        l->output_bias = making_same(m, held, PARAM_BIAS, i, "attention.output.bias", hidden, 1);
}

static void
add_mlp(struct making *m, bool held, int i)
{
    const struct config *c = m->c;
    struct layer_params *l = &m->p->layer[i];
    int64_t hidden = c->hidden_size, inner = c->intermediate_size;
    bool gated = c->mlp == MLP_SWIGLU;

    l->up = making_rows(m, held, PARAM_MATRIX, i, gated ? "mlp.gate_up.weight" : "mlp.up.weight",
                     gated ? 2 : 1, inner, hidden);
    if (c->mlp_bias)
        l->up_bias = making_rows(m, held, PARAM_BIAS, i, gated ? "mlp.gate_up.bias" : "mlp.up.bias",
                              gated ? 2 : 1, inner, 1);
    l->down = making_columns(m, held, i, "mlp.down.weight", hidden, inner);
    if (c->mlp_bias)
        l->down_bias = making_same(m, held, PARAM_BIAS, i, "mlp.down.bias", hidden, 1);
}

static void
add_layer(struct making *m, bool held, int i)
{
    int64_t hidden = m->c->hidden_size;
    struct layer_params *l = &m->p->layer[i];

    memset(l, -1, sizeof *l); /* every index absent */
    add_attention(m, held, i);
    l->mlp_norm = making_same(m, held, PARAM_NORM, i, "mlp_norm.weight", hidden, 1);
    if (m->c->norm_bias)
        l->mlp_norm_bias = making_same(m, held, PARAM_BIAS, i, "mlp_norm.bias", hidden, 1);
    if (config_sparse(m->c, i))
        making_experts(m, held, i);
    else
        add_mlp(m, held, i);
    making_adapters(m, held, i);
}

static bool
holds_layer(const struct model_part *part, int i)
{
    for (int k = 0; k < part->pieces; k++)
        if (part->piece[k].begin <= i && i < part->piece[k].end)
            return true;
    return part->pieces == 0;
}

static void
add_tables(struct making *m, bool embedding, bool head)
{
    const struct config *c = m->c;
    bool tied = c->tie_word_embeddings;

    m->p->embedding = making_rows(m, embedding || (head && tied), PARAM_EMBEDDING, -1,
                               "embedding.weight", 1, c->vocab_size, c->hidden_size);
    /* Of the two stages that hold a tied table the first counts it. */
    for (int i = 0; head && tied && !embedding && i < m->p->param[0].whole.runs; i++)
        m->p->param[0].whole.run[i].counted = false;
    m->p->position = -1;
    if (c->position == POSITION_LEARNED)
        m->p->position = making_same(m, embedding, PARAM_EMBEDDING, -1, "position.weight",
                                  c->max_position_embeddings, c->hidden_size);
}

static void
add_head(struct making *m, bool head)
{
    const struct config *c = m->c;
    struct params *p = m->p;

    p->final_norm = making_same(m, head, PARAM_NORM, -1, "final_norm.weight", c->hidden_size, 1);
    p->final_norm_bias = -1;
    if (c->norm_bias)
        p->final_norm_bias = making_same(m, head, PARAM_BIAS, -1, "final_norm.bias", c->hidden_size, 1);
    if (c->tie_word_embeddings)
        p->head = head ? p->embedding : -1;
    else
        p->head = making_rows(m, head, PARAM_MATRIX, -1, "head.weight", 1, c->vocab_size, c->hidden_size);
}

static int
check_part(const struct config *c, const struct model_part *part)
{
    int64_t size = part->tensor_size, heads = c->num_attention_heads, kv = c->num_key_value_heads;

    if (heads % size != 0)
        return err_set(STATUS_INPUT, "num_attention_heads (%lld) is not a multiple of tensor-parallel (%lld)",
                       (long long)heads, (long long)size);
    if (kv % size != 0 && size % kv != 0)
        return err_set(STATUS_INPUT, "num_key_value_heads (%lld) and tensor-parallel (%lld): neither divides the other",
                       (long long)kv, (long long)size);
    if (config_sparse_layers(c) < c->num_hidden_layers && c->intermediate_size % size != 0)
        return err_set(STATUS_INPUT, "intermediate_size (%lld) is not a multiple of tensor-parallel (%lld)",
                       (long long)c->intermediate_size, (long long)size);
    if (c->vocab_size < size)
        return err_set(STATUS_INPUT, "vocab_size (%lld) is less than tensor-parallel (%lld)",
                       (long long)c->vocab_size, (long long)size);
    return making_check_experts(c, part);
}

int
params_init_part(struct params *p, const struct config *c, const struct model_part *given)
{
    size_t layers = (size_t)c->num_hidden_layers;
    struct making m = {.p = p, .c = c, .part = *given};
    bool embedding = given->pieces == 0, head = embedding;

    memset(p, 0, sizeof *p);
    m.part.tensor_size += given->tensor_size == 0;
    m.part.expert_size += given->expert_size == 0;
    if (check_part(c, &m.part) < 0)
        return -1;
    for (int i = 0; i < given->pieces; i++) {
        embedding |= given->piece[i].embedding;
        head |= given->piece[i].head;
    }
    making_split_experts(&m);
    p->param = mem_zarray(layers * PARAMS_PER_LAYER + making_most_experts(&m) + PARAMS_OUTSIDE,
                          sizeof *p->param);
    p->layer = mem_zarray(layers, sizeof *p->layer);
    add_tables(&m, embedding, head);
    for (int i = 0; i < (int)layers; i++)
        add_layer(&m, holds_layer(&m.part, i), i);
    add_head(&m, head);

    params_number_blocks(p);
    for (int i = 0; i < p->count && c->lora.rank > 0; i++)
        p->param[i].frozen = !p->param[i].adapter;
    p->tied = c->tie_word_embeddings;
    p->tied_offset = p->tied && embedding && head ? p->elements : -1;
    p->grad_elements = p->elements;
    if (p->tied_offset >= 0)
        p->grad_elements += align_up(p->param[p->embedding].size);
    return 0;
}

int
params_init(struct params *p, const struct config *c)
{
    return params_init_part(p, c, &(struct model_part){0});
}

void
params_release(struct params *p)
{
    free(p->param);
    free(p->layer);
    memset(p, 0, sizeof *p);
}

int
params_find(const struct params *p, const char *name)
{
    for (int i = 0; i < p->count; i++)
        if (strcmp(p->param[i].name, name) == 0)
            return i;
    return -1;
}

/* Elements of one cell. */
enum { FILL_CELL = 1 << 16 };

/* Elements [begin, end) of a tensor's own numbering. */
struct fill_job {
    const struct param *t;
    float *out; /* of `begin` */
    int64_t begin, end;
    uint64_t key;
    double deviation;
};

/* The element of the whole tensor that stands at `e`; *more: how many follow it there and here. */
static int64_t
whole_element(const struct param *t, int64_t e, int64_t *more)
{
    const struct row_run *run = t->whole.run;
    int64_t row = e / t->columns, column = e % t->columns;

    while (row >= run->local + run->count)
        run++;
    *more = t->columns == t->whole.columns ? (run->local + run->count) * t->columns - e
                                           : t->columns - column;
    return (run->whole + row - run->local) * t->whole.columns + t->whole.column + column;
}

/* Elements [first, first + n) of the whole tensor: an adapter's are uniform; normals come in pairs of an even and an odd one. */
static void
fill_range(const struct fill_job *j, float *out, int64_t first, int64_t n)
{
    double pair[2];

    for (int64_t i = first; j->t->adapter && i < first + n; i++)
        out[i - first] = (float)(j->deviation * (2 * rng_uniform(j->key, (uint64_t)i) - 1));
    for (int64_t i = first; !j->t->adapter && i < first + n; i++) {
        if (i == first || i % 2 == 0)
            rng_normal_pair(j->key, (uint64_t)i / 2, pair);
        out[i - first] = (float)(j->deviation * pair[i % 2]);
    }
}

static int
fill_cell(void *arg, size_t cell, int worker)
{
    const struct fill_job *j = arg;
    int64_t at = j->begin + (int64_t)cell * FILL_CELL, n;
    int64_t end = j->end - at < FILL_CELL ? j->end : at + FILL_CELL;

    (void)worker;
    for (; at < end; at += n) {
        int64_t first = whole_element(j->t, at, &n);
        n = n < end - at ? n : end - at;
        fill_range(j, j->out + (at - j->begin), first, n);
    }
    return 0;
}

static double
deviation_of(const struct config *c, const struct param *t, const struct params_init *how)
{
    double deviation = how->std > 0 ? how->std : c->initializer_range;
    bool scaled = how->method == INIT_DEPTH_SCALED || (how->method == INIT_MODEL && c->family == FAMILY_GPT2);

    if (t->adapter) /* torch.nn.Linear's: He et al., 2015, with a slope of sqrt(5) */
        return 1 / sqrt((double)t->whole.columns);
    /* Radford et al., 2019, section 2.3: 1/sqrt(N) for N residual layers, two a block. */
    if (t->residual_output && scaled)
        return deviation / sqrt(2.0 * (double)c->num_hidden_layers);
    return deviation;
}

void
params_fill(struct threads *pool, const struct param *t, const struct config *c,
            const struct params_init *how, int64_t begin, int64_t n, float *out)
{
    struct fill_job job = {t, out, begin, begin + n, rng_key(how->seed, t->name), deviation_of(c, t, how)};

    if (t->kind == PARAM_NORM)
        for (int64_t j = 0; j < n; j++)
            out[j] = 1;
    else if (t->kind == PARAM_BIAS || t->adapter == 'b')
        memset(out, 0, (size_t)n * sizeof *out);
    else
        threads_run(pool, (size_t)((n + FILL_CELL - 1) / FILL_CELL), fill_cell, &job);
}

void
params_initialize(struct threads *pool, const struct params *p, const struct config *c,
                  uint64_t seed, double std, float *master)
{
    struct params_init how = {seed, std, INIT_MODEL};

    memset(master, 0, (size_t)p->elements * sizeof *master);
    for (int i = 0; i < p->count; i++)
        params_fill(pool, &p->param[i], c, &how, 0, p->param[i].size, master + p->param[i].offset);
}
