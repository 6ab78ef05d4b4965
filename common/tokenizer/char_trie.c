#include "tokenizer/char_trie.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/vec.h"

enum { PAGES = 0x1100, FIT_TRIES = 512 };

#define NO_PARENT UINT32_MAX

/* keys[begin..end) share their first `depth` bytes, which lead to the node at `at`. */
struct range {
    uint32_t begin, end, depth, at;
};

struct link { /* of the list of free nodes, which begins and ends at node 0 */
    uint32_t next, last;
};

struct builder {
    struct char_trie *t;
    struct link *links;
    size_t capacity;
    VEC(struct range) queue;
};

struct child {
    uint32_t code, begin, length;
};

static int
compare(const void *a, const void *b)
{
    const struct trie_key *x = a, *y = b;
    int order = memcmp(x->text, y->text, x->length < y->length ? x->length : y->length);
    return order ? order : (x->length > y->length) - (x->length < y->length);
}

struct counted {
    uint32_t point, count;
};

static int
more_often(const void *a, const void *b)
{
    const struct counted *x = a, *y = b;
    int order = (x->count < y->count) - (x->count > y->count);
    return order ? order : (x->point > y->point) - (x->point < y->point);
}

/* Numbers the characters of the keys, the commonest first. */
static int
number_characters(struct char_trie *t, const struct trie_key *keys, size_t n)
{
    uint32_t *counts = mem_zarray(PAGES << 8, sizeof *counts);
    VEC(struct counted) list = {0};
    size_t pages = 1; /* the first has no characters */
    for (size_t i = 0; i < n; i++)
        for (size_t at = 0, length; at < keys[i].length; at += length)
            counts[text_peek(keys[i].text + at, &length)]++;
    t->pages = mem_zarray(PAGES, sizeof *t->pages);
    for (uint32_t point = 0; point < PAGES << 8; point++) {
        if (counts[point] == 0)
            continue;
        vec_push(&list, ((struct counted){point, counts[point]}));
        if (t->pages[point >> 8] == 0)
            t->pages[point >> 8] = (uint16_t)pages++;
    }
    free(counts);
    t->code_count = (uint32_t)list.len + 1;
    t->codes = mem_zarray(pages << 8, sizeof *t->codes);
    if (list.len > 0)
        qsort(list.data, list.len, sizeof *list.data, more_often);
    for (size_t i = 0; i < list.len && i < UINT16_MAX; i++) {
        uint32_t point = list.data[i].point;
        t->codes[(size_t)t->pages[point >> 8] << 8 | (point & 0xFF)] = (uint16_t)(i + 1);
    }
    vec_release(&list);
    if (t->code_count > UINT16_MAX)
        return err_set(STATUS_INPUT, "the vocabulary has %u characters; %u are supported",
                       t->code_count - 1, UINT16_MAX - 1);
    return 0;
}

/* Nodes up to `need`, all free. */
static void
grow(struct builder *b, size_t need)
{
    struct char_trie *t = b->t;
    if (need <= t->count)
        return;
    if (need > b->capacity) {
        b->capacity = need + need / 2 + 1024;
        t->nodes = mem_grow_array(t->nodes, b->capacity, sizeof *t->nodes);
        b->links = mem_grow_array(b->links, b->capacity, sizeof *b->links);
    }
    for (size_t i = t->count; i < need; i++) {
        uint32_t last = b->links[0].last;
        t->nodes[i] = (struct char_node){0, NO_PARENT, CHAR_TRIE_NONE, 0};
        b->links[i] = (struct link){0, last};
        b->links[last].next = b->links[0].last = (uint32_t)i;
    }
    t->count = need;
}

static void
unlink_node(struct builder *b, uint32_t at)
{
    b->links[b->links[at].last].next = b->links[at].next;
    b->links[b->links[at].next].last = b->links[at].last;
    b->links[at] = (struct link){at, at}; /* itself: taken */
}

