#include <string.h>

#include "base/protobuf.h"
#include "tokenizer/sp_model.h"

/* Writing a SentencePiece model, fields in order. */

/* The numbers of sentencepiece_model.proto. */
enum { MODEL_PIECES = 1, MODEL_TRAINER = 2, MODEL_NORMALIZER = 3, MODEL_DENORMALIZER = 5 };
enum { PIECE_TEXT = 1, PIECE_SCORE = 2, PIECE_TYPE = 3 };
enum {
    TRAINER_TYPE = 3,
    TRAINER_VOCAB_SIZE = 4,
    TRAINER_COVERAGE = 10,
    TRAINER_SUFFIX = 24,
    TRAINER_DIGITS = 25,
    TRAINER_BYTE_FALLBACK = 35,
    TRAINER_UNK_ID = 40,
    TRAINER_BOS_ID = 41,
    TRAINER_EOS_ID = 42,
    TRAINER_PAD_ID = 43,
    TRAINER_UNK_SURFACE = 44,
    TRAINER_UNK_PIECE = 45,
    TRAINER_BOS_PIECE = 46,
    TRAINER_EOS_PIECE = 47,
    TRAINER_PAD_PIECE = 48
};
enum { NORMALIZER_NAME = 1, NORMALIZER_CHARSMAP, NORMALIZER_PREFIX, NORMALIZER_EXTRA, NORMALIZER_ESCAPE };

static void
put_piece(struct str *out, const struct sp_piece *p, struct str *message)
{
    protobuf_put_bytes(message, PIECE_TEXT, p->text, p->length);
    protobuf_put_float(message, PIECE_SCORE, p->score);
    if (p->type != SP_NORMAL) /* the default */
        protobuf_put_int(message, PIECE_TYPE, p->type);
    protobuf_put_message(out, MODEL_PIECES, message);
}

/* The library finds BOS and the others by their texts. */
static void
put_named(struct str *out, uint32_t number, const struct sp_model *m, int32_t id)
{
    if (id >= 0 && (size_t)id < m->pieces.len)
        protobuf_put_bytes(out, number, m->pieces.data[id].text, m->pieces.data[id].length);
}

static void
put_trainer(struct str *out, const struct sp_model *m, struct str *message)
{
    protobuf_put_int(message, TRAINER_TYPE, m->algorithm);
    protobuf_put_int(message, TRAINER_VOCAB_SIZE, m->vocab_size);
    protobuf_put_float(message, TRAINER_COVERAGE, m->character_coverage);
    protobuf_put_int(message, TRAINER_SUFFIX, m->treat_whitespace_as_suffix);
    protobuf_put_int(message, TRAINER_DIGITS, m->split_digits);
    protobuf_put_int(message, TRAINER_BYTE_FALLBACK, m->byte_fallback);
    protobuf_put_int(message, TRAINER_UNK_ID, m->unk_id);
    protobuf_put_int(message, TRAINER_BOS_ID, m->bos_id);
    protobuf_put_int(message, TRAINER_EOS_ID, m->eos_id);
    protobuf_put_int(message, TRAINER_PAD_ID, m->pad_id);
    if (m->unk_surface)
        protobuf_put_bytes(message, TRAINER_UNK_SURFACE, m->unk_surface, strlen(m->unk_surface));
    put_named(message, TRAINER_UNK_PIECE, m, m->unk_id);
    put_named(message, TRAINER_BOS_PIECE, m, m->bos_id);
    put_named(message, TRAINER_EOS_PIECE, m, m->eos_id);
    put_named(message, TRAINER_PAD_PIECE, m, m->pad_id);
    protobuf_put_message(out, MODEL_TRAINER, message);
}

static void
put_normalizer(struct str *out, const struct sp_model *m, struct str *message)
{
    if (m->normalizer_name)
        protobuf_put_bytes(message, NORMALIZER_NAME, m->normalizer_name, strlen(m->normalizer_name));
    if (m->charsmap)
        protobuf_put_bytes(message, NORMALIZER_CHARSMAP, m->charsmap, m->charsmap_size);
    protobuf_put_int(message, NORMALIZER_PREFIX, m->add_dummy_prefix);
    protobuf_put_int(message, NORMALIZER_EXTRA, m->remove_extra_whitespaces);
    protobuf_put_int(message, NORMALIZER_ESCAPE, m->escape_whitespaces);
    protobuf_put_message(out, MODEL_NORMALIZER, message);
}

void
sp_model_write(const struct sp_model *m, struct str *out)
{
    struct str message = {0};
    for (size_t i = 0; i < m->pieces.len; i++)
        put_piece(out, &m->pieces.data[i], &message);
    put_trainer(out, m, &message);
    put_normalizer(out, m, &message);
    if (m->has_denormalizer) {
        protobuf_put_bytes(&message, NORMALIZER_CHARSMAP, m->denormalizer_charsmap, m->denormalizer_size);
        protobuf_put_message(out, MODEL_DENORMALIZER, &message);
    }
    str_release(&message);
}
