#include "checkpoint/manifest.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "json/json.h"

/* Reading what manifest.c writes: nothing is believed before the hash agrees, and every value is checked. */

/* What stands behind the hashed bytes. */
static const char hash_before[] = ",\n  \"manifest_hash\": \"";
static const char hash_after[] = "\"\n}\n";
enum { HASH_DIGITS = 32, TAIL = sizeof hash_before - 1 + HASH_DIGITS + sizeof hash_after - 1 };

static int
check_hash(const char *name, const char *text, size_t n)
{
    size_t tail = n < TAIL ? 0 : n - TAIL;
    char hex[33];
    if (n < TAIL || memcmp(text + tail, hash_before, sizeof hash_before - 1) != 0 ||
        memcmp(text + n - (sizeof hash_after - 1), hash_after, sizeof hash_after - 1) != 0)
        return err_set(STATUS_INPUT, "%s: does not end with its hash: cut off or damaged", name);
    hash128_hex(hash128(text, tail), hex);
    if (memcmp(hex, text + tail + sizeof hash_before - 1, HASH_DIGITS) != 0)
        return err_set(STATUS_INPUT, "%s: manifest_hash differs: the file is damaged", name);
    return 0;
}

static int
hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The first 16 digits of s as a number; false unless all are hexadecimal. */
static bool
hex_u64(const char *s, uint64_t *out)
{
    *out = 0;
    for (int i = 0; i < 16; i++) {
        int d = hex_digit(s[i]);
        if (d < 0)
            return false;
        *out = *out << 4 | (uint64_t)d;
    }
    return true;
}

static int
get_hash(const struct json_doc *d, const json_t *o, const char *key, struct hash128 *out)
{
    const char *hex;
    if (json_get_string(d, o, key, JSON_NEED, &hex) < 0)
        return -1;
    if (strlen(hex) != HASH_DIGITS || !hex_u64(hex, &out->high) || !hex_u64(hex + 16, &out->low))
        return json_fail(d, o, key, "expected %d hexadecimal digits", HASH_DIGITS);
    return 0;
}

static int
get_u64(const struct json_doc *d, const json_t *o, const char *key, uint64_t *out)
{
    int64_t v;
    if (json_get_int(d, o, key, JSON_NEED, 0, INT64_MAX, &v) < 0)
        return -1;
    *out = (uint64_t)v;
    return 0;
}

static int
get_text(const struct json_doc *d, const json_t *o, const char *key, char **out)
{
    const char *s;
    if (json_get_string(d, o, key, JSON_NEED, &s) < 0)
        return -1;
    *out = mem_strdup(s);
    return 0;
}

static int
get_options(const struct json_doc *d, const json_t *o, struct named_value **out, size_t *count)
{
    const json_t *object;
    const char *key;
    json_t *value;
    if (json_get_object(d, o, "options", JSON_NEED, &object) < 0)
        return -1;
    *out = mem_zarray(json_object_size(object) + 1, sizeof **out);
    json_object_foreach((json_t *)(uintptr_t)object, key, value)
    {
        struct named_value *v = &(*out)[(*count)++];
        v->name = mem_strdup(key);
        if (get_text(d, object, key, &v->value) < 0)
            return -1;
    }
    return 0;
}

static int
get_fingerprint(const struct json_doc *d, const json_t *o, uint8_t out[16])
{
    const char *hex;
    if (json_get_string(d, o, "fingerprint", JSON_NEED, &hex) < 0)
        return -1;
    if (strlen(hex) != 32)
        return json_fail(d, o, "fingerprint", "expected 32 hexadecimal digits");
    for (int i = 0; i < 16; i++) {
        int high = hex_digit(hex[2 * i]), low = hex_digit(hex[2 * i + 1]);
        if (high < 0 || low < 0)
            return json_fail(d, o, "fingerprint", "expected 32 hexadecimal digits");
        out[i] = (uint8_t)(high << 4 | low);
    }
    return 0;
}

static int
get_sources(const struct json_doc *d, const json_t *data, struct training_state *t)
{
    const json_t *array, *o;
    if (json_get_array(d, data, "sources", JSON_NEED, &array) < 0)
        return -1;
    size_t n = json_array_size(array);
    t->sources = mem_zarray(n + 1, sizeof *t->sources);
    for (size_t i = 0; i < n; i++) {
        struct source_tokens *s = &t->sources[t->source_count++];
        if (json_at_object(d, array, i, &o) < 0 || get_text(d, o, "name", &s->name) < 0 ||
            get_u64(d, o, "tokens", &s->tokens) < 0)
            return -1;
    }
    return 0;
}

