#include "checkpoint/checkpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/threads.h"

/*
 * A save in four stages, between which all ranks agree that nothing failed:
 * rank 0 makes the directory and reserves the files' space; each rank writes its
 * blocks and hashes them; the hashes are summed over the ranks (each is zero but on
 * its writer); rank 0 commits the manifest.
 */
struct saving {
    const struct checkpoint_save *s;
    struct comm *comm;
    struct file_slices slices;
    char *path;
    int64_t first, last;               /* this rank's blocks */
    uint64_t *hash[CHECKPOINT_ARRAYS]; /* [blocks] */
    struct manifest_file *file;        /* rank 0: config.json and tokenizer files */
    size_t files;
};

/* 0 where all ranks succeeded. */
static int
agree(struct saving *v, int result)
{
    enum status status = result < 0 ? err_status() : STATUS_OK;
    return comm_agree(v->comm, (int)status);
}

/* ---- stage 1: rank 0 makes the files ---- */

/* Writes a small file under its name, durable. */
static int
store(const char *dir, const char *name, const void *data, size_t n)
{
    char *path = file_join(dir, name);
    int result = -1;
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0) {
        err_sys("%s", path);
        goto out;
    }
    result = file_write_full(fd, data, n, path);
    if (result == 0 && fsync(fd) < 0)
        result = err_sys("%s", path);
    if (close(fd) < 0 && result == 0)
        result = err_sys("%s", path);
out:
    free(path);
    return result;
}

static int
store_listed(struct saving *v, const char *name, const void *data, size_t n)
{
    if (!manifest_name_ok(name))
        return err_set(STATUS_FAILED, "%s: cannot be the name of a file in a checkpoint", name);
    v->file[v->files++] = (struct manifest_file){
        .name = mem_strdup(name), .bytes = n, .hash = hash128(data, n)};
    return store(v->path, name, data, n);
}

/* Takes away what stands at the path: its manifest first, so that it is never half a checkpoint. */
static int
remove_old(const char *path)
{
    char *manifest = file_join(path, "manifest.json");
    int result = 0;
    if (unlink(manifest) == 0)
        result = file_sync_dir(path);
    else if (errno != ENOENT && errno != ENOTDIR)
        result = err_sys("%s", manifest);
    if (result == 0 && file_exists(path))
        result = file_remove_tree(path);
    free(manifest);
    return result;
}

static int
make_array_files(struct saving *v, enum checkpoint_array a)
{
    for (int f = 0; f < v->slices.files; f++) {
        char name[64];
        char *path = file_join(v->path, file_slices_name(&v->slices, a, f, name));
        int fd = safetensors_create(path, &v->slices.file[f].header, v->slices.file[f].bytes);
        int result = fd < 0 || close(fd) == 0 ? 0 : err_sys("%s", path);
        free(path);
        if (fd < 0 || result < 0)
            return -1;
    }
    return 0;
}

static int
make_files(struct saving *v)
{
    const struct checkpoint_save *s = v->s;
    v->file = mem_zarray(s->file_count + 1, sizeof *v->file);
    if (file_mkdirs(s->directory) < 0 || remove_old(v->path) < 0)
        return -1;
    if (mkdir(v->path, 0777) < 0)
        return err_sys("%s", v->path);
    if (store_listed(v, "config.json", s->config->json, strlen(s->config->json)) < 0)
        return -1;
    for (size_t i = 0; i < s->file_count; i++)
        if (strcmp(s->files[i].name, "config.json") != 0 &&
            store_listed(v, s->files[i].name, s->files[i].data, s->files[i].size) < 0)
            return -1;
    for (int a = 0; a < CHECKPOINT_ARRAYS; a++)
        if (make_array_files(v, (enum checkpoint_array)a) < 0)
            return -1;
    return 0;
}

/* ---- stage 2: every rank writes its blocks ---- */

/* This rank's part of one slice: blocks [first, last) of it. */
static int
write_slice(struct saving *v, const struct file_slice *s, enum checkpoint_array a, int fd,
            const char *path)
{
    int64_t first = v->first - s->first_block, last = v->last - s->first_block;
    first = first < 0 ? 0 : first;
    last = last > slice_blocks(s->size) ? slice_blocks(s->size) : last;
    if (first >= last)
        return 0;
    const struct param *p = &v->s->params->param[s->param];
    const float *data = v->s->array[a] + p->offset + s->offset;
    for (int64_t b = first; b < last; b++) {
        v->hash[a][s->first_block + b] = hash64(
            data + b * NORM_BLOCK, (size_t)slice_block_size(s->size, b) * sizeof *data);
        threads_poll();
    }
    int64_t begin = first * NORM_BLOCK;
    int64_t end = last * NORM_BLOCK < s->size ? last * NORM_BLOCK : s->size;
    return file_pwrite_full(fd, data + begin, (size_t)(end - begin) * sizeof *data,
                            s->begin + (uint64_t)begin * sizeof *data, path);
}

static bool
has_work(const struct saving *v, int file)
{
    for (size_t i = 0; i < v->slices.count; i++) {
        const struct file_slice *s = &v->slices.slice[i];
        if (s->file == file && s->first_block < v->last &&
            s->first_block + slice_blocks(s->size) > v->first)
            return true;
    }
    return false;
}

