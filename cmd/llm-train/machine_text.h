#ifndef LLM_TRAIN_MACHINE_TEXT_H
#define LLM_TRAIN_MACHINE_TEXT_H

#include <stddef.h>

/* The machine files that are part of the program: machines/NAME.machine, made into C by the build. */
struct machine_text {
    const char *name;
    const unsigned char *text;
    size_t size;
};
extern const struct machine_text machine_texts[];
extern const size_t machine_text_count;

#endif
