#ifndef CMD_LLM_EVAL_GENERATION_H
#define CMD_LLM_EVAL_GENERATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/file.h"
#include "base/str.h"
#include "base/vec.h"
#include "cmd/llm-eval/eval.h"
#include "model/decoder.h"
#include "model/generate.h"
#include "tokenizer/tokenizer.h"

/*
 * Texts that the model writes: what generation for tasks, --generate, --prompts and talks share.
 */

/* Texts that end a text: it is cut before them. */
struct stop_text {
    char *text;
    size_t n;
    size_t window; /* tokens at the end of a text in which it is looked for */
};
typedef VEC(struct stop_text) stop_list;

/*
 * Adds one, unless it is there. As the harness does, it is looked for in the text of the last
 * tokens, special ones included, two more than it takes to write it. 0, or -1: STATUS_USAGE for
 * an empty text or one that is not UTF-8.
 */
int stop_add(stop_list *list, const struct tokenizer *t, struct tokenizer_scratch *s,
             const char *text, size_t n);
void stops_release(stop_list *list);

/* Those of --stop. */
int add_stop_options(stop_list *list, const struct tokenizer *t, struct tokenizer_scratch *s);

/* Bytes of the text that are left when it is cut before each stop text in turn. */
size_t stops_cut(const stop_list *list, const char *text, size_t n);

/* Bytes at its end that a stop text could begin with. */
size_t stops_held(const stop_list *list, const char *text, size_t n);

/*
 * Tokens that end a text: EOS of the configuration and of the tokenizer, and those of
 * generation_config.json. Appended. 0 or -1.
 */
int find_ends(const struct model *m, struct ids *ends);

/* 0, or -1 when the model has no tokenizer, or one with more tokens than the model. */
int check_tokenizer(const struct model *m);

/* One text: what it begins with and how it goes on; then what was added. */
struct writing {
    struct ids prompt; /* >= 1 */
    int64_t max_new;   /* >= 1; prompt.len + max_new is within the model's positions */
    struct sampler sampler;
    double repetition_penalty;
    uint64_t number;        /* of the text: its draws depend on it and the token's number alone */
    const stop_list *stops; /* not owned */
    const struct ids *ends; /* not owned */
    bool end_is_text; /* that of a token of `ends` which is no special one belongs to the text */
    struct ids ids;   /* added, without the token of `ends` that ended it */
    uint32_t end;     /* that token, or TOKEN_NONE */
    bool done;
    uint64_t *seen;    /* of a penalty other than 1 */
    struct str recent; /* the text of its last tokens */
};

/* {0} with greedy defaults. */
void writing_init(struct writing *w);

/* As the command line says: sampling, --max-new, --seed. */
void
writing_options(struct writing *w, uint64_t number, const stop_list *stops, const struct ids *ends);

/*
 * Lowers max_new to the room behind the prompt; -1 (STATUS_INPUT) when there is none, or no
 * prompt.
 */
int writing_fit(struct writing *w, int64_t positions);
void writing_release(struct writing *w);

/*
 * Adds the token that the logits [vocab], which it may change, ask for; sets done when the text
 * ends with it. scratch: vocab * 16 bytes. 0 or -1. Writings are independent: threads may add
 * to several.
 */
int writing_add(struct writing *w, const struct model *m, float *logits, void *scratch);

/* Appends its text: special tokens skipped, cut before the stop texts. 0 or -1. */
int writing_text(const struct writing *w, const struct model *m, struct str *out);

/* The same text as it comes: how much of it may be shown. */
struct writing_stream {
    struct tokenizer_stream *stream;
    struct str text; /* whole characters */
    size_t taken;    /* ids that are in it */
    size_t shown;    /* bytes of it that `show` got */
    int (*show)(void *arg, const char *text, size_t n);
    void *arg;
};
void writing_stream_begin(struct writing_stream *s, const struct model *m);
/* Shows what the writing's new ids made certain; everything when it is done. 0 or -1. */
int writing_stream_add(struct writing_stream *s, const struct writing *w, const struct model *m);
void writing_stream_release(struct writing_stream *s);

/*
 * Writes all texts, several at a time: `batch` of them (0: as many as pay), fewer if memory is
 * short. Shared beginnings of prompts are computed once. Texts do not depend on their order,
 * the batch, or threads. finished (may be NULL) is called as each is done, in no order; 0 or -1
 * to stop. 0 or -1.
 */
int write_texts(const struct model *m, struct writing *w, size_t n, int64_t batch,
                int (*finished)(void *arg, size_t which), void *arg);

/* Tokens of the longest text that there is memory for, within the model's positions. */
int64_t cache_tokens(const struct model *m);

/* ---- one text as it comes ---- */

/* A cache over several texts: what it holds, and a decoder. */
struct pen {
    const struct model *m;
    struct decoder *decoder;
    struct kv_cache *cache;
    struct ids held; /* the cache's tokens */
    float *logits;
    void *scratch;
};
/* capacity: tokens of the longest text. 0 or -1. */
int pen_init(struct pen *p, const struct model *m, int64_t capacity);
void pen_release(struct pen *p);

/*
 * Writes one text, showing it through `s`; what the cache holds of the prompt's beginning is not
 * computed again. stop (may be NULL) is asked after every token. 0 or -1.
 */
int pen_write(struct pen *p, struct writing *w, struct writing_stream *s, bool (*stop)(void));

/* ---- modes ---- */

/* --interactive. 0 or -1. */
int interactive(struct model *m);

/*
 * Answers the questions of a FastChat question.jsonl (question_id, category, turns), turn by
 * turn in the model's chat template, and writes FastChat's answer JSONL. 0 or -1.
 */
int chat_answers(struct model *m, const char *questions_path, struct outfile *out);

#endif
