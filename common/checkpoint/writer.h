#ifndef CHECKPOINT_WRITER_H
#define CHECKPOINT_WRITER_H

#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"
#include "checkpoint/checkpoint.h"
#include "comm/comm.h"

/*
 * Saving while training goes on (DESIGN.md §8). Every rank has a writer with a thread of its own,
 * which writes the live arrays during the next forward and backward passes; only the calling
 * (main) thread communicates. A run with checkpoints:
 *
 *     w = checkpoint_writer_new(comm, &layout, &options);          at start
 *     for each step {
 *         forward, backward, reduction
 *         checkpoint_guard(w);                                     arrays may change behind it
 *         optimizer
 *         checkpoint_poll(w, &status);                             report what has ended
 *         if (due) checkpoint_begin(w, &save);                     finishes the one before
 *     }
 *     checkpoint_finish(w, &status);
 *     checkpoint_writer_free(w);
 *
 * Collective: new, begin, poll, finish, free. The guard is not. A failed save (disk full, I/O
 * error) leaves the checkpoints before it as they are and the arrays untouched: all ranks learn of
 * it, and the writer is ready for the next.
 */
struct checkpoint_writer;

struct checkpoint_writer_options {
    size_t pool;           /* bytes that a guard may copy instead of waiting; 0: 64 MiB */
    const cpu_set_t *cpus; /* where the thread may run; NULL: where the calling one may */
    /* Called by the thread between pieces, for tests; NULL: none. */
    void (*between)(void *arg);
    void *arg;
};

/*
 * The layout's table and arrays must outlive the writer; its list is copied. All memory is taken
 * here. NULL (STATUS_FAILED) on all ranks when the ranks' pieces do not cover every element
 * exactly once: the message names a tensor and place.
 */
struct checkpoint_writer *checkpoint_writer_new(struct comm *comm,
                                                const struct checkpoint_layout *layout,
                                                const struct checkpoint_writer_options *options);
void checkpoint_writer_free(struct checkpoint_writer *w); /* finishes first; NULL is fine */

enum checkpoint_phase {
    CHECKPOINT_IDLE,    /* nothing was begun, or its end has been told already */
    CHECKPOINT_WRITING, /* under way */
    CHECKPOINT_DONE,    /* complete and committed; told once */
    CHECKPOINT_FAILED   /* given up and removed: `error` says why; told once */
};

/* The same on every rank, but for the times. */
struct checkpoint_status {
    enum checkpoint_phase phase;
    int64_t step;
    struct hash128 state_hash; /* DONE */
    double seconds;            /* from begin to now, or to its end */
    double stopped;            /* of those, this rank's main thread was held up */
    char error[ERR_TEXT_MAX];  /* FAILED: "rank 2: run/step-…: No space left on device"; DONE: "",
                                  or why older checkpoints could not be deleted */
};

/*
 * Makes directory and files, reserves their space and lets the thread start. What `save` points
 * to is copied, but for the arrays. A save that is still going on is finished first (poll before
 * to learn how it ends, or read *before, which may be NULL). 0; or -1: nothing was begun
 * (all ranks have the record), or communication failed.
 */
int checkpoint_begin(struct checkpoint_writer *w, const struct checkpoint_save *save,
                     struct checkpoint_status *before);

/*
 * To be called before an array changes: returns when everything is written or copied. Not
 * collective.
 */
void checkpoint_guard(struct checkpoint_writer *w);

/*
 * At a border between steps: moves the save on, and says how it stands. One small all_reduce while
 * a save is going on, nothing else. -1: communication failed.
 */
int checkpoint_poll(struct checkpoint_writer *w, struct checkpoint_status *status);

/* The same, until it has ended. */
int checkpoint_finish(struct checkpoint_writer *w, struct checkpoint_status *status);

#endif
