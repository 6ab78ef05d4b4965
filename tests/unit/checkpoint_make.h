#ifndef TESTS_CHECKPOINT_MAKE_H
#define TESTS_CHECKPOINT_MAKE_H

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/rng.h"
#include "checkpoint/checkpoint.h"
#include "tests/unit/tap.h"

/* States to save, for the tests of common/checkpoint. */

static const char made_config[] =
    "{\"model_type\":\"llama\",\"architectures\":[\"LlamaForCausalLM\"],\"vocab_size\":700,"
    "\"hidden_size\":32,\"intermediate_size\":48,\"num_hidden_layers\":2,"
    "\"num_attention_heads\":4,\"num_key_value_heads\":2,\"head_dim\":8,"
    "\"max_position_embeddings\":64,\"rms_norm_eps\":1e-5,\"rope_theta\":10000.0,"
    "\"hidden_act\":\"silu\",\"tie_word_embeddings\":false}";

static const struct tokenizer_file made_files[] = {
    {"tokenizer.json", "{\"x\":1}", 7},
    {"tokenizer_config.json", "{}", 2},
};

struct made {
    struct config config;
    struct params params;
    float *array[CHECKPOINT_ARRAYS];
    struct training_state state;
    struct held_list held;
    struct checkpoint_layout layout; /* one rank that holds all; small slices and files */
    struct checkpoint_save save;
};

static inline void
made_init(struct made *m, const char *config)
{
    memset(m, 0, sizeof *m);
    if (config_parse(&m->config, "config.json", config, strlen(config)) < 0 ||
        params_init(&m->params, &m->config) < 0) {
        diag("%s", err_text());
        exit(1);
    }
    for (int a = 0; a < CHECKPOINT_ARRAYS; a++) {
        m->array[a] = mem_zarray((size_t)m->params.elements, sizeof(float));
        params_initialize(NULL, &m->params, &m->config, (uint64_t)a + 1, 0, m->array[a]);
    }
    m->save = (struct checkpoint_save){.directory = "run",
                                       .config = &m->config,
                                       .files = made_files,
                                       .file_count = 2,
                                       .state = &m->state};
    held_add_share(&m->held, &m->params, 0, 1, (const float *const *)m->array);
    m->layout = (struct checkpoint_layout){.whole = &m->params,
                                           .held = m->held.data,
                                           .count = m->held.len,
                                           .limits = {.slice_blocks = 1, .file_bytes = 70000}};
}

static inline void
made_release(struct made *m)
{
    for (int a = 0; a < CHECKPOINT_ARRAYS; a++)
        free(m->array[a]);
    vec_release(&m->held);
    training_state_release(&m->state);
    params_release(&m->params);
    config_release(&m->config);
}

static inline bool
made_same_file(const char *a, const char *b)
{
    struct str x = {0}, y = {0};
    bool same = file_load(a, 1 << 28, &x) == 0 && file_load(b, 1 << 28, &y) == 0 &&
                x.len == y.len && memcmp(x.data, y.data, x.len) == 0;
    str_release(&x);
    str_release(&y);
    return same;
}

/* Are two checkpoints the same files with the same bytes? */
static inline bool
made_same(const char *a, const char *b)
{
    struct checkpoint *c = checkpoint_open(a);
    char *x = file_join(a, "manifest.json"), *y = file_join(b, "manifest.json");
    bool same = c && made_same_file(x, y);
    free(x);
    free(y);
    for (size_t i = 0; same && i < c->manifest.files; i++) {
        x = file_join(a, c->manifest.file[i].name);
        y = file_join(b, c->manifest.file[i].name);
        same = made_same_file(x, y);
        free(x);
        free(y);
    }
    checkpoint_close(c);
    return same;
}

/*
 * Layouts, as functions from a matrix's place to the rank that holds it. Each gives the list of
 * one rank, its elements copied behind one another (as compact slices are) into memory that lives
 * until the program ends.
 */
enum made_layout {
    MADE_SHARE,   /* blocks, dealt evenly: data parallel */
    MADE_COLUMNS, /* matrices by columns, vectors on rank 0 */
    MADE_ROWS,    /* by rows, uneven */
    MADE_RANDOM,  /* runs of any length, dealt at random */
    MADE_MIXED,   /* columns, each rank's cut into blocks' extents: what params_block_extents gives */
    MADE_LAYOUTS
};

static inline void
made_push(const struct made *m, struct held_list *l, struct extent at, bool filled)
{
    struct held h = {.at = at};
    const struct param *p = &m->params.param[at.param];
    for (int a = 0; a < CHECKPOINT_ARRAYS; a++) {
        float *copy = mem_zarray((size_t)(at.count * at.repeat), sizeof *copy);
        for (int64_t r = 0; r < at.repeat && filled; r++)
            memcpy(copy + r * at.count, m->array[a] + p->offset + at.offset + r * at.stride,
                   (size_t)at.count * sizeof *copy);
        h.array[a] = copy;
    }
    vec_push(l, h);
}

