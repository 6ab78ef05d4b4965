#ifndef LLM_TRAIN_DPO_H
#define LLM_TRAIN_DPO_H

#include "base/str.h"
#include "cmd/llm-train/trainer.h"

/*
 * Direct preference optimization (Rafailov et al., "Direct Preference Optimization: Your Language Model is
 * Secretly a Reward Model", 2023). The data are packed pairs (SHARD_PAIRS): sequences 2k and 2k + 1 are the
 * preferred and the rejected text. With log p the sum over a text's scored targets, ref that of the model
 * the run began with, and D = (log p - ref) of the preferred text less that of the rejected one, the loss of a pair
 * is -log sigmoid(beta D); a step's is the mean over its pairs. The gradient is that of cross-entropy, times
 * beta sigmoid(-beta D) for the preferred text and less that for the rejected one.
 *
 * The reference's sums are found once, before the first step, by a pass over the data; checkpoints hold
 * them, so that no second model is in memory and a run goes on without the first one.
 */
struct dpo {
    int64_t texts;       /* in the data, once through */
    double *reference;   /* [texts]: sum of -log p */
    double *weight;      /* [micro_batch] */
    struct sequence_loss *pairs, *rewards; /* [sequences of this rank]: what losses_add sums */
};

struct dpo_figures {
    double loss;                      /* mean over the pairs */
    double chosen, rejected;          /* rewards: means of beta (log p - ref) */
    double accuracy;                  /* share of pairs whose preferred text has the greater reward */
};

/* Does --dpo go with the layout, the model and the data? Dies on what cannot be. Once the data is open. */
void dpo_check(const struct trainer *t);

/* The arrays, where --dpo is given. 0 or -1. */
int dpo_begin(struct trainer *t);

/* The reference, by the weights that the decoder has now; nothing where dpo_restore found it. Collective. 0 or -1. */
int dpo_measure_reference(struct trainer *t);
int dpo_restore(struct trainer *t);

/* The pipeline's question: weights of a micro-batch's sequences by their losses. NULL: an error. */
const double *dpo_weigh(void *trainer, int micro);

/* Of the step whose passes are done, over all ranks. Collective. 0 or -1. */
int dpo_add(struct trainer *t, struct dpo_figures *f);

/* The reference as a file of a checkpoint (checkpoint/dpo_file.h); appends. */
void dpo_make_file(const struct dpo *d, struct str *out);
void dpo_free(struct dpo *d);

#endif