/* Rank 0 syncs every file, as it has written the headers. */
static int
write_file(struct saving *v, enum checkpoint_array a, int file)
{
    char name[64];
    if (v->comm->rank != 0 && !has_work(v, file))
        return 0;
    char *path = file_join(v->path, file_slices_name(&v->slices, a, file, name));
    int result = 0;
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) {
        result = err_sys("%s", path);
        goto out;
    }
    for (size_t i = 0; i < v->slices.count && result == 0; i++)
        if (v->slices.slice[i].file == file)
            result = write_slice(v, &v->slices.slice[i], a, fd, path);
    if (result == 0 && fsync(fd) < 0)
        result = err_sys("%s", path);
    if (close(fd) < 0 && result == 0)
        result = err_sys("%s", path);
out:
    free(path);
    return result;
}

static int
write_blocks(struct saving *v)
{
    for (int a = 0; a < CHECKPOINT_ARRAYS; a++)
        for (int f = 0; f < v->slices.files; f++)
            if (write_file(v, (enum checkpoint_array)a, f) < 0)
                return -1;
    return 0;
}

/* ---- stages 3 and 4: hashes, manifest ---- */

static int
gather_hashes(struct saving *v)
{
    for (int a = 0; a < CHECKPOINT_ARRAYS; a++)
        if (comm_all_reduce(v->comm, v->hash[a], (size_t)v->slices.blocks, COMM_U64, COMM_SUM) < 0)
            return -1;
    return 0;
}

static void
list_array(const struct saving *v, enum checkpoint_array a, struct manifest *m)
{
    size_t first_file = m->files;
    for (int f = 0; f < v->slices.files; f++) {
        const struct slice_file *from = &v->slices.file[f];
        char name[64];
        m->file[m->files++] = (struct manifest_file){
            .name = mem_strdup(file_slices_name(&v->slices, a, f, name)),
            .bytes = from->bytes,
            .header = from->header.len,
            .hash = hash128(from->header.data, from->header.len)};
    }
    for (size_t i = 0; i < v->slices.count; i++) {
        const struct file_slice *s = &v->slices.slice[i];
        const struct param *p = &v->s->params->param[s->param];
        m->slice[m->slices++] = (struct manifest_slice){
            .tensor = mem_strdup(p->name),
            .array = a,
            .rows = p->rows,
            .columns = p->columns,
            .offset = s->offset,
            .size = s->size,
            .file = (int)first_file + s->file,
            .begin = s->begin,
            .end = s->begin + (uint64_t)s->size * sizeof(float),
            .checksum = slice_checksum(v->hash[a] + s->first_block, slice_blocks(s->size))};
    }
}

static int
commit(struct saving *v, struct hash128 state)
{
    struct manifest m = {.state_hash = state, .parameters = (uint64_t)v->s->params->parameters};
    struct str text = {0};
    training_state_copy(&m.state, v->s->state);
    m.file = mem_zarray(v->files + (size_t)(CHECKPOINT_ARRAYS * v->slices.files), sizeof *m.file);
    m.slice = mem_zarray(CHECKPOINT_ARRAYS * v->slices.count + 1, sizeof *m.slice);
    for (; m.files < v->files; m.files++) {
        m.file[m.files] = v->file[m.files];
        m.file[m.files].name = mem_strdup(v->file[m.files].name);
    }
    for (int a = 0; a < CHECKPOINT_ARRAYS; a++)
        list_array(v, (enum checkpoint_array)a, &m);
    manifest_write(&m, &text);
    manifest_release(&m);

    char *temp = file_join(v->path, "manifest.json.tmp");
    char *final = file_join(v->path, "manifest.json");
    int result = store(v->path, "manifest.json.tmp", text.data, text.len);
    /* All names are durable before the one that vouches for them. */
    if (result == 0 && (file_sync_dir(v->path) < 0 || file_sync_dir(v->s->directory) < 0))
        result = -1;
    if (result == 0 && rename(temp, final) < 0)
        result = err_sys("%s", final);
    if (result == 0)
        result = file_sync_dir(v->path);
    free(temp);
    free(final);
    str_release(&text);
    return result;
}

static int
run_stages(struct saving *v, struct hash128 *state)
{
    if (agree(v, v->comm->rank == 0 ? make_files(v) : 0) < 0)
        return -1;
    if (agree(v, write_blocks(v)) < 0)
        return -1;
    if (agree(v, gather_hashes(v)) < 0)
        return -1;
    *state = state_hash(v->hash, v->slices.blocks, v->s->state->step, v->s->state->position);
    return agree(v, v->comm->rank == 0 ? commit(v, *state) : 0);
}

/* What is left of a failed save; the message is the failure's, not this one's. */
static void
remove_failed(const char *path)
{
    struct err e;
    err_take(&e);
    remove_old(path);
    err_give(&e);
}

int
checkpoint_save(struct comm *comm, const struct checkpoint_save *s, struct hash128 *out)
{
    struct saving v = {.s = s, .comm = comm};
    struct hash128 state = {0};
    file_slices_init(&v.slices, s->params, &s->limits);
    v.path = checkpoint_path(s->directory, s->state->step);
    v.first = s->first;
    v.last = s->last;
    if (s->first < 0) {
        v.first = v.slices.blocks * comm->rank / comm->size;
        v.last = v.slices.blocks * (comm->rank + 1) / comm->size;
    }
    for (int a = 0; a < CHECKPOINT_ARRAYS; a++)
        v.hash[a] = mem_zarray((size_t)v.slices.blocks + 1, sizeof *v.hash[a]);

    int result = run_stages(&v, &state);
    if (result < 0 && comm->rank == 0)
        remove_failed(v.path);
    if (result == 0 && out)
        *out = state;

    for (int a = 0; a < CHECKPOINT_ARRAYS; a++)
        free(v.hash[a]);
    for (size_t i = 0; i < v.files; i++)
        free(v.file[i].name);
    free(v.file);
    free(v.path);
    file_slices_release(&v.slices);
    return result;
}
