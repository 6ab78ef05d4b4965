/*
 * The head of a run, for the rows that are scored alone: cells of WALK_HEAD_COLUMNS of the
 * vocabulary, whose logits stay in a worker's tile while their maximum, log-sum-exp and
 * the targets' are taken. 2 rows vocab hidden flops; no row of logits is ever written unless
 * an item asks for it. A row's sum is over blocks of columns in order, whatever else is scored.
 */
#include <math.h>
#include <string.h>

#include "model/walk.h"

static int64_t
blocks_of(const struct decoder *d)
{
    return (d->vocab + WALK_HEAD_COLUMNS - 1) / WALK_HEAD_COLUMNS;
}

static int64_t
least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

void
walk_head_carve(struct decoder *d)
{
    struct walk *w = d->walk;
    size_t n = (size_t)d->capacity;
    int64_t rows = least(d->capacity, WALK_HEAD_ROWS), columns = least(d->vocab, WALK_HEAD_COLUMNS);
    int64_t workers = threads_count(d->pool);

    w->row = arena_take_array(&d->arena, n, sizeof *w->row);
    w->place = arena_take_array(&d->arena, n, sizeof *w->place);
    w->logits = arena_take_array(&d->arena, n, sizeof *w->logits);
    w->tile = take_wide(d, workers * rows, columns);
    w->block = arena_take_array(&d->arena, (size_t)(rows * blocks_of(d)), sizeof *w->block);
    w->log_z = arena_take_array(&d->arena, (size_t)rows, sizeof *w->log_z);
}

/* ---- which rows ---- */

/* Rows are asked for in ascending order. */
static void
want_row(struct walk *w, int64_t row, float *logits)
{
    if (w->rows == 0 || w->row[w->rows - 1] != row) {
        w->place[row] = (int32_t)w->rows;
        w->row[w->rows] = (int32_t)row;
        w->logits[w->rows++] = NULL;
    }
    if (logits)
        w->logits[w->rows - 1] = logits;
}

static int64_t
row_of(const struct walk_piece *p, const struct walk_score *s)
{
    return p->row + s->token - p->offset;
}

static void
find_rows(struct walk *w)
{
    w->rows = 0;
    for (int32_t i = 0; i < w->pieces; i++) {
        const struct walk_piece *p = &w->piece[i];

        for (size_t k = p->score; k < p->score + p->scores; k++)
            want_row(w, row_of(p, &p->item->score[k]), NULL);
        if (p->item->logits && p->offset + p->n == p->item->n)
            want_row(w, p->row + p->n - 1, p->item->logits);
    }
}

/* ---- a cell ---- */

/* Rows [begin, begin + rows) of those that are scored, gathered in h. */
struct head_job {
    struct decoder *d;
    const char *h;
    int64_t begin, rows;
};

/* In lanes, so that it is done in vectors. */
static float
row_max(const float *x, int64_t n)
{
    enum { LANES = 16 };
    float lane[LANES], max;
    int64_t i = 0;

    for (int k = 0; k < LANES; k++)
        lane[k] = x[0];
    for (; i + LANES <= n; i += LANES)
        for (int k = 0; k < LANES; k++)
            lane[k] = x[i + k] > lane[k] ? x[i + k] : lane[k];
    max = lane[0];
    for (int k = 1; k < LANES; k++)
        max = lane[k] > max ? lane[k] : max;
    for (; i < n; i++)
        max = x[i] > max ? x[i] : max;
    return max;
}

static void
multiply(const struct head_job *j, float *tile, int64_t column, int64_t columns)
{
    struct decoder *d = j->d;
    int head = d->params->head;
    struct gemm g = {
        .tb = true,
        .m = j->rows,
        .n = columns,
        .k = d->hidden,
        .a = j->h,
        .lda = d->hidden,
        .b = act_at_const(d, weight_act(d, head), column * d->hidden),
        .ldb = d->hidden,
        .b_packed = packed_weight(d, head, true, j->rows),
        .b_column = column,
        .b_arranged = is_arranged(d, head),
        .c = tile,
        .ldc = columns,
        .c_wide = true,
    };

    d->ops->gemm(&g);
}

/* No logit of a lower id is as great: what the row's other blocks say comes later. */
static bool
is_first(const float *x, int64_t target)
{
    for (int64_t i = 0; i < target; i++)
        if (x[i] >= x[target])
            return false;
    return true;
}

