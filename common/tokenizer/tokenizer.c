#include "tokenizer/tokenizer.h"

#include <string.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "text/classes.h"
#include "tokenizer/fast.h"
#include "tokenizer/internal.h"
#include "tokenizer/sp_tokenizer.h"

/* The public interface: encoding and what is known of each id. */

enum { TEXT_LIMIT = 1 << 30 }; /* places in a piece are 32-bit */

struct tokenizer_scratch {
    struct bpe_scratch *bpe;
    struct unigram_scratch *unigram;
    struct sp_scratch *sp;
    struct normalizer_scratch normalizer;
    struct pretokenizer_scratch pretokenizer;
    struct added_spans raw, normal;
    struct str word; /* WordPiece */
    const struct text_kernels *kernels; /* chosen at the first use */
    struct fast_scratch *fast;          /* made at the first use */
};

void
tokenizer_free(struct tokenizer *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < t->added.len; i++) {
        free(t->added.data[i].content);
        free(t->added.data[i].normal);
    }
    for (size_t i = 0; i < t->files.len; i++)
        free((void *)(uintptr_t)t->files.data[i].data);
    vec_release(&t->files);
    vec_release(&t->added);
    added_trie_release(&t->raw);
    added_trie_release(&t->normal);
    free(t->added_of);
    vec_release(&t->prefix);
    vec_release(&t->suffix);
    extension_release(&t->extension);
    bpe_release(&t->bpe);
    wordpiece_release(&t->words);
    unigram_release(&t->unigram);
    if (t->sp)
        sp_release(t->sp);
    free(t->sp);
    vocab_release(&t->vocab);
    normalizer_release(&t->normalizer);
    pretokenizer_release(&t->pretokenizer);
    decoder_release(&t->decoder);
    free(t);
}

struct tokenizer_scratch *
tokenizer_scratch_new(const struct tokenizer *t)
{
    struct tokenizer_scratch *s = mem_zalloc(sizeof *s);
    if (t->sp) {
        s->sp = sp_scratch_new(t->sp);
        return s;
    }
    s->bpe = bpe_scratch_new();
    s->unigram = unigram_scratch_new();
    return s;
}

void
tokenizer_scratch_free(struct tokenizer_scratch *s)
{
    if (!s)
        return;
    bpe_scratch_free(s->bpe);
    unigram_scratch_free(s->unigram);
    sp_scratch_free(s->sp);
    normalizer_scratch_release(&s->normalizer);
    pretokenizer_scratch_release(&s->pretokenizer);
    vec_release(&s->raw);
    vec_release(&s->normal);
    str_release(&s->word);
    fast_scratch_free(s->fast);
    free(s);
}

/* ---- ids and texts ---- */

uint32_t
tokenizer_vocabulary(const struct tokenizer *t)
{
    return t->vocabulary;
}

uint32_t
tokenizer_id(const struct tokenizer *t, const char *text, size_t n)
{
    for (size_t i = 0; i < t->added.len; i++)
        if (t->added.data[i].length == n && !memcmp(t->added.data[i].content, text, n))
            return t->added.data[i].id;
    return vocab_find(&t->vocab, text, n);
}

const char *
tokenizer_text(const struct tokenizer *t, uint32_t id, size_t *n)
{
    const struct added_token *a = added_token(t, id);
    if (!a)
        return vocab_get(&t->vocab, id, n);
    *n = a->length;
    return a->content;
}

bool
tokenizer_is_special(const struct tokenizer *t, uint32_t id)
{
    const struct added_token *a = added_token(t, id);
    if (!a && t->sp && id < t->vocab.entries.len)
        return t->sp->kinds[id] == SP_CONTROL;
    return a && a->special;
}

size_t
tokenizer_files(const struct tokenizer *t, const struct tokenizer_file **files)
{
    *files = t->files.data;
    return t->files.len;
}

/* SHARD.md's kind of an id. */
enum fingerprint_kind { ORDINARY, BYTE_PIECE, SPECIAL };

