#ifndef TOKENIZER_BPE_MERGE_H
#define TOKENIZER_BPE_MERGE_H

#include "base/vec.h"
#include "tokenizer/bpe.h"

/*
 * Byte Pair Encoding proper (Sennrich et al., ACL 2016): of a row of units the adjacent
 * pair of the lowest rank, the leftmost among equals, is merged until none is left.
 */
struct bpe_merger; /* buffers of one thread */
struct bpe_merger *bpe_merger_new(void);
void bpe_merger_free(struct bpe_merger *m);

/*
 * Merges units[0..n), n > 0, and appends the result. bytes: the units' bytes, one each
 * (byte-level tables then know the first ranks), or NULL. Linear in n but for
 * vocabularies made to prevent it (then O(n log n)).
 */
void bpe_merge(const struct bpe *b, struct bpe_merger *m, const unsigned char *bytes,
               const uint32_t *units, size_t n, struct ids *out);

#endif
