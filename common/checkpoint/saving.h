#ifndef CHECKPOINT_SAVING_H
#define CHECKPOINT_SAVING_H

#include <stdbool.h>

#include "base/str.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/hashes.h"
#include "checkpoint/save_plan.h"

/*
 * The files of a checkpoint that is being written: made at the beginning, vouched for by the
 * manifest at the end. What lies between, the arrays, is writer_thread.c.
 */
struct saving {
    struct comm *comm;
    const struct save_plan *plan;
    char *directory, *path;      /* of the run; step-N in it */
    struct training_state state; /* rank 0: all; else step and position */
    int64_t keep_last, keep_every;
    bool zero_moments;           /* their files are all that they get */
    struct manifest_file *file; /* rank 0: config.json and tokenizer files */
    size_t files;
    struct hash128 *checksum; /* rank 0, [CHECKPOINT_ARRAYS * slices]: array by array */
    struct hash128 state_hash;
    struct str manifest; /* rank 0 */
};

/* Makes the directory and all files, with their headers. Collective. 0 or -1 on all ranks. */
int saving_make(struct saving *v, struct comm *comm, const struct save_plan *plan,
                const struct checkpoint_save *save);
void saving_release(struct saving *v);

/* File `file` of array a is made, and made durable, by this rank: (a * files + file) mod ranks. */
bool saving_is_mine(const struct saving *v, int a, int file);

/*
 * State hash and slices' checksums, of the hashes that all ranks made; writes the manifest's text.
 * Collective. -1: communication failed.
 */
int saving_gather(struct saving *v, const struct hash_run *run, size_t runs);

/* Rank 0: makes the small files durable; stores the manifest, by rename. 0 or -1. */
int saving_sync_small(const struct saving *v);
int saving_commit(const struct saving *v);

/* Rank 0: takes away what a failed save left; keeps this thread's error record. */
void saving_remove(const struct saving *v);

#endif
