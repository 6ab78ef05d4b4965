/*
 * The weights of a model into the files of a Hugging Face directory, piece by piece on all threads:
 * where a piece goes depends on the plan alone. A checkpoint's slices are read once and verified;
 * bytes that another directory holds as they are to be are copied; everything else is read as
 * floats and rounded. Memory: a piece a thread, of transposed matrices a slice.
 */
#include "cmd/llm-convert/convert.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

#include "base/die.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/progress.h"
#include "checkpoint/output_file.h"

enum {
    PORTION = 1 << 18,  /* elements, 1 MiB of FP32: read and written while they are in the cache */
    JOB = 64 * PORTION, /* so that the threads write apart, and runs of a column are not short */
};

/* A slice of a checkpoint, or elements of one tensor of theirs. */
struct job {
    bool is_slice;
    size_t slice, tensor; /* of a slice: the first tensor that it can belong to */
    int64_t first, n;     /* elements of the tensor, in our order; of copied bytes, in theirs */
};

struct worker {
    struct output_file file;
    uint8_t *bytes; /* [PORTION] of any type */
    float *values;  /* [room] */
    float *line;    /* the elements of a column */
    size_t room;
    uint64_t beyond; /* elements that became infinite */
};

struct work {
    const struct hf_plan *plan;
    const struct model_source *m;
    const char *dir;
    struct worker *worker;
    VEC(struct job) job;
};

static int
enter(struct work *w, struct worker *k, const struct hf_tensor *t)
{
    return output_file_enter(&k->file, w->dir, w->plan->file[t->file].name, t->file);
}

static void
make_room(struct worker *k, int64_t n)
{
    if ((size_t)n <= k->room)
        return;
    k->room = (size_t)n;
    free(k->values);
    free(k->line);
    k->values = mem_array(k->room, sizeof *k->values);
    k->line = mem_array(k->room, sizeof *k->line);
}

/* How many finite values FP16 has no number for; bytes: what they became. */
static uint64_t
count_beyond(const float *values, const uint8_t *bytes, int64_t n)
{
    uint64_t count = 0;
    for (int64_t i = 0; i < n; i++)
        count += (bytes[2 * i + 1] & 0x7f) == 0x7c && bytes[2 * i] == 0 && isfinite(values[i]);
    return count;
}

/* Values, at an element of their tensor. */
static int
put(struct work *w, struct worker *k, const struct hf_tensor *t, int64_t element,
    const float *values, int64_t n)
{
    const struct tensor_plan *p = &w->plan->file[t->file].tensor[t->plan];
    uint64_t size = (uint64_t)dtype_bits(p->dtype) / 8;
    for (int64_t m; n > 0; n -= m, element += m, values += m) {
        const void *data = values;
        m = n < PORTION ? n : PORTION;
        if (p->dtype != DTYPE_F32) {
            dtype_from_float(p->dtype, values, (size_t)m, k->bytes);
            if (p->dtype == DTYPE_F16)
                k->beyond += count_beyond(values, k->bytes, m);
            data = k->bytes;
        }
        if (output_file_put(&k->file, data, (size_t)m * size,
                            p->offset + (uint64_t)element * size) < 0)
            return -1;
    }
    return 0;
}

/* Elements [first, first + n) of the part, in our order: to columns of theirs, [columns][rows]. */
static int
put_transposed(struct work *w, struct worker *k, const struct hf_tensor *t, int64_t first,
               const float *values, int64_t n)
{
    int64_t columns = t->part.columns, rows = t->part.rows;
    for (int64_t c = 0; c < columns; c++) {
        int64_t row = first / columns + (first % columns > c);
        int64_t count = 0;
        for (int64_t at = row * columns + c - first; at < n; at += columns)
            k->line[count++] = values[at];
        if (count && put(w, k, t, c * rows + row, k->line, count) < 0)
            return -1;
    }
    return 0;
}

static int
put_part(struct work *w, struct worker *k, const struct hf_tensor *t, int64_t first,
         const float *values, int64_t n)
{
    if (enter(w, k, t) < 0)
        return -1;
    if (t->part.transposed)
        return put_transposed(w, k, t, first, values, n);
    for (int64_t run, at; n > 0; first += run, values += run, n -= run) {
        run = names_run(&t->part, first, n, &at);
        if (put(w, k, t, at, values, run) < 0)
            return -1;
    }
    return 0;
}

/* ---- a slice of a checkpoint ---- */

struct slice_sink {
    struct work *w;
    struct worker *k;
    size_t tensor;  /* the first of the slice's parameter */
    int64_t offset; /* of the slice in it */
};

/* What of some elements of a parameter belongs to which tensors of theirs. */
static int
put_slice(void *arg, int64_t at, const float *values, int64_t n)
{
    const struct slice_sink *s = arg;
    const struct hf_plan *p = s->w->plan;
    int64_t offset = s->offset + at;
    int param = p->tensor[s->tensor].param;
    for (size_t i = s->tensor; i < p->count && p->tensor[i].param == param; i++) {
        const struct hf_tensor *t = &p->tensor[i];
        int64_t begin = t->part.first * t->part.columns;
        int64_t end = begin + t->part.rows * t->part.columns;
        int64_t from = offset > begin ? offset : begin;
        int64_t to = offset + n < end ? offset + n : end;
        if (from < to &&
            put_part(s->w, s->k, t, from - begin, values + (from - offset), to - from) < 0)
            return -1;
    }
    return 0;
}

