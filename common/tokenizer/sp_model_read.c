#include <math.h>
#include <string.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "tokenizer/sp_model.h"
#include "tokenizer/vocab.h"

/*
 * Reading a SentencePiece model: the wire format of Protocol Buffers (developers'
 * guide, "Encoding"), and of the message what is of use. Unknown fields are passed
 * over, as the format wants it.
 */

enum { PIECE_LENGTH_MOST = 65535 }; /* what a trie's key may have */

/* ---- the wire format ---- */

enum wire { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };

/* A message, or what is left of it. Offsets count from the file's start. */
struct message {
    const char *name, *file;
    size_t at, end;
};

struct field {
    uint32_t number;
    enum wire wire;
    uint64_t value;       /* a number as it is stored */
    size_t begin;         /* of the field */
    struct message bytes; /* WIRE_BYTES: its content */
};

static int
fail(const struct message *m, size_t offset, const char *fact)
{
    return err_set(STATUS_INPUT, "%s: offset %zu: %s", m->name, offset, fact);
}

/* At most ten bytes; bits beyond the 64th are lost, as everywhere in Protocol Buffers. */
static int
read_varint(struct message *m, uint64_t *out)
{
    *out = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
        if (m->at == m->end)
            return fail(m, m->at, "cut inside a number");
        unsigned char c = (unsigned char)m->file[m->at++];
        if (shift < 64)
            *out |= (uint64_t)(c & 0x7F) << shift;
        if (c < 0x80)
            return 0;
    }
    return fail(m, m->at, "a number is longer than ten bytes");
}

static int
read_value(struct message *m, struct field *f)
{
    size_t left = m->end - m->at, size = 0;
    switch (f->wire) {
    case WIRE_VARINT: return read_varint(m, &f->value);
    case WIRE_FIXED64: size = 8; break;
    case WIRE_FIXED32: size = 4; break;
    case WIRE_BYTES:
        if (read_varint(m, &f->value) < 0)
            return -1;
        left = m->end - m->at;
        if (f->value > left)
            return fail(m, f->begin, "a field is longer than what holds it");
        f->bytes = (struct message){m->name, m->file, m->at, m->at + (size_t)f->value};
        m->at += (size_t)f->value;
        return 0;
    default: return fail(m, f->begin, "not a field of a SentencePiece model");
    }
    if (size > left)
        return fail(m, f->begin, "cut inside a field");
    f->value = size == 4 ? load_u32(m->file + m->at) : load_u64(m->file + m->at);
    m->at += size;
    return 0;
}

/* The next field: 1, 0 at the message's end, or -1. */
static int
next_field(struct message *m, struct field *f)
{
    uint64_t key = 0;
    *f = (struct field){.begin = m->at};
    if (m->at == m->end)
        return 0;
    if (read_varint(m, &key) < 0)
        return -1;
    if (key >> 3 == 0 || key >> 3 > UINT32_MAX >> 3)
        return fail(m, f->begin, "not a field of a SentencePiece model");
    f->number = (uint32_t)(key >> 3);
    f->wire = (enum wire)(key & 7);
    return read_value(m, f) < 0 ? -1 : 1;
}

/* A known field must have its own wire type. */
static int
expect(const struct message *m, const struct field *f, enum wire wire)
{
    return f->wire == wire ? 0 : fail(m, f->begin, "a field of another type than its own");
}

/* ---- values ---- */

struct reading {
    struct sp_model *m;
    /* names of special pieces, which decide over their ids */
    struct message bos, eos, pad;
};

static int
get_bool(const struct message *m, const struct field *f, bool *out)
{
    *out = f->value != 0;
    return expect(m, f, WIRE_VARINT);
}

static int
get_int(const struct message *m, const struct field *f, int32_t *out)
{
    *out = (int32_t)(uint32_t)f->value;
    return expect(m, f, WIRE_VARINT);
}

