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

#endif
