#ifndef LLM_TRAIN_SPIKE_H
#define LLM_TRAIN_SPIKE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

/*
 * Steps that went wrong (--on-spike). A step's loss and gradient norm are bad when either is NaN or
 * infinite, or, with --spike-threshold F > 0, when either is more than F standard deviations above
 * the mean of the last --spike-window steps that were good (at least half a window of them). The
 * rule is SkipStep's of OLMo-core, but that bad values stay out of the window: then a run that
 * replays the skips with --skip, and never sees those values, has the same window. The window is
 * part of a checkpoint.
 */
enum on_spike { ON_SPIKE_STOP, ON_SPIKE_SKIP, ON_SPIKE_REWIND };

struct spike_watch {
    int64_t window;            /* capacity of both, oldest value first */
    double threshold;          /* 0: only NaN and infinity are bad */
    double *loss, *grad_norm;
    int64_t count;
};

/* Allocates the window. */
void spike_init(struct spike_watch *w, int64_t window, double threshold);
void spike_release(struct spike_watch *w);

/*
 * Is a step with these values bad? Then *why (allocated) says so in words; otherwise NULL, and
 * the values enter the window.
 */
bool spike_is_bad(struct spike_watch *w, double loss, double grad_norm, char **why);

/* The window as a file of a checkpoint (checkpoint/spike_file.h); appends. */
void spike_make_file(const struct spike_watch *w, struct str *out);
/* Takes the newest values that fit the window. 0 or -1 (STATUS_INPUT). */
int spike_read_file(struct spike_watch *w, const char *path);

/*
 * `ranges`, a list for --skip, with the steps from .. to added behind it (joined with the last range
 * where they meet it); allocated.
 */
char *spike_add_range(const char *ranges, uint64_t from, uint64_t to);

#endif
