#ifndef TOKENIZER_BYTELEVEL_H
#define TOKENIZER_BYTELEVEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

/*
 * GPT-2's map from bytes to printable characters (Radford et al. 2019, encoder.py):
 * printable Latin-1 stands for itself, the other 68 bytes for U+0100 and on.
 */
uint32_t byte_to_char(uint8_t byte);
int char_to_byte(uint32_t code_point); /* -1: stands for no byte */

/* Appends the characters of bytes[0..n). */
void bytes_to_chars(const char *bytes, size_t n, struct str *out);

/*
 * Appends the bytes that the characters of text[0..n), valid UTF-8, stand for;
 * false, with nothing appended, when one stands for none.
 */
bool chars_to_bytes(const char *text, size_t n, struct str *out);

#endif
