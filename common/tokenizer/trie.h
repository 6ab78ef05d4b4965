#ifndef TOKENIZER_TRIE_H
#define TOKENIZER_TRIE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A static trie over the bytes of many keys, for "which keys begin at this place of
 * the text, from the shortest": a double array (Aoe 1989) of eight bytes a node.
 * Read by any number of threads.
 *
 * The child of a node by byte c stands at index base ^ c and carries c as its label.
 * A node: bits 0–7 label, bit 8 set in nodes that do not exist (and in the root, which
 * is nobody's child), bits 9–32 value, bits 33–62 base, bit 63 set when a key ends here.
 */
struct trie {
    uint64_t *nodes; /* nodes[0] is the root */
    size_t count;
};

struct trie_key {
    const char *text;
    uint32_t length; /* 1 … 65,535 */
    uint32_t value;  /* below 1 << 24 */
};

/* Builds it; sorts the keys by their bytes, which must differ. The keys are not kept. */
void trie_build(struct trie *t, struct trie_key *keys, size_t n);
void trie_release(struct trie *t);

/*
 * The values and lengths of the keys that are prefixes of text[0..n), shortest first;
 * at most `most`. Returns how many. (The encoders have loops of their own.)
 */
struct trie_match {
    uint32_t value, length;
};
size_t
trie_prefixes(const struct trie *t, const char *text, size_t n, struct trie_match *out, size_t most);

/* For such loops: *node becomes its child by byte c; false when there is none. */
static inline bool
trie_step(const uint64_t *nodes, uint64_t *node, unsigned char c)
{
    *node = nodes[(*node >> 33 & 0x3FFFFFFF) ^ c];
    return (*node & 0x1FF) == c;
}

static inline bool
trie_is_key(uint64_t node)
{
    return node >> 63;
}

static inline uint32_t
trie_value(uint64_t node)
{
    return (uint32_t)(node >> 9) & 0xFFFFFF;
}

#endif
