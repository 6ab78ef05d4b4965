#include <string.h>

#include "base/bytes.h"
#include "base/err.h"
#include "checkpoint/gguf_private.h"

/* The values of a GGUF file's metadata by key; gguf.c has checked their lengths. */

size_t
gguf_value_bytes(enum gguf_value_type type)
{
    static const uint8_t bytes[GGUF_VALUE_TYPES] = {
        [GGUF_U8] = 1,  [GGUF_I8] = 1,  [GGUF_U16] = 2, [GGUF_I16] = 2,
        [GGUF_U32] = 4, [GGUF_I32] = 4, [GGUF_F32] = 4, [GGUF_BOOL] = 1,
        [GGUF_U64] = 8, [GGUF_I64] = 8, [GGUF_F64] = 8};
    return bytes[type];
}

const struct gguf_value *
gguf_find(const struct gguf *g, const char *key)
{
    size_t low = 0, high = g->values;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct gguf_value *v = &g->value[g->by_key[middle]];
        int order = strcmp(key, v->key);
        if (order == 0)
            return v;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

static bool
is_int(enum gguf_value_type type)
{
    return type != GGUF_F32 && type != GGUF_F64 && type != GGUF_BOOL && type != GGUF_STRING &&
           type != GGUF_ARRAY;
}

/* Beyond 63 bits: INT64_MAX, which no range of ours reaches. */
static int64_t
int_at(enum gguf_value_type type, const uint8_t *p)
{
    switch (type) {
    case GGUF_U8: return p[0];
    case GGUF_I8: return (int8_t)p[0];
    case GGUF_U16: return load_u16(p);
    case GGUF_I16: return (int16_t)load_u16(p);
    case GGUF_U32: return load_u32(p);
    case GGUF_I32: return (int32_t)load_u32(p);
    case GGUF_I64: return (int64_t)load_u64(p);
    default: return load_u64(p) > INT64_MAX ? INT64_MAX : (int64_t)load_u64(p);
    }
}

static double
real_at(enum gguf_value_type type, const uint8_t *p)
{
    uint32_t u = 0;
    uint64_t wide = 0;
    float f;
    double d;
    if (type == GGUF_F32) {
        u = load_u32(p);
        memcpy(&f, &u, 4);
        return (double)f;
    }
    if (type == GGUF_F64) {
        wide = load_u64(p);
        memcpy(&d, &wide, 8);
        return d;
    }
    return (double)int_at(type, p);
}

/* 1: *out is the value; 0; -1: it is needed and missing. */
static int
find(const struct gguf *g, const char *key, bool need, const struct gguf_value **out)
{
    *out = gguf_find(g, key);
    if (*out)
        return 1;
    return need ? err_set(STATUS_INPUT, "%s: %s: missing", g->path, key) : 0;
}

static int
unexpected(const struct gguf *g, const char *key, const char *what)
{
    return err_set(STATUS_INPUT, "%s: %s: expected %s", g->path, key, what);
}

int
gguf_get_int(const struct gguf *g, const char *key, bool need, int64_t min, int64_t max,
             int64_t *out)
{
    const struct gguf_value *v;
    int found = find(g, key, need, &v);
    if (found <= 0)
        return found;
    if (!is_int(v->type))
        return unexpected(g, key, "an integer");
    int64_t n = int_at(v->type, g->header + v->at);
    if (n < min || n > max)
        return err_set(STATUS_INPUT, "%s: %s: expected %lld to %lld, found %lld", g->path, key,
                       (long long)min, (long long)max, (long long)n);
    *out = n;
    return 1;
}

int
gguf_get_real(const struct gguf *g, const char *key, bool need, double *out)
{
    const struct gguf_value *v;
    int found = find(g, key, need, &v);
    if (found <= 0)
        return found;
    if (v->type != GGUF_F32 && v->type != GGUF_F64 && !is_int(v->type))
        return unexpected(g, key, "a number");
    *out = real_at(v->type, g->header + v->at);
    return 1;
}

int
gguf_get_bool(const struct gguf *g, const char *key, bool need, bool *out)
{
    const struct gguf_value *v;
    int found = find(g, key, need, &v);
    if (found <= 0)
        return found;
    if (v->type != GGUF_BOOL)
        return unexpected(g, key, "a truth value");
    *out = g->header[v->at] != 0;
    return 1;
}

static void
string_at(const uint8_t *p, const char **out, size_t *n)
{
    *n = (size_t)load_u64(p);
    *out = (const char *)p + 8;
}

int
gguf_get_string(const struct gguf *g, const char *key, bool need, const char **out, size_t *n)
{
    const struct gguf_value *v;
    int found = find(g, key, need, &v);
    if (found <= 0)
        return found;
    if (v->type != GGUF_STRING)
        return unexpected(g, key, "a text");
    string_at(g->header + v->at, out, n);
    return 1;
}

int
gguf_get_array(const struct gguf *g, const char *key, bool need, enum gguf_value_type item,
               struct gguf_items *out)
{
    const struct gguf_value *v;
    int found = find(g, key, need, &v);
    if (found <= 0)
        return found;
    if (v->type != GGUF_ARRAY)
        return unexpected(g, key, "an array");
    if (item == GGUF_STRING && v->item != GGUF_STRING)
        return unexpected(g, key, "an array of texts");
    if (item == GGUF_I64 && !is_int(v->item))
        return unexpected(g, key, "an array of integers");
    if (item == GGUF_F64 && v->item != GGUF_F32 && v->item != GGUF_F64 && !is_int(v->item))
        return unexpected(g, key, "an array of numbers");
    *out = (struct gguf_items){.next = g->header + v->at, .left = v->count, .item = v->item};
    return 1;
}

bool
gguf_next_string(struct gguf_items *a, const char **out, size_t *n)
{
    if (a->left == 0)
        return false;
    string_at(a->next, out, n);
    a->next += 8 + *n;
    a->left--;
    return true;
}

/* The place of the next element of fixed size; NULL: the end. */
static const uint8_t *
next(struct gguf_items *a)
{
    const uint8_t *p = a->next;
    if (a->left == 0)
        return NULL;
    a->next += gguf_value_bytes(a->item);
    a->left--;
    return p;
}

bool
gguf_next_int(struct gguf_items *a, int64_t *out)
{
    const uint8_t *p = next(a);
    if (p)
        *out = int_at(a->item, p);
    return p != NULL;
}

bool
gguf_next_real(struct gguf_items *a, double *out)
{
    const uint8_t *p = next(a);
    if (p)
        *out = real_at(a->item, p);
    return p != NULL;
}
