#include "archive/sniff.h"

#include <stdint.h>
#include <string.h>

#include "base/bytes.h"

/* Tells containers by their magic numbers. */

static const struct {
    enum content content;
    const char *name;
} names[] = {
    {CONTENT_DATA, "data"}, {CONTENT_SHARD, "shard"}, {CONTENT_GZIP, "gzip"},
    {CONTENT_BZIP2, "bzip2"}, {CONTENT_XZ, "xz"}, {CONTENT_ZSTD, "zstd"},
    {CONTENT_TAR, "tar"}, {CONTENT_ZIP, "zip"}, {CONTENT_AR, "ar"},
};

/*
 * A tar header has no magic before POSIX.1-1988, but its checksum (the sum of the
 * header's bytes with its own field as spaces, in octal at 148) is as good.
 */
static bool
is_tar(const uint8_t *p, size_t n)
{
    uint32_t sum = 0, told = 0;
    size_t i = 148;

    if (n < 512 || !p[0])
        return false;
    while (i < 156 && p[i] == ' ')
        i++;
    for (; i < 156 && p[i] >= '0' && p[i] <= '7'; i++)
        told = told * 8 + (uint32_t)(p[i] - '0');
    for (i = 0; i < 512; i++)
        sum += i >= 148 && i < 156 ? ' ' : p[i];
    return sum == told;
}

/* What follows "BZh9": a block, or at once the end of the stream. */
static const uint8_t bzip2_block[6] = {0x31, 0x41, 0x59, 0x26, 0x53, 0x59};
static const uint8_t bzip2_end[6] = {0x17, 0x72, 0x45, 0x38, 0x50, 0x90};

static bool
is_bzip2(const uint8_t *p, size_t n)
{
    return n >= 10 && !memcmp(p, "BZh", 3) && p[3] >= '1' && p[3] <= '9' &&
           (!memcmp(p + 4, bzip2_block, 6) || !memcmp(p + 4, bzip2_end, 6));
}

static bool
is_zip(const uint8_t *p, size_t n)
{
    return n >= 22 && p[0] == 'P' && p[1] == 'K' &&
           ((p[2] == 3 && p[3] == 4) || (p[2] == 5 && p[3] == 6));
}

static bool
is_zstd(const uint8_t *p, size_t n)
{
    uint32_t magic = n >= 8 ? load_u32(p) : 0;

    return magic == 0xFD2FB528u || (magic & 0xFFFFFFF0u) == 0x184D2A50u;
}

enum content
sniff(const void *head, size_t n)
{
    const uint8_t *p = head;

    if (n >= 12 && load_u32(p) == 0x184D2A57u && !memcmp(p + 8, "LTSH", 4))
        return CONTENT_SHARD;
    if (n >= 10 && p[0] == 0x1F && p[1] == 0x8B && p[2] == 8 && !(p[3] & 0xE0))
        return CONTENT_GZIP;
    if (n >= 6 && !memcmp(p, "\xFD" "7zXZ\0", 6))
        return CONTENT_XZ;
    if (is_zstd(p, n))
        return CONTENT_ZSTD;
    if (is_bzip2(p, n))
        return CONTENT_BZIP2;
    if (is_zip(p, n))
        return CONTENT_ZIP;
    if (n >= 8 && !memcmp(p, "!<arch>\n", 8))
        return CONTENT_AR;
    return is_tar(p, n) ? CONTENT_TAR : CONTENT_DATA;
}

/* A zstd frame (RFC 8878) whose first block is the last and has no bytes. */
static bool
is_empty_zstd(const uint8_t *p, size_t n)
{
    static const size_t dictionary[4] = {0, 1, 2, 4}, content[4] = {0, 2, 4, 8};

    if (n < 5 || load_u32(p) != 0xFD2FB528u)
        return false;
    bool single = p[4] >> 5 & 1;
    size_t window = single ? 0 : 1;
    size_t size = single && !(p[4] >> 6) ? 1 : content[p[4] >> 6];
    size_t at = 5 + window + dictionary[p[4] & 3] + size;
    return n >= at + 3 && p[at] == 1 && !p[at + 1] && !p[at + 2];
}

bool
sniff_is_empty(enum content c, const void *head, size_t n)
{
    const uint8_t *p = head;

    switch (c) {
    case CONTENT_BZIP2:
        return n == 14 && !memcmp(p + 4, bzip2_end, 6);
    case CONTENT_XZ: /* after the header the index instead of a block */
        return n == 32 && !p[12];
    case CONTENT_ZSTD:
        return is_empty_zstd(p, n);
    default:
        return false;
    }
}

bool
content_is_filter(enum content c)
{
    return c == CONTENT_GZIP || c == CONTENT_BZIP2 || c == CONTENT_XZ || c == CONTENT_ZSTD;
}

bool
content_is_archive(enum content c)
{
    return c == CONTENT_TAR || c == CONTENT_ZIP || c == CONTENT_AR;
}

const char *
content_name(enum content c)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].content == c)
            return names[i].name;
    return "data";
}
