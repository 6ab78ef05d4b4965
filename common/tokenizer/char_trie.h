#ifndef TOKENIZER_CHAR_TRIE_H
#define TOKENIZER_CHAR_TRIE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "text/classes.h"
#include "tokenizer/trie.h"

/*
 * A double array (Aoe 1989) over characters instead of bytes: a step of a search costs
 * one cache line for a character, where Japanese ones have three bytes. Characters are
 * numbered by how often keys have them ("codes"), 0 stands for all that no key has.
 *
 * The child of node n by code c stands at nodes[n].base + c and names n as its parent.
 * Node 0 is the root, whose base is 0: the node of a single character is its code.
 */
struct char_node {
    uint32_t base, parent;
    uint32_t value; /* CHAR_TRIE_NONE: no key ends here */
    float score;    /* of the value, as the caller fills it in */
};
#define CHAR_TRIE_NONE UINT32_MAX

struct char_trie {
    struct char_node *nodes; /* so many that every base + code is inside */
    size_t count;
    uint16_t *pages; /* [0x1100]: a code point's upper bits → page */
    uint16_t *codes; /* [pages][256] */
    uint32_t code_count;
};

/*
 * Builds it from keys of valid UTF-8 that differ (sorts them by their bytes). 0, or -1:
 * more than 65,535 different characters (STATUS_INPUT).
 */
int char_trie_build(struct char_trie *t, struct trie_key *keys, size_t n);
void char_trie_release(struct char_trie *t);

static inline uint16_t
char_code(const struct char_trie *t, const char *s, size_t *length)
{
    uint32_t point = text_peek(s, length);
    return t->codes[(size_t)t->pages[point >> 8] << 8 | (point & 0xFF)];
}

#endif
