#ifndef EVAL_ENCODE_H
#define EVAL_ENCODE_H

#include <stdint.h>

#include "base/vec.h"
#include "eval/request.h"
#include "tokenizer/tokenizer.h"

/*
 * Requests as tokens, by the rules of EleutherAI's harness 0.4.13 (facts of its HFLM and TemplateLM
 * classes): special tokens, truncation, rolling windows.
 */
struct encode_limits {
    int64_t max_length; /* positions of the model */
    uint32_t prefix;    /* what stands before an empty context and a rolling text: BOS, else EOS */
};

/*
 * One row of tokens: the first `context` of them are not scored, the rest are, each from the logits
 * at the one before it (context >= 1). For generation all are context. The last token of a scored
 * row is not given to the model.
 */
struct encoded {
    VEC(uint32_t) ids;
    size_t context;
    size_t request; /* which one it belongs to: rolling requests have several rows, summed */
};
typedef VEC(struct encoded) encoded_list;
void encoded_release(encoded_list *list);

/* Appends the rows of a request. 0, or -1: STATUS_INPUT (not UTF-8, no prefix token, no tokens to score, too long a continuation). */
int encode_request(const struct request *r, size_t number, const struct tokenizer *t,
                   struct tokenizer_scratch *s, const struct encode_limits *limits,
                   encoded_list *out);

#endif
