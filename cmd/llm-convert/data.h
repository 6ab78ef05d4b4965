#ifndef CMD_LLM_CONVERT_DATA_H
#define CMD_LLM_CONVERT_DATA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/file.h"
#include "base/vec.h"
#include "cmd/llm-convert/convert.h"
#include "shard/format.h"

/*
 * Token data of other programs. All integers little endian, ids back to back:
 *   megatron  P.bin ids (u16 below 65,500 tokens of vocabulary, else i32), P.idx lengths, pointers, documents
 *   llm.c     256 i32 of header (20240520, version 1, tokens: u16; 20240801, version 7: u32), ids
 *   nanogpt   u16 ids and nothing else
 *   ds        FILE ids (u16 up to 65,536 tokens of vocabulary, else u32), FILE.index u64 ends of
 *             documents in tokens, FILE.loss a byte a token (optional), FILE.metadata text
 */

/* Exactly n bytes; a file that ends before is STATUS_INPUT. 0 or -1. */
int data_read_at(int fd, void *out, size_t n, uint64_t offset, const char *path);

/* A file of ids behind a header. */
struct id_file {
    char *path;
    int fd;
    int width;       /* bytes an id: 1, 2, 4 or 8 */
    bool is_signed;
    uint64_t begin;  /* of the ids in the file, bytes */
    uint64_t count;  /* ids */
};

/* Opens a regular file; width, is_signed, begin are set by the caller, count from the size. 0 or -1. */
int id_file_open(struct id_file *f, const char *path);
int id_file_size(struct id_file *f); /* sets count; -1: no whole number of ids */
void id_file_close(struct id_file *f);

/* Ids [first, first + n) to out. -1: STATUS_INPUT names an id that is not below `vocabulary`. */
int id_file_read(const struct id_file *f, uint64_t first, size_t n, uint32_t vocabulary,
                 uint32_t *out);

/* Where documents end, in order. */
struct data_reader {
    struct id_file ids;
    int index;           /* a file of document ends or sequence lengths; -1: documents end by eos */
    char *index_path;
    uint64_t index_at, index_left; /* bytes into the file, entries */
    int loss;            /* a byte a token; -1: none */
    char *loss_path;
    uint32_t eos, vocabulary;
    bool eos_begins;     /* documents begin with it (llm.c) */
    uint64_t at;         /* next id */
    int (*end)(struct data_reader *r, uint64_t *end); /* of the next document */
    struct ids document;
    VEC(uint8_t) mask;
    struct megatron_index *megatron;
};

int data_reader_open(struct data_reader *r, enum kind kind, const char *path, uint32_t vocabulary,
                     uint32_t eos);
/* 1: r->document (and r->mask, of its length, or empty) is the next one; 0: the end; -1. */
int data_reader_next(struct data_reader *r);
void data_reader_close(struct data_reader *r);

/* Megatron's P.idx, checked against its own size and the number of ids. */
struct megatron_index *megatron_index_open(const char *path, struct id_file *ids);
/* 1: *end is where the next document ends, of so many ids; 0: no further one; -1. */
int megatron_index_next(struct megatron_index *m, uint64_t tokens, uint64_t *end);
void megatron_index_close(struct megatron_index *m);

/* What a shard is written to. */
struct data_writer {
    enum kind kind;
    struct outfile ids, index, loss, metadata;
    bool has_ids, has_index, has_loss, has_metadata; /* open: to be committed or abandoned */
    int width;
    uint64_t tokens, documents;
    int lengths; /* megatron: lengths of documents so far, an unnamed file of i32 */
    uint64_t length;
    VEC(uint8_t) buffer;
};

/*
 * tokens: how many there will be, for llm.c. 0, or -1 (also: what the format cannot hold).
 * A writer is committed or abandoned, also after a failed open.
 */
int data_writer_open(struct data_writer *w, enum kind kind, const char *path,
                     const struct shard_head *head, uint64_t tokens);
int data_writer_add(struct data_writer *w, const uint32_t *ids, const uint8_t *loss, size_t n);
int data_writer_end_document(struct data_writer *w);
int data_writer_commit(struct data_writer *w);
void data_writer_abandon(struct data_writer *w);

#endif
