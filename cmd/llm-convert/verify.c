/* Are two paths the same model? Shape, tensors, tokenizer, then the logits of a probe. */
#include "cmd/llm-convert/convert.h"

#include <math.h>
#include <string.h>

#include "base/die.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/sys.h"
#include "base/threads.h"
#include "model/decoder.h"

enum { CHUNK = 1 << 18, PROBE = 16 };

/* ---- tensors ---- */

struct chunk {
    int param;
    int64_t at, n;
};

struct buffers {
    float x[CHUNK], y[CHUNK], rounded[CHUNK];
    uint8_t bytes[CHUNK * sizeof(double)];
};

struct comparison {
    const struct model_source *a, *b;
    VEC(struct chunk) chunk;
    struct buffers **buffers; /* a worker's each */
};

/* The type that b stores an element in. */
static enum dtype
type_at(const struct model_source *b, int param, int64_t offset)
{
    struct name_part part[NAME_PARTS];
    int parts = names_parts(&b->config, &b->params.param[param], part);
    for (int k = 0; k < parts; k++) {
        const struct source_tensor *t = model_source_stored(b, part[k].name);
        if (t && offset < (part[k].first + part[k].rows) * part[k].columns)
            return t->info->dtype;
    }
    return b->dtype;
}

/* Chunks lie within one tensor of a Hugging Face directory, that is within one type. */
static void
list_chunks(struct comparison *c, int param)
{
    struct name_part part[NAME_PARTS];
    int parts = names_parts(&c->b->config, &c->b->params.param[param], part);
    int64_t size = c->a->params.param[param].size;
    for (int64_t at = 0, n; at < size; at += n) {
        n = size - at < CHUNK ? size - at : CHUNK;
        for (int k = 0; k < parts; k++) {
            int64_t end = (part[k].first + part[k].rows) * part[k].columns;
            if (at < end && at + n > end)
                n = end - at;
        }
        vec_push(&c->chunk, ((struct chunk){param, at, n}));
    }
}

/* Each element of b is that of a, or what becomes of it when it is stored. */
static int
compare_chunk(void *arg, size_t cell, int worker)
{
    struct comparison *c = arg;
    const struct chunk *k = &c->chunk.data[cell];
    struct buffers *s = c->buffers[worker];
    enum dtype type = type_at(c->b, k->param, k->at);
    if (!s)
        s = c->buffers[worker] = mem_alloc(sizeof *s);
    if (model_source_read(c->a, k->param, k->at, k->n, s->x) < 0 ||
        model_source_read(c->b, k->param, k->at, k->n, s->y) < 0)
        return -1;
    dtype_from_float(type, s->x, (size_t)k->n, s->bytes);
    dtype_to_float(type, s->bytes, (size_t)k->n, s->rounded);
    for (int64_t i = 0; i < k->n; i++)
        if (memcmp(&s->rounded[i], &s->y[i], sizeof *s->y) != 0 &&
            memcmp(&s->x[i], &s->y[i], sizeof *s->y) != 0)
            return err_set(STATUS_DIFFERS, "%s: element %lld of %s is %.9g, in %s %.9g", c->b->path,
                           (long long)(k->at + i), c->a->params.param[k->param].name,
                           (double)s->y[i], c->a->path, (double)s->x[i]);
    return 0;
}

static int
compare_tensors(const struct model_source *a, const struct model_source *b, struct threads *pool)
{
    struct comparison c = {.a = a, .b = b};
    int threads = pool ? threads_count(pool) : 1;
    c.buffers = mem_zarray((size_t)threads, sizeof *c.buffers);
    for (int i = 0; i < a->params.count; i++)
        list_chunks(&c, i);
    int result = threads_run(pool, c.chunk.len, compare_chunk, &c);
    for (int i = 0; i < threads; i++)
        free(c.buffers[i]);
    free(c.buffers);
    vec_release(&c.chunk);
    return result;
}

/* ---- logits ---- */

