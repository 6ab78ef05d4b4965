#include "checkpoint/safetensors.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "json/json.h"

/* Reading: the header is checked completely, so later reads need no check but their own range. */

enum { HEADER_MAX = 100000000, RANK_MAX = 65536 };

/* elements * bits as bytes; false when it overflows or is not whole bytes. */
static bool
byte_size(uint64_t elements, enum dtype t, uint64_t *bytes)
{
    uint64_t bits;
    if (__builtin_mul_overflow(elements, (uint64_t)dtype_bits(t), &bits) || bits % 8)
        return false;
    *bytes = bits / 8;
    return true;
}

static int
read_shape(const struct json_doc *doc, const json_t *object, struct tensor_info *t)
{
    const json_t *array;
    if (json_get_array(doc, object, "shape", JSON_NEED, &array) < 0)
        return -1;
    size_t rank = json_array_size(array);
    if (rank > RANK_MAX)
        return json_fail(doc, array, NULL, "more than %d dimensions", RANK_MAX);
    t->rank = (int)rank;
    t->shape = mem_array(rank ? rank : 1, sizeof *t->shape);
    t->elements = 1;
    for (size_t i = 0; i < rank; i++) {
        int64_t n;
        if (json_at_int(doc, array, i, 0, INT64_MAX, &n) < 0)
            return -1;
        t->shape[i] = (uint64_t)n;
        if (__builtin_mul_overflow(t->elements, (uint64_t)n, &t->elements))
            return json_fail(doc, array, NULL, "the product of the shape overflows");
    }
    return 0;
}

static int
read_offsets(const struct json_doc *doc, const json_t *object, struct tensor_info *t)
{
    const json_t *array;
    int64_t begin, end;
    uint64_t bytes;
    if (json_get_array(doc, object, "data_offsets", JSON_NEED, &array) < 0)
        return -1;
    if (json_array_size(array) != 2)
        return json_fail(doc, array, NULL, "expected two offsets");
    if (json_at_int(doc, array, 0, 0, INT64_MAX, &begin) < 0 ||
        json_at_int(doc, array, 1, 0, INT64_MAX, &end) < 0)
        return -1;
    if (begin > end)
        return json_fail(doc, array, NULL, "begins behind its end");
    t->begin = (uint64_t)begin;
    t->end = (uint64_t)end;
    if (!byte_size(t->elements, t->dtype, &bytes) || bytes != t->end - t->begin)
        return json_fail(doc, array, NULL, "%llu bytes do not fit %llu elements of %s",
                         (unsigned long long)(t->end - t->begin), (unsigned long long)t->elements,
                         dtype_name(t->dtype));
    return 0;
}

static int
read_tensor(const struct json_doc *doc, const char *name, const json_t *object,
            struct tensor_info *t)
{
    const char *type;
    t->name = mem_strdup(name);
    if (!json_is_object(object))
        return json_fail(doc, object, NULL, "expected an object");
    if (json_get_string(doc, object, "dtype", JSON_NEED, &type) < 0)
        return -1;
    if (!dtype_from_name(type, &t->dtype))
        return json_fail(doc, object, "dtype", "unknown type '%s'", type);
    if (read_shape(doc, object, t) < 0)
        return -1;
    return read_offsets(doc, object, t);
}

static int
read_metadata(struct safetensors *s, const struct json_doc *doc, const json_t *root)
{
    const json_t *object = NULL;
    if (json_get_object(doc, root, "__metadata__", JSON_MAY, &object) < 0)
        return -1;
    if (!object)
        return 0;
    const char *key;
    json_t *value;
    s->metadata = mem_zarray(json_object_size(object) + 1, sizeof *s->metadata);
    /* jansson's iteration takes no const, and changes nothing. */
    json_object_foreach((json_t *)(uintptr_t)object, key, value)
    {
        const char *text;
        if (json_get_string(doc, object, key, JSON_NEED, &text) < 0)
            return -1;
        s->metadata[s->metadata_count++] = (struct metadata_pair){.key = mem_strdup(key),
                                                                  .value = mem_strdup(text)};
    }
    return 0;
}

static int
by_offset(const void *a, const void *b)
{
    const struct tensor_info *x = a, *y = b;
    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    return x->end < y->end ? -1 : x->end > y->end;
}

/* No hole, no overlap, nothing behind the last tensor. */
static int
check_contiguous(struct safetensors *s)
{
    uint64_t at = 0, data = s->file_bytes - s->header;
    qsort(s->tensor, s->count, sizeof *s->tensor, by_offset);
    for (size_t i = 0; i < s->count; i++) {
        const struct tensor_info *t = &s->tensor[i];
        if (t->begin != at)
            return err_set(STATUS_INPUT, "%s: tensor %s: begins at data byte %llu, expected %llu",
                           s->path, t->name, (unsigned long long)t->begin, (unsigned long long)at);
        at = t->end;
    }
    if (at != data)
        return err_set(STATUS_INPUT, "%s: %llu bytes of data, the header describes %llu", s->path,
                       (unsigned long long)data, (unsigned long long)at);
    return 0;
}

