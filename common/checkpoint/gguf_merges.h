#ifndef CHECKPOINT_GGUF_MERGES_H
#define CHECKPOINT_GGUF_MERGES_H

#include "json/write.h"
#include "tokenizer/vocab.h"

/*
 * SentencePiece's BPE has scores instead of merges: two neighbours are joined where their text is a piece,
 * the best one first. As merges: each way to cut a piece in two pieces, ordered by the
 * piece's score, as Hugging Face's conversion orders them (transformers, generate_merges).
 */
struct gguf_pieces {
    struct vocab text; /* of all ids, indexed */
    float *score;      /* [ids] */
    uint8_t *ordinary; /* [ids] 1: takes part in merges */
};

/* Puts "merges": [...] */
void gguf_put_merges(struct json_writer *w, const struct gguf_pieces *p);

#endif
