/*
 * Any model as a GGUF file, tensor after tensor, in pieces of a few megabytes. Rows of queries and keys
 * are put in llama.cpp's order, where it has another one.
 */
#include "cmd/llm-convert/gguf.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/die.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/progress.h"
#include "checkpoint/gguf_config.h"
#include "checkpoint/gguf_quant.h"
#include "cmd/llm-convert/convert.h"

enum { CHUNK = 1 << 20 }; /* elements; or one row, if that is longer */

/* A part of ours in a tensor of theirs; those of one tensor stand together, experts ascending. */
struct output_part {
    int param;
    size_t tensor;
    struct gguf_part part;
};

struct output {
    const struct model_source *m;
    int type;
    struct gguf_build build;
    VEC(struct output_part) parts;
    struct outfile file;
    float *values, *ordered; /* room for CHUNK, a head and a row */
    uint8_t *bytes;
    size_t room;
};

int
gguf_output_type(const struct model_source *m)
{
    if (options.dtype_given)
        return options.dtype;
    return m->dtype == DTYPE_BF16 ? TYPE_BF16 : m->dtype == DTYPE_F16 ? TYPE_FP16 : TYPE_FP32;
}

/* llama.cpp wants routers and positions in single precision; rows that are no whole blocks stay halves. */
uint32_t
gguf_tensor_type(const struct gguf_part *part, int type)
{
    static const uint32_t types[] = {[TYPE_FP32] = GGUF_TYPE_F32,
                                     [TYPE_BF16] = GGUF_TYPE_BF16,
                                     [TYPE_FP16] = GGUF_TYPE_F16,
                                     [TYPE_Q8_0] = GGUF_TYPE_Q8_0};
    if (part->vector || strstr(part->name, "ffn_gate_inp") || strstr(part->name, "position_embd"))
        return GGUF_TYPE_F32;
    if (type == TYPE_Q8_0 && part->columns % 32 != 0)
        return GGUF_TYPE_F16;
    return types[type];
}

/* ---- the plan ---- */

/* Experts' parts come one by one: their tensor is one of the last few. */
static bool
find_tensor(const struct output *o, const char *name, size_t *tensor)
{
    for (size_t i = o->build.tensors.len; i-- > 0 && i + 8 > o->build.tensors.len;)
        if (strcmp(o->build.tensors.data[i].name, name) == 0) {
            *tensor = i;
            return true;
        }
    return false;
}

static void
plan_part(struct output *o, int param, const struct gguf_part *part)
{
    struct output_part p = {.param = param, .part = *part};
    uint64_t size[GGUF_DIMENSIONS];
    int n = 0;
    if (part->expert < 0 || !find_tensor(o, part->name, &p.tensor)) {
        if (!part->vector)
            size[n++] = (uint64_t)part->columns;
        size[n++] = (uint64_t)part->rows;
        if (part->expert >= 0)
            size[n++] = (uint64_t)o->m->config.num_experts;
        p.tensor = o->build.tensors.len;
        gguf_put_tensor(&o->build, part->name, gguf_tensor_type(part, o->type), n, size);
    }
    vec_push(&o->parts, p);
    size_t need = (size_t)((part->head ? part->head : 1) * part->columns);
    o->room = need > o->room ? need : o->room;
}

static int
compare_parts(const void *a, const void *b)
{
    const struct output_part *x = a, *y = b;
    if (x->tensor != y->tensor)
        return x->tensor < y->tensor ? -1 : 1;
    return x->part.expert < y->part.expert ? -1 : x->part.expert > y->part.expert;
}

static int
plan(struct output *o)
{
    const struct params *p = &o->m->params;
    o->room = CHUNK;
    for (int i = 0; i < p->count; i++) {
        struct gguf_part part[GGUF_PARTS];
        int n = gguf_parts(&o->m->config, &p->param[i], part);
        if (n == 0)
            return err_set(STATUS_INPUT, "%s: GGUF has no name for %s", o->m->path,
                           p->param[i].name);
        for (int k = 0; k < n; k++)
            plan_part(o, i, &part[k]);
    }
    qsort(o->parts.data, o->parts.len, sizeof *o->parts.data, compare_parts);
    if (o->m->config.rope_scaling == ROPE_LLAMA3 && o->m->config.position == POSITION_ROTARY)
        gguf_put_tensor(&o->build, "rope_freqs.weight", GGUF_TYPE_F32, 1,
                        (uint64_t[]){(uint64_t)o->m->config.rotary_dim / 2});
    return 0;
}

