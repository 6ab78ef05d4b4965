#include "tokenizer/charsmap.h"

#include <string.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "base/vec.h"

/*
 * A Darts-clone double array: 32-bit units. A node's unit has the byte that leads to
 * it (bits 0-7), "a key ends here" (8), and the distance to its children, exclusive or
 * (10-30, times 256 with bit 9). A child stands at base ^ byte, the value of a key that
 * ends at base ^ 0, in a unit with bit 31.
 */

enum { DEPTH_MOST = 1024, ROOT = 0 }; /* bytes of a key */

static inline bool
is_child(uint32_t unit, unsigned char byte)
{
    return (unit & 0x800000FFu) == byte;
}

static inline bool
ends_key(uint32_t unit)
{
    return unit >> 8 & 1;
}

static inline uint32_t
base_of(uint32_t node, uint32_t unit)
{
    return node ^ ((unit >> 10) << ((unit & 0x200) >> 6));
}

/* ---- checking ---- */

/*
 * A walk over all that a look-up can reach, depth first. Nodes may be shared (the
 * array may hold a graph without cycles); depths[node] is how many bytes at most
 * may follow it.
 */
enum { UNSEEN = UINT16_MAX, ENTERED = UINT16_MAX - 1 };

struct visit {
    uint32_t node;
    uint32_t next;  /* the byte to be tried next */
    uint16_t depth; /* the greatest of the children + 1 */
};

struct walk {
    const struct charsmap *c;
    const char *name;
    uint16_t *depths;
    VEC(struct visit) path;
};

static int
fail(const char *name, const char *fact)
{
    return err_set(STATUS_INPUT, "%s: charsmap: %s", name, fact);
}

/* Is what the node refers to inside? */
static int
check_node(const struct walk *w, uint32_t node)
{
    const struct charsmap *c = w->c;
    uint32_t unit = c->units[node], base = base_of(node, unit);
    if ((base | 0xFF) >= c->unit_count)
        return fail(w->name, "a node points outside");
    if (!ends_key(unit))
        return 0;
    uint32_t to = c->units[base] & 0x7FFFFFFFu;
    if (to >= c->texts_size || ((unsigned char)c->texts[to] & 0xC0) == 0x80)
        return fail(w->name, "a replacement that is none");
    return 0;
}

static int
enter(struct walk *w, uint32_t node)
{
    if (check_node(w, node) < 0)
        return -1;
    if (w->path.len > DEPTH_MOST)
        return fail(w->name, "a key is too long");
    w->depths[node] = ENTERED;
    vec_push(&w->path, ((struct visit){node, 0, 0}));
    return 0;
}

static void
leave(struct walk *w)
{
    struct visit done = w->path.data[--w->path.len];
    w->depths[done.node] = done.depth;
    if (w->path.len == 0)
        return;
    struct visit *parent = &w->path.data[w->path.len - 1];
    if (done.depth + 1 > parent->depth)
        parent->depth = (uint16_t)(done.depth + 1);
}

/* The next child of the node at the end of the path; false: it has no more. */
static bool
next_child(struct walk *w, uint32_t *child)
{
    struct visit *v = &w->path.data[w->path.len - 1];
    const struct charsmap *c = w->c;
    uint32_t base = base_of(v->node, c->units[v->node]);
    while (v->next < 256) {
        uint32_t byte = v->next++;
        *child = base ^ byte;
        if (is_child(c->units[*child], (unsigned char)byte))
            return true;
    }
    return false;
}

static int
walk_all(struct walk *w)
{
    uint32_t child;
    if (enter(w, ROOT) < 0)
        return -1;
    while (w->path.len > 0) {
        if (!next_child(w, &child)) {
            leave(w);
            continue;
        }
        uint16_t depth = w->depths[child];
        if (depth == ENTERED)
            return fail(w->name, "a key without an end");
        if (depth == UNSEEN) {
            if (enter(w, child) < 0)
                return -1;
            continue;
        }
        struct visit *v = &w->path.data[w->path.len - 1];
        if (depth + w->path.len > DEPTH_MOST)
            return fail(w->name, "a key is too long");
        if (depth + 1 > v->depth)
            v->depth = (uint16_t)(depth + 1);
    }
    return 0;
}

