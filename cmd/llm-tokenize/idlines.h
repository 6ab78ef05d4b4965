#ifndef LLM_TOKENIZE_IDLINES_H
#define LLM_TOKENIZE_IDLINES_H

#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "base/vec.h"

/* Documents as lines of decimal ids, apart by single spaces. */

void idline_add(struct str *out, const uint32_t *ids, size_t n);

/* Reads the ids of a line (blanks between them) into *ids, replacing what is there. 0, or -1. */
int idline_parse(const char *p, const char *end, struct ids *ids);

#endif
