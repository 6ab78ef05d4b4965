#ifndef MODEL_CONFIG_READ_H
#define MODEL_CONFIG_READ_H

#include "json/json.h"
#include "json/write.h"
#include "model/config.h"

/*
 * Private to common/model: one reader and one writer a family. A reader fills
 * *c from the keys of root, missing ones as transformers 5 defaults them; what
 * holds for every family is checked afterwards by config.c. config_read_llama reads Mixtral and
 * Qwen, too, whose experts are config_read_experts's.
 */
int config_read_llama(struct config *c, const struct json_doc *doc, const json_t *root);
int config_read_experts(struct config *c, const struct json_doc *doc, const json_t *root);
bool config_type_has_experts(const char *model_type);
int config_read_gpt2(struct config *c, const struct json_doc *doc, const json_t *root);
int config_read_neox(struct config *c, const struct json_doc *doc, const json_t *root);

/*
 * Rotary positions: theta_key and partial_key stand at the top in older files; rope_theta,
 * rope_partial, head_dim and max_position_embeddings are set before. And its keys written.
 */
int config_read_rope(struct config *c, const struct json_doc *doc, const json_t *root,
                     const char *theta_key, const char *partial_key);
void config_write_rope(struct json_writer *w, const struct config *c);

/* The activation under `key` (missing: `act`), which must be one of the GELUs. */
int config_read_gelu(struct config *c, const struct json_doc *doc, const json_t *root,
                     const char *key, const char *act);

/* "LlamaForCausalLM": of the config's model_type. */
const char *config_architecture(const struct config *c);

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

/* The member "lora" (config_lora.c), once the rest is read. */
int config_read_lora(struct config *c, const struct json_doc *doc, const json_t *root);

/* True when key stands in root with another value than null. */
bool config_has(const json_t *root, const char *key);

#endif
