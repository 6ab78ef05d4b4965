#ifndef TOKENIZER_TRIE_H
#define TOKENIZER_TRIE_H

#include <stddef.h>
#include <stdint.h>

/*
 * A static trie over the bytes of many keys, for "which keys begin at this place of
 * the text, from the shortest": a double array (Aoe 1989) of eight bytes a node.
 * Read by any number of threads.
 */
struct trie {
    uint64_t *nodes; /* see trie.c */
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

#endif
