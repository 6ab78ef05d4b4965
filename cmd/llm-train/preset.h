#ifndef LLM_TRAIN_PRESET_H
#define LLM_TRAIN_PRESET_H

#include "cmd/embedded.h"
#include "model/config.h"

/*
 * Published recipes that are part of the program (presets/): NAME.conf, lines of options that
 * --config NAME reads, and NAME.json, the config.json of its model for --model NAME. A file of that
 * name goes first.
 */
extern const struct embedded_file preset_options[], preset_models[];
extern const size_t preset_options_count, preset_models_count;

/* The options of a preset, n bytes; NULL and an error (STATUS_USAGE) that lists what there is. */
const char *preset_config(const char *name, size_t *n);

/* What --model says: a config.json, or the model of a preset. 0, or -1. */
int preset_model(struct config *c, const char *name);

#endif
