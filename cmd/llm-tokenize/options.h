#ifndef LLM_TOKENIZE_OPTIONS_H
#define LLM_TOKENIZE_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "archive/input.h"
#include "base/opt.h"
#include "text/format.h"

/* The command line of llm-tokenize. */

enum special { SPECIAL_DOCUMENT, SPECIAL_TOKENIZER, SPECIAL_NONE };
enum special_text { SPECIAL_TEXT_PARSE, SPECIAL_TEXT_PLAIN };
enum train { TRAIN_BPE, TRAIN_UNIGRAM };

struct options {
    const char *tokenizer, *output;
    const char *source;
    char *source_name, *source_language; /* --source taken apart */
    struct opt_list include, exclude;
    const char *lang;
    double sample;
    int format;       /* enum text_format */
    const char *json_field;
    int special;      /* enum special */
    bool special_given;
    int special_text; /* enum special_text */
    const char *bos, *eos;
    bool ids, decode, count;
    int train;        /* enum train; -1: no */
    uint64_t vocab_size;
    const char *special_tokens, *pattern;
    const char *extend, *filter, *minhash;
    uint64_t add;
    uint64_t max_member;
    int64_t max_ratio, max_depth, max_members;

    const char *const *operands; /* "-" when there was none */
    size_t operand_count;
    int threads;
};

extern struct options options;

/* Parses and checks the command line; a bad one ends the process. */
void options_parse(int argc, char **argv);

/* What goes into a shard's head: the options given that change the documents; allocated. */
char *options_provenance(void);

/* The input that the operands and options describe. */
struct input *options_input(void);

/* What a fault in the input does when --on-error does not say. */
bool options_stop_on_text_fault(void);
bool options_stop_on_archive_fault(void);

#endif