static int
get_float(const struct message *m, const struct field *f, float *out)
{
    uint32_t bits = (uint32_t)f->value;
    memcpy(out, &bits, sizeof *out);
    if (expect(m, f, WIRE_FIXED32) < 0)
        return -1;
    return isfinite(*out) ? 0 : fail(m, f->begin, "a number that is not finite");
}

static int
get_bytes(const struct message *m, const struct field *f, struct message *out)
{
    *out = f->bytes;
    return expect(m, f, WIRE_BYTES);
}

/* A copy with a NUL behind it, in the pool, which has room for all (see sp_model_read). */
static int
get_string(struct sp_model *s, const struct message *m, const struct field *f, const char **out)
{
    struct message text;
    if (get_bytes(m, f, &text) < 0)
        return -1;
    size_t n = text.end - text.at;
    if (utf8_valid(text.file + text.at, n) != n)
        return fail(m, f->begin, "a text that is not UTF-8");
    *out = s->pool.data + s->pool.len;
    str_add(&s->pool, text.file + text.at, n);
    str_addc(&s->pool, '\0');
    return 0;
}

/* ---- the messages ---- */

static int
read_type(const struct message *m, const struct field *f, enum sp_type *out)
{
    if (expect(m, f, WIRE_VARINT) < 0)
        return -1;
    if (f->value < SP_NORMAL || f->value > SP_BYTE)
        return fail(m, f->begin, "a piece of an unknown type");
    *out = (enum sp_type)f->value;
    return 0;
}

static int
check_piece(const struct message *m, size_t begin, const struct sp_piece *p)
{
    if (p->length == 0)
        return fail(m, begin, "an empty piece");
    if (memchr(p->text, '\0', p->length))
        return fail(m, begin, "a piece with a NUL");
    if (utf8_valid(p->text, p->length) != p->length)
        return fail(m, begin, "a piece that is not UTF-8");
    return 0;
}

static int
read_piece(struct reading *r, struct message *m)
{
    struct sp_piece p = {.text = "", .type = SP_NORMAL};
    struct message text;
    struct field f;
    size_t begin = m->at;
    int more, rc = 0;
    while (rc == 0 && (more = next_field(m, &f)) != 0) {
        if (more < 0)
            return -1;
        if (f.number == 1) {
            if (get_bytes(m, &f, &text) < 0)
                return -1;
            if (text.end - text.at > PIECE_LENGTH_MOST)
                return fail(m, f.begin, "a piece of more than 65,535 bytes");
            p.text = text.file + text.at;
            p.length = (uint32_t)(text.end - text.at);
        } else if (f.number == 2) {
            rc = get_float(m, &f, &p.score);
        } else if (f.number == 3) {
            rc = read_type(m, &f, &p.type);
        }
    }
    if (rc < 0 || check_piece(m, begin, &p) < 0)
        return -1;
    if (r->m->pieces.len == VOCAB_MAX)
        return fail(m, begin, "more pieces than ids are supported");
    vec_push(&r->m->pieces, p);
    return 0;
}

static int
read_algorithm(const struct message *m, const struct field *f, enum sp_algorithm *out)
{
    if (expect(m, f, WIRE_VARINT) < 0)
        return -1;
    if (f->value < SP_UNIGRAM || f->value > SP_CHAR)
        return fail(m, f->begin, "an unknown type of model");
    *out = (enum sp_algorithm)f->value;
    return 0;
}