/* ---- data ---- */

static size_t
encode(uint32_t type, const float *values, size_t n, uint8_t *out)
{
    enum dtype plain = type == GGUF_TYPE_BF16  ? DTYPE_BF16
                       : type == GGUF_TYPE_F16 ? DTYPE_F16
                                               : DTYPE_F32;
    if (type == GGUF_TYPE_Q8_0) {
        gguf_to_q8_0(values, n, out);
        return n / 32 * 34;
    }
    dtype_from_float(plain, values, n, out);
    return n * (size_t)dtype_bits(plain) / 8;
}

static int
put(struct output *o, uint32_t type, const float *values, size_t n)
{
    size_t bytes = encode(type, values, n, o->bytes);
    progress_add(n * sizeof *values);
    return outfile_write(&o->file, o->bytes, bytes);
}

static int
put_head(struct output *o, const struct output_part *p, uint32_t type, int64_t row)
{
    int64_t columns = p->part.columns, head = p->part.head;
    if (model_source_read(o->m, p->param, (p->part.first + row) * columns, head * columns,
                          o->values) < 0)
        return -1;
    for (int64_t i = 0; i < head; i++)
        memcpy(o->ordered + gguf_row(&p->part, i) * columns, o->values + i * columns,
               (size_t)columns * sizeof *o->values);
    return put(o, type, o->ordered, (size_t)(head * columns));
}

static int
put_part(struct output *o, const struct output_part *p)
{
    int64_t columns = p->part.columns, rows = p->part.rows, at, step = CHUNK / columns;
    uint32_t type = o->build.tensors.data[p->tensor].type;
    step = p->part.head ? p->part.head : step > 0 ? step : 1;
    for (at = 0; at < rows; at += step) {
        int64_t n = rows - at < step ? rows - at : step;
        if (p->part.head) {
            if (put_head(o, p, type, at) < 0)
                return -1;
            continue;
        }
        if (model_source_read(o->m, p->param, (p->part.first + at) * columns, n * columns,
                              o->values) < 0 ||
            put(o, type, o->values, (size_t)(n * columns)) < 0)
            return -1;
    }
    return 0;
}

static int
put_divisors(struct output *o)
{
    const struct config *c = &o->m->config;
    const struct gguf_llama3 rule = {c->rope_factor, c->rope_low_freq_factor,
                                     c->rope_high_freq_factor, c->rope_original_max_position};
    for (int64_t i = 0; i < c->rotary_dim / 2; i++) {
        double frequency = pow(c->rope_theta, -2.0 * (double)i / (double)c->rotary_dim);
        o->values[i] = (float)gguf_llama3_divisor(&rule, frequency);
    }
    return put(o, GGUF_TYPE_F32, o->values, (size_t)c->rotary_dim / 2);
}

static int
pad(struct output *o, const struct gguf_build_tensor *t)
{
    static const uint8_t zero[GGUF_BUILD_ALIGNMENT];
    uint64_t over = t->bytes % GGUF_BUILD_ALIGNMENT;
    return over ? outfile_write(&o->file, zero, GGUF_BUILD_ALIGNMENT - over) : 0;
}

static int
put_data(struct output *o)
{
    size_t next = 0;
    for (size_t i = 0; i < o->build.tensors.len; i++) {
        const struct gguf_build_tensor *t = &o->build.tensors.data[i];
        if (next == o->parts.len && put_divisors(o) < 0)
            return -1;
        for (; next < o->parts.len && o->parts.data[next].tensor == i; next++)
            if (put_part(o, &o->parts.data[next]) < 0)
                return -1;
        if (pad(o, t) < 0)
            return -1;
    }
    return 0;
}

/* ---- the file ---- */

/* "model" of "runs/model/" or of "model.gguf". */
static char *
name_of(const char *path)
{
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/')
        n--;
    size_t begin = n;
    while (begin > 0 && path[begin - 1] != '/')
        begin--;
    if (n - begin > 5 && memcmp(path + n - 5, ".gguf", 5) == 0)
        n -= 5;
    return mem_strndup(path + begin, n - begin);
}

