#ifndef LLM_TOKENIZE_CONVERT_STATE_H
#define LLM_TOKENIZE_CONVERT_STATE_H

#include "cmd/llm-tokenize/convert.h"
#include "cmd/llm-tokenize/options.h"
#include "text/charset_convert.h"

/* What the parts of the conversion share: documents and lines, records. */

/* A worker, and the job on its way through it. */
struct conversion {
    const struct converter *c;
    struct job *job;
    const struct item *item;
    int worker;
    uint64_t line;     /* 0: the item is one document */
    struct charset_converter *charsets;
    struct str text;   /* what a markup or field gives */
    struct str utf8;   /* what a charset or repair gives */
    struct chat_document chat; /* --chat: what a line gives */
    struct str chunks, body; /* what the codings of HTTP give */
};

/* Reports a fault with its place; -1 when it stops the run. */
int conversion_fault(struct conversion *v, bool stop, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* A fault of the text: skipped unless --on-error stop. */
#define text_fault(v, ...) conversion_fault(v, options_stop_on_text_fault(), __VA_ARGS__)

/* Counts a document as dropped. Returns 0. */
int conversion_drop(struct conversion *v, enum drop why);

/* Makes *text, in charset c, valid UTF-8 (in v->utf8 if it was not). 0 or -1. */
int conversion_utf8(struct conversion *v, enum charset c, const char **text, size_t *n);

/*
 * A document's bytes to its text, and on. said: its charset, if somebody said so, else
 * CHARSET_COUNT. 0 or -1.
 */
int conversion_document(struct conversion *v, const char *text, size_t n,
                        enum text_format format, enum charset said);

/* A document's text to --sample, --lang and the tokenizer. 0 or -1. */
int conversion_deliver(struct conversion *v, const char *text, size_t n);

/* A whole record, header and block; a whole <page>. 0 or -1. */
int convert_warc_record(struct conversion *v, const char *p, size_t n);
int convert_wiki_page(struct conversion *v, const char *p, size_t n);

#endif
