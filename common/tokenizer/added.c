#include "tokenizer/added.h"

#include "text/classes.h"

/* Few texts hold added tokens: only places with a byte that begins one are looked at. */

void
added_trie_init(struct added_trie *t)
{
    const struct text_kernels *k = text_kernels();
    *t = (struct added_trie){.empty = true, .find = (k ? k : &text_ref)->find};
    vec_push(&t->nodes, ((struct added_node){0}));
}

void
added_trie_release(struct added_trie *t)
{
    vec_release(&t->nodes);
}

static uint32_t
child_of(const struct added_trie *t, uint32_t node, uint8_t byte)
{
    uint32_t i = t->nodes.data[node].child;
    while (i && t->nodes.data[i].byte != byte)
        i = t->nodes.data[i].sibling;
    return i;
}

bool
added_trie_add(struct added_trie *t, const char *text, size_t n, uint32_t token)
{
    uint32_t node = 0;
    for (size_t i = 0; i < n; i++) {
        uint8_t byte = (uint8_t)text[i];
        uint32_t next = i ? child_of(t, node, byte) : t->first[byte];
        if (!next) {
            next = (uint32_t)t->nodes.len;
            vec_push(&t->nodes, ((struct added_node){.byte = byte}));
            if (i) {
                t->nodes.data[next].sibling = t->nodes.data[node].child;
                t->nodes.data[node].child = next;
            } else {
                t->first[byte] = next;
                text_set_add(&t->set, byte);
            }
        }
        node = next;
    }
    if (node == 0 || t->nodes.data[node].token)
        return false;
    t->nodes.data[node].token = token + 1;
    t->empty = false;
    return true;
}

/* The longest token at text[at]; its end, or 0. */
static size_t
longest_at(const struct added_trie *t, const char *text, size_t at, size_t n, uint32_t *token)
{
    size_t end = 0;
    uint32_t node = t->first[(uint8_t)text[at]];
    while (node) {
        at++;
        if (t->nodes.data[node].token) {
            end = at;
            *token = t->nodes.data[node].token - 1;
        }
        node = at < n ? child_of(t, node, (uint8_t)text[at]) : 0;
    }
    return end;
}

/* Where the code point before text[at] begins, at > 0. */
static size_t
step_back(const char *text, size_t at)
{
    do
        at--;
    while (at > 0 && ((unsigned char)text[at] & 0xC0) == 0x80);
    return at;
}

static bool
class_at(const uint16_t *classes, const char *text, size_t at, unsigned mask)
{
    size_t used;
    return classes[text_peek(text + at, &used)] & mask;
}

static bool
stands_alone(const uint16_t *classes, const char *text, size_t begin, size_t end, size_t n)
{
    if (begin > 0 && class_at(classes, text, step_back(text, begin), CLASS_WORD))
        return false;
    return end == n || !class_at(classes, text, end, CLASS_WORD);
}

static size_t
space_before(const uint16_t *classes, const char *text, size_t at)
{
    while (at > 0) {
        size_t before = step_back(text, at);
        if (!class_at(classes, text, before, CLASS_SPACE))
            break;
        at = before;
    }
    return at;
}

static size_t
space_behind(const uint16_t *classes, const char *text, size_t at, size_t n)
{
    for (size_t used; at < n; at += used)
        if (!(classes[text_peek(text + at, &used)] & CLASS_SPACE))
            break;
    return at;
}

void
added_search(const struct added_trie *t, const struct added_token *tokens, const uint16_t *classes,
             const char *text, size_t n, bool skip_special, struct added_spans *out)
{
    size_t done = 0;
    for (size_t at = 0; !t->empty && (at = t->find(&t->set, text, at, n)) < n;) {
        uint32_t token = 0;
        size_t end = longest_at(t, text, at, n, &token);
        if (!end) {
            at++;
            continue;
        }
        const struct added_token *a = &tokens[token];
        size_t begin = at;
        at = end; /* the search goes on behind the match, used or not */
        if (skip_special && a->special)
            continue;
        if (a->single_word && !stands_alone(classes, text, begin, end, n))
            continue;
        if (a->lstrip) {
            size_t left = space_before(classes, text, begin);
            begin = left > done ? left : done;
        }
        if (a->rstrip)
            end = space_behind(classes, text, end, n);
        if (done < begin)
            vec_push(out, ((struct added_span){ADDED_NONE, done, begin}));
        vec_push(out, ((struct added_span){token, begin, end}));
        done = end;
    }
    if (done < n)
        vec_push(out, ((struct added_span){ADDED_NONE, done, n}));
}
