#ifndef TOKENIZER_SP_MODEL_H
#define TOKENIZER_SP_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "base/vec.h"

/*
 * A SentencePiece model file: the proto2 message ModelProto of SentencePiece's
 * sentencepiece_model.proto, read into and written from plain structs.
 */
enum sp_type { SP_NORMAL = 1, SP_UNKNOWN, SP_CONTROL, SP_USER_DEFINED, SP_UNUSED, SP_BYTE };
enum sp_algorithm { SP_UNIGRAM = 1, SP_BPE, SP_WORD, SP_CHAR };

struct sp_piece {
    const char *text; /* in the model's pool */
    uint32_t length;
    float score;
    enum sp_type type;
};

struct sp_model {
    struct str pool; /* all texts below; freed by sp_model_release */
    VEC(struct sp_piece) pieces;

    /* of trainer_spec; the message's defaults where absent */
    enum sp_algorithm algorithm;
    bool byte_fallback, treat_whitespace_as_suffix, split_digits;
    int32_t vocab_size;
    /* ids; -1: none. Read, they are those of the library: of the pieces, which are
       looked up by the names that trainer_spec has for them. */
    int32_t unk_id, bos_id, eos_id, pad_id;
    float character_coverage;
    const char *unk_surface; /* " ⁇ " by default */

    /* of normalizer_spec */
    const char *normalizer_name;
    const char *charsmap; /* bytes; NULL: none */
    size_t charsmap_size;
    bool add_dummy_prefix, remove_extra_whitespaces, escape_whitespaces;
    bool has_denormalizer; /* denormalizer_spec with a charsmap of its own */
    const char *denormalizer_charsmap;
    size_t denormalizer_size;
    bool denormalizer_dummy_prefix, denormalizer_remove_extra, denormalizer_escape;
};

/*
 * Reads bytes[0..n). name: for messages. Every length is checked; counts beyond
 * VOCAB_MAX, pieces that are empty, double or not UTF-8, scores that are not finite are
 * refused. 0 or -1 (STATUS_INPUT with the offset).
 */
int sp_model_read(struct sp_model *m, const char *name, const char *bytes, size_t n);
void sp_model_release(struct sp_model *m);

/* Appends the message's bytes: what the sentencepiece package loads. */
void sp_model_write(const struct sp_model *m, struct str *out);

#endif
