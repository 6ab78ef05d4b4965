#ifndef LLM_TOKENIZE_CONVERT_H
#define LLM_TOKENIZE_CONVERT_H

#include "cmd/llm-tokenize/chat.h"
#include "cmd/llm-tokenize/job.h"
#include "text/jsonl.h"

/*
 * From the bytes of a job to the texts of its documents: charset, markup, fields,
 * --sample and --lang. Everything that happens to the bytes of a document before the
 * tokenizer sees it happens here, on a worker.
 */
struct converter {
    struct jsonl_field field;
    const struct chat *chat;    /* --chat, --preference; else NULL */
    struct conversion *workers; /* one a worker */
    int worker_count;
    /*
     * What is done with a document that is kept: text[0..n), UTF-8, whose hash is
     * d->hash; adds to job's results. 0 or -1; 1: it is faulty, as the error says.
     */
    int (*deliver)(void *arg, int worker, struct job *j, struct document *d, const char *text,
                   size_t n);
    void *arg;
};

int converter_init(struct converter *c, int workers);
void converter_release(struct converter *c);

/* Converts and delivers every document of the job, in order. 0 or -1. */
int convert_job(const struct converter *c, int worker, struct job *j);

#endif
