#include "checkpoint/gguf_build.h"

#include <string.h>

#include "base/bytes.h"
#include "checkpoint/gguf_quant.h"

static void
add_u32(struct str *s, uint32_t value)
{
    uint8_t bytes[4];
    store_u32(bytes, value);
    str_add(s, bytes, sizeof bytes);
}

static void
add_u64(struct str *s, uint64_t value)
{
    uint8_t bytes[8];
    store_u64(bytes, value);
    str_add(s, bytes, sizeof bytes);
}

static void
add_text(struct str *s, const char *text, size_t n)
{
    add_u64(s, n);
    str_add(s, text, n);
}

static void
begin(struct gguf_build *b, const char *key, enum gguf_value_type type)
{
    add_text(&b->values_text, key, strlen(key));
    add_u32(&b->values_text, (uint32_t)type);
    b->values++;
}

void
gguf_put_u32(struct gguf_build *b, const char *key, uint32_t value)
{
    begin(b, key, GGUF_U32);
    add_u32(&b->values_text, value);
}

void
gguf_put_f32(struct gguf_build *b, const char *key, double value)
{
    begin(b, key, GGUF_F32);
    gguf_add_f32(b, value);
}

void
gguf_put_bool(struct gguf_build *b, const char *key, bool value)
{
    begin(b, key, GGUF_BOOL);
    str_addc(&b->values_text, value ? 1 : 0);
}

void
gguf_put_string(struct gguf_build *b, const char *key, const char *text, size_t n)
{
    begin(b, key, GGUF_STRING);
    add_text(&b->values_text, text, n);
}

void
gguf_begin_array(struct gguf_build *b, const char *key, enum gguf_value_type item, uint64_t count)
{
    begin(b, key, GGUF_ARRAY);
    add_u32(&b->values_text, (uint32_t)item);
    add_u64(&b->values_text, count);
}

void
gguf_add_string(struct gguf_build *b, const char *text, size_t n)
{
    add_text(&b->values_text, text, n);
}

void
gguf_add_f32(struct gguf_build *b, double value)
{
    float f = (float)value;
    uint32_t u;
    memcpy(&u, &f, 4);
    add_u32(&b->values_text, u);
}

void
gguf_add_i32(struct gguf_build *b, int32_t value)
{
    add_u32(&b->values_text, (uint32_t)value);
}

void
gguf_put_tensor(struct gguf_build *b, const char *name, uint32_t type, int dimensions,
                const uint64_t *size)
{
    const struct gguf_block *block = gguf_block_of(type);
    struct gguf_build_tensor t = {.name = mem_strdup(name), .dimensions = dimensions, .type = type};
    uint64_t elements = 1, over;
    for (int i = 0; i < dimensions; i++)
        elements *= t.size[i] = size[i];
    t.offset = b->data_bytes;
    t.bytes = elements / (uint64_t)block->elements * (uint64_t)block->bytes;
    over = t.bytes % GGUF_BUILD_ALIGNMENT;
    b->data_bytes += t.bytes + (over ? GGUF_BUILD_ALIGNMENT - over : 0);
    vec_push(&b->tensors, t);
}

void
gguf_build_header(const struct gguf_build *b, struct str *out)
{
    str_add(out, "GGUF", 4);
    add_u32(out, 3);
    add_u64(out, b->tensors.len);
    add_u64(out, b->values);
    str_add(out, b->values_text.data, b->values_text.len);
    for (size_t i = 0; i < b->tensors.len; i++) {
        const struct gguf_build_tensor *t = &b->tensors.data[i];
        add_text(out, t->name, strlen(t->name));
        add_u32(out, (uint32_t)t->dimensions);
        for (int k = 0; k < t->dimensions; k++)
            add_u64(out, t->size[k]);
        add_u32(out, t->type);
        add_u64(out, t->offset);
    }
    while (out->len % GGUF_BUILD_ALIGNMENT)
        str_addc(out, '\0');
}

void
gguf_build_release(struct gguf_build *b)
{
    for (size_t i = 0; i < b->tensors.len; i++)
        free(b->tensors.data[i].name);
    vec_release(&b->tensors);
    str_release(&b->values_text);
}
