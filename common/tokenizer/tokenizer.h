#ifndef TOKENIZER_TOKENIZER_H
#define TOKENIZER_TOKENIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "base/vec.h"

/*
 * One interface to every kind of tokenizer. A description (tokenizer.json, …) is
 * compiled into immutable tables; encoding is re-entrant: any number of threads may
 * use one tokenizer, each with its own scratch. No allocation per token.
 */
struct tokenizer;
struct tokenizer_scratch; /* caches and buffers of one thread */

#define TOKEN_NONE 0xFFFFFFFFu

/*
 * Loads a file or a directory as Hugging Face saves it. What is not supported is
 * refused with STATUS_INPUT, its name and place in the file: no silently different
 * ids. NULL on error.
 */
struct tokenizer *tokenizer_load(const char *path);

/*
 * The same of a .tiktoken file, which does not say how texts are cut: `pattern` is the
 * name of an encoding of the tiktoken package (cl100k_base …, with its special tokens), of
 * a built-in pattern (without any), or a regular expression. With another kind of file a
 * pattern is STATUS_USAGE.
 */
struct tokenizer *tokenizer_load_cut(const char *path, const char *pattern);

/* The same from bytes in memory (name: for messages), without files beside it. */
struct tokenizer *tokenizer_load_json(const char *name, const char *json, size_t n);
void tokenizer_free(struct tokenizer *t);

/*
 * Special ids by the order of authority of CLI.md: explicit settings, then
 * tokenizer_config.json beside the file, .model ids, the post-processor, well-known
 * names. TOKEN_NONE: there is none.
 */
struct tokenizer_specials {
    uint32_t bos, eos, pad, unk;
};
const struct tokenizer_specials *tokenizer_specials(const struct tokenizer *t);

/*
 * Overrides from --bos/--eos: a token's text, a decimal id, or "none"; NULL leaves it.
 * 0 or -1 (STATUS_USAGE).
 */
int tokenizer_set_specials(struct tokenizer *t, const char *bos, const char *eos);

uint32_t
tokenizer_vocabulary(const struct tokenizer *t); /* largest id + 1, added tokens included */
void tokenizer_fingerprint(const struct tokenizer *t, uint8_t out[16]); /* SHARD.md */

/* The id of a token by its exact text in the vocabulary or the added tokens; TOKEN_NONE. */
uint32_t tokenizer_id(const struct tokenizer *t, const char *text, size_t n);

/* The token's text as the vocabulary has it; NULL for a gap. */
const char *tokenizer_text(const struct tokenizer *t, uint32_t id, size_t *n);
bool tokenizer_is_special(const struct tokenizer *t, uint32_t id);

/*
 * The files that make up this tokenizer, to be copied into a checkpoint or a
 * Hugging Face directory: names ("tokenizer.json", "tokenizer_config.json",
 * "special_tokens_map.json", "chat_template.jinja", …) and bytes. Owned by t.
 */
struct tokenizer_file {
    const char *name;
    const char *data;
    size_t size;
};
size_t tokenizer_files(const struct tokenizer *t, const struct tokenizer_file **files);

struct tokenizer_scratch *tokenizer_scratch_new(const struct tokenizer *t);
void tokenizer_scratch_free(struct tokenizer_scratch *s);

enum tokenizer_encode_flags {
    ENCODE_POST_PROCESS = 1,   /* what the post-processor adds, before and after */
    ENCODE_POST_PREFIX = 2,    /* only what it puts before a text (prompts) */
    ENCODE_NO_SPECIAL_TEXT = 4 /* special tokens written out in the text are ordinary text */
};

/*
 * Appends the ids of text[0..n), valid UTF-8 (NUL bytes are ordinary), to *out.
 * Added tokens in the text are recognized as Hugging Face does. 0 or -1.
 */
int tokenizer_encode(const struct tokenizer *t, struct tokenizer_scratch *s, const char *text,
                     size_t n, int flags, struct ids *out);

/* Bytes of a text. */
struct tokenizer_part {
    size_t begin, end;
};

/*
 * The same, and to *marks (bytes, one an id) 1 for each id that holds something of one of the
 * parts, 0 for the others: also for one that begins before a part or goes on
 * behind it, and for all those of a character. What the post-processor adds is 0. -1
 * (STATUS_INPUT) also where it cannot be told which ids a part's border lies between, as
 * normalizers and unknown tokens may leave open.
 */
int tokenizer_encode_marked(const struct tokenizer *t, struct tokenizer_scratch *s,
                            const char *text, size_t n, int flags,
                            const struct tokenizer_part *parts, size_t part_count,
                            struct ids *out, struct str *marks);

/*
 * Appends the text of ids as Hugging Face decodes it. An id outside the vocabulary is
 * STATUS_INPUT. 0 or -1.
 */
int tokenizer_decode(const struct tokenizer *t, const uint32_t *ids, size_t n, bool skip_special,
                     struct str *out);

/*
 * Streaming decode: the text that `ids` adds behind what was already given out,
 * whole characters only. Feed one id after the other; `final` flushes.
 */
struct tokenizer_stream;
struct tokenizer_stream *tokenizer_stream_new(const struct tokenizer *t, bool skip_special);
int tokenizer_stream_add(struct tokenizer_stream *s, uint32_t id, struct str *out);
int tokenizer_stream_end(struct tokenizer_stream *s, struct str *out);
void tokenizer_stream_free(struct tokenizer_stream *s);

#endif
