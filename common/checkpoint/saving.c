#include "checkpoint/saving.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "checkpoint/hashes.h"

static int
agree(struct comm *comm, int result)
{
    return comm_agree(comm, result < 0 ? (int)err_status() : STATUS_OK);
}

/* ---- the beginning: directory and files ---- */

/* Writes a small file under its name, which must be free. */
static int
store(const char *dir, const char *name, const void *data, size_t n, bool sync)
{
    char *path = file_join(dir, name);
    int fd = file_open(path, O_WRONLY | O_CREAT | O_EXCL);
    int result = fd < 0 ? -1 : file_write_full(fd, data, n, path);
    if (result == 0 && sync)
        result = file_sync(fd, path);
    if (fd >= 0 && file_close(fd, path) < 0)
        result = -1;
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
    return store(v->path, name, data, n, false);
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
make_directory(struct saving *v, const struct checkpoint_save *s)
{
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
    return 0;
}

bool
saving_is_mine(const struct saving *v, int a, int file)
{
    return (a * v->plan->slices.files + file) % v->comm->size == v->comm->rank;
}

/* Will moments in that file be left zero? */
static bool
has_frozen(const struct file_slices *s, const struct params *whole, int file)
{
    for (size_t i = 0; i < s->count; i++)
        if (s->slice[i].file == file && whole->param[s->slice[i].param].frozen)
            return true;
    return false;
}

static int
make_array_file(const struct saving *v, enum checkpoint_array a, int file)
{
    const struct file_slices *s = &v->plan->slices;
    char name[64];
    char *path = file_join(v->path, file_slices_name(s, a, file, name));
    bool zero = a != CHECKPOINT_MASTER && (v->zero_moments || has_frozen(s, v->plan->whole, file));
    int fd = (zero ? safetensors_create_zero : safetensors_create)(path, &s->file[file].header,
                                                                   s->file[file].bytes);
    int result = fd < 0 ? -1 : file_close(fd, path);
    free(path);
    return result;
}

static int
make_array_files(const struct saving *v)
{
    for (int a = 0; a < CHECKPOINT_ARRAYS; a++)
        for (int f = 0; f < v->plan->slices.files; f++)
            if (saving_is_mine(v, a, f) && make_array_file(v, (enum checkpoint_array)a, f) < 0)
                return -1;
    return 0;
}

int
saving_make(struct saving *v, struct comm *comm, const struct save_plan *plan,
            const struct checkpoint_save *s)
{
    bool root = comm->rank == 0;
    *v = (struct saving){.comm = comm,
                         .plan = plan,
                         .directory = mem_strdup(s->directory),
                         .path = checkpoint_path(s->directory, s->state->step),
                         .keep_last = s->keep_last,
                         .keep_every = s->keep_every,
                         .zero_moments = s->zero_moments};
    v->state.step = s->state->step;
    v->state.position = s->state->position;
    if (root) {
        training_state_copy(&v->state, s->state);
        v->checksum = mem_zarray(CHECKPOINT_ARRAYS * plan->slices.count + 1,
                                 sizeof *v->checksum);
    }
    if (agree(comm, root ? make_directory(v, s) : 0) < 0)
        return -1;
    return agree(comm, make_array_files(v));
}

void
saving_release(struct saving *v)
{
    for (size_t i = 0; i < v->files; i++)
        free(v->file[i].name);
    free(v->file);
    free(v->checksum);
    free(v->directory);
    free(v->path);
    training_state_release(&v->state);
    str_release(&v->manifest);
    *v = (struct saving){0};
}

/* ---- hashes ---- */

/* Hashes as they come in: of the whole state, and of the slice that each array is in. */
struct sums {
    struct saving *v;
    struct hasher *state;
    size_t at[CHECKPOINT_ARRAYS];         /* slice */
    VEC(uint64_t) part[CHECKPOINT_ARRAYS]; /* hashes of its blocks so far */
};

static void
add_to_slices(struct sums *s, int a, const uint64_t *hash, int64_t count)
{
    const struct file_slices *slices = &s->v->plan->slices;
    for (int64_t i = 0; i < count; i++) {
        int64_t blocks = slice_blocks(slices->slice[s->at[a]].size);
        vec_push(&s->part[a], hash[i]);
        if ((int64_t)s->part[a].len < blocks)
            continue;
        s->v->checksum[(size_t)a * slices->count + s->at[a]++] =
            slice_checksum(s->part[a].data, blocks);
        vec_clear(&s->part[a]);
    }
}

static void
add_sums(void *arg, int64_t first, int64_t count, const uint64_t *const hash[CHECKPOINT_ARRAYS])
{
    struct sums *s = arg;
    (void)first;
    state_hash_add(s->state, count, hash);
    for (int a = 0; a < CHECKPOINT_ARRAYS && s->v->checksum; a++)
        add_to_slices(s, a, hash[a], count);
}

/* ---- the manifest ---- */

static void
list_array(const struct saving *v, enum checkpoint_array a, struct manifest *m)
{
    const struct file_slices *slices = &v->plan->slices;
    size_t first_file = m->files;
    for (int f = 0; f < slices->files; f++) {
        const struct slice_file *from = &slices->file[f];
        char name[64];
        m->file[m->files++] = (struct manifest_file){
            .name = mem_strdup(file_slices_name(slices, a, f, name)),
            .bytes = from->bytes,
            .header = from->header.len,
            .hash = hash128(from->header.data, from->header.len)};
    }
    for (size_t i = 0; i < slices->count; i++) {
        const struct file_slice *s = &slices->slice[i];
        const struct param *p = &v->plan->whole->param[s->param];
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
            .checksum = v->checksum[(size_t)a * slices->count + i]};
    }
}

