#include "json/json.h"
#include "json/write.h"

/* A read value, written again: by our writer, whose real numbers are short. */

static void
put_value(struct json_writer *w, const char *key, json_t *value)
{
    const char *name;
    json_t *item;
    size_t i;
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        json_begin_object(w, key);
        json_object_foreach(value, name, item)
            put_value(w, name, item);
        json_end_object(w);
        break;
    case JSON_ARRAY:
        json_begin_array(w, key);
        json_array_foreach(value, i, item)
            put_value(w, NULL, item);
        json_end_array(w);
        break;
    case JSON_STRING:
        json_put_bytes(w, key, json_string_value(value), json_string_length(value));
        break;
    case JSON_INTEGER: json_put_int(w, key, json_integer_value(value)); break;
    case JSON_REAL: json_put_real(w, key, json_real_value(value)); break;
    case JSON_NULL: json_put_null(w, key); break;
    default: json_put_bool(w, key, json_is_true(value)); break;
    }
}

void
json_dump(json_t *value, struct str *out)
{
    struct json_writer w = {.out = out, .indent = 2};
    put_value(&w, NULL, value);
    str_addc(out, '\n');
}
