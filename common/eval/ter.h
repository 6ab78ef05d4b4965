#ifndef EVAL_TER_H
#define EVAL_TER_H

#include <stddef.h>

#include "base/vec.h"

/*
 * The edits of translation edit rate (Snover et al., 2006): the fewest insertions, deletions,
 * substitutions and shifts of word sequences found that turn `answer` into `target`, by Tercom's
 * heuristics and limits as sacrebleu 2 has them.
 */
size_t ter_edits(const struct ids *answer, const struct ids *target);

#endif
