#ifndef CMD_LLM_EVAL_TALK_H
#define CMD_LLM_EVAL_TALK_H

#include <stddef.h>

#include "base/vec.h"
#include "cmd/llm-eval/eval.h"
#include "json/json.h"
#include "tokenizer/chat.h"

/* Messages in a model's chat template: --chat, --interactive, --mt-bench. */
struct talk_form {
    const struct model *m;
    struct chat_template *template;
    struct tokenizer_scratch *scratch;
};

/* 0, or -1: STATUS_INPUT (no template, or not one that we understand). */
int talk_form_open(struct talk_form *f, const struct model *m);
void talk_form_close(struct talk_form *f);

/* A new array of messages: none, or the system's (NULL: none). */
json_t *talk_new(const char *system);

/* Adds a message. 0, or -1 when the text is not UTF-8. */
int talk_say(json_t *messages, const char *role, const char *text, size_t n);

/*
 * Appends the tokens of the messages and of what an answer begins with, as transformers'
 * apply_chat_template(tokenize=True): special tokens where the template writes them, no others.
 */
int talk_encode(const struct talk_form *f, const json_t *messages, struct ids *out);

#endif
