#ifndef LLM_TRAIN_MACHINE_H
#define LLM_TRAIN_MACHINE_H

#include "cmd/llm-train/trainer.h"

/* Kernel table (the least of all ranks), precision, threads and their place. Dies on what cannot be. */
void machine_setup(struct trainer *t);

/* The same for a plan of t->machine: as many threads as its rank has cores, and none is placed here. */
void machine_setup_planned(struct trainer *t);

/* The self-check at start: every kernel in use against FP64, GEMM on the model's shapes. Dies when one is wrong. */
void machine_check(struct trainer *t);

/* --self-check: every kernel of the table thoroughly, in both precisions; prints, returns the exit status. */
int machine_self_check(void);

/* The BLAS that the products run on; empty when they are our own. */
const char *machine_blas(const struct trainer *t);

/* FLOP/s of all threads of all ranks, measured on rank 0; the same on every rank. */
double machine_peak(const struct trainer *t);

/* The start event: rank, host and pid of every rank, kernel table, threads, promise of bits. Collective. 0 or -1. */
int machine_log_start(struct trainer *t);

#endif
