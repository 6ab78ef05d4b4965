#ifndef MODEL_CONFIG_READ_H
#define MODEL_CONFIG_READ_H

#include "json/json.h"
#include "model/config.h"

/*
 * Private to common/model: one reader and one writer a family. A reader fills
 * *c from the keys of root, missing ones as transformers 5 defaults them; what
 * holds for every family is checked afterwards by config.c.
 */
int config_read_llama(struct config *c, const struct json_doc *doc, const json_t *root);
int config_read_gpt2(struct config *c, const struct json_doc *doc, const json_t *root);

/* Bounds that keep every product of sizes within 63 bits. */
enum {
    CONFIG_MAX_VOCAB = 1 << 24,
    CONFIG_MAX_HIDDEN = 1 << 18,
    CONFIG_MAX_INTERMEDIATE = 1 << 20,
    CONFIG_MAX_LAYERS = 1 << 12,
    CONFIG_MAX_HEADS = 1 << 13,
    CONFIG_MAX_HEAD_DIM = 1 << 12,
    CONFIG_MAX_POSITIONS = 1 << 26
};

/* A token id that may be null, absent or (eos) a list, of which the first counts; vocab_size bounds
 * a default. */
int config_read_token_id(const struct json_doc *doc, const json_t *root, const char *key,
                         int64_t vocab_size, int64_t *out);

/* A size in [1, max]; absent or null leaves *out. */
int config_read_size(const struct json_doc *doc, const json_t *root, const char *key, int64_t max,
                     int64_t *out);

/* A real number > 0; absent or null leaves *out. */
int config_read_positive(const struct json_doc *doc, const json_t *root, const char *key,
                         double *out);

/* True when key stands in root with another value than null. */
bool config_has(const json_t *root, const char *key);

#endif
