#ifndef TOKENIZER_EXTEND_H
#define TOKENIZER_EXTEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/train_words.h"

/*
 * Adds tokens, learned from texts, to a tokenizer: its ids stay as they are, new ones
 * stand behind the largest. Three kinds of bases: byte-level BPE; BPE over characters with
 * byte fallback, as Llama 2 has it; Unigram with byte fallback.
 *
 * Texts are segmented by the base. BPE: merges of its tokens are learned from what comes
 * out, within the base's pieces (of characters: within words, see train_words.h), and rank
 * behind its own. So the extended tokenizer segments a text as the base does and then
 * joins tokens; where no new merge applies nothing changes. Characters that the base has only as
 * bytes become tokens first, the most frequent ones up to `coverage`.
 * Unigram: the same merges are candidates; expectation maximization over the extended
 * vocabulary, the base's scores fixed, gives their scores (see extend_unigram.h).
 *
 * The result depends on the texts alone, not on their order or the threads.
 */
struct extender;

struct extend_options {
    const char *base;          /* file or directory */
    uint32_t add;              /* new tokens */
    uint64_t min_frequency;    /* rarer pairs are not merged; 0: 2 */
    size_t max_piece_length;   /* bytes, or characters; 0: no limit, or 16 */
    double coverage;           /* not of byte-level BPE */
    struct word_rules words;   /* not of byte-level BPE */
    int threads;
    void (*progress)(const char *phase, uint64_t done, uint64_t all); /* NULL: none */
};

/* NULL: the base cannot be loaded, or is of a kind that cannot be extended. */
struct extender *extender_new(const struct extend_options *o);

/* Is it byte-level BPE, which has no use for coverage and words? */
bool extender_is_byte_level(const struct extender *e);

/* The base, owned by e. */
const struct tokenizer *extender_base(const struct extender *e);

/*
 * Counts the words of one text (valid UTF-8). `worker` < threads: one call at a time
 * per worker. 0 or -1.
 */
int extender_add(struct extender *e, int worker, const char *text, size_t n);

/*
 * Learns and appends the base's tokenizer.json with the new tokens in it and, for each,
 * the ids it replaces (extension.h). *added: how many there are, fewer than asked when
 * the texts have no more. 0 or -1.
 */
int extender_finish(struct extender *e, struct str *json, uint32_t *added);
void extender_free(struct extender *e);

#endif
