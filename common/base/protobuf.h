#ifndef BASE_PROTOBUF_H
#define BASE_PROTOBUF_H

#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

/* Writing messages of Protocol Buffers (protobuf.dev, "Encoding"): each call appends a field. */

void protobuf_put_int(struct str *out, uint32_t number, int64_t value); /* negative: 64 bits */
void protobuf_put_float(struct str *out, uint32_t number, float value);
void protobuf_put_double(struct str *out, uint32_t number, double value);
void protobuf_put_bytes(struct str *out, uint32_t number, const void *bytes, size_t n);

/* A message within the message, which is emptied. */
void protobuf_put_message(struct str *out, uint32_t number, struct str *message);

#endif
