#ifndef CHECKPOINT_CHECKPOINT_H
#define CHECKPOINT_CHECKPOINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/hash.h"
#include "base/threads.h"
#include "checkpoint/held.h"
#include "checkpoint/manifest.h"
#include "checkpoint/slices.h"
#include "comm/comm.h"
#include "model/config.h"
#include "model/params.h"
#include "tokenizer/tokenizer.h"

/*
 * llm-checkpoint(5): a directory step-00001000/ with manifest.json, config.json,
 * tokenizer files and *.safetensors (checkpoint/slices.h). manifest.json comes last, by
 * rename: it alone says that the checkpoint is whole; a step-… directory without it is debris.
 */

/* ---- saving ---- */

struct checkpoint_save {
    const char *directory;              /* of the run; step-N is made inside */
    const struct config *config;        /* its json is copied */
    const struct tokenizer_file *files; /* copied under their names; rank 0's are taken */
    size_t file_count;
    const struct training_state
        *state; /* rank 0's is taken; step and position must be equal everywhere */
    /* Behind the commit, older ones are deleted as checkpoint_prune does; 0: all stay. */
    int64_t keep_last, keep_every;
    bool zero_moments; /* checkpoint_begin_from alone */
};

/*
 * Writes a whole checkpoint and commits it (checkpoint/writer.h does so while training goes on).
 * Collective. The bytes are a function of the state and the limits, whatever the layout. A complete
 * checkpoint of the same step is replaced. On an error (disk full, …) nothing complete is left
 * behind, the arrays are untouched and all ranks return -1.
 */
int checkpoint_save(struct comm *comm, const struct checkpoint_layout *layout,
                    const struct checkpoint_save *s, struct hash128 *state_hash);

/* Weights that are read piece by piece, and how they are cut. */
struct checkpoint_weights {
    const struct params *whole;
    /* Elements [offset, offset + n) of a tensor of the table; from any thread. 0 or -1. */
    int (*read)(void *arg, int param, int64_t offset, int64_t n, float *out);
    void *arg;
    struct slice_limits limits; /* {0}: the defaults */
};

/*
 * Writes and commits the checkpoint with which a training from such weights begins: s->state says
 * step 0, and both moments are zero, which takes no room on the disk where files have holes. The
 * bytes are those of checkpoint_save, whatever the pool (NULL: one thread); memory: 4 MiB a thread.
 * On an error nothing complete is left behind. 0 or -1.
 */
int checkpoint_begin_from(const struct checkpoint_weights *w, const struct checkpoint_save *s,
                          struct threads *pool, struct hash128 *state_hash);

/*
 * Deletes all complete checkpoints below directory but the newest keep_last (0: all stay) and those
 * whose step is a multiple of keep_every (0: none). Called on one rank, after a commit. 0 or -1.
 */
int checkpoint_prune(const char *directory, int64_t keep_last, int64_t keep_every);

/* Removes step-… directories without a manifest. Called on one rank, at a start. *removed may be NULL. 0 or -1. */
int checkpoint_clean(const char *directory, int64_t *removed);

/* ---- finding ---- */

struct checkpoint_list {
    int64_t *step; /* descending */
    size_t count;
};

/* Complete checkpoints below directory (empty when it does not exist). 0 or -1. */
int checkpoint_list(const char *directory, struct checkpoint_list *out);
void checkpoint_list_release(struct checkpoint_list *l);

/* "DIRECTORY/step-00001000", allocated. */
char *checkpoint_path(const char *directory, int64_t step);

/* Is path a checkpoint itself (has a manifest)? */
bool checkpoint_is(const char *path);

/*
 * The checkpoint that `path` means: itself, or the newest complete one below it; allocated.
 * NULL and STATUS_FAILED (no such directory, none in it).
 */
char *checkpoint_find_newest(const char *path);

/* ---- loading ---- */

struct checkpoint {
    char *path;
    struct manifest manifest;
    struct config config;
    struct params params;
    size_t *first_slice; /* [CHECKPOINT_ARRAYS][params.count]: the first of each tensor in manifest.slice */
};

/*
 * Opens one checkpoint (not a directory of several). Checked: the manifest, every file's size, each safetensors
 * header, config.json and the tokenizer files byte by byte, and that the slices are exactly the parameter table of
 * config.json. Array data is not read yet. NULL on error; damage is STATUS_INPUT and names file and place.
 */
struct checkpoint *checkpoint_open(const char *path);
void checkpoint_close(struct checkpoint *c);

/* The path of a file that it has, allocated; NULL: it has none of that name. */
char *checkpoint_file(const struct checkpoint *c, const char *name);

/*
 * Reads an array into out [params.elements] (gaps become zero), every slice's checksum verified,
 * without other memory than one block. 0 or -1 ("dir: weights-…: tensor …: bytes …: checksum
 * differs").
 */
int checkpoint_read(const struct checkpoint *c, enum checkpoint_array a, float *out);

/* Reads one slice (an index of manifest.slice) into out [size] and verifies it. 0 or -1. */
int checkpoint_read_slice(const struct checkpoint *c, size_t slice, float *out);

/*
 * The same, handed over in pieces of at most 1 MiB, in order, while it is read: whether it verifies
 * is known at the end. take returns 0, or -1 to stop; NULL: only verified. 0 or -1.
 */
int checkpoint_stream_slice(const struct checkpoint *c, size_t slice,
                            int (*take)(void *arg, int64_t offset, const float *values, int64_t n),
                            void *arg);

/* Verifies the master weights' checksums, on this rank alone; pool may be NULL. 0 or -1. */
int checkpoint_verify_weights(const struct checkpoint *c, struct threads *pool);

/* Elements [offset, offset + n) of a tensor of the table, not verified. 0 or -1. */
int checkpoint_read_range(const struct checkpoint *c, enum checkpoint_array a, int param,
                          int64_t offset, int64_t n, float *out);

/*
 * Reads what this rank wants, of any layout, into its place; not collective, not verified
 * (checkpoint_verify has done it). Only needed bytes are read: where a tensor's columns are wanted,
 * whole rows when the columns are narrow. Other memory: a buffer of `pool` bytes (0: 4 MiB).
 */
int checkpoint_read_wanted(const struct checkpoint *c, const struct wanted *wanted, size_t count,
                           size_t pool);

/*
 * Verifies every slice's checksum and the state hash; the ranks of comm share the work. Collective.
 * 0 or -1 on all.
 */
int checkpoint_verify(struct comm *comm, const struct checkpoint *c);

/*
 * Writes the state of c once more, below directory, cut into files by other limits. It is read
 * through mapped files: memory does not grow with it. 0 or -1.
 */
int checkpoint_rewrite(const struct checkpoint *c, const char *directory,
                       const struct slice_limits *limits);

/*
 * For --resume: opens the newest complete checkpoint below (or at) path whose every byte verifies. Each damaged one
 * is told to damaged(arg, message) on rank 0 and the one before is tried. Collective. 1: *out is open on every rank;
 * 0: there is no checkpoint; -1: error, or all are damaged.
 */
int checkpoint_resume(struct comm *comm, const char *path,
                      void (*damaged)(void *arg, const char *message), void *arg,
                      struct checkpoint **out);

#endif
