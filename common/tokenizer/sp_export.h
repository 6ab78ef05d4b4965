#ifndef TOKENIZER_SP_EXPORT_H
#define TOKENIZER_SP_EXPORT_H

#include "base/str.h"
#include "tokenizer/tokenizer.h"

/*
 * Appends a SentencePiece model that gives the ids of t: of a Unigram, or of a BPE of
 * characters whose merges are those of a SentencePiece vocabulary (every pair that makes
 * a piece's text, ranked by piece), with ▁ before the text and for each space and
 * nothing else done to it. Special tokens become control pieces, which SentencePiece does
 * not find in text; its Unigram adds scores up in single precision. 0, or -1: t does what
 * SentencePiece cannot (STATUS_INPUT with the reason).
 */
int sp_export(const struct tokenizer *t, struct str *model);

#endif
