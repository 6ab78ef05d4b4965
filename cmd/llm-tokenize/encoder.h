#ifndef LLM_TOKENIZE_ENCODER_H
#define LLM_TOKENIZE_ENCODER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"
#include "base/vec.h"
#include "cmd/llm-tokenize/chat.h"
#include "cmd/llm-tokenize/job.h"
#include "shard/format.h"
#include "tokenizer/tokenizer.h"

/* The tokenizer of -t with --bos, --eos and --special, one scratch for each worker. */
struct encoder {
    struct tokenizer *tokenizer;
    struct tokenizer_scratch **scratch; /* [threads] */
    int threads;
    int special;                        /* enum special, as it applies here */
    uint32_t begin, end;                /* put around a document; TOKEN_NONE: not */
};

/*
 * Loads the tokenizer. shard_like: the default of --special is document. No EOS
 * under `document` is STATUS_USAGE. 0 or -1.
 */
int encoder_init(struct encoder *e, bool shard_like);
void encoder_release(struct encoder *e);

/* Appends the ids of one text, special tokens around it. 0 or -1. */
int encoder_add(struct encoder *e, int worker, const char *text, size_t n, struct ids *out);

/*
 * Appends the ids of a conversation or a pair, and for each 0 or 1: is it scored? 0; 1: the document is
 * faulty, as the error says, and nothing was appended; -1.
 */
int encoder_add_chat(struct encoder *e, int worker, const struct chat_document *d,
                     struct ids *out, struct str *loss);

/* Fills in what a shard's head says of the tokenizer. */
void encoder_describe(const struct encoder *e, struct shard_head *head);

/* "bos none, eos 7999 <|endoftext|>", for the final line. */
void encoder_specials(const struct encoder *e, struct str *out);

#endif