/* Rows [from, to) of the columns of this rank, from element `from` of its own to element `to`. */
static inline void
made_push_columns(const struct made *m, struct held_list *l, int i, int64_t column, int64_t columns,
                  int64_t from, int64_t to, bool filled)
{
    const struct param *p = &m->params.param[i];
    while (from < to) {
        int64_t row = from / columns, at = from % columns;
        struct extent e = {.param = i, .offset = row * p->columns + column + at, .repeat = 1};
        e.count = columns - at < to - from ? columns - at : to - from;
        if (at == 0 && to - from >= columns) {
            e.count = columns;
            e.stride = p->columns;
            e.repeat = (to - from) / columns;
        }
        made_push(m, l, e, filled);
        from += e.count * e.repeat;
    }
}

static inline void
made_push_param(const struct made *m, struct held_list *l, int i, enum made_layout layout, int rank,
                int ranks, bool filled)
{
    const struct param *p = &m->params.param[i];
    int64_t column = p->columns * rank / ranks, end = p->columns * (rank + 1) / ranks;
    int64_t row = p->rows * rank / ranks, last = p->rows * (rank + 1) / ranks;
    uint64_t key = rng_key(11, p->name);
    if (layout == MADE_RANDOM) {
        for (int64_t at = 0, n, k = 0; at < p->size; at += n, k++) {
            n = 1 + (int64_t)(rng_u64(key, (uint64_t)k) % 7000);
            n = n < p->size - at ? n : p->size - at;
            struct extent e = {.param = i, .offset = at, .count = n, .repeat = 1};
            if ((int)(rng_u64(key, (uint64_t)(k + 1000000)) % (uint64_t)ranks) == rank)
                made_push(m, l, e, filled);
        }
    } else if (p->rows == 1) {
        struct extent e = {.param = i, .count = p->size, .repeat = 1};
        if (rank == 0)
            made_push(m, l, e, filled);
    } else if (layout == MADE_ROWS) {
        struct extent e = {.param = i,
                           .offset = row * p->columns,
                           .count = p->columns,
                           .repeat = last - row,
                           .stride = p->columns};
        if (row < last)
            made_push(m, l, e, filled);
    } else if (layout == MADE_COLUMNS) {
        made_push_columns(m, l, i, column, end - column, 0, p->rows * (end - column), filled);
    } else {
        int64_t own = p->rows * (end - column), cut = 1000;
        for (int64_t at = 0; at < own; at += cut)
            made_push_columns(m, l, i, column, end - column, at, at + cut < own ? at + cut : own,
                              filled);
    }
}

/* What `rank` of `ranks` holds. filled: with the state, else zero. */
static inline void
made_deal(const struct made *m, struct held_list *l, enum made_layout layout, int rank, int ranks,
          bool filled)
{
    if (layout == MADE_SHARE) {
        struct held_list share = {0};
        held_add_share(&share, &m->params, rank, ranks, (const float *const *)m->array);
        for (size_t i = 0; i < share.len; i++)
            made_push(m, l, share.data[i].at, filled);
        vec_release(&share);
        return;
    }
    for (int i = 0; i < m->params.count; i++)
        made_push_param(m, l, i, layout, rank, ranks, filled);
}

/* Are these elements those of the state? */
static inline bool
made_equal(const struct made *m, const struct held_list *l)
{
    for (size_t i = 0; i < l->len; i++)
        for (int a = 0; a < CHECKPOINT_ARRAYS; a++) {
            const struct extent *e = &l->data[i].at;
            const float *whole = m->array[a] + m->params.param[e->param].offset + e->offset;
            for (int64_t r = 0; r < e->repeat; r++)
                if (memcmp(whole + r * e->stride, l->data[i].array[a] + r * e->count,
                           (size_t)e->count * sizeof *whole) != 0)
                    return false;
        }
    return true;
}

static inline void
made_free(struct held_list *l)
{
    for (size_t i = 0; i < l->len; i++)
        for (int a = 0; a < CHECKPOINT_ARRAYS; a++)
            free((void *)(uintptr_t)l->data[i].array[a]);
    vec_release(l);
}

/* The same list, to read into. */
static inline struct wanted_list
made_wanted(const struct held_list *l)
{
    struct wanted_list out = {0};
    for (size_t i = 0; i < l->len; i++) {
        struct wanted w = {.at = l->data[i].at};
        for (int a = 0; a < CHECKPOINT_ARRAYS; a++)
            w.array[a] = (float *)(uintptr_t)l->data[i].array[a];
        vec_push(&out, w);
    }
    return out;
}

#endif
