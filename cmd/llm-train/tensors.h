#ifndef LLM_TRAIN_TENSORS_H
#define LLM_TRAIN_TENSORS_H

#include "cmd/llm-train/trainer.h"

/*
 * Which tensors are trained (--freeze), and on which of these weight decay acts
 * (--weight-decay-skip). Lists of shell patterns over our names (model/params.h) or Hugging Face's
 * (checkpoint/names.h).
 */

/* Marks t->whole, from the options. Dies (STATUS_USAGE) on a pattern that means nothing. */
void tensors_choose(struct trainer *t);

/* params_init_part, with the marks of t->whole. 0 or -1. */
int tensors_init_part(const struct trainer *t, struct params *p, const struct model_part *part);

/* FLOPs of a sequence in this run's layout: layout_flops, less the products that frozen tensors spare. */
void tensors_flops(const struct trainer *t, struct flops *out);

/* Parameters that are trained, of the whole model. */
int64_t tensors_trained(const struct trainer *t);

#endif