static enum fingerprint_kind
fingerprint_kind(const struct tokenizer *t, uint32_t id, bool byte_pieces)
{
    size_t n = 0;
    const char *text = decode_text(t, id, &n);
    bool of_model = t->sp && id < t->vocab.entries.len;
    if (!text || tokenizer_is_special(t, id) || id == t->unk ||
        (of_model && t->sp->kinds[id] == SP_UNUSED))
        return SPECIAL;
    if (of_model)
        return t->sp->kinds[id] == SP_BYTE ? BYTE_PIECE : ORDINARY;
    return byte_pieces && byte_token(text, n) >= 0 ? BYTE_PIECE : ORDINARY;
}

/* SHARD.md: kind and decoded bytes of every id: two descriptions of one vocabulary agree. */
void
tokenizer_fingerprint(const struct tokenizer *t, uint8_t out[16])
{
    struct hasher *h = hasher_new();
    struct str piece = {0};
    bool byte_pieces = false;
    for (size_t i = 0; i < t->decoder.steps.len; i++)
        byte_pieces |= t->decoder.steps.data[i].kind == DECODE_BYTE_FALLBACK;
    for (uint32_t id = 0; id < t->vocabulary; id++) {
        size_t n = 0;
        const char *text = decode_text(t, id, &n);
        uint8_t kind = (uint8_t)fingerprint_kind(t, id, byte_pieces), length[4];
        hasher_add(h, &kind, 1);
        if (kind == SPECIAL)
            continue;
        str_clear(&piece);
        if (t->sp)
            decode_sp_piece(t, id, &piece);
        else
            decoder_piece(&t->decoder, text, n, &piece);
        store_u32(length, (uint32_t)piece.len);
        hasher_add(h, length, sizeof length);
        hasher_add(h, piece.data ? piece.data : "", piece.len);
    }
    struct hash128 hash = hasher_128(h);
    store_u64(out, hash.low);
    store_u64(out + 8, hash.high);
    hasher_free(h);
    str_release(&piece);
}

/* ---- encoding ---- */

struct encode {
    const struct tokenizer *t;
    struct tokenizer_scratch *s;
    struct ids *out;
    int rc; /* -1 once a piece could not be encoded */
};

static void
encode_piece(void *arg, const char *text, size_t n)
{
    struct encode *e = arg;
    const struct tokenizer *t = e->t;
    if (e->rc < 0)
        return;
    switch (t->kind) {
    case MODEL_BPE: bpe_encode(&t->bpe, e->s->bpe, text, n, e->out); break;
    case MODEL_UNIGRAM:
        e->rc = unigram_encode(&t->unigram, e->s->unigram, text, n, e->out);
        break;
    default: e->rc = wordpiece_encode(&t->words, &e->s->word, text, n, e->out);
    }
}

/* Cuts at a built-in pattern alone, in front of byte-level BPE: fast.h's case. */
static bool
is_fast(const struct tokenizer *t)
{
    return t->kind == MODEL_BPE && t->bpe.byte_level && t->pretokenizer.steps.len == 1 &&
           t->pretokenizer.steps.data[0].kind == PRETOKENIZE_SCAN;
}

/* A stretch between added tokens; origin: see pretokenizer_run(). */
static int
encode_text(struct encode *e, const char *text, size_t n, size_t origin)
{
    const struct tokenizer *t = e->t;
    struct tokenizer_scratch *s = e->s;
    if (!is_fast(t))
        return pretokenizer_run(&t->pretokenizer, &s->pretokenizer, text, n, origin, encode_piece,
                                e);
    if (!s->fast)
        s->fast = fast_scratch_new();
    fast_encode(t->pretokenizer.steps.data[0].scan, s->kernels, t->pretokenizer.classes, &t->bpe,
                s->bpe, s->fast, text, n, e->out);
    return 0;
}

