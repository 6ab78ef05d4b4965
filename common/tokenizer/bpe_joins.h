#ifndef TOKENIZER_BPE_JOINS_H
#define TOKENIZER_BPE_JOINS_H

#include "tokenizer/bpe.h"

/*
 * Where a piece may be cut: between two characters which no merge of the vocabulary
 * can ever join, the encoding is that of the left side followed by that of the right
 * one, for merges inside one side neither see nor wait for the other. Japanese
 * sentences fall apart into words of a few characters which repeat all the time.
 *
 * The table answers "may some merge reach across c1|c2?" from a set of character
 * pairs (a Bloom filter: a false "yes" only makes a longer chunk). A merge (x, y)
 * enters with the last character of x and the first of y. Where units are bytes, x may
 * be the tail of a character and y the beginning of one. Such merges need that the
 * character is not put together first; bpe_joins.c says when that is certain.
 */

enum {
    JOIN_SLOW = 1,  /* may stand in parts: look for merges of parts, too */
    JOIN_ASCII = 2, /* a neighbour on the right must be looked at as JOIN_SLOW */
    JOIN_ALL = 4,   /* no cut beside it */
    JOIN_TAIL = 0x110000, /* "characters" for parts: + last byte of c1 */
    JOIN_HEAD = 0x110100  /* + first byte of c2 */
};

/* Fills b->joins; the other tables are there. */
void bpe_joins_build(struct bpe *b, const struct bpe_merge *merges, uint32_t count);
void bpe_joins_release(struct bpe_joins *j);

/*
 * Cuts s[0..n), n > 0, valid UTF-8: ends[i] is the end of chunk i, as many as `most`
 * allow. Returns their number; the last one ends at n unless there are `most` of them.
 */
size_t bpe_cut(const struct bpe_joins *j, const char *s, size_t n, uint32_t *ends, size_t most);

#endif
