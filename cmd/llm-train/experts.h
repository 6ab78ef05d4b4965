#ifndef LLM_TRAIN_EXPERTS_H
#define LLM_TRAIN_EXPERTS_H

struct trainer;

/* Dies (STATUS_INPUT) on options that do not go with the model; configuration and precisions are
 * known. */
void experts_check(const struct trainer *t);

#endif
