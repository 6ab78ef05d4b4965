#ifndef LLM_TOKENIZE_JOB_H
#define LLM_TOKENIZE_JOB_H

#include <stdint.h>

#include "base/str.h"
#include "base/vec.h"
#include "cmd/llm-tokenize/account.h"
#include "text/format.h"

/*
 * The unit of work: about half a megabyte of unpacked input, in many small files,
 * one large file, or a stretch of lines; and what a worker made of it.
 */

enum { JOB_BYTES = 512 << 10 };

/* A whole file, or whole lines, a record or a page of one. */
struct item {
    enum text_format format; /* never TEXT_AUTO */
    size_t from, to;         /* in job.raw */
    enum charset charset;    /* of a stretch of lines */
    uint64_t place;          /* a stretch of lines: its first line, from 1; a record: its offset */
    char *path;
};

struct chat_document;

/* One document that was kept. */
struct document {
    size_t first, tokens; /* in job.ids */
    uint64_t bytes, hash; /* of its UTF-8 text */
};

struct job {
    struct str raw;
    VEC(struct item) items;

    VEC(struct document) documents;
    struct ids ids;
    const struct chat_document *chat; /* --chat: of the document that is delivered; else NULL */
    struct str loss; /* --chat: 0 or 1 for each of ids */
    struct account account;
    VEC(char *) faults; /* messages, in order; those beyond the first few are only counted */
    uint64_t more_faults;
};

struct job *job_new(void);
void job_free(struct job *j);

/* Takes over the message (allocated). */
void job_add_fault(struct job *j, char *message);

#endif
