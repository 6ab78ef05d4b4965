#include "checkpoint/checkpoint.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"

/* A checkpoint once more, in other files: its own, mapped, are the arrays that are saved. */

struct source {
    const struct checkpoint *c;
    const char **map; /* [files], NULL: not of an array */
    struct tokenizer_file *file;
    struct str *text; /* their bytes */
    size_t files;
    struct held_list held;
};

static int
map_file(struct source *s, size_t i)
{
    const struct manifest_file *f = &s->c->manifest.file[i];
    char *path = file_join(s->c->path, f->name);
    int fd = file_open(path, O_RDONLY), result = -1;
    if (fd >= 0) {
        void *at = mmap(NULL, f->bytes, PROT_READ, MAP_SHARED, fd, 0);
        result = at == MAP_FAILED ? err_sys("%s", path) : 0;
        s->map[i] = result == 0 ? at : NULL;
        close(fd);
    }
    free(path);
    return result;
}

/* Tokenizer files and the like; config.json comes with the configuration. */
static int
load_file(struct source *s, size_t i)
{
    const struct manifest_file *f = &s->c->manifest.file[i];
    struct str *text = &s->text[s->files];
    if (strcmp(f->name, "config.json") == 0)
        return 0;
    char *path = file_join(s->c->path, f->name);
    int result = file_load(path, f->bytes, text);
    s->file[s->files++] = (struct tokenizer_file){f->name, text->data ? text->data : "", text->len};
    free(path);
    return result;
}

static const float *
slice_data(const struct source *s, size_t slice)
{
    const struct manifest_slice *m = &s->c->manifest.slice[slice];
    return (const float *)(const void *)(s->map[m->file] + m->begin);
}

/* The arrays need not be cut alike: from each border of any of them to the next. */
static void
hold_tensor(struct source *s, int param)
{
    const struct manifest *m = &s->c->manifest;
    int64_t size = s->c->params.param[param].size;
    size_t at[CHECKPOINT_ARRAYS], tensors = (size_t)s->c->params.count;
    for (int a = 0; a < CHECKPOINT_ARRAYS; a++)
        at[a] = s->c->first_slice[(size_t)a * tensors + (size_t)param];
    for (int64_t offset = 0, end; offset < size; offset = end) {
        struct held h = {.at = {.param = param, .offset = offset, .repeat = 1}};
        end = size;
        for (int a = 0; a < CHECKPOINT_ARRAYS; a++) {
            const struct manifest_slice *slice = &m->slice[at[a]];
            h.array[a] = slice_data(s, at[a]) + (offset - slice->offset);
            end = slice->offset + slice->size < end ? slice->offset + slice->size : end;
        }
        for (int a = 0; a < CHECKPOINT_ARRAYS; a++)
            at[a] += m->slice[at[a]].offset + m->slice[at[a]].size == end;
        h.at.count = end - offset;
        vec_push(&s->held, h);
    }
}

static int
open_source(struct source *s, const struct checkpoint *c)
{
    const struct manifest *m = &c->manifest;
    *s = (struct source){.c = c};
    s->map = mem_zarray(m->files + 1, sizeof *s->map);
    s->file = mem_zarray(m->files + 1, sizeof *s->file);
    s->text = mem_zarray(m->files + 1, sizeof *s->text);
    for (size_t i = 0; i < m->files; i++)
        if ((m->file[i].header ? map_file(s, i) : load_file(s, i)) < 0)
            return -1;
    for (int t = 0; t < c->params.count; t++)
        hold_tensor(s, t);
    return 0;
}

static void
close_source(struct source *s)
{
    for (size_t i = 0; i < s->c->manifest.files; i++) {
        if (s->map[i])
            munmap((void *)(uintptr_t)s->map[i], s->c->manifest.file[i].bytes);
        str_release(&s->text[i]);
    }
    free(s->map);
    free(s->file);
    free(s->text);
    vec_release(&s->held);
}

/* Saving there would take away what is being read. */
static bool
is_itself(const struct checkpoint *c, const char *directory)
{
    char *path = checkpoint_path(directory, c->manifest.state.step);
    struct stat a, b;
    bool same = stat(path, &a) == 0 && stat(c->path, &b) == 0 && a.st_dev == b.st_dev &&
                a.st_ino == b.st_ino;
    free(path);
    return same;
}

int
checkpoint_rewrite(const struct checkpoint *c, const char *directory,
                   const struct slice_limits *limits)
{
    struct source s;
    struct hash128 hash;
    if (is_itself(c, directory))
        return err_set(STATUS_USAGE, "%s: is the checkpoint that is read", directory);
    if (checkpoint_verify(comm_single(), c) < 0)
        return -1;
    int result = open_source(&s, c);
    if (result == 0) {
        struct checkpoint_layout layout = {.whole = &c->params,
                                           .held = s.held.data,
                                           .count = s.held.len,
                                           .limits = slice_limits_fit(limits)};
        struct checkpoint_save save = {.directory = directory,
                                       .config = &c->config,
                                       .files = s.file,
                                       .file_count = s.files,
                                       .state = &c->manifest.state};
        result = checkpoint_save(comm_single(), &layout, &save, &hash);
    }
    if (result == 0 && (hash.low != c->manifest.state_hash.low ||
                        hash.high != c->manifest.state_hash.high))
        result = err_set(STATUS_INPUT, "%s: changed while it was read", c->path);
    close_source(&s);
    return result;
}