static int
read_trainer(struct reading *r, struct message *m)
{
    struct sp_model *s = r->m;
    struct field f;
    int more, rc = 0;
    while (rc == 0 && (more = next_field(m, &f)) != 0) {
        if (more < 0)
            return -1;
        switch (f.number) {
        case 3: rc = read_algorithm(m, &f, &s->algorithm); break;
        case 4: rc = get_int(m, &f, &s->vocab_size); break;
        case 10: rc = get_float(m, &f, &s->character_coverage); break;
        case 24: rc = get_bool(m, &f, &s->treat_whitespace_as_suffix); break;
        case 25: rc = get_bool(m, &f, &s->split_digits); break;
        case 35: rc = get_bool(m, &f, &s->byte_fallback); break;
        case 44: rc = get_string(s, m, &f, &s->unk_surface); break;
        case 46: rc = get_bytes(m, &f, &r->bos); break;
        case 47: rc = get_bytes(m, &f, &r->eos); break;
        case 48: rc = get_bytes(m, &f, &r->pad); break;
        default: break;
        }
    }
    return rc;
}

/* A normalizer_spec, of which name may be NULL: not of interest. */
struct spec {
    const char **name, **charsmap;
    size_t *size;
    bool *dummy_prefix, *remove_extra, *escape;
};

static int
read_spec(struct reading *r, struct message *m, const struct spec *to)
{
    struct message blob = {0};
    struct field f;
    int more, rc = 0;
    while (rc == 0 && (more = next_field(m, &f)) != 0) {
        if (more < 0)
            return -1;
        switch (f.number) {
        case 1: rc = to->name ? get_string(r->m, m, &f, to->name) : 0; break;
        case 2: rc = get_bytes(m, &f, &blob); break;
        case 3: rc = get_bool(m, &f, to->dummy_prefix); break;
        case 4: rc = get_bool(m, &f, to->remove_extra); break;
        case 5: rc = get_bool(m, &f, to->escape); break;
        default: break;
        }
    }
    if (blob.end > blob.at) {
        *to->charsmap = blob.file + blob.at;
        *to->size = blob.end - blob.at;
    }
    return rc;
}

static int
read_normalizer(struct reading *r, struct message *m)
{
    struct sp_model *s = r->m;
    struct spec to = {&s->normalizer_name,
                      &s->charsmap,
                      &s->charsmap_size,
                      &s->add_dummy_prefix,
                      &s->remove_extra_whitespaces,
                      &s->escape_whitespaces};
    return read_spec(r, m, &to);
}

/* Without a charsmap of its own it is not used. */
static int
read_denormalizer(struct reading *r, struct message *m)
{
    struct sp_model *s = r->m;
    struct spec to = {NULL,
                      &s->denormalizer_charsmap,
                      &s->denormalizer_size,
                      &s->denormalizer_dummy_prefix,
                      &s->denormalizer_remove_extra,
                      &s->denormalizer_escape};
    int rc = read_spec(r, m, &to);
    s->has_denormalizer = s->denormalizer_size > 0;
    return rc;
}

static int
read_model(struct reading *r, struct message *m)
{
    struct field f;
    int more, rc = 0;
    while (rc == 0 && (more = next_field(m, &f)) != 0) {
        if (more < 0)
            return -1;
        if (f.number == 0 || f.number > 5 || f.number == 4)
            continue; /* self_test_data, extensions */
        if (expect(m, &f, WIRE_BYTES) < 0)
            return -1;
        if (f.number == 1)
            rc = read_piece(r, &f.bytes);
        else if (f.number == 2)
            rc = read_trainer(r, &f.bytes);
        else if (f.number == 3)
            rc = read_normalizer(r, &f.bytes);
        else
            rc = read_denormalizer(r, &f.bytes);
    }
    return rc;
}

/* ---- the whole ---- */

/* The id of the control piece of that name; -1: none. */
static int32_t
control_id(const struct sp_model *s, const struct message *name, const char *otherwise)
{
    const char *text = name->end > name->at ? name->file + name->at : otherwise;
    size_t n = name->end > name->at ? name->end - name->at : strlen(otherwise);
    for (size_t i = 0; i < s->pieces.len; i++) {
        const struct sp_piece *p = &s->pieces.data[i];
        if (p->type == SP_CONTROL && p->length == n && !memcmp(p->text, text, n))
            return (int32_t)i;
    }
    return -1;
}

