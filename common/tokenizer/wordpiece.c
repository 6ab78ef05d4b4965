#include "tokenizer/wordpiece.h"

#include "base/err.h"
#include "base/mem.h"

void
wordpiece_build(struct wordpiece *w, const struct vocab *vocab, const char *prefix,
                size_t prefix_len, uint64_t most_chars)
{
    w->vocab = vocab;
    w->prefix = mem_dup(prefix, prefix_len + 1);
    w->prefix_len = prefix_len;
    w->most_chars = most_chars;
    for (size_t i = 0; i < vocab->entries.len; i++) {
        uint32_t length = vocab->entries.data[i].length;
        if (length != VOCAB_GAP && length > w->longest)
            w->longest = length;
    }
}

void
wordlevel_build(struct wordpiece *w, const struct vocab *vocab)
{
    w->vocab = vocab;
    w->whole = true;
}

void
wordpiece_release(struct wordpiece *w)
{
    free(w->prefix);
}

static int
add_unknown(const struct wordpiece *w, struct ids *out)
{
    if (w->unk == UINT32_MAX)
        return err_set(STATUS_INPUT,
                       "the text has an unknown word, and the vocabulary no unknown token");
    vec_push(out, w->unk);
    return 0;
}

static bool
is_continuation(char c)
{
    return ((unsigned char)c & 0xC0) == 0x80;
}

static uint64_t
count_chars(const char *s, size_t n)
{
    uint64_t count = 0;
    for (size_t i = 0; i < n; i++)
        count += !is_continuation(s[i]);
    return count;
}

/* The longest piece at word[at]; its end, or 0 when there is none. */
static size_t
longest_piece(const struct wordpiece *w, struct str *key, const char *word, size_t at, size_t n,
              uint32_t *id)
{
    size_t end = n - at > w->longest ? at + w->longest : n;
    str_clear(key);
    if (at > 0)
        str_add(key, w->prefix, w->prefix_len);
    size_t prefix = key->len;
    str_add(key, word + at, end - at);
    for (; end > at; end--) {
        if (end < n && is_continuation(word[end]))
            continue; /* within a character */
        *id = vocab_find(w->vocab, key->data, prefix + end - at);
        if (*id != UINT32_MAX)
            return end;
    }
    return 0;
}

int
wordpiece_encode(const struct wordpiece *w, struct str *key, const char *word, size_t n,
                 struct ids *out)
{
    uint32_t id = UINT32_MAX;
    size_t begin = out->len;
    if (w->whole) {
        id = vocab_find(w->vocab, word, n);
        if (id == UINT32_MAX)
            return add_unknown(w, out);
        vec_push(out, id);
        return 0;
    }
    if (count_chars(word, n) > w->most_chars)
        return add_unknown(w, out);
    for (size_t at = 0; at < n;) {
        at = longest_piece(w, key, word, at, n, &id);
        if (at == 0) {
            out->len = begin;
            return add_unknown(w, out);
        }
        vec_push(out, id);
    }
    return 0;
}
