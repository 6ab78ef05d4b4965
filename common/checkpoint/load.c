#include "checkpoint/checkpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"

/* Opening a checkpoint: everything but the arrays' data is read and checked. */

enum { SMALL_FILE_LIMIT = 1 << 30 };

static int
load_manifest(struct checkpoint *c)
{
    struct str text = {0};
    char *path = file_join(c->path, "manifest.json");
    int result = file_load(path, MANIFEST_LIMIT, &text);
    if (result == 0)
        result = manifest_parse(&c->manifest, path, text.data ? text.data : "", text.len);
    free(path);
    str_release(&text);
    return result;
}

static int
check_hash(const char *path, const void *data, size_t n, struct hash128 expected)
{
    struct hash128 h = hash128(data, n);
    if (h.low == expected.low && h.high == expected.high)
        return 0;
    return err_set(STATUS_INPUT, "%s: bytes 0-%zu: checksum differs", path, n ? n - 1 : 0);
}

/* config.json and tokenizer files: read whole. */
static int
check_small(struct checkpoint *c, const struct manifest_file *f, const char *path)
{
    struct str text = {0};
    int result = file_load(path, SMALL_FILE_LIMIT, &text);
    if (result == 0)
        result = check_hash(path, text.data ? text.data : "", text.len, f->hash);
    if (result == 0 && strcmp(f->name, "config.json") == 0)
        result = config_parse(&c->config, path, text.data ? text.data : "", text.len);
    str_release(&text);
    return result;
}

static int
check_safetensors(const struct manifest_file *f, const char *path)
{
    struct safetensors s;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_sys("%s", path);
    char *header = mem_alloc(f->header);
    ssize_t got = file_pread_full(fd, header, f->header, 0, path);
    int result = got < 0 ? -1 : check_hash(path, header, f->header, f->hash);
    free(header);
    close(fd);
    if (result < 0 || safetensors_open(&s, path) < 0)
        return -1;
    if (s.header != f->header)
        result = err_set(STATUS_INPUT, "%s: a header of %llu bytes, the manifest says %llu", path,
                         (unsigned long long)s.header, (unsigned long long)f->header);
    safetensors_close(&s);
    return result;
}

static int
check_file(struct checkpoint *c, const struct manifest_file *f)
{
    struct stat st;
    char *path = file_join(c->path, f->name);
    int result;
    if (stat(path, &st) < 0)
        result = errno == ENOENT ? err_set(STATUS_INPUT, "%s: the file is missing", path)
                                 : err_sys("%s", path);
    else if ((uint64_t)st.st_size != f->bytes)
        result = err_set(STATUS_INPUT, "%s: %llu bytes, the manifest says %llu", path,
                         (unsigned long long)st.st_size, (unsigned long long)f->bytes);
    else if (f->header)
        result = check_safetensors(f, path);
    else
        result = check_small(c, f, path);
    free(path);
    return result;
}

static int
check_files(struct checkpoint *c)
{
    for (size_t i = 0; i < c->manifest.files; i++)
        if (check_file(c, &c->manifest.file[i]) < 0)
            return -1;
    if (!c->config.json)
        return err_set(STATUS_INPUT, "%s/manifest.json: lists no config.json", c->path);
    return 0;
}

/* Does slice s go on at element `offset` of p? */
static bool
slice_fits(const struct manifest_slice *s, const struct param *p, enum checkpoint_array a,
           int64_t offset)
{
    return s->array == a && strcmp(s->tensor, p->name) == 0 && s->rows == p->rows &&
           s->columns == p->columns && s->offset == offset && s->size <= p->size - offset &&
           (s->size == p->size - offset || s->size % NORM_BLOCK == 0);
}

/*
 * The slices are the table, array by array; each file is covered from its header to its end. Where
 * each tensor's begin is noted.
 */
static int
check_slices(struct checkpoint *c)
{
    const struct manifest *m = &c->manifest;
    uint64_t *covered = mem_zarray(m->files + 1, sizeof *covered);
    size_t i = 0, tensors = (size_t)c->params.count;
    int result = 0;
    c->first_slice = mem_zarray(CHECKPOINT_ARRAYS * tensors + 1, sizeof *c->first_slice);
    for (size_t f = 0; f < m->files; f++)
        covered[f] = m->file[f].header;
    for (int a = 0; a < CHECKPOINT_ARRAYS; a++)
        for (int t = 0; t < c->params.count; t++)
            for (int64_t at = 0; at < c->params.param[t].size; i++) {
                const struct param *p = &c->params.param[t];
                const struct manifest_slice *s = &m->slice[i];
                if (i >= m->slices || !slice_fits(s, p, (enum checkpoint_array)a, at) ||
                    s->begin != covered[s->file]) {
                    result = err_set(STATUS_INPUT,
                                     "%s/manifest.json: slices[%zu]: does not go on with element "
                                     "%lld of %s, as config.json wants",
                                     c->path, i, (long long)at, p->name);
                    goto out;
                }
                if (at == 0)
                    c->first_slice[(size_t)a * tensors + (size_t)t] = i;
                covered[s->file] = s->end;
                at += s->size;
            }
    if (i != m->slices)
        result = err_set(STATUS_INPUT, "%s/manifest.json: %zu slices, config.json wants %zu",
                         c->path, m->slices, i);
    for (size_t f = 0; f < m->files && result == 0; f++)
        if (m->file[f].header && covered[f] != m->file[f].bytes)
            result = err_set(STATUS_INPUT, "%s/%s: bytes from %llu belong to no slice", c->path,
                             m->file[f].name, (unsigned long long)covered[f]);
out:
    free(covered);
    return result;
}

struct checkpoint *
checkpoint_open(const char *path)
{
    struct checkpoint *c = mem_zalloc(sizeof *c);
    c->path = mem_strdup(path);
    if (load_manifest(c) == 0 && check_files(c) == 0 && params_init(&c->params, &c->config) == 0 &&
        check_slices(c) == 0)
        return c;
    checkpoint_close(c);
    return NULL;
}

void
checkpoint_close(struct checkpoint *c)
{
    if (!c)
        return;
    free(c->first_slice);
    params_release(&c->params);
    config_release(&c->config);
    manifest_release(&c->manifest);
    free(c->path);
    free(c);
}

char *
checkpoint_file(const struct checkpoint *c, const char *name)
{
    return manifest_find(&c->manifest, name) ? file_join(c->path, name) : NULL;
}