/* The targets among these columns: log_p is the logit for now. */
static void
take_targets(const struct head_job *j, const float *tile, int64_t column, int64_t columns)
{
    const struct walk *w = j->d->walk;

    for (int32_t i = 0; i < w->pieces; i++) {
        const struct walk_piece *p = &w->piece[i];

        for (size_t k = p->score; k < p->score + p->scores; k++) {
            struct walk_score *s = &p->item->score[k];
            int64_t row = w->place[row_of(p, s)] - j->begin, target = s->target - column;

            if (row < 0 || row >= j->rows || target < 0 || target >= columns)
                continue;
            s->log_p = (double)tile[row * columns + target];
            s->is_greedy = is_first(tile + row * columns, target);
        }
    }
}

static int
head_cell(void *arg, size_t cell, int worker)
{
    static const int32_t none = -1;
    const struct head_job *j = arg;
    struct decoder *d = j->d;
    const struct walk *w = d->walk;
    int64_t column = (int64_t)cell * WALK_HEAD_COLUMNS, blocks = blocks_of(d);
    int64_t columns = least(d->vocab - column, WALK_HEAD_COLUMNS);
    int64_t tile_numbers = least(d->capacity, WALK_HEAD_ROWS) * least(d->vocab, WALK_HEAD_COLUMNS);
    float *tile = wide_at(d, w->tile, worker * tile_numbers);
    double loss;

    multiply(j, tile, column, columns);
    for (int64_t r = 0; r < j->rows; r++) {
        struct walk_block *b = &w->block[r * blocks + (int64_t)cell];
        float *x = tile + r * columns, *logits = w->logits[j->begin + r];

        b->max = row_max(x, columns);
        d->ops->cross_entropy(x, columns, NULL, 0, &none, 1, columns, 0, 0, &loss, &b->log_z);
        if (logits)
            memcpy(logits + column, x, (size_t)columns * sizeof *x);
    }
    take_targets(j, tile, column, columns);
    return 0;
}

/* ---- sums ---- */

static double
sum_blocks(const struct walk_block *b, int64_t n)
{
    double max = b[0].log_z, sum = 0;

    for (int64_t i = 1; i < n; i++)
        max = b[i].log_z > max ? b[i].log_z : max;
    for (int64_t i = 0; i < n; i++)
        sum += exp(b[i].log_z - max);
    return max + log(sum);
}

/* No block before the target's has as great a logit, that one and those behind it no greater. */
static bool
is_greatest(const struct walk_block *b, int64_t n, int64_t own, double logit)
{
    for (int64_t i = 0; i < n; i++)
        if (i < own ? !((double)b[i].max < logit) : !((double)b[i].max <= logit))
            return false;
    return true;
}

static void
finish_scores(const struct head_job *j)
{
    const struct walk *w = j->d->walk;
    int64_t blocks = blocks_of(j->d);

    for (int64_t r = 0; r < j->rows; r++)
        w->log_z[r] = sum_blocks(w->block + r * blocks, blocks);
    for (int32_t i = 0; i < w->pieces; i++) {
        const struct walk_piece *p = &w->piece[i];

        for (size_t k = p->score; k < p->score + p->scores; k++) {
            struct walk_score *s = &p->item->score[k];
            int64_t row = w->place[row_of(p, s)] - j->begin;

            if (row < 0 || row >= j->rows)
                continue;
            s->is_greedy = s->is_greedy && is_greatest(w->block + row * blocks, blocks,
                                                       s->target / WALK_HEAD_COLUMNS, s->log_p);
            s->log_p -= w->log_z[row];
        }
    }
}

/* ---- all of it ---- */

/* The wanted rows of h_final, one after the other, in d->h. */
static void
gather(const struct decoder *d)
{
    const struct walk *w = d->walk;

    for (int64_t i = 0; i < w->rows; i++)
        memcpy(act_at(d, d->h, i * d->hidden), act_at(d, d->h_final, w->row[i] * d->hidden),
               (size_t)d->hidden * d->ops->act_size);
}

int
walk_head(struct decoder *d)
{
    struct walk *w = d->walk;

    find_rows(w);
    if (w->rows == 0)
        return 0;
    gather(d);
    d->head_packed = packing_head(d, w->rows, false);
    for (int64_t at = 0; at < w->rows; at += WALK_HEAD_ROWS) {
        struct head_job job = {.d = d,
                               .h = act_at(d, d->h, at * d->hidden),
                               .begin = at,
                               .rows = least(w->rows - at, WALK_HEAD_ROWS)};

        run_cells(d, blocks_of(d), 1, head_cell, &job);
        finish_scores(&job);
    }
    d->head_packed = false;
    return d->failed;
}
