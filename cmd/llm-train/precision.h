#ifndef LLM_TRAIN_PRECISION_H
#define LLM_TRAIN_PRECISION_H

#include <stdbool.h>
#include <stdint.h>

#include "kernels/kernels.h"

/*
 * --precision: one name, or a schedule such as "bf16,fp8-hybrid@7000": BF16 for the first 7000
 * steps of the run, FP8-hybrid behind them.
 */
enum { PRECISION_PHASES = 16 };

struct precision_phase {
    uint64_t after; /* steps; its first step is the next */
    const char *name;
    enum precision precision;
    bool fp8; /* linear layers in FP8-hybrid; precision is that of the rest */
};

struct precision_schedule {
    struct precision_phase phase[PRECISION_PHASES];
    int count;
};

/* 0, or -1: an unknown name, steps that are missing, too many or do not ascend, no change. */
int precision_parse(const char *text, struct precision_schedule *out);

/* The phase that makes step 1, 2, … */
const struct precision_phase *precision_at(const struct precision_schedule *s, uint64_t step);

/* 1 << each enum precision in it; has it a phase in FP8? */
unsigned precision_mask(const struct precision_schedule *s);
bool precision_has_fp8(const struct precision_schedule *s);

#endif
