#include "json/write.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

static void
new_line(struct json_writer *w)
{
    if (!w->indent)
        return;
    str_addc(w->out, '\n');
    for (int i = 0; i < w->indent * w->depth; i++)
        str_addc(w->out, ' ');
}

/* What stands before every member or element: a comma, a line break. */
static void
separate(struct json_writer *w)
{
    if (w->started)
        str_addc(w->out, ',');
    if (w->depth)
        new_line(w);
    w->started = true;
}

void
json_put_key(struct json_writer *w, const char *bytes, size_t n)
{
    separate(w);
    str_add_json(w->out, bytes, n);
    str_adds(w->out, w->indent ? ": " : ":");
    w->keyed = true;
}

/* Before a value: its key, or its place in an array, or nothing after json_put_key. */
static void
before(struct json_writer *w, const char *key)
{
    if (key)
        json_put_key(w, key, strlen(key));
    else if (!w->keyed)
        separate(w);
    w->keyed = false;
}

static void
begin(struct json_writer *w, const char *key, char bracket)
{
    before(w, key);
    str_addc(w->out, bracket);
    w->depth++;
    w->started = false;
}

static void
end(struct json_writer *w, char bracket)
{
    w->depth--;
    if (w->started)
        new_line(w);
    str_addc(w->out, bracket);
    w->started = true;
}

void
json_begin_object(struct json_writer *w, const char *key)
{
    begin(w, key, '{');
}

void
json_end_object(struct json_writer *w)
{
    end(w, '}');
}

void
json_begin_array(struct json_writer *w, const char *key)
{
    begin(w, key, '[');
}

void
json_end_array(struct json_writer *w)
{
    end(w, ']');
}

void
json_put_int(struct json_writer *w, const char *key, int64_t value)
{
    before(w, key);
    str_addf(w->out, "%" PRId64, value);
}

void
json_put_uint(struct json_writer *w, const char *key, uint64_t value)
{
    before(w, key);
    str_addf(w->out, "%" PRIu64, value);
}

void
json_put_real(struct json_writer *w, const char *key, double value)
{
    before(w, key);
    if (isfinite(value))
        str_add_real(w->out, value);
    else
        str_adds(w->out, "null");
}

void
json_put_bool(struct json_writer *w, const char *key, bool value)
{
    json_put_raw(w, key, value ? "true" : "false");
}

void
json_put_null(struct json_writer *w, const char *key)
{
    json_put_raw(w, key, "null");
}

void
json_put_string(struct json_writer *w, const char *key, const char *text)
{
    json_put_bytes(w, key, text, strlen(text));
}

void
json_put_bytes(struct json_writer *w, const char *key, const char *bytes, size_t n)
{
    before(w, key);
    str_add_json(w->out, bytes, n);
}

void
json_put_raw(struct json_writer *w, const char *key, const char *json)
{
    before(w, key);
    str_adds(w->out, json);
}