/* Logits of the probe's last position, in fp32. */
static int
probe_logits(const struct model_source *m, struct threads *pool, float *weights, float *logits)
{
    const struct kernels *k = kernels_pick(NULL);
    if (!k)
        return -1;
    const struct decoder_options o = {.kernels = k,
                                      .precision = PRECISION_FP32,
                                      .pool = pool,
                                      .micro_batch = 1,
                                      .seq_length = PROBE};
    int64_t room = m->config.max_position_embeddings, n = PROBE < room ? PROBE : room;
    uint32_t ids[PROBE];
    for (int i = 0; i < PROBE; i++)
        ids[i] = (uint32_t)(rng_u64(rng_key(0, "probe"), (uint64_t)i) %
                            (uint64_t)m->config.vocab_size);
    struct decoder *d = decoder_new(&m->config, &m->params, &o);
    if (!d)
        return -1;
    decoder_set_weights(d, weights, weights);
    struct kv_cache *cache = kv_cache_new(d, n);
    int result = decoder_extend(d, cache, ids, n, 1, logits);
    kv_cache_free(cache);
    decoder_free(d);
    return result;
}

/* The weights as stored must give the same logits; how far they are from FP32's is told. */
static int
compare_logits(const struct model_source *a, const struct model_source *b, struct threads *pool)
{
    size_t n = (size_t)a->params.elements, vocab = (size_t)a->config.vocab_size;
    uint64_t memory = common.memory ? common.memory : sys_memory_available();
    if (memory && n * sizeof(float) > memory)
        return err_set(STATUS_FAILED,
                       "%s: the probe of --verify takes the whole model in memory, more than %s",
                       b->path, common.memory ? "--memory allows" : "is available");
    float *weights = mem_aligned(n * sizeof *weights);
    float *x = mem_array(vocab, sizeof *x), *y = mem_array(vocab, sizeof *y);
    int result = model_source_load(a, weights);
    if (result == 0)
        result = probe_logits(a, pool, weights, x);
    if (result == 0)
        result = model_source_load(b, weights);
    if (result == 0)
        result = probe_logits(b, pool, weights, y);
    double most = 0;
    for (size_t i = 0; i < vocab && result == 0; i++) {
        double difference = fabs((double)x[i] - (double)y[i]);
        most = difference > most || isnan(difference) ? difference : most;
    }
    if (result == 0 && b->dtype == DTYPE_F32 && !(most == 0))
        result = err_set(STATUS_DIFFERS, "%s: the logits of a probe differ by %g", b->path, most);
    if (result == 0)
        note("%s: same tensors as %s; logits of a probe within %g", b->path, a->path, most);
    free(weights);
    free(x);
    free(y);
    return result;
}

/* ---- the tokenizer ---- */

/* A model need not have one that we can read; its copy then has none either. */
static int
compare_tokenizers(const struct model_source *a, const struct model_source *b)
{
    uint8_t x[16], y[16];
    struct tokenizer *t = model_source_tokenizer(a);
    if (!t) {
        err_clear();
        return 0;
    }
    tokenizer_fingerprint(t, x);
    tokenizer_free(t);
    t = model_source_tokenizer(b);
    if (!t)
        return -1;
    tokenizer_fingerprint(t, y);
    tokenizer_free(t);
    if (memcmp(x, y, sizeof x) != 0)
        return err_set(STATUS_DIFFERS, "%s: another tokenizer than that of %s", b->path, a->path);
    return 0;
}

int
verify(const struct model_source *m, const struct route *r)
{
    struct model_source other;
    struct str why = {0};
    if (model_source_open_as(&other, r->output, kind_name(r->to)) < 0)
        return -1;
    struct threads *pool = options_threads();
    int result = 0;
    if (!config_same_shape(&m->config, &other.config, &why))
        result = err_set(STATUS_DIFFERS, "%s: another shape than %s: %s", r->output, m->path,
                         why.data ? why.data : "");
    if (result == 0 && other.trained)
        result = checkpoint_verify(comm_single(), other.trained);
    if (result == 0)
        result = compare_tensors(m, &other, pool);
    if (result == 0 && r->to != KIND_GGUF)
        result = compare_tokenizers(m, &other);
    if (result == 0)
        result = compare_logits(m, &other, pool);
    threads_free(pool);
    str_release(&why);
    model_source_close(&other);
    return result;
}