static int
convert_slice(struct work *w, struct worker *k, const struct job *j)
{
    const struct checkpoint *c = w->m->checkpoint;
    const struct manifest_slice *s = &c->manifest.slice[j->slice];
    struct slice_sink sink = {w, k, j->tensor, s->offset};
    int result;
    if (w->plan->tensor[j->tensor].part.transposed) {
        make_room(k, s->size);
        result = checkpoint_read_slice(c, j->slice, k->values);
        if (result == 0)
            result = put_slice(&sink, 0, k->values, s->size);
    } else {
        result = checkpoint_stream_slice(c, j->slice, put_slice, &sink);
    }
    progress_add(s->end - s->begin);
    return result;
}

/* ---- a piece of a tensor ---- */

static int
copy_piece(struct work *w, struct worker *k, const struct hf_tensor *t, const struct job *j)
{
    const struct tensor_plan *p = &w->plan->file[t->file].tensor[t->plan];
    const struct safetensors *from = t->same->file;
    uint64_t size = (uint64_t)dtype_bits(p->dtype) / 8, at = (uint64_t)j->first * size;
    if (enter(w, k, t) < 0)
        return -1;
    return output_file_copy(&k->file, from->fd, from->path,
                            from->header + t->same->info->begin + at, (uint64_t)j->n * size,
                            p->offset + at);
}

/* Read as floats: in portions that stay in the cache, where the tensor is not transposed. */
static int
round_piece(struct work *w, struct worker *k, const struct hf_tensor *t, const struct job *j)
{
    int64_t portion = t->part.transposed ? j->n : PORTION, first = t->part.first * t->part.columns;
    int result = 0;
    make_room(k, portion);
    for (int64_t at = j->first, end = at + j->n, n; at < end && result == 0; at += n) {
        n = end - at < portion ? end - at : portion;
        result = model_source_read(w->m, t->param, first + at, n, k->values);
        if (result == 0)
            result = put_part(w, k, t, at, k->values, n);
    }
    return result;
}

static int
convert_piece(struct work *w, struct worker *k, const struct job *j)
{
    const struct hf_tensor *t = &w->plan->tensor[j->tensor];
    int result = t->same ? copy_piece(w, k, t, j) : round_piece(w, k, t, j);
    progress_add((uint64_t)j->n * sizeof(float));
    return result;
}

static int
convert_job(void *arg, size_t cell, int worker)
{
    struct work *w = arg;
    struct worker *k = &w->worker[worker];
    const struct job *j = &w->job.data[cell];
    if (!k->bytes)
        k->bytes = mem_array(PORTION, sizeof(double));
    return j->is_slice ? convert_slice(w, k, j) : convert_piece(w, k, j);
}

/* ---- all of it ---- */

static void
list_slices(struct work *w)
{
    const struct checkpoint *c = w->m->checkpoint;
    size_t tensor = 0, i = 0;
    for (int t = 0; t < c->params.count; t++)
        for (int64_t at = 0; at < c->params.param[t].size; at += c->manifest.slice[i++].size) {
            while (w->plan->tensor[tensor].param < t)
                tensor++;
            vec_push(&w->job, ((struct job){.is_slice = true, .slice = i, .tensor = tensor}));
        }
}

static void
list_pieces(struct work *w)
{
    for (size_t i = 0; i < w->plan->count; i++) {
        const struct hf_tensor *t = &w->plan->tensor[i];
        int64_t all = t->part.rows * t->part.columns;
        for (int64_t at = 0, n; at < all; at += n) {
            n = all - at < JOB ? all - at : JOB;
            vec_push(&w->job, ((struct job){.tensor = i, .first = at, .n = n}));
        }
    }
}

static int
make_files(const struct hf_plan *p, const char *dir)
{
    for (int i = 0; i < p->files; i++) {
        char *path = file_join(dir, p->file[i].name);
        int fd = safetensors_create(path, &p->file[i].header, p->file[i].bytes);
        int result = fd < 0 ? -1 : file_close(fd, path);
        free(path);
        if (result < 0)
            return -1;
    }
    return 0;
}

static int
leave_file(void *arg, size_t cell, int worker)
{
    struct work *w = arg;
    (void)worker;
    return output_file_leave(&w->worker[cell].file);
}

int
hf_write_weights(const struct hf_plan *p, const struct model_source *m, const char *dir)
{
    struct work w = {.plan = p, .m = m, .dir = dir};
    if (make_files(p, dir) < 0)
        return -1;
    struct threads *pool = options_threads();
    size_t threads = pool ? (size_t)threads_count(pool) : 1;
    w.worker = mem_zarray(threads, sizeof *w.worker);
    for (size_t i = 0; i < threads; i++)
        w.worker[i].file.fd = -1;
    if (m->checkpoint && !peft_is(m))
        list_slices(&w);
    else
        list_pieces(&w);
    int result = threads_run(pool, w.job.len, convert_job, &w);
    struct err e;
    err_take(&e);
    if (threads_run(pool, threads, leave_file, &w) < 0 && result == 0)
        result = -1;
    else
        err_give(&e);
    uint64_t beyond = 0;
    for (size_t i = 0; i < threads; i++) {
        beyond += w.worker[i].beyond;
        free(w.worker[i].bytes);
        free(w.worker[i].values);
        free(w.worker[i].line);
    }
    if (beyond > 0)
        warn("%s: %llu weights are beyond the range of fp16 and became infinite", m->path,
             (unsigned long long)beyond);
    free(w.worker);
    vec_release(&w.job);
    threads_free(pool);
    return result;
}
