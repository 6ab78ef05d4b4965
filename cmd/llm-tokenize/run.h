#ifndef LLM_TOKENIZE_RUN_H
#define LLM_TOKENIZE_RUN_H

#include "cmd/llm-tokenize/convert.h"

/*
 * Runs all input through the workers in batches; what comes out is in input order
 * and does not depend on the threads. Memory: a few jobs a thread.
 */
struct sink {
    /* On a worker: see convert.h. */
    int (*deliver)(void *arg, int worker, struct job *j, struct document *d, const char *text,
                   size_t n);
    /* On the main thread, in order: takes a job's results; 0 or -1. NULL: nothing to take. */
    int (*consume)(void *arg, struct job *j);
    void *arg;
    const struct chat *chat; /* lines are conversations; NULL: not */
};

/* Adds up everything in *total. 0 or -1. */
int run_input(const struct sink *sink, struct account *total);

/* The meter of the work behind the input, phase after phase; a phase's name begins it anew. */
void run_phase(const char *phase, uint64_t done, uint64_t all);

#endif
