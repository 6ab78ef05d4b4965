#include "tokenizer/ranks.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "tokenizer/bytelevel.h"
#include "tokenizer/write_bpe.h"

/*
 * From ranks to merges. Each token gets one merge: of the two tokens into which its
 * bytes fall when only tokens of lower rank are joined. That is all tiktoken ever does:
 * when it joins a pair to token T, all joins of lower ranks inside T's bytes are done
 * and none went across its ends, so that what stands there is what those bytes alone
 * become. A token that falls into more than two is never joined in a text, and only
 * found when a whole piece is that token: which is what ignore_merges says.
 */
enum { TOKEN_LIMIT = 2048 }; /* bytes; the work for one token grows with their square */

#define NO_TOKEN UINT32_MAX

void
ranks_release(struct ranks *r)
{
    for (size_t i = 0; i < r->specials.len; i++)
        free((void *)(uintptr_t)r->specials.data[i].text);
    vec_release(&r->specials);
    vocab_release(&r->tokens);
}

int
ranks_add_special(struct ranks *r, const char *name, uint32_t id, const char *text, size_t n)
{
    size_t length;
    if (vocab_get(&r->tokens, id, &length))
        return err_set(STATUS_INPUT, "%s: the special token %.*s has the id of another: %u", name,
                       n > 100 ? 100 : (int)n, text, id);
    vec_push(&r->specials, ((struct ranks_special){id, mem_strndup(text, n)}));
    return 0;
}

/* The parts that a token's bytes are joined to, and the tokens that neighbours would make. */
struct parts {
    size_t count;
    uint32_t begin[TOKEN_LIMIT + 1]; /* behind the last: the length */
    uint32_t joined[TOKEN_LIMIT];    /* of part i and i + 1; NO_TOKEN */
};

static void
join_rank(const struct ranks *r, struct parts *p, const char *bytes, uint32_t below, size_t i)
{
    p->joined[i] = NO_TOKEN;
    if (i + 2 > p->count)
        return;
    uint32_t id = vocab_find(&r->tokens, bytes + p->begin[i], p->begin[i + 2] - p->begin[i]);
    if (id < below)
        p->joined[i] = id;
}

/* Joins while there are tokens below `below`: the lowest, the leftmost of equals, first. */
static void
join_parts(const struct ranks *r, struct parts *p, const char *bytes, size_t n, uint32_t below)
{
    p->count = n;
    for (size_t i = 0; i <= n; i++)
        p->begin[i] = (uint32_t)i;
    for (size_t i = 0; i < n; i++)
        join_rank(r, p, bytes, below, i);
    while (p->count > 1) {
        size_t best = 0;
        for (size_t i = 1; i + 1 < p->count; i++)
            if (p->joined[i] < p->joined[best])
                best = i;
        if (p->joined[best] == NO_TOKEN)
            return;
        size_t tail = p->count - best - 1;
        memmove(&p->begin[best + 1], &p->begin[best + 2], tail * sizeof *p->begin);
        memmove(&p->joined[best], &p->joined[best + 1], tail * sizeof *p->joined);
        p->count--;
        join_rank(r, p, bytes, below, best);
        if (best > 0)
            join_rank(r, p, bytes, below, best - 1);
    }
}

struct merges VEC_BODY(struct bpe_merge);

static void
find_merge(const struct ranks *r, struct parts *p, uint32_t id, const char *bytes, size_t n,
           struct merges *out)
{
    join_parts(r, p, bytes, n, id);
    if (p->count != 2)
        return;
    struct bpe_merge m = {.result = id, .rank = id};
    m.left = vocab_find(&r->tokens, bytes, p->begin[1]);
    m.right = vocab_find(&r->tokens, bytes + p->begin[1], n - p->begin[1]);
    vec_push(out, m);
}

static int
check_tokens(struct ranks *r, const char *name)
{
    uint32_t first, second;
    if (!vocab_index(&r->tokens, &first, &second))
        return err_set(STATUS_INPUT, "%s: ids %u and %u have the same bytes", name, first, second);
    for (unsigned byte = 0; byte < 256; byte++) {
        char c = (char)byte;
        if (vocab_find(&r->tokens, &c, 1) == UINT32_MAX)
            return err_set(STATUS_INPUT, "%s: the byte 0x%02X has no token", name, byte);
    }
    for (uint32_t id = 0; id < r->tokens.entries.len; id++) {
        uint32_t length = r->tokens.entries.data[id].length;
        if (length != VOCAB_GAP && (length == 0 || length > TOKEN_LIMIT))
            return err_set(STATUS_INPUT, "%s: id %u has %u bytes; 1 to %d are supported", name, id,
                           length, TOKEN_LIMIT);
    }
    return 0;
}

/* The tokens as tokenizer.json has them, a character for each byte. */
static void
add_text(const struct ranks *r, uint32_t id, struct str *text, struct vocab *texts)
{
    size_t n = 0;
    const char *bytes = vocab_get(&r->tokens, id, &n);
    str_clear(text);
    bytes_to_chars(bytes, n, text);
    vocab_add(texts, id, text->data, text->len);
}

/*
 * Special tokens stand in the vocabulary, too, which gives them their ids: Hugging Face
 * numbers others anew. An ordinary token of the same text would then be that token.
 */
static int
add_special_texts(const struct ranks *r, const char *name, struct vocab *texts)
{
    uint32_t first, second;
    for (size_t i = 0; i < r->specials.len; i++) {
        const struct ranks_special *s = &r->specials.data[i];
        vocab_add(texts, s->id, s->text, strlen(s->text));
    }
    if (!vocab_index(texts, &first, &second))
        return err_set(STATUS_INPUT, "%s: ids %u and %u have the same text", name, first, second);
    return 0;
}

int
ranks_to_json(struct ranks *r, const char *name, struct str *json)
{
    if (check_tokens(r, name) < 0)
        return -1;
    struct vocab texts = {0};
    struct merges merges = {0};
    struct str text = {0};
    struct parts *parts = mem_alloc(sizeof *parts);
    for (uint32_t id = 0; id < r->tokens.entries.len; id++) {
        size_t n = 0;
        const char *bytes = vocab_get(&r->tokens, id, &n);
        if (!bytes)
            continue;
        add_text(r, id, &text, &texts);
        if (n > 1)
            find_merge(r, parts, id, bytes, n, &merges);
    }
    VEC(struct write_added) added = {0};
    for (size_t i = 0; i < r->specials.len; i++)
        vec_push(&added, ((struct write_added){r->specials.data[i].id, r->specials.data[i].text,
                                               true}));
    int rc = add_special_texts(r, name, &texts);
    if (rc == 0)
        write_bpe(&(struct write_bpe){.regex = r->regex,
                                      .ignore_merges = true,
                                      .vocab = &texts,
                                      .merges = merges.data,
                                      .merge_count = merges.len,
                                      .added = added.data,
                                      .added_count = added.len},
                  json);
    vec_release(&added);
    vec_release(&merges);
    vocab_release(&texts);
    str_release(&text);
    free(parts);
    return rc;
}
