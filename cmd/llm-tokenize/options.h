#ifndef LLM_TOKENIZE_OPTIONS_H
#define LLM_TOKENIZE_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "archive/input.h"
#include "base/opt.h"
#include "base/vec.h"
#include "text/format.h"

/* The command line of llm-tokenize. */

enum special { SPECIAL_DOCUMENT, SPECIAL_TOKENIZER, SPECIAL_NONE };
enum special_text { SPECIAL_TEXT_PARSE, SPECIAL_TEXT_PLAIN };
enum train { TRAIN_BPE, TRAIN_UNIGRAM };
enum export { EXPORT_SENTENCEPIECE };
enum normalization { NORMALIZATION_NONE, NORMALIZATION_NFC, NORMALIZATION_NFKC,
                     NORMALIZATION_NMT_NFKC };

/* "Training a tokenizer": what --train and --extend learn by. */
struct train_options {
    uint64_t vocab_size;
    const char *special_tokens, *user_symbols; /* lists, apart by commas; NULL: none */
    bool special_tokens_given;
    double character_coverage;
    uint64_t limit_alphabet; /* 0: no limit */
    bool byte_fallback, split_digits;
    bool split_by_whitespace, split_by_script, split_by_number;
    int normalization;   /* enum normalization */
    const char *pattern; /* NULL: the default; BPE only */
    uint64_t min_frequency;
    uint64_t max_piece_length; /* characters (byte-level BPE: bytes); 0: the kind's default */
    uint64_t seed_size;
    double shrink;
    int64_t sub_iterations;
};

struct options {
    const char *tokenizer, *output;
    const char *source;
    char *source_name, *source_language; /* --source taken apart */
    const char *files_from;
    bool null;
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
    bool chat, preference;
    const char *chat_template, *chat_variables, *chat_date;
    int loss; /* enum chat_loss */
    int train;        /* enum train; -1: no */
    struct train_options learn;
    const char *extend, *filter, *minhash;
    uint64_t add;
    int export;       /* enum export; -1: no */
    uint64_t max_member;
    int64_t max_ratio, max_depth, max_members;

    const char *const *operands; /* "-" when there was none */
    size_t operand_count;
    int threads;
};

extern struct options options;

enum { OPTIONS_ADD_MOST = 10000000 };

/* Was the option given? */
bool options_given(const char *name);

/* The items of a list option, cut at its commas, into *items; they live in the result (freed by
 * the caller). NULL: an empty item (STATUS_USAGE naming --name). text NULL or "": no items. */
struct option_items VEC_BODY(const char *);
char *options_split_list(const char *name, const char *text, struct option_items *items);

/* --pattern sentencepiece: words of ▁, characters and byte fallback instead of bytes. */
bool options_sentencepiece_bpe(void);

/* Parses and checks the command line; a bad one ends the process. */
void options_parse(int argc, char **argv);

/* Are lines conversations or pairs of them? Has a shard of them a loss mask? */
bool options_chat(void);
bool options_loss_mask(void);

/*
 * What goes into a shard's head: the options given that change the documents, and the hash of the chat
 * template with --chat; allocated.
 */
char *options_provenance(uint64_t chat_template);

/* The input that the operands and options describe. */
struct input *options_input(void);

/* What a fault in the input does when --on-error does not say. */
bool options_stop_on_text_fault(void);
bool options_stop_on_archive_fault(void);

#endif