static int
put_values(struct output *o)
{
    char *name = name_of(o->m->path);
    int result = gguf_put_model(&o->build, o->m, name, o->type);
    free(name);
    return result < 0 ? -1 : gguf_put_tokenizer(&o->build, o->m);
}

static int
write_file(struct output *o, const char *path)
{
    struct str header = {0};
    if (outfile_open(&o->file, path, true) < 0)
        return -1;
    gguf_build_header(&o->build, &header);
    int result = outfile_write(&o->file, header.data, header.len);
    str_release(&header);
    if (result == 0)
        result = put_data(o);
    if (result == 0)
        return outfile_commit(&o->file);
    outfile_abandon(&o->file);
    return -1;
}

int
gguf_write(const struct model_source *m, const char *path)
{
    struct output o = {.m = m, .type = gguf_output_type(m)};
    progress_start("convert", (uint64_t)m->params.parameters * sizeof(float), PROGRESS_BYTES,
                   common.progress_given ? common.progress : -1);
    int result = put_values(&o) < 0 ? -1 : plan(&o);
    if (result == 0) {
        o.values = mem_array(o.room, sizeof *o.values);
        o.ordered = mem_array(o.room, sizeof *o.ordered);
        o.bytes = mem_array(o.room, sizeof(float));
        result = write_file(&o, path);
    }
    progress_end();
    free(o.values);
    free(o.ordered);
    free(o.bytes);
    vec_release(&o.parts);
    gguf_build_release(&o.build);
    return result;
}

/* ---- comparing ---- */

/* Every weight of ours, as the file's type rounds it, is in the file. */
static int
compare_part(struct output *o, const struct model_source *other, const struct output_part *p)
{
    int64_t columns = p->part.columns, begin = p->part.first * columns, step = CHUNK / columns;
    int64_t end = begin + p->part.rows * columns;
    const struct param *param = &o->m->params.param[p->param];
    uint32_t type = o->build.tensors.data[p->tensor].type;
    const struct gguf_block *block = gguf_block_of(type);
    step = (step > 0 ? step : 1) * columns;
    for (int64_t at = begin; at < end; at += step) {
        size_t n = (size_t)(end - at < step ? end - at : step);
        if (model_source_read(o->m, p->param, at, (int64_t)n, o->values) < 0)
            return -1;
        encode(type, o->values, n, o->bytes);
        block->read(o->bytes, n / (size_t)block->elements, o->ordered);
        if (model_source_read(other, p->param, at, (int64_t)n, o->values) < 0)
            return -1;
        for (size_t i = 0; i < n; i++)
            if (memcmp(&o->values[i], &o->ordered[i], sizeof(float)) != 0)
                return err_set(STATUS_DIFFERS, "%s: element %lld of %s is %.9g, expected %.9g",
                               other->path, (long long)at + (long long)i, param->name,
                               (double)o->values[i], (double)o->ordered[i]);
    }
    return 0;
}

static int
compare(struct output *o, const struct model_source *other)
{
    struct str why = {0};
    int result = 0;
    if (!config_same_shape(&o->m->config, &other->config, &why))
        result = err_set(STATUS_DIFFERS, "%s: another shape than %s: %s", other->path, o->m->path,
                         why.data ? why.data : "");
    str_release(&why);
    if (result == 0)
        result = plan(o);
    o->values = mem_array(o->room, sizeof *o->values);
    o->ordered = mem_array(o->room, sizeof *o->ordered);
    o->bytes = mem_array(o->room, sizeof(float));
    for (size_t i = 0; i < o->parts.len && result == 0; i++)
        result = compare_part(o, other, &o->parts.data[i]);
    return result;
}

int
gguf_verify(const struct model_source *m, const char *path)
{
    struct output o = {.m = m, .type = gguf_output_type(m)};
    struct model_source other;
    if (model_source_open(&other, path) < 0)
        return -1;
    int result = compare(&o, &other);
    if (result == 0)
        note("%s: same tensors as %s, rounded to %s", path, m->path, output_type_name(o.type));
    model_source_close(&other);
    free(o.values);
    free(o.ordered);
    free(o.bytes);
    vec_release(&o.parts);
    gguf_build_release(&o.build);
    return result;
}
