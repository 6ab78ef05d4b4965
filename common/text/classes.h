#ifndef TEXT_CLASSES_H
#define TEXT_CLASSES_H

#include <stddef.h>
#include <stdint.h>

/*
 * What tokenizer patterns ask of a code point: its general category and three
 * properties, as bits. The data is utf8proc's (Unicode 15 with version 2.8).
 */
enum text_class {
    CLASS_LU = 1,
    CLASS_LL = 2,
    CLASS_LT = 4,
    CLASS_LM = 8,
    CLASS_LO = 16,
    CLASS_MN = 32,
    CLASS_MC = 64, /* Mc and Me */
    CLASS_ND = 128,
    CLASS_NLO = 256,    /* Nl and No */
    CLASS_PUNCT = 512,  /* P*, and nothing else: ASCII symbols are not in it */
    CLASS_OTHER = 1024, /* Cc, Cf, Cs, Co, Cn */
    CLASS_SPACE = 2048, /* White_Space */
    CLASS_WORD = 4096,  /* Alphabetic, M, Nd, Pc, Join_Control: \w of UTS #18 annex C */
    CLASS_L = CLASS_LU | CLASS_LL | CLASS_LT | CLASS_LM | CLASS_LO,
    CLASS_M = CLASS_MN | CLASS_MC,
    CLASS_N = CLASS_ND | CLASS_NLO
};

enum { CLASS_CODE_POINTS = 0x110000 };

/* The table, one entry a code point; built at the first call, immutable, thread-safe. */
const uint16_t *text_classes(void);

/*
 * The code point at s, which must be valid UTF-8 (base/utf8.h checks); *used is
 * its length. Unchecked and therefore fast.
 */
static inline uint32_t
text_peek(const char *s, size_t *used)
{
    const unsigned char *p = (const unsigned char *)s;
    if (p[0] < 0x80) {
        *used = 1;
        return p[0];
    }
    if (p[0] < 0xE0) {
        *used = 2;
        return (p[0] & 0x1Fu) << 6 | (p[1] & 0x3Fu);
    }
    if (p[0] < 0xF0) {
        *used = 3;
        return (p[0] & 0x0Fu) << 12 | (p[1] & 0x3Fu) << 6 | (p[2] & 0x3Fu);
    }
    *used = 4;
    return (p[0] & 0x07u) << 18 | (p[1] & 0x3Fu) << 12 | (p[2] & 0x3Fu) << 6 | (p[3] & 0x3Fu);
}

#endif
