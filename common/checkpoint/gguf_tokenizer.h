#ifndef CHECKPOINT_GGUF_TOKENIZER_H
#define CHECKPOINT_GGUF_TOKENIZER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"
#include "checkpoint/gguf.h"

/*
 * The tokenizer.json, and the tokenizer_config.json and generation_config.json that belong to it, of the
 * tokenizer in a GGUF file's metadata. Kinds: "gpt2" (BPE over bytes) with the pre-tokenizers that
 * are known by name, "llama" (SentencePiece's BPE, by scores), and whatever tokenizer.huggingface.json
 * says, where it stands. 0, or -1: STATUS_INPUT, also where there is none.
 */
int gguf_tokenizer_json(const struct gguf *g, struct str *json);
int gguf_tokenizer_config(const struct gguf *g, struct str *json);
int gguf_generation_config(const struct gguf *g, struct str *json);

/* The id under a key such as "bos_token_id"; 1; 0: none; -1. */
int gguf_token_id(const struct gguf *g, const char *key, int64_t *id);

/* The text of a token; false: no such one. */
bool gguf_token_text(const struct gguf *g, int64_t id, const char **text, size_t *n);

/* What a value of tokenizer.ggml.pre stands for. */
struct gguf_pre {
    const char *name;
    const char *pattern; /* pattern_by_name; NULL with several */
    bool byte_level;     /* the pattern is that of ByteLevel itself */
    bool digits;         /* digits are cut apart before */
    bool nfc, ignore_merges;
    bool bos;     /* a text begins with BOS unless add_bos_token says no */
    bool several; /* llama.cpp's default */
};
const struct gguf_pre *gguf_pre_find(const char *name, size_t n); /* NULL: unknown */

/* The first that cuts texts as `wanted` does: its pattern, digits, nfc, ignore_merges. NULL: none. */
const struct gguf_pre *gguf_pre_like(const struct gguf_pre *wanted);

#endif
