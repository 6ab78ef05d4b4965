#ifndef LLM_TRAIN_MACHINE_TEXT_H
#define LLM_TRAIN_MACHINE_TEXT_H

#include "cmd/embedded.h"

/* The machine files that are part of the program: machines/NAME.machine. */
extern const struct embedded_file machine_texts[];
extern const size_t machine_texts_count;

#endif
