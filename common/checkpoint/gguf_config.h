#ifndef CHECKPOINT_GGUF_CONFIG_H
#define CHECKPOINT_GGUF_CONFIG_H

#include "base/str.h"
#include "checkpoint/gguf.h"

/*
 * Appends the config.json of the model that a GGUF file holds: of its architecture's values and of
 * which tensors are there, for config_parse. Defaults are llama.cpp's. 0, or -1: STATUS_INPUT names what is
 * missing or not supported.
 */
int gguf_config(const struct gguf *g, struct str *json);

/*
 * Llama 3.1's rotary scaling, in GGUF a tensor rope_freqs.weight of what each frequency is divided by.
 */
struct gguf_llama3 {
    double factor, low, high; /* low_freq_factor, high_freq_factor */
    int64_t original;         /* original_max_position_embeddings */
};
double gguf_llama3_divisor(const struct gguf_llama3 *r, double frequency);

#endif
