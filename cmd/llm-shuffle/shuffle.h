#ifndef LLM_SHUFFLE_H
#define LLM_SHUFFLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/file.h"
#include "base/opt.h"
#include "base/str.h"
#include "base/vec.h"
#include "shard/format.h"
#include "shard/mix.h"
#include "shard/reader.h"
#include "shard/writer.h"

/* What the parts of llm-shuffle share. */

enum dedup { DEDUP_NONE, DEDUP_EXACT, DEDUP_MINHASH };

struct settings {
    const char *output;
    struct opt_list weight, epochs, split;
    uint64_t tokens;
    int dedup; /* enum dedup */
    const char *dedup_report;
    uint64_t pack;
    bool best_fit, no_shuffle, verify, salvage;
    int64_t level;

    int threads;     /* found out */
    uint64_t memory;
};
extern struct settings settings;

/* ---- inputs.c: shards and their sources ------------------------------------- */

/* [NAME=]SHARD[:WEIGHT] */
struct operand {
    char *path, *name, *weight; /* name, weight: NULL when not given */
    bool regular;
    struct shard_summary summary; /* of a regular file */
    VEC(uint32_t) sources;        /* the reader's sources to ours, once it is read */
};

struct source {
    char *name, *language;
    uint64_t ordinal;            /* of its next document */
    const char *weight_text, *epochs_text; /* as given, or NULL */
    struct ratio weight, epochs;
    struct shard_source in;      /* what was read; name and language unused */
    struct shard_source kept;    /* after de-duplication and split */
    struct shard_source out;     /* what was written to the output */
    uint64_t duplicates, split;  /* documents */
    uint64_t share, available, target; /* as in struct mix_source */
};

struct inputs {
    struct operand *operands;
    size_t count;
    bool all_regular;
    VEC(struct source) sources;
    struct shard_head head;      /* the first shard's */
    bool have_head;
    uint32_t minhash;            /* values a document; 0: none, or the shards differ in it */
};

/* Parses the operands, looks at the regular files, checks that they may be joined. Dies on error. */
void inputs_open(struct inputs *in, char **operands, int count);
void inputs_close(struct inputs *in);

/* The number of a source, which may be new. */
uint32_t inputs_source(struct inputs *in, const char *name, const char *language);

/* The operand's shard has this head and these sources: checks its fit. 0 or -1. */
int inputs_check_head(struct inputs *in, const struct operand *o, const struct shard_head *head);

/*
 * Gives the sources the weights and epochs of the command line. final: all sources
 * are known, so that what names none, or leaves one out, is an error. Dies on error.
 */
void inputs_weigh(struct inputs *in, bool final);

/* Tokens of all operands when all are regular files, else 0. */
uint64_t inputs_tokens(const struct inputs *in);

/* Are there weights? */
bool inputs_weighted(const struct inputs *in);

/* The head of an output; provenance: the inputs' and the options that change documents. */
struct shard_head inputs_output_head(const struct inputs *in, bool shuffled, int split);

/* ---- feed.c: every document of the inputs, in order ------------------------- */

struct document {
    uint32_t source;
    uint64_t ordinal, bytes, hash;
    const uint32_t *minhash;
};

struct feed {
    struct inputs *in;
    void *arg;
    /* Called for every document that is neither a duplicate nor split off. 0 or -1. */
    int (*begin)(void *arg, const struct document *d);
    int (*ids)(void *arg, const uint8_t *packed, const uint8_t *loss, size_t n);
    int (*end)(void *arg);
    void (*new_source)(void *arg, uint32_t source);
    /* Padding of packed sequences, of our source; NULL: it is left out. 0 or -1. */
    int (*padding)(void *arg, uint32_t source, const uint8_t *packed, const uint8_t *loss, size_t n);
    bool (*enough)(void *arg); /* may be NULL: after a document, shall it be the last? */
    bool skip_ids;             /* ids are not wanted: NULL comes */
    bool tolerant;             /* go on after damage with what is whole */
};

/* Reads all inputs. 0 or -1. Counts into the sources and `losses`. */
int feed_run(const struct feed *f);

/* What tolerance cost. */
struct losses {
    uint64_t places;    /* of damage */
    uint64_t documents; /* cut or missing between whole blocks */
    uint64_t foreign;   /* frames that are not a shard's */
};
extern struct losses losses;

/* ---- split.c: parts that go to files of their own --------------------------- */

/* Parses --split and opens the files. Dies on error. */
void split_open(void);
bool split_active(void);

/* The part a document belongs to, or -1. */
int split_of(uint64_t hash);
int split_begin(struct inputs *in, int part, const struct document *d);
int split_ids(int part, const uint8_t *packed, const uint8_t *loss, size_t n);
int split_end(int part);

/* Finishes the files; they appear when all went well. 0 or -1. */
int split_close(struct inputs *in);
int split_commit(void);
void split_describe(struct str *out);

/* ---- dedup.c ---------------------------------------------------------------- */

/* Is this text new? The first document with a hash is kept. Writes the report. 0 new, 1 seen, -1 error. */
int dedup_see(const struct inputs *in, const struct document *d);

/* Is it the one that was kept? After everything was seen. */
bool dedup_is_kept(const struct document *d);
int dedup_open(void);
int dedup_close(void);

/* What --pack made. */
struct packing {
    uint64_t sequences;
    uint64_t padding; /* ids */
    uint64_t twice;   /* ids stored twice */
    uint64_t cut;     /* documents that --best-fit had to cut */
    uint64_t dropped; /* pairs with a text longer than a sequence */
};
extern struct packing packing;

/* ---- the ways to the output ------------------------------------------------- */

int run_shuffle(struct inputs *in, struct outfile *out);
int run_join(struct inputs *in, struct outfile *out);
int run_blend(struct inputs *in, struct outfile *out);
int run_verify(struct inputs *in);

/* Targets by weights, epochs and --tokens; dies with 2 when they cannot be met. */
void set_targets(struct inputs *in, struct mix *mix);

/* The table of shares and the final account, on standard error and in the log. */
void report(const struct inputs *in, const struct mix *mix);

#endif
