#ifndef LLM_TRAIN_TENSORBOARD_H
#define LLM_TRAIN_TENSORBOARD_H

#include <stdint.h>

/*
 * Event files that TensorBoard reads: records of TensorFlow's TFRecord format (length, masked CRC-32C,
 * data, masked CRC-32C), each a tensorflow.Event in protocol-buffer form with one scalar or more.
 * Rank 0 alone writes. All functions do nothing on NULL.
 */
struct tensorboard;

/*
 * A new file in dir, which is made; events of earlier files from first_step on are void (a run
 * that goes on from a checkpoint repeats them). NULL with a record.
 */
struct tensorboard *tensorboard_open(const char *dir, uint64_t first_step);

/* Scalars of the step that tensorboard_end then writes. 0 or -1. */
void tensorboard_scalar(struct tensorboard *t, const char *tag, double value);
int tensorboard_end(struct tensorboard *t, uint64_t step);

/* 0 or -1. */
int tensorboard_close(struct tensorboard *t);

#endif
