#ifndef KERNELS_TEXT_H
#define KERNELS_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Kernels over bytes of text, one table an instruction set as in kernels.h. Every table
 * gives the same results; ref/text.c is plain C.
 */

/* Patterns of pre-tokenizers that a kernel cuts by; tokenizer/pattern.c says what each is. */
enum text_scan {
    TEXT_GPT2,
    TEXT_LLAMA3,
    TEXT_QWEN,
    TEXT_O200K,
    TEXT_TEKKEN,
    TEXT_DEEPSEEK3,
    TEXT_SCANS
};

enum { TEXT_SCAN_LEAST = 128 }; /* the least `max` of a scan */

/*
 * A set of bytes: byte b is in it when bit (b / 16 % 8) of low[b % 16] is set, of
 * high[b % 16] for b >= 128.
 */
struct text_set {
    uint8_t low[16], high[16];
};

static inline void
text_set_add(struct text_set *set, uint8_t byte)
{
    uint8_t *half = byte < 128 ? set->low : set->high;
    half[byte % 16] = (uint8_t)(half[byte % 16] | 1u << byte / 16 % 8);
}

static inline bool
text_set_has(const struct text_set *set, uint8_t byte)
{
    const uint8_t *half = byte < 128 ? set->low : set->high;
    return half[byte % 16] >> byte / 16 % 8 & 1;
}

/*
 * Short pieces of text as fixed-size keys: the bytes, then zeros, and in the last of the
 * 16 bytes the length. All longer ones have one key, which no valid UTF-8 has.
 */
enum { TEXT_KEY_MOST = 15, TEXT_KEY_READ = 16, TEXT_KEYS = 64 };
#define TEXT_KEY_MIX1 0x9E3779B97F4A7C15u
#define TEXT_KEY_MIX2 0xD6E8FEB86659FD93u
struct text_keys {
    uint64_t low[TEXT_KEYS], high[TEXT_KEYS];
    uint64_t hash[TEXT_KEYS];
};

/* Where a key belongs in a table of 2^bits places: the top bits of text_key_hash(). */
static inline uint64_t
text_key_hash(uint64_t low, uint64_t high)
{
    return (low ^ high * TEXT_KEY_MIX1) * TEXT_KEY_MIX2;
}

struct text_kernels {
    const char *name; /* "ref", "avx2", "avx512" */

    /*
     * Cuts text[at..n), n < 2^32, where a piece begins at `at`: writes the ends of pieces,
     * as places in text, and returns their number, at most `max` - 1 (entries up to `max`
     * may be overwritten; max >= TEXT_SCAN_LEAST). It goes on as long as 64 bytes from the
     * beginning of a piece on decide, by their ASCII characters, where that piece ends; the
     * piece it stops at (perhaps the first one: 0 ends) is the caller's.
     */
    size_t (*scan[TEXT_SCANS])(const char *text, size_t at, size_t n, uint32_t *ends, size_t max);

    /* The first place of text[at..n) whose byte is in the set; n when there is none. */
    size_t (*find)(const struct text_set *set, const char *text, size_t at, size_t n);

    /*
     * The keys of the pieces text[ends[i]..ends[i + 1]), i < count <= TEXT_KEYS, none empty,
     * and their hashes. TEXT_KEY_READ bytes can be read at the beginning of each.
     */
    void (*keys)(const char *text, const uint32_t *ends, size_t count, struct text_keys *keys);
};

/*
 * The best table that this CPU runs, or the one that the environment variable LLM_ISA
 * names (a table that builds on others for what it lacks). NULL with an error.
 */
const struct text_kernels *text_kernels(void);

/* The tables, each in its folder. */
extern const struct text_kernels text_ref;
extern const struct text_kernels text_avx2;
extern const struct text_kernels text_avx512;

#endif
