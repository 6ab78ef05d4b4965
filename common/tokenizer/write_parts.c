#include "tokenizer/write_parts.h"

void
put_type(struct json_writer *w, const char *key, const char *type)
{
    json_begin_object(w, key);
    json_put_string(w, "type", type);
}

void
put_bare(struct json_writer *w, const char *type)
{
    put_type(w, NULL, type);
    json_end_object(w);
}

void
put_replace(struct json_writer *w, const char *from, const char *to)
{
    put_type(w, NULL, "Replace");
    json_begin_object(w, "pattern");
    json_put_string(w, "String", from);
    json_end_object(w);
    json_put_string(w, "content", to);
    json_end_object(w);
}

void
put_mark_spaces(struct json_writer *w)
{
    put_type(w, NULL, "Prepend");
    json_put_string(w, "prepend", "▁");
    json_end_object(w);
    put_replace(w, " ", "▁");
}

void
put_mark_decoder(struct json_writer *w)
{
    put_type(w, "decoder", "Sequence");
    json_begin_array(w, "decoders");
    put_replace(w, "▁", " ");
    put_bare(w, "ByteFallback");
    put_bare(w, "Fuse");
    put_type(w, NULL, "Strip");
    json_put_string(w, "content", " ");
    json_put_int(w, "start", 1);
    json_put_int(w, "stop", 0);
    json_end_object(w);
    json_end_array(w);
    json_end_object(w);
}

void
put_added_token(struct json_writer *w, uint32_t id, const char *text, size_t n, bool special)
{
    json_begin_object(w, NULL);
    json_put_uint(w, "id", id);
    json_put_bytes(w, "content", text, n);
    json_put_bool(w, "single_word", false);
    json_put_bool(w, "lstrip", false);
    json_put_bool(w, "rstrip", false);
    json_put_bool(w, "normalized", false);
    json_put_bool(w, "special", special);
    json_end_object(w);
}
