#include "checkpoint/gguf.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "checkpoint/gguf_private.h"
#include "checkpoint/gguf_quant.h"

/*
 * The header is read front to back by a cursor that never goes past the end of the file; memory follows
 * what was really there. The smallest value and the smallest tensor description bound the counts.
 */
enum {
    READ_FIRST = 1 << 20,
    NAME_MAX_BYTES = 65535,
    DEPTH_MAX = 4, /* of arrays in arrays */
    VALUE_LEAST = 8 + 4 + 1,
    TENSOR_LEAST = 8 + 4 + 4 + 8,
    ALIGNMENT_DEFAULT = 32,
    ALIGNMENT_MAX = 1 << 30
};
static const uint64_t header_most = (uint64_t)1 << 31; /* bytes of all values and descriptions */

struct cursor {
    struct gguf *g;
    uint64_t at;
    size_t room; /* of g->header */
};

static int
damaged(const struct cursor *c, const char *what)
{
    return err_set(STATUS_INPUT, "%s: offset %llu: %s", c->g->path, (unsigned long long)c->at,
                   what);
}

/* Makes bytes [at, at + n) of the file be in memory. */
static int
need(struct cursor *c, uint64_t n)
{
    struct gguf *g = c->g;
    if (n > g->file_bytes - c->at)
        return damaged(c, "the file ends before what it announces");
    uint64_t end = c->at + n;
    if (end <= g->header_bytes)
        return 0;
    if (end > header_most)
        return damaged(c, "more than 2 GiB of metadata");
    uint64_t room = c->room ? c->room : READ_FIRST;
    while (room < end)
        room *= 2;
    room = room < g->file_bytes ? room : g->file_bytes;
    g->header = mem_grow(g->header, (size_t)room);
    c->room = (size_t)room;
    ssize_t got = file_pread_full(g->fd, g->header + g->header_bytes,
                                  (size_t)room - g->header_bytes, g->header_bytes, g->path);
    if (got < 0)
        return -1;
    g->header_bytes += (size_t)got;
    return end <= g->header_bytes ? 0 : damaged(c, "the file has become shorter");
}

static int
take_u32(struct cursor *c, uint32_t *out)
{
    if (need(c, 4) < 0)
        return -1;
    *out = load_u32(c->g->header + c->at);
    c->at += 4;
    return 0;
}

static int
take_u64(struct cursor *c, uint64_t *out)
{
    if (need(c, 8) < 0)
        return -1;
    *out = load_u64(c->g->header + c->at);
    c->at += 8;
    return 0;
}

/* Goes past a string, which must be UTF-8; *text: where it begins in the header. */
static int
take_string(struct cursor *c, size_t *text, uint64_t *n)
{
    if (take_u64(c, n) < 0 || need(c, *n) < 0)
        return -1;
    const char *s = (const char *)c->g->header + c->at;
    if (utf8_valid(s, (size_t)*n) != *n)
        return damaged(c, "a string that is not UTF-8");
    *text = (size_t)c->at;
    c->at += *n;
    return 0;
}

/* A key or a name, as a string of C. */
static int
take_name(struct cursor *c, char **out)
{
    size_t text;
    uint64_t n;
    if (take_string(c, &text, &n) < 0)
        return -1;
    const char *s = (const char *)c->g->header + text;
    if (n > NAME_MAX_BYTES || memchr(s, '\0', (size_t)n))
        return damaged(c, "a name that is too long or holds a zero byte");
    *out = mem_strndup(s, (size_t)n);
    return 0;
}

/* ---- values ---- */

static int skip_array(struct cursor *c, int depth, struct gguf_value *v);

static int
skip_value(struct cursor *c, enum gguf_value_type type, int depth)
{
    size_t text;
    uint64_t n;
    struct gguf_value inner;
    if (type == GGUF_STRING)
        return take_string(c, &text, &n);
    if (type == GGUF_ARRAY)
        return skip_array(c, depth + 1, &inner);
    if (need(c, gguf_value_bytes(type)) < 0)
        return -1;
    if (type == GGUF_BOOL && c->g->header[c->at] > 1)
        return damaged(c, "a truth value that is neither 0 nor 1");
    c->at += gguf_value_bytes(type);
    return 0;
}