static int
check_twins(const struct sp_model *s, const char *name)
{
    struct vocab seen = {0};
    uint32_t first = 0, second = 0;
    for (uint32_t i = 0; i < s->pieces.len; i++)
        vocab_add(&seen, i, s->pieces.data[i].text, s->pieces.data[i].length);
    bool good = vocab_index(&seen, &first, &second);
    vocab_release(&seen);
    return good ? 0
                : err_set(STATUS_INPUT, "%s: pieces %u and %u have the same text", name, first,
                          second);
}

/* The byte that a piece <0xNN> names; -1: none. */
static int
byte_of(const struct sp_piece *p)
{
    static const char digits[] = "0123456789ABCDEF";
    const char *high, *low;
    if (p->length != 6 || memcmp(p->text, "<0x", 3) || p->text[5] != '>' ||
        !(high = strchr(digits, p->text[3])) || !(low = strchr(digits, p->text[4])))
        return -1;
    return (int)((high - digits) * 16 + (low - digits));
}

/* What the library demands of a model: one unknown piece; byte pieces all or none. */
static int
check_types(struct sp_model *s, const char *name)
{
    bool bytes[256] = {false};
    size_t unknown = 0, found = 0;
    for (size_t i = 0; i < s->pieces.len; i++) {
        const struct sp_piece *p = &s->pieces.data[i];
        if (p->type == SP_UNKNOWN) {
            s->unk_id = (int32_t)i;
            unknown++;
        }
        if (p->type != SP_BYTE)
            continue;
        int byte = byte_of(p);
        if (byte < 0 || bytes[byte])
            return err_set(STATUS_INPUT, "%s: piece %zu is no byte piece", name, i);
        bytes[byte] = true;
        found++;
    }
    if (unknown != 1)
        return err_set(STATUS_INPUT, "%s: %zu unknown pieces, 1 is needed", name, unknown);
    if (found != (s->byte_fallback ? 256 : 0))
        return err_set(STATUS_INPUT, "%s: %zu byte pieces %s byte_fallback", name, found,
                       s->byte_fallback ? "with" : "without");
    return 0;
}

static void
set_defaults(struct sp_model *s)
{
    *s = (struct sp_model){.algorithm = SP_UNIGRAM,
                           .vocab_size = 8000,
                           .unk_id = -1,
                           .bos_id = -1,
                           .eos_id = -1,
                           .pad_id = -1,
                           .character_coverage = 0.9995f,
                           .unk_surface = " \xE2\x81\x87 ",
                           .normalizer_name = "",
                           .add_dummy_prefix = true,
                           .remove_extra_whitespaces = true,
                           .escape_whitespaces = true,
                           .denormalizer_dummy_prefix = true,
                           .denormalizer_remove_extra = true,
                           .denormalizer_escape = true};
}

int
sp_model_read(struct sp_model *m, const char *name, const char *bytes, size_t n)
{
    struct reading r = {.m = m};
    set_defaults(m);
    /* the file, and behind it texts with a NUL: each may be there in both forms */
    str_reserve(&m->pool, 2 * n + 64);
    str_add(&m->pool, bytes, n);
    struct message whole = {name, m->pool.data, 0, n};
    if (read_model(&r, &whole) < 0)
        goto failed;
    if (m->pieces.len == 0) {
        err_set(STATUS_INPUT, "%s: a SentencePiece model without pieces", name);
        goto failed;
    }
    if (check_types(m, name) < 0 || check_twins(m, name) < 0)
        goto failed;
    m->bos_id = control_id(m, &r.bos, "<s>");
    m->eos_id = control_id(m, &r.eos, "</s>");
    m->pad_id = control_id(m, &r.pad, "<pad>");
    return 0;
failed:
    sp_model_release(m);
    return -1;
}

void
sp_model_release(struct sp_model *m)
{
    str_release(&m->pool);
    vec_release(&m->pieces);
}
