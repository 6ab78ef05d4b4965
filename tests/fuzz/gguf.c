/*
 * GGUF files: what opens gives all of its values and tensors within its bounds; what is a model is read
 * whole, and its tokenizer loads or is refused with a line.
 */
#include <unistd.h>

#include "checkpoint/gguf.h"
#include "checkpoint/gguf_quant.h"
#include "checkpoint/gguf_tokenizer.h"
#include "checkpoint/model_source.h"
#include "tests/fuzz/fuzz.h"

enum { MOST = 1 << 20 }; /* elements that are read of a tensor or a model */

/* Files are opened by name. */
static const char *
store(const uint8_t *data, size_t n)
{
    static char path[64];
    if (!*path)
        snprintf(path, sizeof path, "/dev/shm/fuzz-%ld.gguf", (long)getpid());
    FILE *f = fopen(path, "w");
    must(f && fwrite(data, 1, n, f) == n && !fclose(f));
    return path;
}

static void
look_at_values(const struct gguf *g)
{
    for (size_t i = 0; i < g->values; i++) {
        const struct gguf_value *v = &g->value[i];
        struct gguf_items items;
        const char *text;
        size_t n, sum = 0;
        int64_t integer;
        double real;
        bool flag;
        must(gguf_find(g, v->key) == v);
        if (gguf_get_int(g, v->key, true, INT64_MIN, INT64_MAX, &integer) < 0)
            fuzz_error();
        if (gguf_get_real(g, v->key, true, &real) < 0)
            fuzz_error();
        if (gguf_get_bool(g, v->key, true, &flag) < 0)
            fuzz_error();
        if (gguf_get_string(g, v->key, true, &text, &n) < 0)
            fuzz_error();
        else
            must(utf8_valid(text, n) == n);
        if (gguf_get_array(g, v->key, true, GGUF_STRING, &items) < 0)
            fuzz_error();
        else
            while (gguf_next_string(&items, &text, &n))
                sum += n ? (unsigned char)text[0] + (unsigned char)text[n - 1] : 0;
        if (gguf_get_array(g, v->key, true, GGUF_F64, &items) < 0)
            fuzz_error();
        else
            while (gguf_next_real(&items, &real))
                sum++;
        must(sum <= g->file_bytes * 512);
    }
}

static void
read_tensors(const struct gguf *g)
{
    for (size_t i = 0; i < g->tensors && i < 8; i++) {
        const struct gguf_tensor *t = &g->tensor[i];
        size_t n = t->elements < MOST ? (size_t)t->elements : MOST;
        float *out = malloc((n + 1) * sizeof *out);
        must(gguf_find_tensor(g, t->name) == t);
        must(t->offset + t->bytes <= g->file_bytes);
        if (gguf_read_float(g, t, t->elements - n, n, out) < 0)
            fuzz_error();
        free(out);
    }
}

static void
read_model(const char *path)
{
    struct model_source m;
    if (model_source_open_as(&m, path, "gguf") < 0) {
        fuzz_error();
        return;
    }
    if (m.params.elements <= MOST) {
        float *flat = malloc((size_t)m.params.elements * sizeof *flat);
        must(model_source_load(&m, flat) == 0);
        free(flat);
    }
    struct tokenizer *t = m.reader->tokenizer(m.state);
    if (!t)
        fuzz_error();
    tokenizer_free(t);
    model_source_close(&m);
}

/* Also of what is no model. */
static void
make_texts(const struct gguf *g)
{
    int (*const make[])(const struct gguf *, struct str *) = {
        gguf_tokenizer_json, gguf_tokenizer_config, gguf_generation_config};
    for (size_t i = 0; i < sizeof make / sizeof *make; i++) {
        struct str text = {0};
        if (make[i](g, &text) < 0)
            fuzz_error();
        else
            fuzz_utf8(&text);
        str_release(&text);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct gguf g;
    const char *path = store(data, n);
    if (gguf_open(&g, path) < 0) {
        fuzz_error();
    } else {
        look_at_values(&g);
        read_tensors(&g);
        make_texts(&g);
        read_model(path);
    }
    gguf_close(&g);
    unlink(path);
    return 0;
}