static int
skip_array(struct cursor *c, int depth, struct gguf_value *v)
{
    uint32_t item;
    uint64_t bytes;
    if (take_u32(c, &item) < 0 || take_u64(c, &v->count) < 0)
        return -1;
    if (item >= GGUF_VALUE_TYPES)
        return damaged(c, "an array of an unknown type");
    v->item = (enum gguf_value_type)item;
    v->at = (size_t)c->at;
    size_t each = gguf_value_bytes(v->item);
    if (each && v->item != GGUF_BOOL) {
        if (__builtin_mul_overflow(v->count, each, &bytes) || need(c, bytes) < 0)
            return damaged(c, "an array longer than the file");
        c->at += bytes;
        return 0;
    }
    if (depth > DEPTH_MAX)
        return damaged(c, "arrays nested too deep");
    if (v->count > c->g->file_bytes - c->at)
        return damaged(c, "an array longer than the file");
    for (uint64_t i = 0; i < v->count; i++)
        if (skip_value(c, v->item, depth) < 0)
            return -1;
    return 0;
}

static int
read_value(struct cursor *c, struct gguf_value *v)
{
    uint32_t type;
    if (take_name(c, &v->key) < 0 || take_u32(c, &type) < 0)
        return -1;
    if (type >= GGUF_VALUE_TYPES)
        return damaged(c, "a value of an unknown type");
    v->type = (enum gguf_value_type)type;
    v->count = 1;
    v->at = (size_t)c->at;
    return v->type == GGUF_ARRAY ? skip_array(c, 1, v) : skip_value(c, v->type, 0);
}

/* ---- tensors ---- */

static int
bad_tensor(const struct gguf *g, const struct gguf_tensor *t, const char *what)
{
    return err_set(STATUS_INPUT, "%s: tensor %s: %s", g->path, t->name, what);
}

/* Elements and bytes from the sizes; whole blocks in a row. */
static int
measure(const struct gguf *g, struct gguf_tensor *t)
{
    const struct gguf_block *block = gguf_block_of(t->type);
    if (!block)
        return err_set(STATUS_INPUT, "%s: tensor %s: unknown type %u", g->path, t->name, t->type);
    t->elements = 1;
    for (int i = 0; i < GGUF_DIMENSIONS; i++)
        if (__builtin_mul_overflow(t->elements, t->size[i], &t->elements) ||
            t->elements > INT64_MAX)
            return bad_tensor(g, t, "the product of its sizes overflows");
    if (t->size[0] % (uint64_t)block->elements != 0)
        return err_set(STATUS_INPUT, "%s: tensor %s: rows of %llu are not whole blocks of %s",
                       g->path, t->name, (unsigned long long)t->size[0], block->name);
    if (__builtin_mul_overflow(t->elements / (uint64_t)block->elements, (uint64_t)block->bytes,
                               &t->bytes))
        return bad_tensor(g, t, "its bytes overflow");
    return 0;
}

static int
read_tensor(struct cursor *c, struct gguf_tensor *t)
{
    uint32_t dimensions;
    if (take_name(c, &t->name) < 0 || take_u32(c, &dimensions) < 0)
        return -1;
    if (dimensions > GGUF_DIMENSIONS)
        return bad_tensor(c->g, t, "more than four dimensions");
    t->dimensions = (int)dimensions;
    for (int i = 0; i < GGUF_DIMENSIONS; i++) {
        t->size[i] = 1;
        if (i < t->dimensions && take_u64(c, &t->size[i]) < 0)
            return -1;
    }
    if (take_u32(c, &t->type) < 0 || take_u64(c, &t->offset) < 0)
        return -1;
    return measure(c->g, t);
}

/* Offsets become those in the file; every tensor lies within it. */
static int
place(struct gguf *g, struct gguf_tensor *t)
{
    uint64_t size = g->file_bytes - g->data;
    if (t->offset % g->alignment != 0)
        return bad_tensor(g, t, "its offset is not aligned");
    if (t->offset > size || t->bytes > size - t->offset)
        return err_set(STATUS_INPUT, "%s: tensor %s: %llu bytes from %llu of %llu", g->path,
                       t->name, (unsigned long long)t->bytes, (unsigned long long)t->offset,
                       (unsigned long long)size);
    t->offset += g->data;
    return 0;
}

/* ---- order ---- */

static int
by_key(const void *a, const void *b, void *arg)
{
    const struct gguf *g = arg;
    const uint32_t *x = a, *y = b;
    return strcmp(g->value[*x].key, g->value[*y].key);
}

