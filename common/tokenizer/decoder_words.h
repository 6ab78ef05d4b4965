#ifndef TOKENIZER_DECODER_WORDS_H
#define TOKENIZER_DECODER_WORDS_H

#include "tokenizer/decoder.h"

/*
 * The decoders of word models. Each appends what the text s[0..n) of one token becomes;
 * first, last: it is the first (last) of those that are decoded.
 */
void
decode_suffix(const struct decoder_step *step, const char *s, size_t n, bool last, struct str *out);
void decode_wordpiece(const struct decoder_step *step, const char *s, size_t n, bool first,
                      struct str *out);
void decode_ctc(const struct decoder_step *step, const char *s, size_t n, struct str *out);

/* CTC for a whole row of texts: of equal ones in a row the first stays, empty ones go. */
void decode_ctc_list(const struct decoder_step *step, const struct pieces *in, struct pieces *out);

#endif
