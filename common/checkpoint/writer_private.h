#ifndef CHECKPOINT_WRITER_PRIVATE_H
#define CHECKPOINT_WRITER_PRIVATE_H

#include <pthread.h>

#include "base/err.h"
#include "checkpoint/hashes.h"
#include "checkpoint/save_plan.h"
#include "checkpoint/saving.h"
#include "checkpoint/writer.h"

/*
 * What the thread is doing. A save is WRITE, then HASH when blocks are spread over ranks, then (on
 * rank 0) COMMIT; between them all ranks agree that nothing failed.
 */
enum writer_task { TASK_NONE, TASK_WRITE, TASK_HASH, TASK_COMMIT, TASK_QUIT };

/* Files that this rank has written to and not synced yet; the thread's alone. */
struct writer_files {
    int *fd;     /* [CHECKPOINT_ARRAYS * files], -1: not open */
    bool *dirty; /* of those */
    int count, open, oldest;
    char *path; /* room for any of their names */
    size_t room, directory; /* its first bytes are "…/step-N/" */
};

struct checkpoint_writer {
    struct comm *comm;
    struct checkpoint_writer_options options;
    struct save_plan plan;
    uint64_t *hash[CHECKPOINT_ARRAYS]; /* [plan.hashes] */
    struct hash_run *run;              /* the same, for gathering */
    size_t runs;
    size_t items; /* pieces of all arrays: item i is piece i mod count of array i div count */
    uint64_t memory;
    struct saving saving;

    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake, told; /* the thread; the main thread */
    /* Under the lock. */
    enum writer_task task;
    bool cancelled; /* another rank failed */
    bool failed;
    struct err error;
    /*
     * Items [next, end) are still to be read where they lie; those from `end` on lie in the pool.
     * live: the thread is reading one that is not.
     */
    size_t next, end;
    bool live;
    char late[ERR_TEXT_MAX]; /* why older checkpoints could not be deleted */

    char *pool;
    size_t pool_used;
    float **copy; /* [items]: an item's place in the pool */
    /* The thread's alone. */
    float *scratch; /* [PIECE] */
    struct writer_files files;
    /* The main thread's alone. */
    struct checkpoint_status status;
    enum writer_task stage; /* the last task given out */
    double begun;
};

/* The thread: arg is the writer. */
void *writer_thread(void *arg);

/* Copies an item out of the arrays, its extents one behind the other. */
void writer_copy(const struct checkpoint_writer *w, size_t item, float *out);

/* writer_files.c. The thread's; 0 or -1. */
void writer_files_init(struct writer_files *f, int files);
void writer_files_begin(struct writer_files *f, const struct saving *v); /* by the main thread */
void writer_files_release(struct writer_files *f);
int writer_files_put(struct checkpoint_writer *w, int a, int param, int64_t offset,
                     const float *data, int64_t n);
int writer_files_sync(struct checkpoint_writer *w); /* all that are dirty; closes them */
void writer_files_drop(struct writer_files *f);     /* closes all, whatever comes of it */
/* Elements [offset, offset + n), of one slice. */
int writer_files_get(struct checkpoint_writer *w, int a, const struct file_slice *s,
                     int64_t offset, float *out, int64_t n);

#endif
