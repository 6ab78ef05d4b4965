#ifndef LLM_SHUFFLE_FIT_H
#define LLM_SHUFFLE_FIT_H

#include "output.h"
#include "store.h"

/*
 * --best-fit: the documents of `from` in sequences of o->length ids, whole where they
 * fit; longer ones in pieces of that length, of which neighbours share an id. The
 * sequences come in the order of their keys, which the seed makes of their numbers.
 * `options` are those of `from`, which is freed; numbers[i] is source i in the output,
 * totals[i] is added to. 0 or -1.
 */
int fit_write(struct store *from, const struct store_options *options, const struct inputs *in,
              struct output *o, const uint32_t *numbers, struct store_totals *totals);

#endif
