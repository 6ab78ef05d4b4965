/*
 * The head of a run, for the rows that are scored alone: cells of WALK_HEAD_COLUMNS of the
 * vocabulary, whose logits stay in a worker's tile while their maximum, log-sum-exp and
 * the targets' are taken. 2 rows vocab hidden flops; no row of logits is ever written unless
 * an item asks for it. A row's sum is over blocks of columns in order, whatever else is scored.
 * Tensor ranks have a part of the vocabulary each, and put sums, targets and greatest logits
 * together.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
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

/* The first id of this tensor rank's part of the vocabulary. */
static int64_t
first_id(const struct decoder *d)
{
    return d->params->param[d->params->head].whole.run[0].whole;
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
    double *logit; /* of each score; tensor ranks alone */
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
            int64_t row = w->place[row_of(p, s)] - j->begin;
            int64_t target = s->target - first_id(j->d) - column;

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
            memcpy(logits + first_id(d) + column, x, (size_t)columns * sizeof *x);
    }
    take_targets(j, tile, column, columns);
    return 0;
}

/* ---- sums ---- */

static double
sum_logs(const double *log_z, int64_t n, int64_t stride)
{
    double max = log_z[0], sum = 0;

    for (int64_t i = 1; i < n; i++)
        max = log_z[i * stride] > max ? log_z[i * stride] : max;
    for (int64_t i = 0; i < n; i++)
        sum += exp(log_z[i * stride] - max);
    return max + log(sum);
}

/* Of whole rows: over the blocks, then over the ranks' parts. */
static void
sum_rows_of_head(const struct head_job *j)
{
    struct decoder *d = j->d;
    const struct walk *w = d->walk;
    int64_t blocks = blocks_of(d);

    for (int64_t r = 0; r < j->rows; r++)
        w->log_z[r] = sum_logs(&w->block[r * blocks].log_z, blocks,
                               sizeof *w->block / sizeof(double));
    if (d->tensor_size == 1)
        return;
    double *all = mem_array((size_t)(d->tensor_size * j->rows), sizeof *all);
    if (comm_all_gather(d->options.tensor, w->log_z, all, (size_t)j->rows * sizeof *all) < 0)
        d->failed = -1;
    for (int64_t r = 0; r < j->rows; r++)
        w->log_z[r] = sum_logs(all + r, d->tensor_size, j->rows);
    free(all);
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

/* Runs fn on each score of the job's rows; returns how many there are. */
static size_t
each_score(const struct head_job *j,
           void (*fn)(const struct head_job *j, struct walk_score *s, int64_t row, size_t i))
{
    const struct walk *w = j->d->walk;
    size_t n = 0;

    for (int32_t i = 0; i < w->pieces; i++) {
        const struct walk_piece *p = &w->piece[i];

        for (size_t k = p->score; k < p->score + p->scores; k++) {
            struct walk_score *s = &p->item->score[k];
            int64_t row = w->place[row_of(p, s)] - j->begin;

            if (row >= 0 && row < j->rows)
                fn(j, s, row, n++);
        }
    }
    return n;
}

/* What this rank's logits say against the target's, which is log_p. */
static void
judge(const struct head_job *j, struct walk_score *s, int64_t row, size_t i)
{
    const struct decoder *d = j->d;
    int64_t blocks = blocks_of(d), target = s->target - first_id(d);
    bool own = target >= 0 && target < d->vocab;
    int64_t block = target < 0 ? -1 : own ? target / WALK_HEAD_COLUMNS : blocks;

    (void)i;
    s->is_greedy = (!own || s->is_greedy) &&
                   is_greatest(d->walk->block + row * blocks, blocks, block, s->log_p);
}

static void
finish(const struct head_job *j, struct walk_score *s, int64_t row, size_t i)
{
    (void)i;
    s->log_p -= j->d->walk->log_z[row];
}

/* ---- of several tensor ranks ---- */

static void
count_score(const struct head_job *j, struct walk_score *s, int64_t row, size_t i)
{
    (void)j, (void)s, (void)row, (void)i;
}

static void
put_logit(const struct head_job *j, struct walk_score *s, int64_t row, size_t i)
{
    int64_t target = s->target - first_id(j->d);

    (void)row;
    j->logit[i] = target >= 0 && target < j->d->vocab ? s->log_p : -HUGE_VAL;
}

static void
take_logit(const struct head_job *j, struct walk_score *s, int64_t row, size_t i)
{
    (void)row;
    s->log_p = j->logit[i];
}

static void
put_flag(const struct head_job *j, struct walk_score *s, int64_t row, size_t i)
{
    (void)row;
    j->logit[i] = s->is_greedy;
}

static void
take_flag(const struct head_job *j, struct walk_score *s, int64_t row, size_t i)
{
    (void)row;
    s->is_greedy = j->logit[i] > 0;
}

/* The targets' logits from the ranks that have them, and what all ranks say to each. */
static void
join_scores(struct head_job *j)
{
    struct decoder *d = j->d;
    struct comm *c = d->options.tensor;
    size_t n = each_score(j, count_score);

    j->logit = mem_array(n + 1, sizeof *j->logit);
    each_score(j, put_logit);
    if (comm_all_reduce(c, j->logit, n, COMM_F64, COMM_MAX) < 0)
        d->failed = -1;
    each_score(j, take_logit);
    each_score(j, judge);
    each_score(j, put_flag);
    if (comm_all_reduce(c, j->logit, n, COMM_F64, COMM_MIN) < 0)
        d->failed = -1;
    each_score(j, take_flag);
    free(j->logit);
}

/* Whole rows of logits, where they are wanted: each rank has its own columns of them. */
static void
join_logits(struct decoder *d)
{
    struct comm *c = d->options.tensor;
    size_t own[2] = {(size_t)first_id(d) * sizeof(float), (size_t)d->vocab * sizeof(float)};
    size_t *parts = mem_array((size_t)d->tensor_size * 4, sizeof *parts);
    size_t *sizes = parts + 2 * d->tensor_size, *offsets = sizes + d->tensor_size;
    struct walk *w = d->walk;

    if (comm_all_gather(c, own, parts, sizeof own) < 0)
        d->failed = -1;
    for (int i = 0; i < d->tensor_size; i++) {
        offsets[i] = parts[2 * i];
        sizes[i] = parts[2 * i + 1];
    }
    for (int64_t r = 0; r < w->rows && d->failed == 0; r++) {
        char *logits = (char *)w->logits[r];
        struct comm_request *q = NULL;

        if (!logits)
            continue;
        if (c->ops->all_gather_v(c, logits + own[0], own[1], logits, sizes, offsets, &q) < 0 ||
            comm_wait(c, &q) < 0)
            d->failed = -1;
    }
    free(parts);
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
        sum_rows_of_head(&job);
        if (d->tensor_size > 1)
            join_scores(&job);
        else
            each_score(&job, judge);
        each_score(&job, finish);
    }
    d->head_packed = false;
    if (d->tensor_size > 1)
        join_logits(d);
    return d->failed;
}
