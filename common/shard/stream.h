#ifndef SHARD_STREAM_H
#define SHARD_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shard/format.h"

/*
 * The token stream of DESIGN.md section 6: the ids of all documents of the shards
 * given, in order, addressed by one offset that does not know blocks, segments or
 * files. Regular files are read at random through their tails (only the blocks
 * asked for are touched, a few stay decoded); a pipe is read forward only.
 */
struct token_stream;

/*
 * One path that is "-" or not a regular file (or fd >= 0): a pipe. Otherwise all
 * are regular files whose HEADs are all checked to join. NULL on error.
 */
struct token_stream *token_stream_open(const char *const *paths, size_t count, int fd);
const struct shard_head *token_stream_head(const struct token_stream *s);
bool token_stream_seekable(const struct token_stream *s);

/* Tokens in all, known for files; UINT64_MAX for a pipe whose end was not met. */
uint64_t token_stream_tokens(const struct token_stream *s);

/*
 * What belongs to each token beside its id: 1 when it is the first token of a
 * document; 2 when its loss is masked off (as a target); source in the upper half.
 */
enum token_mark { TOKEN_BEGINS = 1, TOKEN_NO_LOSS = 2, TOKEN_PADDING = 4 };

/* Is a token scored as a target? Where documents do not see each other, the first of one is not. */
static inline bool
token_is_scored(uint8_t marks, bool document_mask)
{
    return !(marks & (TOKEN_NO_LOSS | TOKEN_PADDING | (document_mask ? TOKEN_BEGINS : 0)));
}

/*
 * Copies up to n tokens from offset `position`; marks may be NULL; `sources` (index
 * for token_stream_source) may be NULL. Returns how many there were (fewer only at
 * the end of the stream), -1 on error. On a pipe position must not lie before what
 * the last call began with.
 */
int64_t token_stream_read(struct token_stream *s, uint64_t position, size_t n, uint32_t *ids, uint8_t *marks, uint16_t *sources);

size_t token_stream_sources(const struct token_stream *s);
const struct shard_source *token_stream_source(const struct token_stream *s, size_t i);

/*
 * The running chain (c0 = 0, c = XXH3-64(u64 c, u64 h)) over every block, across
 * segments and files, whose first token lies before `position`. For a pipe those
 * blocks must have been read. 0 or -1.
 */
int token_stream_chain(struct token_stream *s, uint64_t position, uint64_t *chain);

/*
 * Bytes of text per source of the documents that begin in [position, position + n);
 * bytes[token_stream_sources()] is added to (bits per byte divide by it). Blocks
 * must be readable there. 0 or -1.
 */
int token_stream_bytes(struct token_stream *s, uint64_t position, uint64_t n, uint64_t *bytes);

void token_stream_close(struct token_stream *s);

#endif