static int
by_name(const void *a, const void *b)
{
    const struct tensor_info *const *x = a, *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

static void
sort_names(struct safetensors *s)
{
    s->by_name = mem_array(s->count + 1, sizeof *s->by_name);
    for (size_t i = 0; i < s->count; i++)
        s->by_name[i] = &s->tensor[i];
    qsort(s->by_name, s->count, sizeof *s->by_name, by_name);
}

static int
parse_header(struct safetensors *s, const char *text, size_t n)
{
    struct json_doc doc = {0};
    const json_t *root;
    int result = -1;
    char *place = mem_printf("%s: header", s->path);
    if (json_doc_parse(&doc, place, text, n) < 0 || json_root_object(&doc, &root) < 0)
        goto out;
    if (read_metadata(s, &doc, root) < 0)
        goto out;
    const char *name;
    json_t *object;
    s->tensor = mem_zarray(json_object_size(root) + 1, sizeof *s->tensor);
    json_object_foreach((json_t *)(uintptr_t)root, name, object)
    {
        if (strcmp(name, "__metadata__") == 0)
            continue;
        if (read_tensor(&doc, name, object, &s->tensor[s->count++]) < 0)
            goto out;
    }
    result = check_contiguous(s);
    sort_names(s);
out:
    json_doc_release(&doc);
    free(place);
    return result;
}

static int
read_header(struct safetensors *s)
{
    uint8_t length[8];
    struct stat st;
    if (fstat(s->fd, &st) < 0)
        return err_sys("%s", s->path);
    if (!S_ISREG(st.st_mode))
        return err_set(STATUS_FAILED, "%s: not a regular file", s->path);
    s->file_bytes = (uint64_t)st.st_size;
    if (s->file_bytes < 8)
        return err_set(STATUS_INPUT, "%s: %llu bytes are too few for a safetensors file", s->path,
                       (unsigned long long)s->file_bytes);
    if (file_pread_full(s->fd, length, 8, 0, s->path) != 8)
        return err_set(STATUS_INPUT, "%s: ends within the header", s->path);
    uint64_t n = load_u64(length);
    if (n == 0 || n > HEADER_MAX)
        return err_set(STATUS_INPUT, "%s: header of %llu bytes: expected 1 to %d", s->path,
                       (unsigned long long)n, HEADER_MAX);
    if (n > s->file_bytes - 8)
        return err_set(STATUS_INPUT, "%s: header of %llu bytes in a file of %llu", s->path,
                       (unsigned long long)n, (unsigned long long)s->file_bytes);
    s->header = 8 + n;

    char *text = mem_alloc(n);
    ssize_t got = file_pread_full(s->fd, text, n, 8, s->path);
    int result = got < 0              ? -1
                 : (uint64_t)got != n ? err_set(STATUS_INPUT, "%s: ends within the header", s->path)
                                      : parse_header(s, text, n);
    free(text);
    return result;
}

int
safetensors_open(struct safetensors *s, const char *path)
{
    *s = (struct safetensors){.path = mem_strdup(path), .fd = -1};
    s->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (s->fd < 0)
        err_sys("%s", path);
    else if (read_header(s) == 0)
        return 0;
    safetensors_close(s);
    return -1;
}

void
safetensors_close(struct safetensors *s)
{
    for (size_t i = 0; i < s->count; i++) {
        free(s->tensor[i].name);
        free(s->tensor[i].shape);
    }
    for (size_t i = 0; i < s->metadata_count; i++) {
        free(s->metadata[i].key);
        free(s->metadata[i].value);
    }
    free(s->by_name);
    free(s->tensor);
    free(s->metadata);
    if (s->path && s->fd >= 0)
        close(s->fd);
    free(s->path);
    *s = (struct safetensors){.fd = -1};
}

const struct tensor_info *
safetensors_find(const struct safetensors *s, const char *name)
{
    size_t low = 0, high = s->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(s->by_name[middle]->name, name);
        if (order == 0)
            return s->by_name[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

int
safetensors_read(const struct safetensors *s, const struct tensor_info *t, uint64_t offset,
                 void *out, size_t n)
{
    uint64_t size = t->end - t->begin;
    if (offset > size || n > size - offset)
        return err_set(STATUS_INPUT, "%s: tensor %s: bytes %llu+%zu of %llu", s->path, t->name,
                       (unsigned long long)offset, n, (unsigned long long)size);
    ssize_t got = file_pread_full(s->fd, out, n, s->header + t->begin + offset, s->path);
    if (got < 0)
        return -1;
    if ((size_t)got != n)
        return err_set(STATUS_INPUT, "%s: tensor %s: the file has become shorter", s->path,
                       t->name);
    return 0;
}

int
safetensors_read_float(const struct safetensors *s, const struct tensor_info *t, uint64_t first,
                       size_t n, float *out)
{
    enum { CHUNK = 65536 };
    if (!dtype_is_real(t->dtype))
        return err_set(STATUS_INPUT, "%s: tensor %s: type %s is not a plain floating-point type",
                       s->path, t->name, dtype_name(t->dtype));
    size_t size = (size_t)dtype_bits(t->dtype) / 8;
    if (t->dtype == DTYPE_F32)
        return safetensors_read(s, t, first * size, out, n * size);
    uint8_t *bytes = mem_alloc(CHUNK * size);
    int result = 0;
    for (size_t done = 0, m; done < n && result == 0; done += m) {
        m = n - done < CHUNK ? n - done : CHUNK;
        result = safetensors_read(s, t, (first + done) * size, bytes, m * size);
        if (result == 0)
            dtype_to_float(t->dtype, bytes, m, out + done);
    }
    free(bytes);
    return result;
}
