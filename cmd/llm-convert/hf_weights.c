/*
 * The weights of a checkpoint into the files of a Hugging Face directory, slice
 * by slice: each is read once, verified, converted and written to its places. Memory: one slice, twice.
 */
#include "cmd/llm-convert/convert.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/progress.h"

enum { EARLY = 1 << 20 };

struct writer {
    const struct hf_plan *plan;
    const char *dir;
    int file, fd; /* the one that is open; -1: none */
    char *path;
    uint8_t *bytes; /* converted elements, room for a slice */
    float *line;    /* rows of a slice, gathered from one column */
};

/* Written data is synced before a file is left. */
static int
leave(struct writer *w)
{
    int result = 0;
    if (w->fd >= 0 && fsync(w->fd) < 0)
        result = err_sys("%s", w->path);
    if (w->fd >= 0 && close(w->fd) < 0 && result == 0)
        result = err_sys("%s", w->path);
    free(w->path);
    w->path = NULL;
    w->fd = w->file = -1;
    return result;
}

static int
enter(struct writer *w, int file)
{
    if (w->file == file)
        return 0;
    if (leave(w) < 0)
        return -1;
    w->path = file_join(w->dir, w->plan->file[file].name);
    w->fd = open(w->path, O_WRONLY | O_CLOEXEC);
    if (w->fd < 0)
        return err_sys("%s", w->path);
    w->file = file;
    return 0;
}

static int
put(struct writer *w, const struct hf_tensor *t, int64_t element, const float *values, int64_t n)
{
    const struct tensor_plan *p = &w->plan->file[t->file].tensor[t->plan];
    uint64_t size = (uint64_t)dtype_bits(p->dtype) / 8;
    const void *data = values;
    if (p->dtype != DTYPE_F32) {
        dtype_from_float(p->dtype, values, (size_t)n, w->bytes);
        data = w->bytes;
    }
    uint64_t offset = p->offset + (uint64_t)element * size;
    if (file_pwrite_full(w->fd, data, (size_t)n * size, offset, w->path) < 0)
        return -1;
    /* Only a hint: the disk begins while the next slice is read; fsync waits at the end. */
    if ((uint64_t)n * size >= EARLY)
        (void)sync_file_range(w->fd, (off_t)offset, (off_t)((uint64_t)n * size),
                              SYNC_FILE_RANGE_WRITE);
    return 0;
}

/* Elements [first, first + n) of the part, in our order: to columns of theirs, [columns][rows]. */
static int
put_transposed(struct writer *w, const struct hf_tensor *t, int64_t first, const float *values,
               int64_t n)
{
    int64_t columns = t->part.columns, rows = t->part.rows;
    for (int64_t c = 0; c < columns; c++) {
        int64_t row = first / columns + (first % columns > c);
        int64_t begin = row * columns + c - first, count = 0;
        for (int64_t at = begin; at < n; at += columns)
            w->line[count++] = values[at];
        if (count && put(w, t, c * rows + row, w->line, count) < 0)
            return -1;
    }
    return 0;
}

/* What of a slice belongs to one tensor of theirs. */
static int
put_part(struct writer *w, const struct hf_tensor *t, const struct manifest_slice *s,
         const float *values)
{
    int64_t begin = t->part.first * t->part.columns;
    int64_t end = begin + t->part.rows * t->part.columns;
    int64_t from = s->offset > begin ? s->offset : begin;
    int64_t to = s->offset + s->size < end ? s->offset + s->size : end;
    if (from >= to)
        return 0;
    if (enter(w, t->file) < 0)
        return -1;
    const float *data = values + (from - s->offset);
    if (t->part.transposed)
        return put_transposed(w, t, from - begin, data, to - from);
    for (int64_t run, at; from < to; from += run, data += run) {
        run = names_run(&t->part, from - begin, to - from, &at);
        if (put(w, t, at, data, run) < 0)
            return -1;
    }
    return 0;
}

static int
make_files(const struct hf_plan *p, const char *dir)
{
    for (int i = 0; i < p->files; i++) {
        char *path = file_join(dir, p->file[i].name);
        int fd = safetensors_create(path, &p->file[i].header, p->file[i].bytes);
        int result = fd < 0 || close(fd) == 0 ? 0 : err_sys("%s", path);
        free(path);
        if (fd < 0 || result < 0)
            return -1;
    }
    return 0;
}

static size_t
largest_slice(const struct manifest *m)
{
    int64_t most = 1;
    for (size_t i = 0; i < m->slices; i++)
        most = m->slice[i].size > most ? m->slice[i].size : most;
    return (size_t)most;
}

int
hf_write_weights(const struct hf_plan *p, const struct model_source *m, const char *dir)
{
    const struct manifest *manifest = &m->checkpoint->manifest;
    struct writer w = {.plan = p, .dir = dir, .file = -1, .fd = -1};
    size_t room = largest_slice(manifest), first = 0;
    if (make_files(p, dir) < 0)
        return -1;
    float *values = mem_array(room, sizeof *values);
    w.bytes = mem_array(room, sizeof(float));
    w.line = mem_array(room, sizeof *w.line);
    int result = 0;
    for (size_t i = 0; i < manifest->slices && result == 0; i++) {
        const struct manifest_slice *s = &manifest->slice[i];
        if (s->array != CHECKPOINT_MASTER)
            continue;
        result = checkpoint_read_slice(m->checkpoint, i, values);
        int param = params_find(&m->params, s->tensor);
        while (first < p->count && p->tensor[first].param < param)
            first++;
        for (size_t t = first; t < p->count && p->tensor[t].param == param && result == 0; t++)
            result = put_part(&w, &p->tensor[t], s, values);
        progress_add(s->end - s->begin);
    }
    int left = leave(&w);
    free(values);
    free(w.bytes);
    free(w.line);
    return result < 0 ? -1 : left;
}
