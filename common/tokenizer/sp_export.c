#include "tokenizer/sp_export.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "tokenizer/bpe.h"
#include "tokenizer/internal.h"
#include "tokenizer/sp_model.h"

/* From a tokenizer.json to a SentencePiece model. */

/* U+2581, which stands for a space. */
#define MARK "\xE2\x96\x81"
enum { MARK_LEN = 3 };

static int
refuse(const char *why)
{
    return err_set(STATUS_INPUT, "SentencePiece cannot express %s", why);
}

/* ---- what it can express ---- */

static bool
is_literal(const struct normalizer_step *s, const char *from, const char *to)
{
    return s->kind == NORMALIZE_REPLACE && s->pattern.literal &&
           s->pattern.length == strlen(from) &&
           !memcmp(s->pattern.literal, from, s->pattern.length) && s->length == strlen(to) &&
           !memcmp(s->content, to, s->length);
}

static int
check_text(const struct tokenizer *t)
{
    const struct normalizer_step *s = t->normalizer.steps.data;
    if (t->pretokenizer.steps.len || t->pretokenizer.byte_level)
        return refuse("a pre-tokenizer (the \"pre_tokenizer\" member)");
    if (t->normalizer.steps.len != 2 || s[0].kind != NORMALIZE_PREPEND ||
        s[0].length != MARK_LEN || memcmp(s[0].content, MARK, MARK_LEN) != 0 ||
        !is_literal(&s[1], " ", MARK))
        return refuse("this normalizer: ▁ before the text and for each space is what it has");
    return 0;
}

static int
check_tokens(const struct tokenizer *t)
{
    for (uint32_t id = 0; id < t->vocabulary; id++) {
        size_t n = 0;
        const struct added_token *a = added_token(t, id);
        if (!tokenizer_text(t, id, &n) || n == 0)
            return refuse("ids without a token");
        if (a && id != t->unk && !a->special)
            return refuse("an added token that is not special: after it comes no ▁ there");
    }
    return t->unk == TOKEN_NONE ? refuse("a vocabulary without an unknown token") : 0;
}

static int
check_kind(const struct tokenizer *t)
{
    if (t->kind == MODEL_SENTENCEPIECE)
        return refuse("it anew: the tokenizer is a SentencePiece model already");
    if (t->kind == MODEL_BPE && t->bpe.byte_level)
        return refuse("a byte-level BPE");
    if (t->kind != MODEL_BPE && t->kind != MODEL_UNIGRAM)
        return refuse("this model: Unigram and BPE are what it has");
    if (t->kind == MODEL_BPE && (t->bpe.prefix || t->bpe.suffix || t->bpe.ignore_merges))
        return refuse("subword prefixes, suffixes or ignore_merges");
    if (t->kind == MODEL_BPE && !t->bpe.fuse_unk)
        return refuse("unknown characters that are not fused");
    return 0;
}

/* Without all bytes a character may be unknown in spite of the fallback. */
static int
check_bytes(const struct tokenizer *t)
{
    const uint32_t *tokens = t->kind == MODEL_BPE ? t->bpe.byte_tokens : t->unigram.byte_tokens;
    if (!(t->kind == MODEL_BPE ? t->bpe.byte_fallback : t->unigram.byte_fallback))
        return 0;
    for (unsigned i = 0; i < 256; i++)
        if (tokens[i] == TOKEN_NONE)
            return refuse("byte fallback without all 256 bytes");
    return 0;
}

/* ---- pieces ---- */

static bool
has_byte_fallback(const struct tokenizer *t)
{
    return t->kind == MODEL_BPE ? t->bpe.byte_fallback : t->unigram.byte_fallback;
}

static enum sp_type
type_of(const struct tokenizer *t, uint32_t id, const char *s, size_t n)
{
    if (id == t->unk)
        return SP_UNKNOWN;
    if (added_token(t, id))
        return SP_CONTROL;
    return has_byte_fallback(t) && byte_token(s, n) >= 0 ? SP_BYTE : SP_NORMAL;
}

static void
add_pieces(const struct tokenizer *t, struct sp_model *m)
{
    size_t all = 0, n = 0;
    for (uint32_t id = 0; id < t->vocabulary; id++) {
        tokenizer_text(t, id, &n);
        all += n;
    }
    str_reserve(&m->pool, all); /* texts point into it: it must not move */
    for (uint32_t id = 0; id < t->vocabulary; id++) {
        const char *s = tokenizer_text(t, id, &n);
        struct sp_piece p = {m->pool.data + m->pool.len, (uint32_t)n, 0, type_of(t, id, s, n)};
        str_add(&m->pool, s, n);
        vec_push(&m->pieces, p);
    }
}

/* ---- scores: Unigram's are in the file ---- */

static void
take_scores(const json_t *model, struct sp_model *m)
{
    const json_t *vocab = json_object_get(model, "vocab");
    for (size_t id = 0; id < json_array_size(vocab); id++)
        if (m->pieces.data[id].type == SP_NORMAL)
            m->pieces.data[id].score =
                (float)json_number_value(json_array_get(json_array_get(vocab, id), 1));
}

/* ---- scores: BPE's are ranks of pieces ---- */

struct merges VEC_BODY(struct bpe_merge);

static int
order_of_pairs(const void *a, const void *b)
{
    const struct bpe_merge *x = a, *y = b;
    if (x->left != y->left)
        return x->left < y->left ? -1 : 1;
    return x->right < y->right ? -1 : x->right > y->right;
}

