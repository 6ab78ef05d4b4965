#ifndef LLM_TRAIN_RAMP_H
#define LLM_TRAIN_RAMP_H

#include <stdbool.h>
#include <stdint.h>

/*
 * How many sequences each step has. --ramp-batch START:INCREMENT:TOKENS, as Megatron-LM's
 * --rampup-batch-size: sizes grow by the increment from the start to the global batch, each for the
 * same share of the ramp's tokens; a step has the size that belongs to the stream's position at its
 * beginning. Without a ramp there is one size.
 */
struct batch_ramp {
    int64_t seq_length, batch; /* batch: behind the ramp */
    int64_t start, increment, sizes; /* sizes of the ramp; 0: there is none */
    uint64_t tokens;           /* of the ramp */
    uint64_t step, position;   /* of the stream, where counting begins: 0, 0 or a resumed run's */
};

/* Reads "S:I:T" (NULL or "none": no ramp) for a step of `batch` sequences. 0 or -1 (STATUS_USAGE). */
int ramp_parse(struct batch_ramp *r, const char *text, int64_t batch, int64_t seq_length);

/* Is every size a multiple of `unit` sequences? 0, or -1 (STATUS_USAGE) with the nearest ones that are. */
int ramp_check(const struct batch_ramp *r, int64_t unit);

/* The i-th size, 0 <= i <= r->sizes (the last one is the whole batch). */
int64_t ramp_size(const struct batch_ramp *r, int64_t i);

/*
 * Counting begins at step `step`, which `position` tokens precede. Where that is what the ramp itself
 * comes to, nothing changes; else (batch or ramp were others before) steps before it count evenly.
 */
void ramp_go_on(struct batch_ramp *r, uint64_t step, uint64_t position);

/* Sequences of the step that begins at a position. */
int64_t ramp_batch(const struct batch_ramp *r, uint64_t position);

/* Tokens of so many steps (a fraction of the last one's), and the other way round. */
double ramp_tokens(const struct batch_ramp *r, double steps);
double ramp_steps(const struct batch_ramp *r, double tokens);

/* The same in whole steps: their tokens; the fewest that have `tokens` at least, the most that have at most so many. */
uint64_t ramp_step_tokens(const struct batch_ramp *r, uint64_t steps);
uint64_t ramp_steps_for(const struct batch_ramp *r, uint64_t tokens);
uint64_t ramp_steps_within(const struct batch_ramp *r, uint64_t tokens);

#endif
