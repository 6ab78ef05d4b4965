#ifndef TOKENIZER_CHARSMAP_H
#define TOKENIZER_CHARSMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * SentencePiece's precompiled_charsmap: u32 size of a Darts double array, the
 * array, then NUL-terminated replacements. Checked once when opened, so that no
 * look-up can leave the blob. Used by `.model` files (the longest key at each place)
 * and by Hugging Face's Precompiled normalizer (per grapheme cluster).
 */
struct charsmap {
    uint32_t *units; /* owned, in host order */
    size_t unit_count;
    char *texts; /* owned */
    size_t texts_size;
};

/* 0, or -1: not a charsmap (STATUS_INPUT; name: for the message). */
int charsmap_open(struct charsmap *c, const char *name, const char *blob, size_t n);
void charsmap_release(struct charsmap *c);

/*
 * The longest key that is a prefix of text[0..n): its length, its replacement in
 * *to, *to_n. 0: none.
 */
size_t charsmap_longest(const struct charsmap *c, const char *text, size_t n, const char **to,
                        size_t *to_n);

/* Does some key begin with text[0..n), or equal it? */
bool charsmap_begins(const struct charsmap *c, const char *text, size_t n);

/* The first (shortest) key that is a prefix of text[0..n), as Hugging Face looks it up. */
size_t charsmap_shortest(const struct charsmap *c, const char *text, size_t n, const char **to,
                         size_t *to_n);

#endif
