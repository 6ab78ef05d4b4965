#include "tokenizer/trie.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/vec.h"

/*
 * Building: breadth first, so that the nodes near the root, which every search
 * visits, stand together. The children of a node are put at the first base where all
 * their places are free. Free places are a list; blocks of 256 nodes are taken off it
 * when newer ones come, as in darts-clone (S. Yata), which bounds the search.
 */
enum { BLOCK = 256, OPEN_BLOCKS = 16, TRIES = 256 };

#define NODE_NONE 0x100u
#define NODE_KEY (UINT64_C(1) << 63)

/* keys[begin..end) share their first `depth` bytes, which lead to the node at `at`. */
struct range {
    uint32_t begin, end, depth, at;
};

/* What is known of a place while building. */
struct site {
    uint32_t next, last; /* in the list of free places, which begins and ends at 0 */
    bool taken;          /* a node stands here, or the block is closed */
    bool based;          /* some node's base: two of one base would share children */
};

struct builder {
    uint64_t *nodes;
    struct site *sites;
    size_t count; /* a multiple of BLOCK */
    VEC(struct range) queue;
};

static int
compare(const void *a, const void *b)
{
    const struct trie_key *x = a, *y = b;
    int order = memcmp(x->text, y->text, x->length < y->length ? x->length : y->length);
    return order ? order : (x->length > y->length) - (x->length < y->length);
}

static void
take(struct builder *b, size_t at)
{
    struct site *s = &b->sites[at];
    if (s->taken)
        return;
    s->taken = true;
    b->sites[s->last].next = s->next;
    b->sites[s->next].last = s->last;
}

static void
add_block(struct builder *b)
{
    size_t more = b->count + BLOCK;
    b->nodes = mem_grow_array(b->nodes, more, sizeof *b->nodes);
    b->sites = mem_grow_array(b->sites, more, sizeof *b->sites);
    if (b->count == 0) /* the root; base 0 belongs to nodes without children */
        b->sites[0] = (struct site){.taken = true, .based = true};
    b->nodes[b->count] = NODE_NONE;
    for (size_t i = b->count ? b->count : 1; i < more; i++) {
        uint32_t last = b->sites[0].last;
        b->nodes[i] = NODE_NONE;
        b->sites[i] = (struct site){.next = 0, .last = last};
        b->sites[last].next = b->sites[0].last = (uint32_t)i;
    }
    b->count = more;
    for (size_t i = 0; b->count > OPEN_BLOCKS * BLOCK && i < BLOCK; i++)
        take(b, b->count - (OPEN_BLOCKS + 1) * BLOCK + i);
}

static bool
fits(const struct builder *b, size_t base, const uint8_t *labels, size_t n)
{
    if (b->sites[base].based)
        return false;
    for (size_t i = 0; i < n; i++)
        if (b->sites[base ^ labels[i]].taken)
            return false;
    return true;
}

/* A base for children with these labels, in an open block or a new one. */
static size_t
find_base(struct builder *b, const uint8_t *labels, size_t n)
{
    size_t at = b->sites[0].next;
    for (int i = 0; at && i < TRIES; i++, at = b->sites[at].next)
        if (fits(b, at ^ labels[0], labels, n))
            return at ^ labels[0];
    add_block(b);
    return (b->count - BLOCK) ^ labels[0];
}

/* Places the children of one node and queues those that have some themselves. */
static void
place(struct builder *b, const struct trie_key *keys, struct range r)
{
    uint8_t labels[256];
    uint32_t starts[257];
    size_t n = 0;
    if (keys[r.begin].length == r.depth) { /* the node is a key: the shortest stands first */
        b->nodes[r.at] |= NODE_KEY | (uint64_t)(keys[r.begin].value & 0xFFFFFF) << 9;
        r.begin++;
    }
    for (uint32_t i = r.begin; i < r.end; i++) {
        uint8_t c = (uint8_t)keys[i].text[r.depth];
        if (n == 0 || labels[n - 1] != c) {
            labels[n] = c;
            starts[n++] = i;
        }
    }
    if (n == 0)
        return;
    starts[n] = r.end;
    size_t base = find_base(b, labels, n);
    b->sites[base].based = true;
    b->nodes[r.at] |= (uint64_t)base << 33;
    for (size_t i = 0; i < n; i++) {
        size_t at = base ^ labels[i];
        take(b, at);
        b->nodes[at] = labels[i];
        vec_push(&b->queue,
                 ((struct range){starts[i], starts[i + 1], r.depth + 1, (uint32_t)at}));
    }
}

void
trie_build(struct trie *t, struct trie_key *keys, size_t n)
{
    struct builder b = {0};
    add_block(&b);
    if (n > 0) {
        qsort(keys, n, sizeof *keys, compare);
        vec_push(&b.queue, ((struct range){0, (uint32_t)n, 0, 0}));
    }
    for (size_t i = 0; i < b.queue.len; i++)
        place(&b, keys, b.queue.data[i]);
    free(b.sites);
    vec_release(&b.queue);
    t->nodes = b.nodes;
    t->count = b.count;
}

void
trie_release(struct trie *t)
{
    free(t->nodes);
    *t = (struct trie){0};
}

size_t
trie_prefixes(const struct trie *t, const char *text, size_t n, struct trie_match *out, size_t most)
{
    uint64_t node = t->nodes[0];
    size_t found = 0;
    for (size_t i = 0; i < n && found < most && trie_step(t->nodes, &node, (uint8_t)text[i]); i++)
        if (trie_is_key(node))
            out[found++] = (struct trie_match){trie_value(node), (uint32_t)i + 1};
    return found;
}