static int
get_data(const struct json_doc *d, const json_t *root, struct training_state *t)
{
    const json_t *data;
    const char *chain;
    if (json_get_object(d, root, "data", JSON_NEED, &data) < 0 ||
        json_only_keys(d, data, "position|chain|epoch|scored|fingerprint|sources") < 0 ||
        get_u64(d, data, "position", &t->position) < 0 ||
        json_get_string(d, data, "chain", JSON_NEED, &chain) < 0)
        return -1;
    if (strlen(chain) != 16 || !hex_u64(chain, &t->chain))
        return json_fail(d, data, "chain", "expected 16 hexadecimal digits");
    if (get_u64(d, data, "epoch", &t->epoch) < 0 || get_u64(d, data, "scored", &t->scored) < 0)
        return -1;
    return get_fingerprint(d, data, t->fingerprint) < 0 ? -1 : get_sources(d, data, t);
}

static int
get_training(const struct json_doc *d, const json_t *root, struct training_state *t)
{
    const json_t *o;
    if (json_get_object(d, root, "training", JSON_NEED, &o) < 0 ||
        json_only_keys(d, o, "seed|reduce_groups|precision|kernels|blas") < 0 ||
        get_u64(d, o, "seed", &t->seed) < 0 ||
        json_get_int(d, o, "reduce_groups", JSON_NEED, 0, INT64_MAX, &t->reduce_groups) < 0 ||
        get_text(d, o, "precision", &t->precision) < 0 ||
        get_text(d, o, "kernels", &t->kernels) < 0 || get_text(d, o, "blas", &t->blas) < 0)
        return -1;
    return 0;
}

static int
get_count(const struct json_doc *d, const json_t *o, const char *key, int64_t least, int64_t *out)
{
    return json_get_int(d, o, key, JSON_NEED, least, INT64_MAX, out);
}

/* May be absent: the layout is as it was. */
static int
get_layout(const struct json_doc *d, const json_t *entry, struct training_layout **out)
{
    const json_t *o = NULL;
    if (json_get_object(d, entry, "layout", JSON_MAY, &o) < 0)
        return -1;
    if (!o)
        return 0;
    struct training_layout *l = *out = mem_zalloc(sizeof *l);
    if (json_only_keys(d, o, "tensor|context|expert|data|pipeline|zero|schedule") < 0 ||
        get_count(d, o, "tensor", 1, &l->tensor) < 0 ||
        get_count(d, o, "context", 1, &l->context) < 0 ||
        get_count(d, o, "expert", 1, &l->expert) < 0 || get_count(d, o, "data", 1, &l->data) < 0 ||
        get_count(d, o, "pipeline", 1, &l->pipeline) < 0 ||
        get_count(d, o, "zero", 0, &l->zero) < 0)
        return -1;
    return get_text(d, o, "schedule", &l->schedule);
}

/* May be absent: nothing was skipped. */
static int
get_skipped(const struct json_doc *d, const json_t *root, struct training_state *t)
{
    const json_t *array = NULL, *o;
    if (json_get_array(d, root, "skipped", JSON_MAY, &array) < 0)
        return -1;
    size_t n = array ? json_array_size(array) : 0;
    t->skipped = mem_zarray(n + 1, sizeof *t->skipped);
    for (size_t i = 0; i < n; i++) {
        struct skipped_steps *s = &t->skipped[t->skipped_count++];
        if (json_at_object(d, array, i, &o) < 0 || json_only_keys(d, o, "first|last|why") < 0 ||
            get_count(d, o, "first", 0, &s->first) < 0 ||
            get_count(d, o, "last", s->first, &s->last) < 0 || get_text(d, o, "why", &s->why) < 0)
            return -1;
    }
    return 0;
}

static int
get_history(const struct json_doc *d, const json_t *root, struct training_state *t)
{
    const json_t *array, *o;
    if (json_get_array(d, root, "history", JSON_NEED, &array) < 0)
        return -1;
    size_t n = json_array_size(array);
    t->history = mem_zarray(n + 1, sizeof *t->history);
    for (size_t i = 0; i < n; i++) {
        struct option_change *c = &t->history[t->history_count++];
        if (json_at_object(d, array, i, &o) < 0 ||
            json_get_int(d, o, "step", JSON_NEED, 0, INT64_MAX, &c->step) < 0 ||
            get_layout(d, o, &c->layout) < 0 || get_options(d, o, &c->options, &c->count) < 0)
            return -1;
    }
    return get_skipped(d, root, t);
}

static int
get_files(const struct json_doc *d, const json_t *root, struct manifest *m)
{
    const json_t *array, *o;
    if (json_get_array(d, root, "files", JSON_NEED, &array) < 0)
        return -1;
    size_t n = json_array_size(array);
    m->file = mem_zarray(n + 1, sizeof *m->file);
    for (size_t i = 0; i < n; i++) {
        struct manifest_file *f = &m->file[m->files++];
        if (json_at_object(d, array, i, &o) < 0 ||
            json_only_keys(d, o, "name|bytes|header|xxh3") < 0 ||
            get_text(d, o, "name", &f->name) < 0 || get_u64(d, o, "bytes", &f->bytes) < 0 ||
            get_u64(d, o, "header", &f->header) < 0 || get_hash(d, o, "xxh3", &f->hash) < 0)
            return -1;
        if (!manifest_name_ok(f->name))
            return json_fail(d, o, "name", "not the name of a file in a checkpoint");
        if (f->header > f->bytes)
            return json_fail(d, o, "header", "longer than the file");
    }
    return 0;
}

