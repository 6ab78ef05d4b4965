#ifndef LLM_TOKENIZE_FEED_H
#define LLM_TOKENIZE_FEED_H

#include <stdbool.h>

#include "cmd/llm-tokenize/job.h"

/* Cuts the input into jobs, in input order, and moves the progress meter. */
struct feed;

struct feed *feed_open(void);

/* The next job, the caller's; NULL at the end, and on an error that stops (*failed). */
struct job *feed_next(struct feed *f, bool *failed);

void feed_close(struct feed *f);

#endif
