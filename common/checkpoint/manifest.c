#include "checkpoint/manifest.h"

#include <string.h>

#include "base/mem.h"
#include "json/write.h"

void
manifest_release(struct manifest *m)
{
    training_state_release(&m->state);
    for (size_t i = 0; i < m->files; i++)
        free(m->file[i].name);
    for (size_t i = 0; i < m->slices; i++)
        free(m->slice[i].tensor);
    free(m->file);
    free(m->slice);
    *m = (struct manifest){0};
}

const struct manifest_file *
manifest_find(const struct manifest *m, const char *name)
{
    for (size_t i = 0; i < m->files; i++)
        if (strcmp(m->file[i].name, name) == 0)
            return &m->file[i];
    return NULL;
}

bool
manifest_name_ok(const char *name)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789._-";
    return name[0] && name[0] != '.' && strlen(name) < 200 && name[strspn(name, allowed)] == '\0';
}

/* Writing; manifest_parse.c reads it. */

static void
put_hash(struct json_writer *w, const char *key, struct hash128 h)
{
    char hex[33];
    json_put_string(w, key, hash128_hex(h, hex));
}

static void
put_fingerprint(struct json_writer *w, const uint8_t fingerprint[16])
{
    struct str hex = {0};
    for (int i = 0; i < 16; i++)
        str_addf(&hex, "%02x", fingerprint[i]);
    json_put_string(w, "fingerprint", hex.data);
    str_release(&hex);
}

void
training_options_put(struct json_writer *w, const struct named_value *v, size_t n)
{
    json_begin_object(w, "options");
    for (size_t i = 0; i < n; i++)
        json_put_string(w, v[i].name, v[i].value);
    json_end_object(w);
}

void
training_layout_put(struct json_writer *w, const struct training_layout *l)
{
    json_put_int(w, "tensor", l->tensor);
    json_put_int(w, "context", l->context);
    json_put_int(w, "expert", l->expert);
    json_put_int(w, "data", l->data);
    json_put_int(w, "pipeline", l->pipeline);
    json_put_int(w, "zero", l->zero);
    json_put_string(w, "schedule", l->schedule ? l->schedule : "");
}

void
training_skipped_put(struct json_writer *w, const struct training_state *t)
{
    json_begin_array(w, "skipped");
    for (size_t i = 0; i < t->skipped_count; i++) {
        json_begin_object(w, NULL);
        json_put_int(w, "first", t->skipped[i].first);
        json_put_int(w, "last", t->skipped[i].last);
        json_put_string(w, "why", t->skipped[i].why);
        json_end_object(w);
    }
    json_end_array(w);
}

static void
put_history(struct json_writer *w, const struct training_state *t)
{
    json_begin_array(w, "history");
    for (size_t i = 0; i < t->history_count; i++) {
        json_begin_object(w, NULL);
        json_put_int(w, "step", t->history[i].step);
        if (t->history[i].layout) {
            json_begin_object(w, "layout");
            training_layout_put(w, t->history[i].layout);
            json_end_object(w);
        }
        training_options_put(w, t->history[i].options, t->history[i].count);
        json_end_object(w);
    }
    json_end_array(w);
    training_skipped_put(w, t);
}

static void
put_state(struct json_writer *w, const struct training_state *t)
{
    char chain[17];
    snprintf(chain, sizeof chain, "%016llx", (unsigned long long)t->chain);
    json_put_int(w, "step", t->step);
    json_begin_object(w, "data");
    json_put_uint(w, "position", t->position);
    json_put_string(w, "chain", chain);
    json_put_uint(w, "epoch", t->epoch);
    json_put_uint(w, "scored", t->scored);
    put_fingerprint(w, t->fingerprint);
    json_begin_array(w, "sources");
    for (size_t i = 0; i < t->source_count; i++) {
        json_begin_object(w, NULL);
        json_put_string(w, "name", t->sources[i].name);
        json_put_uint(w, "tokens", t->sources[i].tokens);
        json_end_object(w);
    }
    json_end_array(w);
    json_end_object(w);

    json_begin_object(w, "training");
    json_put_uint(w, "seed", t->seed);
    json_put_int(w, "reduce_groups", t->reduce_groups);
    json_put_string(w, "precision", t->precision ? t->precision : "");
    json_put_string(w, "kernels", t->kernels ? t->kernels : "");
    json_put_string(w, "blas", t->blas ? t->blas : "");
    json_end_object(w);

    training_options_put(w, t->options, t->option_count);
    put_history(w, t);
}

/* Files and slices are many: a line each. */
static void
put_file(struct json_writer *out, const struct manifest_file *f)
{
    struct str line = {0};
    struct json_writer w = {.out = &line};
    json_begin_object(&w, NULL);
    json_put_string(&w, "name", f->name);
    json_put_uint(&w, "bytes", f->bytes);
    json_put_uint(&w, "header", f->header);
    put_hash(&w, "xxh3", f->hash);
    json_end_object(&w);
    json_put_raw(out, NULL, line.data);
    str_release(&line);
}

static void
put_slice(struct json_writer *out, const struct manifest *m, const struct manifest_slice *s)
{
    struct str line = {0};
    struct json_writer w = {.out = &line};
    json_begin_object(&w, NULL);
    json_put_string(&w, "tensor", s->tensor);
    json_put_string(&w, "array", checkpoint_array_name(s->array));
    json_begin_array(&w, "shape");
    json_put_int(&w, NULL, s->rows);
    json_put_int(&w, NULL, s->columns);
    json_end_array(&w);
    json_put_int(&w, "offset", s->offset);
    json_put_int(&w, "size", s->size);
    json_put_string(&w, "file", m->file[s->file].name);
    json_put_uint(&w, "begin", s->begin);
    json_put_uint(&w, "end", s->end);
    put_hash(&w, "xxh3", s->checksum);
    json_end_object(&w);
    json_put_raw(out, NULL, line.data);
    str_release(&line);
}

void
manifest_write(const struct manifest *m, struct str *out)
{
    struct str text = {0};
    struct json_writer w = {.out = &text, .indent = 2};
    json_begin_object(&w, NULL);
    json_put_string(&w, "format", "llm-checkpoint");
    json_put_int(&w, "version", MANIFEST_VERSION);
    put_hash(&w, "state_hash", m->state_hash);
    json_put_uint(&w, "parameters", m->parameters);
    put_state(&w, &m->state);
    json_begin_array(&w, "files");
    for (size_t i = 0; i < m->files; i++)
        put_file(&w, &m->file[i]);
    json_end_array(&w);
    json_begin_array(&w, "slices");
    for (size_t i = 0; i < m->slices; i++)
        put_slice(&w, m, &m->slice[i]);
    json_end_array(&w);

    char hex[33];
    hash128_hex(hash128(text.data, text.len), hex);
    str_addf(&text, ",\n  \"manifest_hash\": \"%s\"\n}\n", hex);
    str_add(out, text.data, text.len);
    str_release(&text);
}