static bool
is_free(const struct builder *b, size_t at)
{
    return at >= b->t->count || b->links[at].next != at;
}

/*
 * A base for these children: the first free node that fits for the first child. Nodes
 * that nothing wanted in so many tries are given up, or a build would be quadratic.
 */
static uint32_t
find_base(struct builder *b, const struct child *children, size_t n)
{
    uint32_t first = children[0].code, at = b->links[0].next;
    for (int tries = 0; at && tries < FIT_TRIES; tries++, at = b->links[at].next) {
        if (at < first)
            continue;
        size_t i = 1;
        while (i < n && is_free(b, at - first + children[i].code))
            i++;
        if (i == n)
            return at - first;
    }
    for (int i = 0; at && i < FIT_TRIES / 8; i++)
        unlink_node(b, b->links[0].next);
    return (uint32_t)b->t->count; /* all beyond the end are free */
}

static void
add_child(struct builder *b, struct range parent, uint32_t base, const struct child *c,
          uint32_t end)
{
    uint32_t at = base + c->code;
    grow(b, (size_t)at + 1);
    unlink_node(b, at);
    b->t->nodes[at].parent = parent.at;
    vec_push(&b->queue, ((struct range){c->begin, end, parent.depth + c->length, at}));
}

struct children VEC_BODY(struct child);

/* Places the children of one node and queues them. */
static void
place(struct builder *b, const struct trie_key *keys, struct range r, struct children *children)
{
    vec_clear(children);
    if (keys[r.begin].length == r.depth) /* the shortest key stands first */
        b->t->nodes[r.at].value = keys[r.begin++].value;
    uint32_t last = 0;
    for (uint32_t i = r.begin; i < r.end; i++) {
        size_t length;
        uint32_t code = char_code(b->t, keys[i].text + r.depth, &length);
        if (children->len == 0 || code != last)
            vec_push(children, ((struct child){code, i, (uint32_t)length}));
        last = code;
    }
    if (children->len == 0)
        return;
    uint32_t base = r.at == 0 ? 0 : find_base(b, children->data, children->len);
    b->t->nodes[r.at].base = base;
    for (size_t i = 0; i < children->len; i++)
        add_child(b, r, base, &children->data[i],
                  i + 1 < children->len ? children->data[i + 1].begin : r.end);
}

int
char_trie_build(struct char_trie *t, struct trie_key *keys, size_t n)
{
    struct builder b = {.t = t};
    struct children children = {0};
    *t = (struct char_trie){0};
    if (number_characters(t, keys, n) < 0)
        return -1;
    b.capacity = 1024 + t->code_count;
    t->nodes = mem_array(b.capacity, sizeof *t->nodes);
    b.links = mem_array(b.capacity, sizeof *b.links);
    t->nodes[0] = (struct char_node){0, NO_PARENT, CHAR_TRIE_NONE, 0};
    b.links[0] = (struct link){0, 0};
    t->count = 1;
    grow(&b, t->code_count);
    if (n > 0) {
        qsort(keys, n, sizeof *keys, compare);
        vec_push(&b.queue, ((struct range){0, (uint32_t)n, 0, 0}));
    }
    for (size_t i = 0; i < b.queue.len; i++) {
        if (i == 1) /* behind the root's children: their nodes belong to nobody else */
            for (uint32_t code = 1; code < t->code_count; code++)
                if (is_free(&b, code))
                    unlink_node(&b, code);
        place(&b, keys, b.queue.data[i], &children);
    }
    grow(&b, t->count + t->code_count);
    struct char_node *nodes = mem_large(t->count * sizeof *nodes);
    memcpy(nodes, t->nodes, t->count * sizeof *nodes);
    free(t->nodes);
    t->nodes = nodes;
    free(b.links);
    vec_release(&b.queue);
    vec_release(&children);
    return 0;
}

void
char_trie_release(struct char_trie *t)
{
    free(t->nodes);
    free(t->pages);
    free(t->codes);
    *t = (struct char_trie){0};
}
