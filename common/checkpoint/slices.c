#include "checkpoint/slices.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/vec.h"

enum { SLICE_BLOCKS = 1024, ELEMENT = 4 };
static const int64_t FILE_BYTES = (int64_t)2 << 30;

/* A file as it is being filled. */
struct filling {
    VEC(struct tensor_plan) tensors;
    int64_t bytes; /* of data */
};

struct planner {
    struct file_slices *s;
    struct filling now;
    VEC(struct file_slice) slices;
    VEC(struct slice_file) files;
    int64_t slice_elements, file_bytes;
};

const char *
checkpoint_array_name(enum checkpoint_array a)
{
    static const char *const names[CHECKPOINT_ARRAYS] = {"weights", "moment1", "moment2"};
    return names[a];
}

struct slice_limits
slice_limits_fit(const struct slice_limits *limits)
{
    struct slice_limits out = *limits;
    int64_t most = out.file_bytes / (NORM_BLOCK * (int64_t)sizeof(float));
    if (out.file_bytes > 0 && out.slice_blocks == 0 && most < SLICE_BLOCKS)
        out.slice_blocks = most > 0 ? most : 1;
    return out;
}

int64_t
slice_blocks(int64_t n)
{
    return (n + NORM_BLOCK - 1) / NORM_BLOCK;
}

int64_t
slice_block_size(int64_t n, int64_t b)
{
    int64_t left = n - b * NORM_BLOCK;
    return left < NORM_BLOCK ? left : NORM_BLOCK;
}

static void
close_file(struct planner *p)
{
    if (p->now.tensors.len == 0)
        return;
    struct slice_file f = {.tensor = p->now.tensors.data, .tensors = p->now.tensors.len};
    safetensors_plan(f.tensor, f.tensors, &f.header, &f.bytes);
    vec_push(&p->files, f);
    p->now = (struct filling){0};
}

/* Puts `size` elements of a tensor from `offset` into the file being filled, cut into slices. */
static void
add_piece(struct planner *p, const struct params *params, int index, int64_t offset, int64_t size)
{
    const struct param *t = &params->param[index];
    struct tensor_plan plan = {.dtype = DTYPE_F32};
    if (size == t->size) {
        snprintf(plan.name, sizeof plan.name, "%s", t->name);
        bool vector = t->kind == PARAM_NORM || t->kind == PARAM_BIAS;
        plan.rank = vector ? 1 : 2;
        plan.shape[0] = (uint64_t)(vector ? t->size : t->rows);
        plan.shape[1] = (uint64_t)t->columns;
    } else {
        snprintf(plan.name, sizeof plan.name, "%s#%lld", t->name, (long long)offset);
        plan.rank = 1;
        plan.shape[0] = (uint64_t)size;
    }
    for (int64_t at = 0; at < size; at += p->slice_elements) {
        struct file_slice s = {.param = index, .offset = offset + at, .file = (int)p->files.len};
        s.size = size - at < p->slice_elements ? size - at : p->slice_elements;
        s.first_block = p->s->blocks;
        s.begin = (uint64_t)(p->now.bytes + at * ELEMENT); /* the header's length is added later */
        p->s->blocks += slice_blocks(s.size);
        vec_push(&p->slices, s);
    }
    vec_push(&p->now.tensors, plan);
    p->now.bytes += size * ELEMENT;
}

static void
add_tensor(struct planner *p, const struct params *params, int index)
{
    int64_t size = params->param[index].size;
    int64_t piece = size;
    if (size * ELEMENT > p->file_bytes) {
        int64_t slices = p->file_bytes / (p->slice_elements * ELEMENT);
        piece = (slices > 0 ? slices : 1) * p->slice_elements;
    }
    for (int64_t at = 0; at < size; at += piece) {
        int64_t n = size - at < piece ? size - at : piece;
        if (p->now.bytes + n * ELEMENT > p->file_bytes)
            close_file(p);
        add_piece(p, params, index, at, n);
    }
}

void
file_slices_init(struct file_slices *s, const struct params *params,
                 const struct slice_limits *limits)
{
    struct planner p = {.s = s};
    int64_t blocks = limits->slice_blocks ? limits->slice_blocks : SLICE_BLOCKS;
    p.slice_elements = blocks * NORM_BLOCK;
    p.file_bytes = limits->file_bytes ? limits->file_bytes : FILE_BYTES;
    *s = (struct file_slices){0};
    for (int i = 0; i < params->count; i++)
        add_tensor(&p, params, i);
    close_file(&p);
    s->slice = p.slices.data;
    s->count = p.slices.len;
    s->file = p.files.data;
    s->files = (int)p.files.len;
    for (size_t i = 0; i < s->count; i++)
        s->slice[i].begin += s->file[s->slice[i].file].header.len;
}

void
file_slices_release(struct file_slices *s)
{
    for (int i = 0; i < s->files; i++) {
        free(s->file[i].tensor);
        str_release(&s->file[i].header);
    }
    free(s->file);
    free(s->slice);
    *s = (struct file_slices){0};
}

char *
file_slices_name(const struct file_slices *s, enum checkpoint_array a, int file, char out[64])
{
    snprintf(out, 64, "%s-%05d-of-%05d.safetensors", checkpoint_array_name(a), file + 1, s->files);
    return out;
}

struct hash128
slice_checksum(const uint64_t *block_hashes, int64_t blocks)
{
    struct hasher *h = hasher_new();
    for (int64_t i = 0; i < blocks; i++)
        hasher_add_u64(h, block_hashes[i]);
    struct hash128 out = hasher_128(h);
    hasher_free(h);
    return out;
}

const struct file_slice *
file_slices_find(const struct file_slices *s, int param, int64_t offset)
{
    size_t low = 0, high = s->count;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        const struct file_slice *m = &s->slice[middle];
        if (m->param < param || (m->param == param && m->offset <= offset))
            low = middle;
        else
            high = middle;
    }
    return &s->slice[low];
}
