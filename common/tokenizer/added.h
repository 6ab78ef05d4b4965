#ifndef TOKENIZER_ADDED_H
#define TOKENIZER_ADDED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "base/vec.h"
#include "kernels/text.h"

/*
 * Added tokens and their search in a text: the leftmost, of those the longest, as
 * Hugging Face's added vocabulary does it. Those with `normalized` are searched in
 * the normalized text, the others before in the raw one.
 */
struct added_token {
    uint32_t id;
    char *content;
    size_t length;
    char *normal; /* the normalized content, what decoding gives; NULL: the same */
    size_t normal_length;
    bool single_word, lstrip, rstrip, normalized, special;
    bool skipped; /* in decoding: what it decodes to is a special token's content */
};

/* A trie over the bytes; node 0 is the root. */
struct added_node {
    uint32_t child, sibling; /* 0: none */
    uint32_t token;          /* index + 1; 0: none ends here */
    uint8_t byte;
};
struct added_trie {
    VEC(struct added_node) nodes;
    uint32_t first[256]; /* the root's children */
    struct text_set set; /* the bytes that tokens begin with, and what finds them */
    size_t (*find)(const struct text_set *set, const char *text, size_t at, size_t n);
    bool empty;
};

void added_trie_init(struct added_trie *t);
void added_trie_release(struct added_trie *t);

/* false when the text is there already or empty. */
bool added_trie_add(struct added_trie *t, const char *text, size_t n, uint32_t token);

/* A stretch of a text: a token (index) or text between tokens (ADDED_NONE). */
#define ADDED_NONE UINT32_MAX
struct added_span {
    uint32_t token;
    size_t begin, end;
};
struct added_spans VEC_BODY(struct added_span);

/* Appends the stretches of text[0..n). skip_special: special ones are ordinary text. */
void
added_search(const struct added_trie *t, const struct added_token *tokens, const uint16_t *classes,
             const char *text, size_t n, bool skip_special, struct added_spans *out);

#endif
