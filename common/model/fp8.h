#ifndef MODEL_FP8_H
#define MODEL_FP8_H

#include <stdbool.h>
#include <stdint.h>

/*
 * fp8-hybrid: the inputs of a linear layer's three products are rounded to an 8-bit format,
 * activations and weights to E4M3, gradients to E5M2, each tensor times a scale of its own
 * that brings it into the format's range; the products are exact in BF16 arithmetic and their
 * sums are divided by both scales (Micikevicius et al., "FP8 Formats for Deep Learning", 2022;
 * Transformer Engine's recipes). Embeddings, head, attention and norms stay in BF16.
 *
 * Delayed scaling: a tensor's scale follows from its largest magnitudes ("amax") in earlier
 * steps and is constant within a step: scale = largest value of the format / amax / 2^margin,
 * amax being the largest or the newest of the history. It begins as 1 and stays as it is when
 * amax is 0 or not finite. The history gets one amax a step, over all micro-batches and ranks.
 * Tensorwise (current) scaling: the amax of the tensor in hand; nothing is remembered.
 */
enum fp8_recipe { FP8_DELAYED, FP8_TENSORWISE };
enum fp8_amax { FP8_AMAX_MAX, FP8_AMAX_MOST_RECENT };

struct fp8_options {
    enum fp8_recipe recipe;
    enum fp8_amax amax; /* delayed scaling only, as are margin and history */
    int margin;
    int64_t history; /* steps that are remembered */
};

/* A decoder's scales; its tensors are, layer by layer, x, W and dy of qkv, output, up, down. */
enum fp8_role { FP8_INPUT, FP8_WEIGHT, FP8_GRADIENT, FP8_ROLES };
enum { FP8_LINEARS = 4 };
struct fp8;

int64_t fp8_tensors(const struct fp8 *f);
const struct fp8_options *fp8_options(const struct fp8 *f);

/*
 * What this rank saw in the step so far, [tensors]: amax as the bits of a FP32 number, whose
 * order as integers is that of the magnitudes (NaN last): ranks combine them by their maximum
 * before fp8_end_step.
 */
int32_t *fp8_step_amax(struct fp8 *f);

/*
 * Elements of each tensor, [tensors], that were too large for their scale in this step; of a weight, in
 * what the step computes with. Until fp8_end_step.
 */
const int64_t *fp8_step_saturated(const struct fp8 *f);

/*
 * Behind a step and before the next decoder_set_weights: the amax go into the history, delayed
 * scales are made anew.
 */
void fp8_end_step(struct fp8 *f);

/* Forgets what the step in hand has seen: it is not one. */
void fp8_drop_step(struct fp8 *f);

/* Forgets everything: no history, every scale 1. */
void fp8_reset(struct fp8 *f);

/* Steps in the history; the scales [tensors] and history [steps][tensors], oldest first. */
int64_t fp8_history(const struct fp8 *f);
void fp8_export(const struct fp8 *f, float *scale, float *history);

/* The reverse; of more steps than are remembered the newest are kept. */
void fp8_import(struct fp8 *f, const float *scale, const float *history, int64_t steps);

#endif