/* ---- opening ---- */

static int
check(const struct charsmap *c, const char *name)
{
    struct walk w = {.c = c, .name = name};
    if (c->texts[c->texts_size - 1] != '\0')
        return fail(name, "the replacements have no end");
    if (utf8_valid(c->texts, c->texts_size) != c->texts_size)
        return fail(name, "the replacements are not UTF-8");
    w.depths = mem_array(c->unit_count, sizeof *w.depths);
    for (size_t i = 0; i < c->unit_count; i++)
        w.depths[i] = UNSEEN;
    int rc = walk_all(&w);
    free(w.depths);
    vec_release(&w.path);
    return rc;
}

int
charsmap_open(struct charsmap *c, const char *name, const char *blob, size_t n)
{
    *c = (struct charsmap){0};
    if (n < 4)
        return fail(name, "too short");
    size_t size = load_u32(blob);
    if (size >= n - 4 || size % 4 != 0 || size < 1024)
        return fail(name, "the size of its array is wrong");
    c->unit_count = size / 4;
    c->units = mem_array(c->unit_count, sizeof *c->units);
    for (size_t i = 0; i < c->unit_count; i++)
        c->units[i] = load_u32(blob + 4 + 4 * i);
    c->texts_size = n - 4 - size;
    c->texts = mem_dup(blob + 4 + size, c->texts_size);
    if (check(c, name) == 0)
        return 0;
    charsmap_release(c);
    return -1;
}

void
charsmap_release(struct charsmap *c)
{
    free(c->units);
    free(c->texts);
    *c = (struct charsmap){0};
}

/* ---- looking up ---- */

static void
replacement(const struct charsmap *c, uint32_t base, const char **to, size_t *to_n)
{
    *to = c->texts + (c->units[base] & 0x7FFFFFFFu);
    *to_n = strlen(*to);
}

size_t
charsmap_longest(const struct charsmap *c, const char *text, size_t n, const char **to,
                 size_t *to_n)
{
    size_t longest = 0;
    uint32_t found = 0, base = base_of(ROOT, c->units[ROOT]);
    for (size_t i = 0; i < n; i++) {
        unsigned char byte = (unsigned char)text[i];
        uint32_t node = base ^ byte, unit = c->units[node];
        if (!is_child(unit, byte))
            break;
        base = base_of(node, unit);
        if (ends_key(unit)) {
            longest = i + 1;
            found = base;
        }
    }
    if (longest)
        replacement(c, found, to, to_n);
    return longest;
}

bool
charsmap_begins(const struct charsmap *c, const char *text, size_t n)
{
    uint32_t base = base_of(ROOT, c->units[ROOT]);
    for (size_t i = 0; i < n; i++) {
        unsigned char byte = (unsigned char)text[i];
        uint32_t node = base ^ byte;
        if (!is_child(c->units[node], byte))
            return false;
        base = base_of(node, c->units[node]);
    }
    return true;
}

size_t
charsmap_shortest(const struct charsmap *c, const char *text, size_t n, const char **to,
                  size_t *to_n)
{
    uint32_t base = base_of(ROOT, c->units[ROOT]);
    for (size_t i = 0; i < n && text[i]; i++) { /* to Hugging Face a NUL ends the text */
        unsigned char byte = (unsigned char)text[i];
        uint32_t node = base ^ byte, unit = c->units[node];
        if (!is_child(unit, byte))
            break;
        base = base_of(node, unit);
        if (ends_key(unit)) {
            replacement(c, base, to, to_n);
            return i + 1;
        }
    }
    return 0;
}
