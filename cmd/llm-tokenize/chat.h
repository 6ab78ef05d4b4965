#ifndef LLM_TOKENIZE_CHAT_H
#define LLM_TOKENIZE_CHAT_H

#include <stdbool.h>

#include "base/str.h"
#include "base/vec.h"
#include "cmd/llm-tokenize/account.h"
#include "tokenizer/chat.h"
#include "tokenizer/tokenizer.h"

/*
 * --chat and --preference: from an object of a JSON line to the text that the chat template makes of
 * its conversation, and to those parts of it that are to be learned.
 */
struct chat; /* the template and what it gets from the command line; read by all workers */

enum chat_loss { CHAT_LOSS_ASSISTANT, CHAT_LOSS_LAST, CHAT_LOSS_ALL };

/* One document. A pair has two texts, the chosen and behind it the rejected one. */
struct chat_document {
    struct str text;
    size_t second; /* --preference: where the rejected text begins; else 0 */
    VEC(struct tokenizer_part) parts; /* bytes of text whose tokens are scored */
    bool plain;    /* a pair of texts, no template: EOS ends each */
};

/*
 * Loads the template that the options name, else that of the tokenizer's directory. A template that asks
 * for the date needs --chat-date (STATUS_USAGE). NULL on error.
 */
struct chat *chat_open(const struct tokenizer *t);
void chat_close(struct chat *c);

/* A hash of the templates' texts, for the provenance. */
uint64_t chat_hash(const struct chat *c);

/*
 * Makes *d of a line. 0, or -1 with the error: the line is faulty, and *why says what it counts as.
 */
int chat_take_line(const struct chat *c, const char *line, size_t n, struct chat_document *d,
                   enum drop *why);
void chat_document_release(struct chat_document *d);

#endif
