#include "shard/frame.h"

#include <stdlib.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "shard/reader.h"

/* HEAD and SOURCE: what a shard says about itself, and which shards may be joined. */

uint8_t
width_of_vocabulary(uint32_t vocabulary)
{
    return vocabulary <= 65536 ? 2 : 3;
}

static int
check_special(const char *name, uint32_t id, uint32_t vocabulary)
{
    if (id != SHARD_NONE && id >= vocabulary)
        return err_set(STATUS_INPUT, "%s %u is not below the vocabulary %u", name, id, vocabulary);
    return 0;
}

int
head_check(const struct shard_head *h)
{
    if (h->vocabulary > 1u << 24)
        return err_set(STATUS_INPUT, "vocabulary %u is larger than 16777216", h->vocabulary);
    if (check_special("bos", h->bos, h->vocabulary) || check_special("eos", h->eos, h->vocabulary) ||
        check_special("pad", h->pad, h->vocabulary) || check_special("unk", h->unk, h->vocabulary))
        return -1;
    if (h->flags & ~(uint32_t)(SHARD_SHUFFLED | SHARD_LOSS_MASK | SHARD_MINHASH | SHARD_PAIRS))
        return err_set(STATUS_INPUT, "unknown flags %#x in the head", h->flags);
    uint32_t signature = (uint32_t)h->bands * h->rows;
    if (h->flags & SHARD_MINHASH ? signature == 0 || signature > SHARD_MINHASH_MAX
                                 : h->bands || h->rows)
        return err_set(STATUS_INPUT, "MinHash of %u bands and %u rows", h->bands, h->rows);
    return 0;
}

void
head_copy(struct shard_head *to, const struct shard_head *from)
{
    *to = *from;
    to->provenance = from->provenance ? mem_strdup(from->provenance) : NULL;
}

/* Text from a frame: UTF-8 without NUL. NULL with the fact recorded. */
static char *
take_text(struct fields *f, size_t n, const char *what)
{
    const char *p = (const char *)take_bytes(f, n);
    if (!p || utf8_valid(p, n) != n || memchr(p, 0, n)) {
        err_set(STATUS_INPUT, "%s is not UTF-8 text", what);
        return NULL;
    }
    return mem_strndup(p, n);
}

void
head_encode(const struct shard_head *h, struct str *out)
{
    size_t start = frame_begin(out, SHARD_TAG_HEAD);
    put_u8(out, SHARD_MAJOR);
    put_u8(out, SHARD_MINOR);
    put_u8(out, h->width);
    put_u8(out, 0);
    put_u32(out, h->vocabulary);
    put_u32(out, h->bos);
    put_u32(out, h->eos);
    put_u32(out, h->pad);
    put_u32(out, h->unk);
    str_add(out, h->fingerprint, sizeof h->fingerprint);
    put_u32(out, h->seq_length);
    put_u32(out, h->flags);
    put_u64(out, h->seed);
    put_u16(out, h->bands);
    put_u16(out, h->rows);
    size_t n = h->provenance ? strlen(h->provenance) : 0;
    put_u32(out, (uint32_t)n);
    str_add(out, h->provenance ? h->provenance : "", n);
    frame_end(out, start, 0);
}

int
head_check_end(const struct shard_head *head, uint64_t tokens)
{
    if (head->seq_length && tokens % ((uint64_t)head->seq_length + 1))
        return err_set(STATUS_INPUT, "ends inside a sequence of %u tokens and one more",
                       head->seq_length);
    return 0;
}

int
head_decode(const uint8_t *payload, size_t n, struct shard_head *out)
{
    struct fields f = {payload + 4, payload + n, false};
    struct shard_head h = {0};
    uint8_t major = take_u8(&f);
    uint8_t minor = take_u8(&f);
    if (f.bad || major != SHARD_MAJOR)
        return err_set(STATUS_INPUT, "shard version %u.%u is not supported", major, minor);
    h.width = take_u8(&f);
    uint8_t zero = take_u8(&f);
    h.vocabulary = take_u32(&f);
    h.bos = take_u32(&f);
    h.eos = take_u32(&f);
    h.pad = take_u32(&f);
    h.unk = take_u32(&f);
    const uint8_t *fingerprint = take_bytes(&f, sizeof h.fingerprint);
    if (fingerprint)
        memcpy(h.fingerprint, fingerprint, sizeof h.fingerprint);
    h.seq_length = take_u32(&f);
    h.flags = take_u32(&f);
    h.seed = take_u64(&f);
    h.bands = take_u16(&f);
    h.rows = take_u16(&f);
    uint32_t text = take_u32(&f);
    /* A later minor version may have more fields behind these. */
    if (f.bad || text > SHARD_PROVENANCE_MAX || (size_t)(f.end - f.p) < text ||
        (minor == SHARD_MINOR && (size_t)(f.end - f.p) != text))
        return err_set(STATUS_INPUT, "head frame has the wrong length");
    if (head_check(&h) != 0)
        return -1;
    if (h.width != width_of_vocabulary(h.vocabulary) || zero != 0)
        return err_set(STATUS_INPUT, "width %u does not fit the vocabulary %u", h.width,
                       h.vocabulary);
    h.provenance = take_text(&f, text, "provenance");
    if (!h.provenance)
        return -1;
    *out = h;
    return 0;
}

void
source_encode(uint16_t id, const struct shard_source *source, struct str *out)
{
    size_t language = strlen(source->language);
    size_t name = strlen(source->name);
    size_t start = frame_begin(out, SHARD_TAG_SOURCE);
    put_u16(out, id);
    put_u8(out, (uint8_t)language);
    str_add(out, source->language, language);
    put_u16(out, (uint16_t)name);
    str_add(out, source->name, name);
    frame_end(out, start, 0);
}

int
source_decode(const uint8_t *payload, size_t n, uint16_t *id, struct shard_source *out)
{
    struct fields f = {payload + 4, payload + n, false};
    struct shard_source s = {0};
    *id = take_u16(&f);
    s.language = take_text(&f, take_u8(&f), "language");
    if (!s.language)
        return -1;
    s.name = take_text(&f, take_u16(&f), "source name");
    if (s.name && f.p == f.end) {
        *out = s;
        return 0;
    }
    if (s.name)
        err_set(STATUS_INPUT, "source frame has the wrong length");
    free(s.name);
    free(s.language);
    return -1;
}

static int
differs(const char *field, uint32_t a, uint32_t b)
{
    if (a == b)
        return 0;
    return err_set(STATUS_INPUT, "cannot be joined: %s is %u here, %u before", field, b, a);
}

int
shard_head_joins(const struct shard_head *a, const struct shard_head *b)
{
    if (differs("vocabulary", a->vocabulary, b->vocabulary) || differs("bos", a->bos, b->bos) ||
        differs("eos", a->eos, b->eos) || differs("pad", a->pad, b->pad) ||
        differs("unk", a->unk, b->unk) || differs("seq_length", a->seq_length, b->seq_length) ||
        differs("loss mask", !!(a->flags & SHARD_LOSS_MASK), !!(b->flags & SHARD_LOSS_MASK)) ||
        differs("pairs", !!(a->flags & SHARD_PAIRS), !!(b->flags & SHARD_PAIRS)))
        return -1;
    if (memcmp(a->fingerprint, b->fingerprint, sizeof a->fingerprint) != 0)
        return err_set(STATUS_INPUT, "cannot be joined: the tokenizer's fingerprint differs");
    return 0;
}
