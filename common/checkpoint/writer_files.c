#include "checkpoint/writer_private.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"

/*
 * The files of a save as one rank sees them. They stay open until they are synced, so that a
 * failure of the system's own writing is told to us; not more than a few at a time.
 */
enum { MOST_OPEN = 64, NAME_ROOM = 64 };

void
writer_files_init(struct writer_files *f, int files)
{
    f->count = CHECKPOINT_ARRAYS * files;
    f->fd = mem_array((size_t)f->count + 1, sizeof *f->fd);
    f->dirty = mem_zarray((size_t)f->count + 1, sizeof *f->dirty);
    for (int i = 0; i < f->count; i++)
        f->fd[i] = -1;
}

void
writer_files_begin(struct writer_files *f, const struct saving *v)
{
    int files = v->plan->slices.files;
    f->directory = strlen(v->path) + 1;
    if (f->room < f->directory + NAME_ROOM) {
        f->room = f->directory + NAME_ROOM;
        f->path = mem_grow(f->path, f->room);
    }
    snprintf(f->path, f->room, "%s/", v->path);
    for (int i = 0; i < f->count; i++)
        f->dirty[i] = saving_is_mine(v, i / files, i % files); /* its header is */
}

void
writer_files_drop(struct writer_files *f)
{
    for (int i = 0; i < f->count; i++) {
        if (f->fd[i] >= 0)
            close(f->fd[i]);
        f->fd[i] = -1;
    }
    f->open = f->oldest = 0;
}

void
writer_files_release(struct writer_files *f)
{
    free(f->fd);
    free(f->dirty);
    free(f->path);
    *f = (struct writer_files){0};
}

static const char *
path_of(const struct checkpoint_writer *w, int i)
{
    const struct writer_files *f = &w->files;
    const struct file_slices *s = &w->plan.slices;
    char name[NAME_ROOM];
    file_slices_name(s, (enum checkpoint_array)(i / s->files), i % s->files, name);
    snprintf(f->path + f->directory, f->room - f->directory, "%s", name);
    return f->path;
}

static int
sync_one(struct checkpoint_writer *w, int i)
{
    struct writer_files *f = &w->files;
    const char *path = path_of(w, i);
    int fd = f->fd[i] >= 0 ? f->fd[i] : file_open(path, O_WRONLY);
    if (fd < 0)
        return -1;
    int result = file_sync(fd, path);
    if (file_close(fd, path) < 0)
        result = -1;
    f->open -= f->fd[i] >= 0;
    f->fd[i] = -1;
    f->dirty[i] = false;
    return result;
}

int
writer_files_sync(struct checkpoint_writer *w)
{
    for (int i = 0; i < w->files.count; i++)
        if (w->files.dirty[i] && sync_one(w, i) < 0)
            return -1;
    return 0;
}

static int
enter(struct checkpoint_writer *w, int i)
{
    struct writer_files *f = &w->files;
    if (f->fd[i] >= 0)
        return 0;
    if (f->open == MOST_OPEN) {
        while (f->fd[f->oldest] < 0)
            f->oldest = (f->oldest + 1) % f->count;
        if (sync_one(w, f->oldest) < 0)
            return -1;
    }
    f->fd[i] = file_open(path_of(w, i), O_WRONLY);
    if (f->fd[i] < 0)
        return -1;
    f->dirty[i] = true;
    f->open++;
    return 0;
}

int
writer_files_put(struct checkpoint_writer *w, int a, int param, int64_t offset, const float *data,
                 int64_t n)
{
    const struct file_slices *slices = &w->plan.slices;
    const struct file_slice *s = file_slices_find(slices, param, offset);
    int result = 0;
    for (int64_t m; n > 0 && result == 0; n -= m, offset += m, data += m, s++) {
        int64_t within = offset - s->offset;
        int i = a * slices->files + s->file;
        m = n < s->size - within ? n : s->size - within;
        result = enter(w, i);
        if (result == 0)
            result = file_pwrite_full(w->files.fd[i], data, (size_t)m * sizeof *data,
                                      s->begin + (uint64_t)within * sizeof *data, path_of(w, i));
    }
    return result;
}

int
writer_files_get(struct checkpoint_writer *w, int a, const struct file_slice *s, int64_t offset,
                 float *out, int64_t n)
{
    int i = a * w->plan.slices.files + s->file;
    const char *path = path_of(w, i);
    size_t bytes = (size_t)n * sizeof *out;
    int fd = file_open(path, O_RDONLY);
    if (fd < 0)
        return -1;
    ssize_t got = file_pread_full(fd, out, bytes,
                                  s->begin + (uint64_t)(offset - s->offset) * sizeof *out, path);
    if (got >= 0 && (size_t)got != bytes)
        err_set(STATUS_FAILED, "%s: has become shorter", path);
    close(fd);
    return got >= 0 && (size_t)got == bytes ? 0 : -1;
}
