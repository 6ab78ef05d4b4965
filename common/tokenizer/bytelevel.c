#include "tokenizer/bytelevel.h"

#include "text/classes.h"

/* The 68 bytes without a printable character of their own, in order: 0-32, 127-160, 173. */
enum { MAPPED_FIRST = 0x100, MAPPED_COUNT = 68 };

uint32_t
byte_to_char(uint8_t byte)
{
    if (byte <= 32)
        return MAPPED_FIRST + byte;
    if (byte >= 127 && byte <= 160)
        return MAPPED_FIRST + 33u + (byte - 127u);
    if (byte == 173)
        return MAPPED_FIRST + MAPPED_COUNT - 1;
    return byte;
}

int
char_to_byte(uint32_t c)
{
    if (c < MAPPED_FIRST)
        return byte_to_char((uint8_t)c) == c ? (int)c : -1;
    uint32_t index = c - MAPPED_FIRST;
    if (index >= MAPPED_COUNT)
        return -1;
    if (index <= 32)
        return (int)index;
    return index == MAPPED_COUNT - 1 ? 173 : (int)(127 + index - 33);
}

void
bytes_to_chars(const char *bytes, size_t n, struct str *out)
{
    for (size_t i = 0; i < n; i++)
        str_add_utf8(out, byte_to_char((uint8_t)bytes[i]));
}

bool
chars_to_bytes(const char *text, size_t n, struct str *out)
{
    size_t begin = out->len;
    for (size_t at = 0, used; at < n; at += used) {
        int byte = char_to_byte(text_peek(text + at, &used));
        if (byte < 0) {
            out->len = begin;
            return false;
        }
        str_addc(out, (char)byte);
    }
    return true;
}
