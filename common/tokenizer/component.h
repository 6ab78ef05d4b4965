#ifndef TOKENIZER_COMPONENT_H
#define TOKENIZER_COMPONENT_H

#include <stddef.h>
#include <stdint.h>

#include "json/json.h"

/*
 * Normalizers, pre-tokenizers, decoders and post-processors of tokenizer.json: objects
 * that name their "type", have known keys, and may be nested in a Sequence.
 */
struct component {
    const char *type;
    const char *keys; /* all that it may have: "type|a|b" */
    int (*load)(void *owner, const struct json_doc *doc, const json_t *json, int kind);
    int kind; /* handed to load */
};

struct components {
    const char *sequence; /* the member of a Sequence that lists its parts: "normalizers" */
    size_t most;          /* parts in all; more are refused */
    const struct component *list;
    size_t count;
};

/* Calls `load` of json, or, in order, of all parts of the Sequence that it is. 0 or -1. */
int component_load(const struct components *c, void *owner, const struct json_doc *doc,
                   const json_t *json);

/* The member `key`, a string: a copy, freed by the caller. 0 or -1. */
int component_text(const struct json_doc *doc, const json_t *json, const char *key, char **out,
                   size_t *n);

/* The member `key`, a string of one character. 0 or -1. */
int
component_character(const struct json_doc *doc, const json_t *json, const char *key, uint32_t *out);

#endif
