#ifndef EVAL_REQUEST_H
#define EVAL_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "base/vec.h"

/*
 * What a benchmark asks of a model, and what the model answers: the border between tasks,
 * scoring and metrics, and the form in which the three run apart, as JSON lines:
 *
 *   {"id": "gsm8k/0", "index": 0, "ctx": "…", "cont": "…"}                log p of cont behind ctx
 *   {"id": "gsm8k/0", "index": 0, "ctx": "…", "until": ["\n"], "max_new": 256, …}   text behind ctx
 *   {"id": "wikitext/0", "index": 0, "text": "…"}                         log p of a text, rolling
 *
 *   {"id": "gsm8k/0", "index": 0, "log_likelihood": -1.25, "is_greedy": true, "tokens": 3}
 *   {"id": "gsm8k/0", "index": 0, "text": "…", "tokens": 17}
 *
 * id and index name a request; both may be left out (id: the line's number, index: 0). Further keys are
 * those of struct request by name, left out where they have their default; an unknown key is an
 * error. A result with "tokens" alone where the model had no room is not possible: that is an error.
 */
enum request_type { REQUEST_LOGLIKELIHOOD, REQUEST_ROLLING, REQUEST_GENERATE };

/*
 * How a context and its continuation become tokens.
 *   joint     the context's trailing white space goes to the continuation, the whole is encoded, and what
 *             is behind the tokens of the context alone is the continuation (EleutherAI's harness)
 *   separate  each alone, without special tokens (Stability's jp-stable)
 */
enum encode_rule { ENCODE_JOINT, ENCODE_SEPARATE };

/* Tokens that the tokenizer's post-processor puts before a text: as it says, always BOS, never. */
enum bos_rule { BOS_AUTO, BOS_YES, BOS_NO };

typedef VEC(char *) request_texts;

struct request {
    enum request_type type;
    char *id;      /* "task/document" */
    int64_t index; /* which of the document's requests */
    struct str context, continuation; /* rolling: the text is `continuation` */
    enum encode_rule encode;          /* "encode" */
    enum bos_rule add_bos_token;      /* "add_bos_token": "auto", true, false */
    /* generation */
    request_texts until;       /* the text ends before the first of them; EOS always ends it */
    int64_t max_new;           /* "max_new"; 0: 256 */
    double temperature, top_p; /* default 0 and 1 */
    int64_t top_k;
    double repetition_penalty; /* default 1 */
};

struct result {
    double log_likelihood; /* sum over the continuation's (the text's) tokens, natural logarithm */
    bool is_greedy;        /* each of them had the greatest logit */
    int64_t tokens;        /* of the continuation, of the text, or generated */
    struct str text;       /* generated, cut before the stop text */
};

typedef VEC(struct request) request_list;
typedef VEC(struct result) result_list;

/* {0} with the defaults above. */
void request_init(struct request *r);
void request_release(struct request *r);
void requests_release(request_list *list);
void results_release(result_list *list);

/* A line each, appended to *out. */
void request_write(const struct request *r, struct str *out);
void result_write(const struct request *r, const struct result *result, struct str *out);

/* Reads a file of requests ("-": standard input). 0, or -1: STATUS_INPUT names file and line. */
int requests_load(const char *path, request_list *out);

/*
 * Reads results and puts each at the place of the request with its id and index; every request must
 * have exactly one. 0 or -1.
 */
int results_load(const char *path, const request_list *requests, result_list *out);

#endif
