#ifndef LLM_TOKENIZE_CONVERSATION_H
#define LLM_TOKENIZE_CONVERSATION_H

#include "json/json.h"

/*
 * The shapes that conversations have in data sets, made messages as chat templates take them.
 * What comes back is a new reference; NULL: STATUS_INPUT names the member.
 */

/* A list of {"role", "content", …}, or of ShareGPT's {"from", "value"}: copied, checked. */
json_t *conversation_messages(const struct json_doc *doc, const json_t *list);

/*
 * Of a line: `messages`, `conversations`, or Alpaca's `instruction`, `input` and `output`; `system`
 * goes before them.
 */
json_t *conversation_load(const struct json_doc *doc, const json_t *line);

/* {"role": role, "content": text}. */
json_t *conversation_message(const char *role, const json_t *text);

/* Puts the line's `system`, if it has one, before its messages. 0 or -1. */
int conversation_put_system(const struct json_doc *doc, const json_t *line, json_t *messages);

/*
 * What the template gets beside the messages: more (or NULL), and over it the line's
 * `chat_template_kwargs`, `documents` and `tools` (a list, or its JSON as a text).
 */
json_t *conversation_variables(const struct json_doc *doc, const json_t *line, const json_t *more);

/* Is the member there, and not null? */
bool conversation_has(const json_t *line, const char *key);

#endif
