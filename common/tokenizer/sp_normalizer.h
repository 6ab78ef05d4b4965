#ifndef TOKENIZER_SP_NORMALIZER_H
#define TOKENIZER_SP_NORMALIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "tokenizer/charsmap.h"
#include "tokenizer/sp_model.h"
#include "tokenizer/trie.h"

/* U+2581, which stands for a space. */
#define SP_MARK "\xE2\x96\x81"
enum { SP_MARK_LEN = 3 };

/*
 * SentencePiece's normalizer: at each place the longest user-defined symbol, which
 * stays as it is, else the charsmap's longest key, else the character; white space at
 * the ends and repeated goes if asked; a space is put before (or behind) the text, and
 * spaces become ▁. Read by any number of threads.
 */
struct sp_normalizer {
    bool add_dummy_prefix, remove_extra_whitespaces, escape_whitespaces;
    bool suffix; /* the dummy goes behind the text */
    bool has_map, has_symbols;
    struct charsmap map;
    struct trie symbols; /* user-defined ones */
    uint8_t first[256];  /* what a byte at a character's beginning asks for; see the .c */
};

/* name: for messages. 0 or -1 (STATUS_INPUT). */
int sp_normalizer_build(struct sp_normalizer *z, const char *name, const struct sp_model *m);

/* The denormalizer of a model that has one. 0 or -1. */
int sp_denormalizer_build(struct sp_normalizer *z, const char *name, const struct sp_model *m);

void sp_normalizer_release(struct sp_normalizer *z);

/* Appends text[0..n), valid UTF-8, normalized; the result is valid UTF-8. */
void sp_normalize(const struct sp_normalizer *z, const char *text, size_t n, struct str *out);

/* Length of the longest user-defined symbol that text[0..n) begins with; 0: none. */
size_t sp_symbol(const struct sp_normalizer *z, const char *text, size_t n);

/* Can a symbol begin with this byte? */
enum { SP_FIRST_SYMBOL = 8 }; /* a bit in `first` */
static inline bool
sp_symbol_begins(const struct sp_normalizer *z, unsigned char byte)
{
    return z->first[byte] & SP_FIRST_SYMBOL;
}

#endif
