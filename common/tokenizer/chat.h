#ifndef TOKENIZER_CHAT_H
#define TOKENIZER_CHAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "base/str.h"
#include "json/json.h"
#include "tokenizer/tokenizer.h"

/*
 * Chat templates: the `chat_template` of tokenizer_config.json (or chat_template.jinja), a program in
 * Jinja. A subset is understood, enough for the templates of Llama 2 and 3, Qwen, Mistral, LLM-jp and
 * ChatML; what is beyond it is refused by name when the template is compiled. Rendering is bounded in
 * steps and output: a template is hostile input like any other.
 */
struct chat_template;

/* Compiles; `name` is for messages. NULL: STATUS_INPUT names line and construct. */
struct chat_template *chat_template_new(const char *name, const char *text, size_t n);

/*
 * Of a tokenizer's directory, with its special tokens (bos_token, eos_token, … as text) as variables;
 * `which`: a name among several, NULL: "default". NULL: none there, or as above.
 */
struct chat_template *chat_template_load(const char *dir, const char *which);

/* Is there one of that name (NULL: "default")? 1, 0 or -1. */
int chat_template_has(const char *dir, const char *which);
void chat_template_free(struct chat_template *t);

/*
 * The special tokens that tokenizer_config.json of a directory names become variables, as
 * chat_template_load has it. 0 (also where there is no such file) or -1.
 */
int chat_template_take_tokens(struct chat_template *t, const char *dir);

/* XXH3-64 of its text. */
uint64_t chat_template_hash(const struct chat_template *t);

/* Does its text name strftime_now, today's date? */
bool chat_template_asks_date(const struct chat_template *t);

/* A variable that templates read ("eos_token"), copied. */
void chat_template_set(struct chat_template *t, const char *name, const char *text, size_t n);

struct chat_options {
    bool add_generation_prompt;
    const json_t *variables; /* further ones (tools, documents, date_string, enable_thinking); NULL */
    /*
     * Where {% generation %} blocks came out; in a template without them what each assistant message
     * adds behind the generation prompt, its end of turn included: for masks. That is told from renderings
     * of the conversation's beginnings, and fails (STATUS_INPUT) where a template writes earlier
     * messages anew in a way that leaves it open. NULL: not wanted.
     */
    struct tokenizer_part *parts; /* bytes of the output */
    size_t *parts_count; /* in: room, out: found (also where that is more); NULL: not wanted */
    bool last_part;      /* only that of the assistant's last message */
    bool added_parts;    /* {% generation %} does not count: what messages add, always */
    const struct tm *now; /* what strftime_now tells; NULL: the clock's time */
};

/*
 * Appends what the template makes of messages, an array of {"role", "content", …}, as
 * transformers' apply_chat_template(tokenize=False) does. 0, or -1: STATUS_INPUT (raise_exception's text,
 * an undefined operation, a limit).
 */
int chat_template_render(const struct chat_template *t, const json_t *messages,
                         const struct chat_options *o, struct str *out);

#endif
