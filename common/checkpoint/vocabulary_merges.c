#include "base/utf8.h"
#include "base/vec.h"
#include "checkpoint/vocabulary.h"

/*
 * SentencePiece's BPE has scores instead of merges: two neighbours are joined where their text is a
 * piece, the best one first. As merges: each way to cut a piece in two pieces, ordered by the piece's
 * score, as Hugging Face's conversion orders them (transformers, generate_merges).
 */

struct cut {
    uint32_t piece, left, right;
    uint32_t left_length, right_length; /* in characters */
    float score;
};
struct cuts VEC_BODY(struct cut);

static uint32_t
find(const struct vocabulary *v, const char *s, size_t n)
{
    uint32_t id = vocab_find(&v->text, s, n);
    return id != UINT32_MAX && v->type[id] == TOKEN_NORMAL ? id : UINT32_MAX;
}

static bool
begins_character(char c)
{
    return ((unsigned char)c & 0xC0) != 0x80;
}

static void
add_cuts(struct cuts *cuts, const struct vocabulary *v, uint32_t id)
{
    size_t n;
    const char *s = vocab_get(&v->text, id, &n);
    uint32_t all = s ? (uint32_t)utf8_count(s, n) : 0, characters = 0;
    if (!s || v->type[id] != TOKEN_NORMAL)
        return;
    for (size_t at = 1; at < n; at++) {
        if (!begins_character(s[at]))
            continue;
        characters++;
        uint32_t left = find(v, s, at), right;
        if (left == UINT32_MAX || (right = find(v, s + at, n - at)) == UINT32_MAX)
            continue;
        vec_push(cuts, ((struct cut){.piece = id,
                                     .left = left,
                                     .right = right,
                                     .left_length = characters,
                                     .right_length = all - characters,
                                     .score = v->score[id]}));
    }
}

/* Best score, longest left, longest right part; then by ids. */
static int
compare(const void *a, const void *b)
{
    const struct cut *x = a, *y = b;
    if (x->score != y->score)
        return x->score > y->score ? -1 : 1;
    if (x->left_length != y->left_length)
        return x->left_length > y->left_length ? -1 : 1;
    if (x->right_length != y->right_length)
        return x->right_length > y->right_length ? -1 : 1;
    if (x->piece != y->piece)
        return x->piece < y->piece ? -1 : 1;
    return x->left < y->left ? -1 : x->left > y->left;
}

void
vocabulary_put_merges(struct json_writer *w, const struct vocabulary *v)
{
    struct cuts cuts = {0};
    size_t n;
    for (uint32_t id = 0; id < v->text.entries.len; id++)
        add_cuts(&cuts, v, id);
    if (cuts.len > 0)
        qsort(cuts.data, cuts.len, sizeof *cuts.data, compare);
    json_begin_array(w, "merges");
    for (size_t i = 0; i < cuts.len; i++) {
        const char *left = vocab_get(&v->text, cuts.data[i].left, &n);
        json_begin_array(w, NULL);
        json_put_bytes(w, NULL, left, n);
        const char *right = vocab_get(&v->text, cuts.data[i].right, &n);
        json_put_bytes(w, NULL, right, n);
        json_end_array(w);
    }
    json_end_array(w);
    vec_release(&cuts);
}
