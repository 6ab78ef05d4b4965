#ifndef CHECKPOINT_MERGED_SOURCE_H
#define CHECKPOINT_MERGED_SOURCE_H

#include "checkpoint/model_source.h"

/*
 * A model with adapters (struct lora) as the plain model that it is: each weight W of a target is
 * read as W + (alpha / rank) B A, summed in double and rounded once. m becomes that; what it was is
 * its own, and stays readable. 0 or -1; to be closed either way.
 */
int merged_source_open(struct model_source *m);

/* The model with its adapters apart; NULL: m is none that was merged. */
const struct model_source *merged_source_base(const struct model_source *m);

#endif