/* The merges of the file, in order; it has been checked when it was loaded. */
static void
collect_merges(const struct tokenizer *t, const json_t *model, struct merges *out)
{
    const json_t *list = json_object_get(model, "merges");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *m = json_array_get(list, i), *a = json_array_get(m, 0);
        const char *left = json_is_string(m) ? json_string_value(m) : json_string_value(a);
        size_t n = json_is_string(m) ? strcspn(left, " ") : json_string_length(a);
        const json_t *b = json_array_get(m, 1);
        const char *right = json_is_string(m) ? left + n + 1 : json_string_value(b);
        size_t k = json_is_string(m) ? strlen(right) : json_string_length(b);
        struct str text = {0};
        str_add(&text, left, n);
        str_add(&text, right, k);
        vec_push(out, ((struct bpe_merge){vocab_find(&t->vocab, left, n),
                                          vocab_find(&t->vocab, right, k),
                                          vocab_find(&t->vocab, text.data, text.len),
                                          (uint32_t)i}));
        str_release(&text);
    }
}

static bool
has_merge(const struct merges *sorted, uint32_t left, uint32_t right)
{
    struct bpe_merge key = {left, right, 0, 0};
    return sorted->len &&
           bsearch(&key, sorted->data, sorted->len, sizeof *sorted->data, order_of_pairs);
}

/* Every pair of pieces that makes the text of one is merged there: is it here? */
static int
check_splits(const struct tokenizer *t, const struct sp_model *m, const struct merges *sorted)
{
    for (uint32_t id = 0; id < m->pieces.len; id++) {
        const struct sp_piece *p = &m->pieces.data[id];
        for (size_t at = 1; p->type == SP_NORMAL && at < p->length; at++) {
            uint32_t left = vocab_find(&t->vocab, p->text, at);
            uint32_t right = vocab_find(&t->vocab, p->text + at, p->length - at);
            if (left != UINT32_MAX && right != UINT32_MAX &&
                m->pieces.data[left].type == SP_NORMAL &&
                m->pieces.data[right].type == SP_NORMAL && !has_merge(sorted, left, right))
                return refuse("these merges: two pieces that make another's text are not merged");
        }
    }
    return 0;
}

/*
 * Scores fall with the rank of a piece's merges, which must stand together. Pieces that no
 * merge makes, characters, come behind them.
 */
static int
rank_pieces(const struct merges *merges, struct sp_model *m)
{
    uint32_t rank = 0;
    int rc = 0;
    bool *ranked = mem_zarray(m->pieces.len, sizeof *ranked);
    for (size_t i = 0; rc == 0 && i < merges->len; i++) {
        uint32_t id = merges->data[i].result;
        if (i > 0 && merges->data[i - 1].result == id)
            continue;
        if (ranked[id] || m->pieces.data[id].type != SP_NORMAL)
            rc = refuse("these merges: those that make one piece have ranks apart");
        ranked[id] = true;
        m->pieces.data[id].score = -(float)rank++;
    }
    for (size_t id = 0; rc == 0 && id < m->pieces.len; id++)
        if (!ranked[id] && m->pieces.data[id].type == SP_NORMAL)
            m->pieces.data[id].score = -(float)rank++;
    free(ranked);
    return rc == 0 && rank > 1u << 24
               ? refuse("so many pieces: their ranks do not fit single precision")
               : rc;
}

static int
take_ranks(const struct tokenizer *t, const json_t *model, struct sp_model *m)
{
    struct merges merges = {0}, sorted = {0};
    collect_merges(t, model, &merges);
    int rc = rank_pieces(&merges, m);
    for (size_t i = 0; i < merges.len; i++)
        vec_push(&sorted, merges.data[i]);
    if (sorted.len)
        qsort(sorted.data, sorted.len, sizeof *sorted.data, order_of_pairs);
    if (rc == 0)
        rc = check_splits(t, m, &sorted);
    vec_release(&merges);
    vec_release(&sorted);
    return rc;
}

/* ---- the model ---- */

static int
score_pieces(const struct tokenizer *t, struct sp_model *m)
{
    const struct tokenizer_file *files;
    struct json_doc doc = {0};
    int rc = 0;
    tokenizer_files(t, &files); /* the first is tokenizer.json */
    if (json_doc_parse(&doc, files[0].name, files[0].data, files[0].size) < 0)
        return -1;
    const json_t *model = json_object_get(doc.root, "model");
    if (t->kind == MODEL_UNIGRAM)
        take_scores(model, m);
    else
        rc = take_ranks(t, model, m);
    json_doc_release(&doc);
    return rc;
}

static int32_t
special_id(const struct sp_model *m, uint32_t id)
{
    return id != TOKEN_NONE && id < m->pieces.len && m->pieces.data[id].type == SP_CONTROL
               ? (int32_t)id
               : -1;
}

int
sp_export(const struct tokenizer *t, struct str *model)
{
    struct sp_model m = {
        .algorithm = t->kind == MODEL_UNIGRAM ? SP_UNIGRAM : SP_BPE,
        .byte_fallback = has_byte_fallback(t),
        .vocab_size = (int32_t)t->vocabulary,
        .unk_id = (int32_t)t->unk,
        .character_coverage = 1,
        .unk_surface = " ⁇ ",
        .normalizer_name = "identity",
        .add_dummy_prefix = true,
        .escape_whitespaces = true,
    };
    if (check_kind(t) < 0 || check_text(t) < 0 || check_tokens(t) < 0 || check_bytes(t) < 0)
        return -1;
    add_pieces(t, &m);
    m.bos_id = special_id(&m, t->specials.bos);
    m.eos_id = special_id(&m, t->specials.eos);
    m.pad_id = special_id(&m, t->specials.pad);
    int rc = score_pieces(t, &m);
    if (rc == 0)
        sp_model_write(&m, model);
    str_release(&m.pool);
    vec_release(&m.pieces);
    return rc;
}
