#ifndef TOKENIZER_PATTERN_H
#define TOKENIZER_PATTERN_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/text.h"

/*
 * Hand-written scanners of the pre-tokenizer patterns that most models use. Each
 * pattern matches every text without gaps, so a scanner only says where the piece
 * ends that begins at a given place.
 */
struct pattern {
    const char *name;    /* "llama3", ... */
    enum text_scan scan; /* the kernel that cuts ASCII text the same way */
    const char *regex;   /* as tokenizer.json files write it; NULL: deepseek3's three */

    /* The end of the piece that begins at text[at], at < n, text valid UTF-8. */
    size_t (*next)(const uint16_t *classes, const char *text, size_t at, size_t n);
};

/* NULL when there is no such one. */
const struct pattern *pattern_by_name(const char *name);
const struct pattern *pattern_by_regex(const char *regex, size_t n);

/*
 * DeepSeek-V3 isolates three patterns one after another, which together are one scanner,
 * found by neither name nor regex. 1, 2 or 3: which of them a regex is; 0: none.
 */
extern const struct pattern pattern_deepseek3;
int pattern_deepseek3_part(const char *regex, size_t n);

#endif
