#include "checkpoint/checkpoint.h"

#include <fcntl.h>
#include <string.h>

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/progress.h"
#include "checkpoint/hashes.h"
#include "checkpoint/output_file.h"
#include "checkpoint/saving.h"

/* The first checkpoint of a training whose weights come from elsewhere: no live arrays. */

enum { PIECE_BLOCKS = 64, PIECE_ELEMENTS = PIECE_BLOCKS * NORM_BLOCK };

struct worker {
    struct output_file file;
    float *values; /* [PIECE_ELEMENTS] */
};

struct work {
    const struct checkpoint_weights *weights;
    const struct file_slices *slices;
    struct saving *saving;
    struct worker *worker;
    uint64_t *hash, *zero; /* [slices->blocks]: of the weights, of as many zeros */
};

/* ---- hashes of zeros ---- */

static void
hash_zeros(struct work *w)
{
    float *zeros = mem_zarray(NORM_BLOCK, sizeof *zeros);
    uint64_t whole = hash64(zeros, NORM_BLOCK * sizeof *zeros);
    for (size_t i = 0; i < w->slices->count; i++) {
        const struct file_slice *s = &w->slices->slice[i];
        for (int64_t b = 0; b < slice_blocks(s->size); b++) {
            int64_t n = slice_block_size(s->size, b);
            w->zero[s->first_block + b] = n == NORM_BLOCK
                                              ? whole
                                              : hash64(zeros, (size_t)n * sizeof *zeros);
        }
    }
    free(zeros);
}

/* ---- weights ---- */

static int
write_piece(struct work *w, struct worker *k, const struct file_slice *s, int64_t at, int64_t n)
{
    const struct checkpoint_weights *from = w->weights;
    if (from->read(from->arg, s->param, s->offset + at, n, k->values) < 0)
        return -1;
    uint64_t *hash = w->hash + s->first_block + at / NORM_BLOCK;
    for (int64_t b = 0; b < slice_blocks(n); b++)
        hash[b] = hash64(k->values + b * NORM_BLOCK,
                         (size_t)slice_block_size(n, b) * sizeof *k->values);
    progress_add((uint64_t)n * sizeof *k->values);
    return output_file_put(&k->file, k->values, (size_t)n * sizeof *k->values,
                           s->begin + (uint64_t)at * sizeof *k->values);
}

static int
write_slice(void *arg, size_t cell, int worker)
{
    struct work *w = arg;
    struct worker *k = &w->worker[worker];
    const struct file_slice *s = &w->slices->slice[cell];
    char name[64];
    file_slices_name(w->slices, CHECKPOINT_MASTER, s->file, name);
    if (!k->values)
        k->values = mem_array(PIECE_ELEMENTS, sizeof *k->values);
    int result = output_file_enter(&k->file, w->saving->path, name, s->file);
    for (int64_t at = 0, n; at < s->size && result == 0; at += n) {
        n = s->size - at < PIECE_ELEMENTS ? s->size - at : PIECE_ELEMENTS;
        result = write_piece(w, k, s, at, n);
    }
    return result;
}

static int
leave_file(void *arg, size_t cell, int worker)
{
    struct work *w = arg;
    (void)worker;
    return output_file_leave(&w->worker[cell].file);
}

static int
write_weights(struct work *w, struct threads *pool)
{
    size_t threads = pool ? (size_t)threads_count(pool) : 1;
    w->worker = mem_zarray(threads, sizeof *w->worker);
    for (size_t i = 0; i < threads; i++)
        w->worker[i].file.fd = -1;
    int result = threads_run(pool, w->slices->count, write_slice, w);
    struct err e;
    err_take(&e);
    int left = threads_run(pool, threads, leave_file, w);
    if (result < 0 || left == 0)
        err_give(&e);
    for (size_t i = 0; i < threads; i++)
        free(w->worker[i].values);
    free(w->worker);
    return result < 0 ? -1 : left;
}

/* ---- the rest ---- */

/* The moments' files have had their headers alone. */
static int
sync_moments(const struct work *w)
{
    int result = 0;
    for (int a = CHECKPOINT_MOMENT1; a < CHECKPOINT_ARRAYS; a++)
        for (int f = 0; f < w->slices->files && result == 0; f++) {
            char name[64];
            struct output_file file = {.fd = -1};
            file_slices_name(w->slices, (enum checkpoint_array)a, f, name);
            result = output_file_enter(&file, w->saving->path, name, 0);
            if (output_file_leave(&file) < 0)
                result = -1;
        }
    return result;
}

static int
fill(struct work *w, struct threads *pool)
{
    const int64_t blocks = w->slices->blocks;
    if (write_weights(w, pool) < 0 || sync_moments(w) < 0)
        return -1;
    hash_zeros(w);
    const struct hash_run run[] = {{CHECKPOINT_MASTER, 0, blocks, w->hash},
                                   {CHECKPOINT_MOMENT1, 0, blocks, w->zero},
                                   {CHECKPOINT_MOMENT2, 0, blocks, w->zero}};
    if (saving_gather(w->saving, run, CHECKPOINT_ARRAYS) < 0)
        return -1;
    return saving_sync_small(w->saving) < 0 ? -1 : saving_commit(w->saving);
}

int
checkpoint_begin_from(const struct checkpoint_weights *weights, const struct checkpoint_save *s,
                      struct threads *pool, struct hash128 *state_hash)
{
    struct checkpoint_save save = *s;
    struct save_plan plan = {.whole = weights->whole};
    struct saving saving;
    save.zero_moments = true;
    file_slices_init(&plan.slices, weights->whole, &weights->limits);
    struct work w = {.weights = weights, .slices = &plan.slices, .saving = &saving};
    w.hash = mem_array((size_t)plan.slices.blocks + 1, sizeof *w.hash);
    w.zero = mem_array((size_t)plan.slices.blocks + 1, sizeof *w.zero);
    int result = saving_make(&saving, comm_single(), &plan, &save);
    if (result == 0)
        result = fill(&w, pool);
    if (result == 0 && state_hash)
        *state_hash = saving.state_hash;
    if (result < 0)
        saving_remove(&saving);
    saving_release(&saving);
    free(w.hash);
    free(w.zero);
    save_plan_release(&plan);
    return result;
}
