#ifndef LLM_TRAIN_EXPERTS_H
#define LLM_TRAIN_EXPERTS_H

struct trainer;

/* Dies (STATUS_INPUT) on options that do not go with the model; its configuration is loaded. */
void experts_check(const struct trainer *t);

/* The coefficient of the routers' auxiliary loss: the option's, or the configuration's. */
double experts_aux_loss(const struct trainer *t);

#endif
