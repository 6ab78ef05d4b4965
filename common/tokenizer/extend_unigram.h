#ifndef TOKENIZER_EXTEND_UNIGRAM_H
#define TOKENIZER_EXTEND_UNIGRAM_H

#include "base/threads.h"
#include "tokenizer/extend_internal.h"
#include "tokenizer/piece_counts.h"

/*
 * Which of many candidates a Unigram gets, and with what scores. Expectation maximization
 * (Kudo, ACL 2018) over the base's pieces, whose scores stay, and the candidates: a new score
 * is the logarithm of the share that the piece is expected to have in all tokens of the
 * words, but at least the base's lowest, below which unknown characters are scored. The
 * candidates that are worth most stay: expected count × what the words would lose
 * without the piece. Candidates begin at x->first; the first `characters` are single characters
 * and stay. x is left with `keep` tokens and their scores, the best first.
 * Sums are kept in fixed point: neither threads nor the words' order change a bit. 0 or -1.
 */
int extend_unigram(const struct tokenizer *base, const struct piece_counts *words,
                   uint32_t characters, uint32_t keep, struct threads *threads,
                   struct extension_tokens *x);

#endif
