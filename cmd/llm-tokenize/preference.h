#ifndef LLM_TOKENIZE_PREFERENCE_H
#define LLM_TOKENIZE_PREFERENCE_H

#include "cmd/llm-tokenize/chat.h"
#include "json/json.h"

/* A pair of answers to one prompt, of which the first is preferred. */
struct preference {
    bool plain;                /* texts, not messages */
    json_t *chosen, *rejected; /* whole conversations, the answer last; owned */
    const char *prompt, *chosen_text, *rejected_text; /* plain ones; the document's */
    size_t prompt_n, chosen_n, rejected_n;
};

/*
 * Of a line's `prompt`, `chosen` and `rejected`. 0, to be released, or -1: STATUS_INPUT names the
 * member.
 */
int preference_load(struct preference *p, const struct json_doc *doc, const json_t *line);
void preference_release(struct preference *p);

/* A plain pair as a document: prompt and answer, twice. */
void preference_join(const struct preference *p, struct chat_document *d);

#endif
