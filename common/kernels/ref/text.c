#include "kernels/text.h"

#include <string.h>

#include "kernels/text_block.h"

/* Plain C: a table gives each byte's classes as bits, eight bytes are gathered by a product. */

enum {
    LETTER = 1,
    UPPER = 2,
    DIGIT = 4,
    SPACE = 8,
    NEWLINE = 16,
    CONTROL = 32,
    QUOTE = 64,
    SLASH = 128
};

#define FOUR(i, bits) [i] = bits, [(i) + 1] = bits, [(i) + 2] = bits, [(i) + 3] = bits
#define LETTERS(i, bits)                                                               \
    FOUR(i, bits), FOUR((i) + 4, bits), FOUR((i) + 8, bits), FOUR((i) + 12, bits),     \
        FOUR((i) + 16, bits), FOUR((i) + 20, bits), [(i) + 24] = bits, [(i) + 25] = bits
static const uint8_t classes[256] = {
    FOUR(0, CONTROL),
    FOUR(4, CONTROL),
    [8] = CONTROL,
    FOUR(14, CONTROL),
    FOUR(18, CONTROL),
    FOUR(22, CONTROL),
    FOUR(26, CONTROL),
    [30] = CONTROL,
    [31] = CONTROL,
    [127] = CONTROL,
    LETTERS('A', LETTER | UPPER),
    LETTERS('a', LETTER),
    FOUR('0', DIGIT),
    FOUR('4', DIGIT),
    ['8'] = DIGIT,
    ['9'] = DIGIT,
    ['\t'] = SPACE,
    ['\n'] = SPACE | NEWLINE,
    ['\v'] = SPACE,
    ['\f'] = SPACE,
    ['\r'] = SPACE | NEWLINE,
    [' '] = SPACE,
    ['\''] = QUOTE,
    ['/'] = SLASH,
};

/* Bit k of each of eight bytes, as eight bits, the first byte's lowest. */
static inline uint64_t
gather(uint64_t bytes, int k)
{
    return (bytes >> k & 0x0101010101010101u) * 0x0102040810204080u >> 56;
}

static inline void
classify(const char *s, size_t left, struct block *b)
{
    unsigned char bytes[64] = {0};
    memcpy(bytes, s, left < 64 ? left : 64);
    *b = (struct block){0};
    for (int i = 0; i < 64; i += 8) {
        uint64_t high = 0, of = 0;
        for (int k = 0; k < 8; k++) {
            high |= (uint64_t)bytes[i + k] << 8 * k;
            of |= (uint64_t)classes[bytes[i + k]] << 8 * k;
        }
        b->foreign |= gather(high, 7) << i;
        b->letter |= gather(of, 0) << i;
        b->upper |= gather(of, 1) << i;
        b->digit |= gather(of, 2) << i;
        b->space |= gather(of, 3) << i;
        b->newline |= gather(of, 4) << i;
        b->control |= gather(of, 5) << i;
        b->blank |= gather(high & of << 2, 5) << i; /* the space that has the bit 0x20 */
        b->apostrophe |= gather(of, 6) << i;
        b->slash |= gather(of, 7) << i;
    }
}

static inline void
flatten(uint64_t bits, uint32_t at, uint32_t *ends)
{
    for (; bits; bits &= bits - 1)
        *ends++ = at + (uint32_t)__builtin_ctzll(bits);
}

#include "kernels/text_keys.inc"
#include "kernels/text_scan.inc"

static size_t
find(const struct text_set *set, const char *text, size_t at, size_t n)
{
    while (at < n && !text_set_has(set, (uint8_t)text[at]))
        at++;
    return at;
}

const struct text_kernels text_ref = {
    .name = "ref",
    .scan = TEXT_SCAN_TABLE,
    .find = find,
    .keys = make_keys,
};
