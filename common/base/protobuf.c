#include "base/protobuf.h"

#include <string.h>

#include "base/bytes.h"

enum wire { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };

static void
put_varint(struct str *out, uint64_t value)
{
    uint8_t bytes[10];

    str_add(out, bytes, leb128_store(bytes, value));
}

static void
put_tag(struct str *out, uint32_t number, enum wire wire)
{
    put_varint(out, (uint64_t)number << 3 | wire);
}

void
protobuf_put_int(struct str *out, uint32_t number, int64_t value)
{
    put_tag(out, number, WIRE_VARINT);
    put_varint(out, (uint64_t)value);
}

void
protobuf_put_float(struct str *out, uint32_t number, float value)
{
    uint32_t bits;
    uint8_t bytes[sizeof bits];

    memcpy(&bits, &value, sizeof bits);
    store_u32(bytes, bits);
    put_tag(out, number, WIRE_FIXED32);
    str_add(out, bytes, sizeof bytes);
}

void
protobuf_put_double(struct str *out, uint32_t number, double value)
{
    uint64_t bits;
    uint8_t bytes[sizeof bits];

    memcpy(&bits, &value, sizeof bits);
    store_u64(bytes, bits);
    put_tag(out, number, WIRE_FIXED64);
    str_add(out, bytes, sizeof bytes);
}

void
protobuf_put_bytes(struct str *out, uint32_t number, const void *bytes, size_t n)
{
    put_tag(out, number, WIRE_BYTES);
    put_varint(out, n);
    str_add(out, bytes, n);
}

void
protobuf_put_message(struct str *out, uint32_t number, struct str *message)
{
    protobuf_put_bytes(out, number, message->data ? message->data : "", message->len);
    str_clear(message);
}
