#ifndef SHARD_FORMAT_H
#define SHARD_FORMAT_H

#include <stdint.h>

/*
 * llm-shard(5), the byte layout: man/llm-shard.5 restates it in full. A stream is
 * segment+, a segment HEAD (SOURCE* BLOCK DATA)* TAIL. All but DATA are zstd
 * skippable frames: u32 magic, u32 size, payload (4-byte tag, fields), u64 XXH3-64
 * of the payload. DATA is one ordinary zstd frame with the ids.
 */
#define SHARD_MAGIC 0x184D2A57u
#define SHARD_MAGIC_SKIPPABLE 0x184D2A50u /* .. 0x184D2A5F: foreign frames */
#define SHARD_MAGIC_ZSTD 0xFD2FB528u
#define SHARD_TAG_HEAD "LTSH"
#define SHARD_TAG_SOURCE "LTSS"
#define SHARD_TAG_BLOCK "LTSB"
#define SHARD_TAG_TAIL "LTST"
#define SHARD_END "LTSEND1\n"

enum {
    SHARD_MAJOR = 1,
    SHARD_MINOR = 0,
    SHARD_BLOCK_TOKENS = 262144,       /* exactly, but for a segment's last block */
    SHARD_BLOCK_TOKENS_MAX = 1 << 20,  /* a reader's limit */
    SHARD_SPAN_TABLE_MAX = 4 << 20,    /* a block ends before its table would pass this */
    SHARD_PAYLOAD_MAX = 16 << 20,
    SHARD_SEGMENT_BLOCKS = 1 << 18,    /* a segment ends at the next document border */
    SHARD_PROVENANCE_MAX = 65536,
    SHARD_MINHASH_MAX = 1024,          /* bands x rows */
    SHARD_WINDOW_LOG_MAX = 22
};

#define SHARD_NONE 0xFFFFFFFFu /* no such special id */

/*
 * SHARD_PAIRS: a document is a pair of texts, of which the first is preferred: unscored and scored ids of
 * one, then of the other. Packed: sequences 2k and 2k + 1 are the two of a pair.
 */
enum shard_flags { SHARD_SHUFFLED = 1, SHARD_LOSS_MASK = 2, SHARD_MINHASH = 4, SHARD_PAIRS = 8 };
enum span_flags { SPAN_BEGINS = 1, SPAN_ENDS = 2, SPAN_PADDING = 4 };

/* The fields of HEAD. */
struct shard_head {
    uint8_t width;          /* bytes an id: 2 when vocabulary <= 65,536, else 3 */
    uint32_t vocabulary;    /* largest id + 1, added tokens included */
    uint32_t bos, eos, pad, unk;
    uint8_t fingerprint[16];
    uint32_t seq_length;    /* 0: documents; N: packed sequences of N + 1 ids */
    uint32_t flags;         /* enum shard_flags */
    uint64_t seed;          /* 0: not shuffled */
    uint16_t bands, rows;   /* MinHash */
    char *provenance;       /* UTF-8, NUL-terminated, owned by the head; may be NULL */
};

/* A source's name, language and totals. */
struct shard_source {
    char *name;     /* owned */
    char *language; /* BCP-47 or ""; owned */
    uint64_t documents, bytes, tokens;
};

struct shard_totals {
    uint64_t blocks, documents, bytes, tokens, chain;
};

/* The zstd library in use, for --version. */
const char *shard_zstd_version(void);

#endif
