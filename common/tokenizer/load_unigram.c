#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "tokenizer/internal.h"

/* The Unigram model of tokenizer.json: tokens with their scores, in order of id. */

/*
 * The peer reads a number as its digits, an integer, times a power of ten: two
 * roundings, where strtod rounds once. A score can so differ in its last bit, which
 * decides between the halves of a run ("!!" "!" or "!" "!!"). Files hold the shortest
 * digits that stand for a number, and so they are found again.
 */
static double
peer_real(double x)
{
    char digits[40], plain[40];
    for (int precision = 14; precision <= 16; precision++) {
        snprintf(digits, sizeof digits, "%.*e", precision, x);
        if (!(strtod(digits, NULL) < x) && !(strtod(digits, NULL) > x))
            break;
    }
    /* "-d.ddde-xx": the digits without the point, and the power that belongs to them */
    char *e = strchr(digits, 'e');
    if (!e)
        return x;
    long power = strtol(e + 1, NULL, 10);
    size_t n = 0;
    for (const char *p = digits; p < e; p++)
        if (*p >= '0' && *p <= '9')
            plain[n++] = *p;
    power -= (long)n - 1;
    while (n > 1 && plain[n - 1] == '0') {
        n--;
        power++;
    }
    plain[n] = '\0';
    double value = (double)strtoull(plain, NULL, 10), scale = 1;
    if (labs(power) > 22) /* ten's powers are exact up to there; no score is so small */
        return x;
    for (long i = 0; i < labs(power); i++)
        scale *= 10;
    value = power < 0 ? value / scale : value * scale;
    return x < 0 ? -value : value;
}

static int
load_piece(struct tokenizer *t, const struct json_doc *doc, const json_t *vocab, size_t i,
           double *score)
{
    const json_t *pair = NULL;
    const char *text = NULL;
    size_t n = 0;
    if (json_at_array(doc, vocab, i, &pair) < 0)
        return -1;
    if (json_array_size(pair) != 2)
        return json_fail_at(doc, vocab, i, "expected a token and its score");
    if (json_at_bytes(doc, pair, 0, &text, &n) < 0 || json_at_real(doc, pair, 1, score) < 0)
        return -1;
    if (n == 0)
        return json_fail_at(doc, vocab, i, "an empty token");
    if (n > UINT16_MAX)
        return json_fail_at(doc, vocab, i, "a token of %zu bytes is longer than supported", n);
    *score = peer_real(*score);
    vocab_add(&t->vocab, (uint32_t)i, text, n);
    return 0;
}

static int
load_pieces(struct tokenizer *t, const struct json_doc *doc, const json_t *vocab, double *scores)
{
    size_t n = json_array_size(vocab);
    for (size_t i = 0; i < n; i++)
        if (load_piece(t, doc, vocab, i, &scores[i]) < 0)
            return -1;
    uint32_t first, second;
    if (!vocab_index(&t->vocab, &first, &second))
        return json_fail_at(doc, vocab, second, "ids %u and %u have the same text", first, second);
    return 0;
}

static void
find_byte_tokens(struct tokenizer *t)
{
    for (unsigned i = 0; i < 256; i++) {
        char name[8];
        int n = snprintf(name, sizeof name, "<0x%02X>", i);
        t->unigram.byte_tokens[i] = vocab_find(&t->vocab, name, (size_t)n);
    }
}

int
load_unigram(struct tokenizer *t, const struct json_doc *doc, const json_t *model)
{
    const json_t *vocab = NULL;
    struct unigram *u = &t->unigram;
    int64_t unk = -1;
    if (json_only_keys(doc, model, "type|unk_id|vocab|byte_fallback|extension") < 0 ||
        json_get_array(doc, model, "vocab", JSON_NEED, &vocab) < 0 ||
        json_get_int(doc, model, "unk_id", JSON_MAY, 0, VOCAB_MAX - 1, &unk) < 0 ||
        json_get_bool(doc, model, "byte_fallback", JSON_MAY, &u->byte_fallback) < 0)
        return -1;
    size_t n = json_array_size(vocab);
    if (n > VOCAB_MAX)
        return json_fail(doc, model, "vocab", "%zu tokens; at most %d are supported", n,
                         VOCAB_MAX);
    if (unk >= (int64_t)n)
        return json_fail(doc, model, "unk_id", "%lld is not in the vocabulary", (long long)unk);
    t->kind = MODEL_UNIGRAM;
    t->unk = u->unk = unk < 0 ? UINT32_MAX : (uint32_t)unk;
    double *scores = mem_zarray(n + 1, sizeof *scores);
    int rc = load_pieces(t, doc, vocab, scores);
    if (rc == 0) {
        find_byte_tokens(t);
        rc = unigram_build(u, &t->vocab, scores, NULL);
    }
    free(scores);
    return rc;
}
