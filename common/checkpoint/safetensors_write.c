#include "checkpoint/safetensors.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/file.h"
#include "json/write.h"

/* Writing: the header is a function of the list of tensors. */

static void
put_tensor(struct json_writer *w, const struct tensor_plan *t, uint64_t begin)
{
    json_begin_object(w, t->name);
    json_put_string(w, "dtype", dtype_name(t->dtype));
    json_begin_array(w, "shape");
    for (int i = 0; i < t->rank; i++)
        json_put_uint(w, NULL, t->shape[i]);
    json_end_array(w);
    json_begin_array(w, "data_offsets");
    json_put_uint(w, NULL, begin);
    json_put_uint(w, NULL, begin + t->bytes);
    json_end_array(w);
    json_end_object(w);
}

void
safetensors_plan(struct tensor_plan *list, size_t n, struct str *header, uint64_t *file_bytes)
{
    struct str json = {0};
    struct json_writer w = {.out = &json};
    uint64_t at = 0;
    json_begin_object(&w, NULL);
    json_begin_object(&w, "__metadata__");
    json_put_string(&w, "format", "pt");
    json_end_object(&w);
    for (size_t i = 0; i < n; i++) {
        uint64_t elements = 1;
        for (int d = 0; d < list[i].rank; d++)
            elements *= list[i].shape[d];
        list[i].bytes = elements * (uint64_t)dtype_bits(list[i].dtype) / 8;
        put_tensor(&w, &list[i], at);
        list[i].offset = at;
        at += list[i].bytes;
    }
    json_end_object(&w);
    while (json.len % 8)
        str_addc(&json, ' ');

    uint8_t length[8];
    store_u64(length, json.len);
    str_add(header, length, 8);
    str_add(header, json.data, json.len);
    for (size_t i = 0; i < n; i++)
        list[i].offset += 8 + json.len;
    *file_bytes = 8 + json.len + at;
    str_release(&json);
}

static int
extend(int fd, off_t bytes, const char *path)
{
    int result;
    do
        result = ftruncate(fd, bytes);
    while (result < 0 && errno == EINTR);
    return result < 0 ? err_sys("%s", path) : 0;
}

/*
 * Full disks fail here, before anything is written. Not posix_fallocate: where the file system
 * cannot reserve, that writes to every block.
 */
static int
reserve(int fd, off_t bytes, const char *path)
{
    int result;
    do
        result = fallocate(fd, 0, 0, bytes);
    while (result < 0 && errno == EINTR);
    if (result == 0)
        return 0;
    if (errno != EOPNOTSUPP && errno != ENOSYS)
        return err_sys("%s: cannot reserve %lld bytes", path, (long long)bytes);
    return extend(fd, bytes, path);
}

static int
create(const char *path, const struct str *header, uint64_t file_bytes,
       int (*size)(int fd, off_t bytes, const char *path))
{
    int fd = file_open(path, O_WRONLY | O_CREAT | O_EXCL);
    if (fd < 0)
        return -1;
    if (size(fd, (off_t)file_bytes, path) == 0 &&
        file_pwrite_full(fd, header->data, header->len, 0, path) == 0)
        return fd;
    close(fd);
    unlink(path);
    return -1;
}

int
safetensors_create(const char *path, const struct str *header, uint64_t file_bytes)
{
    return create(path, header, file_bytes, reserve);
}

int
safetensors_create_zero(const char *path, const struct str *header, uint64_t file_bytes)
{
    return create(path, header, file_bytes, extend);
}