/* The slices name files in order: start from the last one found. */
static int
find_file(const struct manifest *m, const char *name, int last)
{
    for (size_t i = 0; i < m->files; i++) {
        size_t k = ((size_t)last + i) % m->files;
        if (strcmp(m->file[k].name, name) == 0)
            return (int)k;
    }
    return -1;
}

static int
get_slice(const struct json_doc *d, const json_t *o, const struct manifest *m, int last,
          struct manifest_slice *s)
{
    const char *file;
    const json_t *shape;
    int array;
    if (json_only_keys(d, o, "tensor|array|shape|offset|size|file|begin|end|xxh3") < 0 ||
        get_text(d, o, "tensor", &s->tensor) < 0 ||
        json_get_choice(d, o, "array", JSON_NEED, "weights|moment1|moment2", &array) < 0 ||
        json_get_array(d, o, "shape", JSON_NEED, &shape) < 0)
        return -1;
    s->array = (enum checkpoint_array)array;
    if (json_array_size(shape) != 2)
        return json_fail(d, shape, NULL, "expected rows and columns");
    if (json_at_int(d, shape, 0, 1, INT64_MAX, &s->rows) < 0 ||
        json_at_int(d, shape, 1, 1, INT64_MAX, &s->columns) < 0 ||
        json_get_int(d, o, "offset", JSON_NEED, 0, INT64_MAX, &s->offset) < 0 ||
        json_get_int(d, o, "size", JSON_NEED, 1, INT64_MAX / 8, &s->size) < 0 ||
        json_get_string(d, o, "file", JSON_NEED, &file) < 0 ||
        get_u64(d, o, "begin", &s->begin) < 0 || get_u64(d, o, "end", &s->end) < 0 ||
        get_hash(d, o, "xxh3", &s->checksum) < 0)
        return -1;
    s->file = find_file(m, file, last);
    if (s->file < 0)
        return json_fail(d, o, "file", "'%s' is not among the files", file);
    const struct manifest_file *f = &m->file[s->file];
    if (s->begin < f->header || s->begin > s->end || s->end > f->bytes ||
        s->end - s->begin != (uint64_t)s->size * 4)
        return json_fail(d, o, "end", "not %lld elements within %s", (long long)s->size, file);
    return 0;
}

static int
get_slices(const struct json_doc *d, const json_t *root, struct manifest *m)
{
    const json_t *array, *o;
    int last = 0;
    if (json_get_array(d, root, "slices", JSON_NEED, &array) < 0)
        return -1;
    size_t n = json_array_size(array);
    m->slice = mem_zarray(n + 1, sizeof *m->slice);
    for (size_t i = 0; i < n; i++) {
        struct manifest_slice *s = &m->slice[m->slices++];
        if (json_at_object(d, array, i, &o) < 0 || get_slice(d, o, m, last, s) < 0)
            return -1;
        last = s->file;
    }
    return 0;
}

static int
parse_root(const struct json_doc *d, struct manifest *m)
{
    const json_t *root;
    int64_t version;
    int format;
    if (json_root_object(d, &root) < 0 ||
        json_get_choice(d, root, "format", JSON_NEED, "llm-checkpoint", &format) < 0 ||
        json_get_int(d, root, "version", JSON_NEED, 1, INT64_MAX, &version) < 0)
        return -1;
    if (version != MANIFEST_VERSION)
        return json_fail(d, root, "version", "%lld is newer than this program understands (%d)",
                         (long long)version, MANIFEST_VERSION);
    if (json_only_keys(d, root,
                       "format|version|state_hash|parameters|step|data|training|options|history|"
                       "skipped|files|slices|manifest_hash") < 0 ||
        get_hash(d, root, "state_hash", &m->state_hash) < 0 ||
        get_u64(d, root, "parameters", &m->parameters) < 0 ||
        json_get_int(d, root, "step", JSON_NEED, 0, INT64_MAX, &m->state.step) < 0 ||
        get_data(d, root, &m->state) < 0 || get_training(d, root, &m->state) < 0 ||
        get_options(d, root, &m->state.options, &m->state.option_count) < 0 ||
        get_history(d, root, &m->state) < 0 || get_files(d, root, m) < 0)
        return -1;
    return get_slices(d, root, m);
}

int
manifest_parse(struct manifest *m, const char *name, const char *text, size_t n)
{
    struct json_doc doc = {0};
    *m = (struct manifest){0};
    if (check_hash(name, text, n) < 0)
        return -1;
    int result = json_doc_parse(&doc, name, text, n);
    if (result == 0)
        result = parse_root(&doc, m);
    json_doc_release(&doc);
    if (result < 0)
        manifest_release(m);
    return result < 0 ? -1 : 0;
}
