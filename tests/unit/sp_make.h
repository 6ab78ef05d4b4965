#ifndef TESTS_SP_MAKE_H
#define TESTS_SP_MAKE_H

#include <string.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "base/str.h"

/*
 * SentencePiece models and charsmaps written byte by byte, for tests: the wire format
 * of Protocol Buffers with one-byte keys.
 */
enum { SP_NORMAL_PIECE = 1, SP_UNK, SP_CTL, SP_USER, SP_NOT_USED, SP_BYTE_PIECE };

static inline void
sp_varint(struct str *out, uint64_t n)
{
    for (; n >= 0x80; n >>= 7)
        str_addc(out, (char)(n | 0x80));
    str_addc(out, (char)n);
}

/* A number; fields from 16 on have keys of two bytes. */
static inline void
sp_number(struct str *out, unsigned field, uint64_t n)
{
    sp_varint(out, field << 3);
    sp_varint(out, n);
}

static inline void
sp_bytes(struct str *out, unsigned field, const void *bytes, size_t n)
{
    sp_varint(out, field << 3 | 2);
    sp_varint(out, n);
    str_add(out, bytes, n);
}

static inline void
sp_text(struct str *out, unsigned field, const char *text)
{
    sp_bytes(out, field, text, strlen(text));
}

static inline void
sp_message(struct str *out, unsigned field, struct str *message)
{
    sp_bytes(out, field, message->data ? message->data : "", message->len);
    str_release(message);
}

static inline void
sp_float(struct str *out, unsigned field, float value)
{
    uint8_t bytes[4];
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    store_u32(bytes, bits);
    sp_varint(out, field << 3 | 5);
    str_add(out, bytes, sizeof bytes);
}

static inline void
sp_piece(struct str *out, const char *text, float score, int type)
{
    struct str piece = {0};
    sp_text(&piece, 1, text);
    sp_float(&piece, 2, score);
    if (type != SP_NORMAL_PIECE)
        sp_number(&piece, 3, (uint64_t)type);
    sp_message(out, 1, &piece);
}

/* <0x00> … <0xFF> */
static inline void
sp_byte_pieces(struct str *out)
{
    struct str name = {0};
    for (unsigned i = 0; i < 256; i++) {
        str_clear(&name);
        str_addf(&name, "<0x%02X>", i);
        sp_piece(out, name.data, 0, SP_BYTE_PIECE);
    }
    str_release(&name);
}

/* ---- charsmaps ---- */

struct sp_rule {
    const char *from, *to; /* in order of `from` */
};

/* The nodes for rules[0..n), which agree in their first `depth` bytes, below `node`. */
static inline void
sp_map_node(uint32_t *units, uint32_t *next, uint32_t node, const struct sp_rule *rules, size_t n,
            size_t depth, struct str *texts)
{
    uint32_t base = *next; /* each node has a block of its own */
    *next += 256;
    units[node] |= (node ^ base) << 10;
    if (n > 0 && rules[0].from[depth] == '\0') {
        units[node] |= 0x100;
        units[base] = 0x80000000u | (uint32_t)texts->len;
        str_add(texts, rules[0].to, strlen(rules[0].to) + 1);
        rules++;
        n--;
    }
    for (size_t i = 0, same; i < n; i += same) {
        unsigned char c = (unsigned char)rules[i].from[depth];
        for (same = 1; i + same < n && (unsigned char)rules[i + same].from[depth] == c;)
            same++;
        units[base ^ c] = c;
        sp_map_node(units, next, base ^ c, rules + i, same, depth + 1, texts);
    }
}

/* Appends the blob: at most 30 nodes. */
static inline void
sp_charsmap(struct str *out, const struct sp_rule *rules, size_t n)
{
    enum { UNITS = 32 * 256 };
    uint32_t *units = mem_zarray(UNITS, sizeof *units), next = 256;
    struct str texts = {0};
    uint8_t word[4];
    for (uint32_t i = 1; i < UNITS; i++)
        units[i] = 0x80000000u; /* nobody's child */
    sp_map_node(units, &next, 0, rules, n, 0, &texts);
    store_u32(word, next * 4);
    str_add(out, word, sizeof word);
    for (uint32_t i = 0; i < next; i++) {
        store_u32(word, units[i]);
        str_add(out, word, sizeof word);
    }
    str_add(out, texts.data, texts.len);
    free(units);
    str_release(&texts);
}

#endif
