#ifndef TOKENIZER_CUT_H
#define TOKENIZER_CUT_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/text.h"
#include "tokenizer/pattern.h"

/*
 * Cuts text[at..n), valid UTF-8, n < 2^32, at a place where a piece begins, into the
 * pieces of a pattern: writes the ends of the next ones to ends[0..max), max >=
 * 2 * TEXT_SCAN_LEAST, and returns their number, at least 1 when at < n. ASCII is left to the
 * kernels, the rest to the pattern's own scanner, which alone would give the same.
 */
size_t cut_pieces(const struct pattern *p, const struct text_kernels *k, const uint16_t *classes,
                  const char *text, size_t at, size_t n, uint32_t *ends, size_t max);

#endif
