#ifndef TEXT_WIKITEXT_NEST_H
#define TEXT_WIKITEXT_NEST_H

#include <stddef.h>
#include <stdint.h>

#include "base/vec.h"

/* Which brackets of wikitext belong together, found in one pass. */

enum nest_kind { NEST_TEMPLATE, NEST_PARAMETER, NEST_TABLE, NEST_LINK };

struct nest {
    enum nest_kind kind;
    size_t from, inner, inner_end, to; /* "{{" at from, its content, behind "}}" */
};

struct nests VEC_BODY(struct nest);

/*
 * Appends the pairs of text[0..n) to *out, by `from`. What has no partner is left out,
 * and so is what lies deeper than 1000.
 */
void nest_find(const char *text, size_t n, struct nests *out);

/* The first pair that begins at or behind `at`: its index, out->len when there is none. */
size_t nest_at(const struct nests *nests, size_t at);

#endif