static int
by_name(const void *a, const void *b, void *arg)
{
    const struct gguf *g = arg;
    const uint32_t *x = a, *y = b;
    return strcmp(g->tensor[*x].name, g->tensor[*y].name);
}

static int
by_offset(const void *a, const void *b, void *arg)
{
    const struct gguf *g = arg;
    const uint32_t *x = a, *y = b;
    const struct gguf_tensor *s = &g->tensor[*x], *t = &g->tensor[*y];
    if (s->offset != t->offset)
        return s->offset < t->offset ? -1 : 1;
    return s->bytes < t->bytes ? -1 : s->bytes > t->bytes;
}

static uint32_t *
sorted(struct gguf *g, size_t n, int (*compare)(const void *, const void *, void *))
{
    uint32_t *order = mem_array(n + 1, sizeof *order);
    for (size_t i = 0; i < n; i++)
        order[i] = (uint32_t)i;
    qsort_r(order, n, sizeof *order, compare, g);
    return order;
}

static int
check_keys(struct gguf *g)
{
    g->by_key = sorted(g, g->values, by_key);
    for (size_t i = 1; i < g->values; i++)
        if (by_key(&g->by_key[i - 1], &g->by_key[i], g) == 0)
            return err_set(STATUS_INPUT, "%s: key %s stands twice", g->path,
                           g->value[g->by_key[i]].key);
    return 0;
}

static int
check_names(struct gguf *g)
{
    g->by_name = sorted(g, g->tensors, by_name);
    for (size_t i = 1; i < g->tensors; i++)
        if (by_name(&g->by_name[i - 1], &g->by_name[i], g) == 0)
            return err_set(STATUS_INPUT, "%s: tensor %s stands twice", g->path,
                           g->tensor[g->by_name[i]].name);
    return 0;
}

static int
check_overlap(struct gguf *g)
{
    uint32_t *order = sorted(g, g->tensors, by_offset);
    uint64_t end = 0;
    int result = 0;
    for (size_t i = 0; i < g->tensors && result == 0; i++) {
        const struct gguf_tensor *t = &g->tensor[order[i]];
        if (t->bytes > 0 && t->offset < end)
            result = bad_tensor(g, t, "lies over another one");
        end = t->offset + t->bytes > end ? t->offset + t->bytes : end;
    }
    free(order);
    return result;
}

/* ---- opening ---- */

static int
read_counts(struct cursor *c, uint64_t *tensors, uint64_t *values)
{
    struct gguf *g = c->g;
    if (need(c, 4) < 0)
        return -1;
    if (memcmp(g->header, "GGUF", 4) != 0)
        return err_set(STATUS_INPUT, "%s: not a GGUF file", g->path);
    c->at = 4;
    if (take_u32(c, &g->version) < 0)
        return -1;
    if (g->version != 2 && g->version != 3)
        return err_set(STATUS_INPUT, "%s: GGUF version %u is not supported (2 and 3 are%s)",
                       g->path, g->version,
                       g->version && g->version % 65536 == 0 ? "; big endian is not" : "");
    if (take_u64(c, tensors) < 0 || take_u64(c, values) < 0)
        return -1;
    uint64_t left = g->file_bytes - c->at;
    if (*values > left / VALUE_LEAST || *tensors > left / TENSOR_LEAST || *values > INT32_MAX ||
        *tensors > INT32_MAX)
        return damaged(c, "more values or tensors than the file has bytes for");
    return 0;
}

static int
read_alignment(struct gguf *g)
{
    int64_t alignment = ALIGNMENT_DEFAULT;
    if (gguf_get_int(g, "general.alignment", false, 1, ALIGNMENT_MAX, &alignment) < 0)
        return -1;
    if (alignment & (alignment - 1))
        return err_set(STATUS_INPUT, "%s: general.alignment: %lld is no power of two", g->path,
                       (long long)alignment);
    g->alignment = (uint64_t)alignment;
    return 0;
}

