#include "checkpoint/writer_private.h"

#include <string.h>

#include "base/file.h"
#include "base/mem.h"

/* The thread that writes: it takes pieces one by one, and knows nothing of other ranks. */

void
writer_copy(const struct checkpoint_writer *w, size_t item, float *out)
{
    const struct piece *p = &w->plan.piece[item % w->plan.count];
    size_t a = item / w->plan.count;
    for (size_t i = p->held; i < p->held + p->count; i++) {
        const struct held *h = &w->plan.held[i];
        size_t n = (size_t)(h->at.count * h->at.repeat);
        if (h->array[a])
            memcpy(out, h->array[a], n * sizeof *out);
        else
            memset(out, 0, n * sizeof *out);
        out += n;
    }
}

/* One run of a tensor: hashed while it is in the cache. New files are zero. */
static int
write_run(struct checkpoint_writer *w, int a, const struct piece *p, const float *copy)
{
    const struct held *h = &w->plan.held[p->held];
    const float *data = copy ? copy : h->array[a];
    bool zero = !data;
    if (!copy && (p->count > 1 || zero)) {
        writer_copy(w, (size_t)a * w->plan.count + (size_t)(p - w->plan.piece), w->scratch);
        data = w->scratch;
    }
    int64_t hashed = p->elements - p->before;
    for (int64_t b = 0; b < p->blocks; b++)
        w->hash[a][p->hash + b] = hash64(data + p->before + b * NORM_BLOCK,
                                         (size_t)slice_block_size(hashed, b) * sizeof *data);
    return zero ? 0 : writer_files_put(w, a, h->at.param, h->at.offset, data, p->elements);
}

/* Columns: each of their rows is a run. */
static int
write_columns(struct checkpoint_writer *w, int a, const struct piece *p, const float *copy)
{
    for (size_t i = p->held; i < p->held + p->count; i++) {
        const struct extent *at = &w->plan.held[i].at;
        const float *data = copy ? copy : w->plan.held[i].array[a];
        for (int64_t r = 0; data && r < at->repeat; r++, data += at->count)
            if (writer_files_put(w, a, at->param, at->offset + r * at->stride, data, at->count) < 0)
                return -1;
        copy = copy ? data : NULL;
    }
    return 0;
}

/* The next item, or w->items. */
static size_t
take(struct checkpoint_writer *w)
{
    pthread_mutex_lock(&w->lock);
    size_t item = w->cancelled ? w->items : w->next;
    if (item < w->items) {
        w->live = item < w->end;
        w->next++;
    }
    pthread_mutex_unlock(&w->lock);
    return item;
}

static void
leave(struct checkpoint_writer *w)
{
    pthread_mutex_lock(&w->lock);
    w->live = false;
    pthread_cond_signal(&w->told);
    pthread_mutex_unlock(&w->lock);
}

static int
write_all(struct checkpoint_writer *w)
{
    int result = 0;
    for (size_t item; result == 0 && (item = take(w)) < w->items;) {
        const struct piece *p = &w->plan.piece[item % w->plan.count];
        int a = (int)(item / w->plan.count);
        const float *copy = w->copy[item];
        result = p->runs ? write_columns(w, a, p, copy) : write_run(w, a, p, copy);
        leave(w);
        if (w->options.between)
            w->options.between(w->options.arg);
    }
    if (result == 0)
        result = writer_files_sync(w);
    if (result == 0 && w->comm->rank == 0)
        result = saving_sync_small(&w->saving);
    writer_files_drop(&w->files);
    return result;
}

/* ---- blocks that are spread over ranks or runs: read back ---- */

/* The hashes of blocks [block, block + n) of a slice. */
static int
hash_blocks(struct checkpoint_writer *w, int a, const struct file_slice *s, int64_t block,
            int64_t n, uint64_t *out)
{
    int64_t from = (block - s->first_block) * NORM_BLOCK;
    int64_t size = s->size - from < n * NORM_BLOCK ? s->size - from : n * NORM_BLOCK;
    if (writer_files_get(w, a, s, s->offset + from, w->scratch, size) < 0)
        return -1;
    for (int64_t b = 0; b < n; b++)
        out[b] = hash64(w->scratch + b * NORM_BLOCK,
                        (size_t)slice_block_size(size, b) * sizeof *w->scratch);
    return 0;
}

static const struct file_slice *
slice_of_block(const struct file_slices *s, int64_t block)
{
    size_t low = 0, high = s->count;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (s->slice[middle].first_block <= block)
            low = middle;
        else
            high = middle;
    }
    return &s->slice[low];
}

static int
hash_run_back(struct checkpoint_writer *w, int a, const struct block_run *r)
{
    enum { MOST = PIECE / NORM_BLOCK };
    for (int64_t done = 0, n; done < r->count; done += n) {
        const struct file_slice *s = slice_of_block(&w->plan.slices, r->first + done);
        int64_t left = s->first_block + slice_blocks(s->size) - (r->first + done);
        n = r->count - done < left ? r->count - done : left;
        n = n < MOST ? n : MOST;
        if (hash_blocks(w, a, s, r->first + done, n, w->hash[a] + r->hash + done) < 0)
            return -1;
    }
    return 0;
}

static int
hash_back(struct checkpoint_writer *w)
{
    for (int a = 0; a < CHECKPOINT_ARRAYS; a++)
        for (size_t i = w->plan.runs_whole; i < w->plan.runs; i++)
            if (hash_run_back(w, a, &w->plan.run[i]) < 0)
                return -1;
    return 0;
}

/* A checkpoint that is committed stays so, whatever becomes of the older ones. */
static int
commit(struct checkpoint_writer *w)
{
    const struct saving *v = &w->saving;
    if (saving_commit(v) < 0)
        return -1;
    w->late[0] = '\0';
    if (v->keep_last > 0 && checkpoint_prune(v->directory, v->keep_last, v->keep_every) < 0)
        snprintf(w->late, sizeof w->late, "%s", err_text());
    return 0;
}

void *
writer_thread(void *arg)
{
    struct checkpoint_writer *w = arg;
    pthread_mutex_lock(&w->lock);
    for (;;) {
        while (w->task == TASK_NONE)
            pthread_cond_wait(&w->wake, &w->lock);
        enum writer_task task = w->task;
        pthread_mutex_unlock(&w->lock);
        if (task == TASK_QUIT)
            return NULL;
        int result = task == TASK_WRITE  ? write_all(w)
                     : task == TASK_HASH ? hash_back(w)
                                         : commit(w);
        pthread_mutex_lock(&w->lock);
        if (result < 0) {
            w->failed = true;
            err_take(&w->error);
        }
        w->task = TASK_NONE;
        pthread_cond_signal(&w->told);
    }
}