/* A stretch between raw added tokens: normalize, cut at normalized ones, pre-tokenize. */
static int
encode_stretch(struct encode *e, const char *text, size_t n, size_t origin, bool skip)
{
    const struct tokenizer *t = e->t;
    struct tokenizer_scratch *s = e->s;
    if (t->sp)
        return sp_encode(t->sp, s->sp, text, n, e->out);
    if (normalizer_run(&t->normalizer, &s->normalizer, &text, &n, &origin) < 0)
        return -1;
    vec_clear(&s->normal);
    added_search(&t->normal, t->added.data, t->pretokenizer.classes, text, n, skip, &s->normal);
    for (size_t i = 0; i < s->normal.len; i++) {
        struct added_span span = s->normal.data[i];
        if (span.token != ADDED_NONE)
            vec_push(e->out, t->added.data[span.token].id);
        else if (encode_text(e, text + span.begin, span.end - span.begin,
                             origin > span.begin ? origin - span.begin : 0) < 0 ||
                 e->rc < 0)
            return -1;
    }
    return 0;
}

static void
add_ids(struct ids *out, const struct ids *ids)
{
    for (size_t i = 0; i < ids->len; i++)
        vec_push(out, ids->data[i]);
}

/* What is wanted beside the ids. */
struct marking {
    const struct tokenizer_part *parts;
    size_t count;
    struct str *marks; /* NULL: nothing */
};

static int
mark(struct encode *e, const char *text, struct added_span span, size_t first,
     const struct marking *m)
{
    struct encoded what = {text,
                           span.begin,
                           span.end,
                           span.token != ADDED_NONE,
                           e->out->len ? e->out->data + first : NULL,
                           e->out->len - first};

    return m->marks ? mark_stretch(e->t, &e->s->normalizer, &what, m->parts, m->count, m->marks)
                    : 0;
}

static void
mark_added(const struct ids *ids, const struct marking *m)
{
    for (size_t i = 0; m->marks && i < ids->len; i++)
        str_addc(m->marks, 0);
}

static int
encode_spans(struct encode *e, const char *text, size_t n, bool skip, const struct marking *m)
{
    const struct tokenizer *t = e->t;
    struct tokenizer_scratch *s = e->s;
    size_t first = 0; /* bytes of the first character */

    if (n > 0)
        text_peek(text, &first);
    vec_clear(&s->raw);
    added_search(&t->raw, t->added.data, t->pretokenizer.classes, text, n, skip, &s->raw);
    for (size_t i = 0; i < s->raw.len; i++) {
        struct added_span span = s->raw.data[i];
        size_t at = e->out->len;
        if (span.token != ADDED_NONE)
            vec_push(e->out, t->added.data[span.token].id);
        else if (encode_stretch(e, text + span.begin, span.end - span.begin,
                                span.begin == 0 ? first : 0, skip) < 0)
            return -1;
        if (e->rc < 0 || mark(e, text, span, at, m) < 0)
            return -1;
    }
    return 0;
}

static int
encode(const struct tokenizer *t, struct tokenizer_scratch *s, const char *text, size_t n,
       int flags, const struct marking *m, struct ids *out)
{
    struct encode e = {t, s, out, 0};
    bool skip = flags & ENCODE_NO_SPECIAL_TEXT;

    if (!s->kernels && !(s->kernels = text_kernels()))
        return -1;
    if (n > TEXT_LIMIT)
        return err_set(STATUS_INPUT, "a text of %zu bytes is longer than supported", n);
    if (utf8_valid(text, n) != n)
        return err_set(STATUS_INPUT, "the text is not UTF-8 at byte %zu", utf8_valid(text, n));
    if (flags & (ENCODE_POST_PROCESS | ENCODE_POST_PREFIX)) {
        add_ids(out, &t->prefix);
        mark_added(&t->prefix, m);
    }
    if (encode_spans(&e, text, n, skip, m) < 0)
        return -1;
    if (flags & ENCODE_POST_PROCESS) {
        add_ids(out, &t->suffix);
        mark_added(&t->suffix, m);
    }
    return 0;
}

int
tokenizer_encode(const struct tokenizer *t, struct tokenizer_scratch *s, const char *text, size_t n,
                 int flags, struct ids *out)
{
    return encode(t, s, text, n, flags, &(struct marking){0}, out);
}

int
tokenizer_encode_marked(const struct tokenizer *t, struct tokenizer_scratch *s, const char *text,
                        size_t n, int flags, const struct tokenizer_part *parts, size_t part_count,
                        struct ids *out, struct str *marks)
{
    return encode(t, s, text, n, flags, &(struct marking){parts, part_count, marks}, out);
}
