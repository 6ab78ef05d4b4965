#ifndef TOKENIZER_WRITE_PARTS_H
#define TOKENIZER_WRITE_PARTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "json/write.h"

/* Parts of a tokenizer.json that more than one kind of model has. key NULL: in an array. */

/* {"type": type, … : the caller ends it. */
void put_type(struct json_writer *w, const char *key, const char *type);

/* {"type": type} */
void put_bare(struct json_writer *w, const char *type);

void put_replace(struct json_writer *w, const char *from, const char *to);

/* The two normalizers of SentencePiece's way with spaces: ▁ in front, ▁ for each. */
void put_mark_spaces(struct json_writer *w);

/* The "decoder" that undoes them, and the bytes of <0xNN>. */
void put_mark_decoder(struct json_writer *w);

/* An added token; found in the raw text. */
void put_added_token(struct json_writer *w, uint32_t id, const char *text, size_t n, bool special);

#endif