static int
read_header(struct cursor *c)
{
    struct gguf *g = c->g;
    uint64_t values, tensors;
    if (read_counts(c, &tensors, &values) < 0)
        return -1;
    /* grown as they come: a count that lies costs no memory */
    for (size_t room = 0; g->values < values;) {
        if (g->values == room)
            g->value = mem_grow_array(g->value, room = room ? 2 * room : 64, sizeof *g->value);
        g->value[g->values] = (struct gguf_value){0};
        if (read_value(c, &g->value[g->values++]) < 0)
            return -1;
    }
    if (check_keys(g) < 0 || read_alignment(g) < 0)
        return -1;
    for (size_t room = 0; g->tensors < tensors;) {
        if (g->tensors == room)
            g->tensor = mem_grow_array(g->tensor, room = room ? 2 * room : 64, sizeof *g->tensor);
        g->tensor[g->tensors] = (struct gguf_tensor){0};
        if (read_tensor(c, &g->tensor[g->tensors++]) < 0)
            return -1;
    }
    uint64_t over = c->at % g->alignment;
    g->data = c->at + (over ? g->alignment - over : 0);
    if (g->data > g->file_bytes) {
        if (tensors > 0)
            return damaged(c, "the file ends before its data");
        g->data = g->file_bytes;
    }
    for (size_t i = 0; i < g->tensors; i++)
        if (place(g, &g->tensor[i]) < 0)
            return -1;
    return check_names(g) < 0 ? -1 : check_overlap(g);
}

int
gguf_open(struct gguf *g, const char *path)
{
    struct stat st;
    *g = (struct gguf){.path = mem_strdup(path), .fd = -1};
    g->fd = file_open_read(path);
    struct cursor c = {.g = g};
    if (g->fd < 0)
        goto failed;
    if (fstat(g->fd, &st) < 0) {
        err_sys("%s", path);
        goto failed;
    }
    if (!S_ISREG(st.st_mode)) {
        err_set(STATUS_FAILED, "%s: not a regular file", path);
        goto failed;
    }
    g->file_bytes = (uint64_t)st.st_size;
    if (read_header(&c) == 0)
        return 0;
failed:
    gguf_close(g);
    return -1;
}

void
gguf_close(struct gguf *g)
{
    for (size_t i = 0; i < g->values; i++)
        free(g->value[i].key);
    for (size_t i = 0; i < g->tensors; i++)
        free(g->tensor[i].name);
    free(g->value);
    free(g->tensor);
    free(g->by_key);
    free(g->by_name);
    free(g->header);
    if (g->path && g->fd >= 0)
        close(g->fd);
    free(g->path);
    *g = (struct gguf){.fd = -1};
}

/* ---- data ---- */

const struct gguf_tensor *
gguf_find_tensor(const struct gguf *g, const char *name)
{
    size_t low = 0, high = g->tensors;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct gguf_tensor *t = &g->tensor[g->by_name[middle]];
        int order = strcmp(name, t->name);
        if (order == 0)
            return t;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

static int
read_bytes(const struct gguf *g, const struct gguf_tensor *t, uint64_t at, void *out, size_t n)
{
    ssize_t got = file_pread_full(g->fd, out, n, t->offset + at, g->path);
    if (got < 0)
        return -1;
    return (size_t)got == n ? 0 : bad_tensor(g, t, "the file has become shorter");
}

/* In chunks of whole blocks; what of the first and the last one is not asked for is dropped. */
int
gguf_read_float(const struct gguf *g, const struct gguf_tensor *t, uint64_t first, size_t n,
                float *out)
{
    enum { CHUNK = 1 << 15 };
    const struct gguf_block *block = gguf_block_of(t->type);
    if (!block->read)
        return err_set(STATUS_INPUT, "%s: tensor %s: type %s is not supported", g->path, t->name,
                       block->name);
    if (first > t->elements || n > t->elements - first)
        return bad_tensor(g, t, "a range outside of it");
    uint64_t each = (uint64_t)block->elements, end = first + n;
    uint8_t *bytes = mem_alloc(CHUNK / each * (size_t)block->bytes);
    float *values = mem_array(CHUNK, sizeof *values);
    int result = 0;
    for (uint64_t at = first / each * each; at < end && result == 0;) {
        uint64_t blocks = (end - at + each - 1) / each;
        blocks = blocks < CHUNK / each ? blocks : CHUNK / each;
        uint64_t from = at < first ? first : at, to = at + blocks * each;
        to = to < end ? to : end;
        bool whole = from == at && to == at + blocks * each;
        result = read_bytes(g, t, at / each * (uint64_t)block->bytes, bytes,
                            (size_t)blocks * (size_t)block->bytes);
        if (result < 0)
            break;
        block->read(bytes, (size_t)blocks, whole ? out + (at - first) : values);
        if (!whole)
            memcpy(out + (from - first), values + (from - at), (size_t)(to - from) * sizeof *out);
        at += blocks * each;
    }
    free(bytes);
    free(values);
    return result;
}