static void
write_manifest(struct saving *v)
{
    const struct file_slices *slices = &v->plan->slices;
    struct manifest m = {.state_hash = v->state_hash,
                         .parameters = (uint64_t)v->plan->whole->parameters};
    training_state_copy(&m.state, &v->state);
    m.file = mem_zarray(v->files + (size_t)(CHECKPOINT_ARRAYS * slices->files) + 1,
                        sizeof *m.file);
    m.slice = mem_zarray(CHECKPOINT_ARRAYS * slices->count + 1, sizeof *m.slice);
    for (; m.files < v->files; m.files++) {
        m.file[m.files] = v->file[m.files];
        m.file[m.files].name = mem_strdup(v->file[m.files].name);
    }
    for (int a = 0; a < CHECKPOINT_ARRAYS; a++)
        list_array(v, (enum checkpoint_array)a, &m);
    manifest_write(&m, &v->manifest);
    manifest_release(&m);
}

int
saving_gather(struct saving *v, const struct hash_run *run, size_t runs)
{
    struct sums s = {.v = v, .state = hasher_new()};
    int result = hashes_gather(v->comm, run, runs, v->plan->slices.blocks, add_sums, &s);
    v->state_hash = state_hash_end(s.state, v->state.step, v->state.position);
    for (int a = 0; a < CHECKPOINT_ARRAYS; a++)
        vec_release(&s.part[a]);
    if (result == 0 && v->comm->rank == 0)
        write_manifest(v);
    return result;
}

/* ---- the end ---- */

int
saving_sync_small(const struct saving *v)
{
    int result = 0;
    for (size_t i = 0; i < v->files && result == 0; i++) {
        char *path = file_join(v->path, v->file[i].name);
        int fd = file_open(path, O_WRONLY);
        result = fd < 0 ? -1 : file_sync(fd, path);
        if (fd >= 0 && file_close(fd, path) < 0)
            result = -1;
        free(path);
    }
    return result;
}

int
saving_commit(const struct saving *v)
{
    char *temp = file_join(v->path, "manifest.json.tmp");
    char *final = file_join(v->path, "manifest.json");
    int result = store(v->path, "manifest.json.tmp", v->manifest.data, v->manifest.len, true);
    /* All names are durable before the one that vouches for them. */
    if (result == 0 && (file_sync_dir(v->path) < 0 || file_sync_dir(v->directory) < 0))
        result = -1;
    if (result == 0 && rename(temp, final) < 0)
        result = err_sys("%s", final);
    if (result == 0)
        result = file_sync_dir(v->path);
    free(temp);
    free(final);
    return result;
}

void
saving_remove(const struct saving *v)
{
    struct err e;
    err_take(&e);
    remove_old(v->path);
    err_give(&e);
}
