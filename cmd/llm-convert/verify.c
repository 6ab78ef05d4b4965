/* Are a checkpoint and a Hugging Face directory the same model? Tensors, then the logits of a probe. */
#include "cmd/llm-convert/convert.h"

#include <math.h>
#include <string.h>

#include "base/die.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/threads.h"
#include "model/decoder.h"

enum { CHUNK = 1 << 20, PROBE = 16 };

/* What a weight becomes when it is stored in this type. */
static void
round_to(enum dtype type, float *values, size_t n, uint8_t *bytes)
{
    dtype_from_float(type, values, n, bytes);
    dtype_to_float(type, bytes, n, values);
}

static int
compare_param(const struct model_source *a, const struct model_source *b, int i, enum dtype type,
              float *x, float *y, uint8_t *bytes)
{
    const struct param *p = &a->params.param[i];
    for (int64_t at = 0; at < p->size; at += CHUNK) {
        int64_t n = p->size - at < CHUNK ? p->size - at : CHUNK;
        if (model_source_read(a, i, at, n, x) < 0 || model_source_read(b, i, at, n, y) < 0)
            return -1;
        round_to(type, x, (size_t)n, bytes);
        for (int64_t k = 0; k < n; k++)
            if (memcmp(&x[k], &y[k], sizeof *x) != 0)
                return err_set(STATUS_DIFFERS,
                               "%s: element %lld of %s is %.9g, in the checkpoint "
                               "%.9g",
                               b->path, (long long)(at + k), p->name, (double)y[k], (double)x[k]);
    }
    return 0;
}

static int
compare_tensors(const struct model_source *a, const struct model_source *b, enum dtype type)
{
    float *x = mem_array(CHUNK, sizeof *x), *y = mem_array(CHUNK, sizeof *y);
    uint8_t *bytes = mem_array(CHUNK, 8);
    int result = 0;
    for (int i = 0; i < a->params.count && result == 0; i++)
        result = compare_param(a, b, i, type, x, y, bytes);
    free(x);
    free(y);
    free(bytes);
    return result;
}

/* Logits of the probe's last position, in fp32. */
static int
probe_logits(const struct model_source *m, struct threads *pool, float *weights,
             float *logits)
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
compare_logits(const struct model_source *a, const struct model_source *b)
{
    size_t n = (size_t)a->params.elements, vocab = (size_t)a->config.vocab_size;
    if (common.memory && n * sizeof(float) > common.memory)
        return err_set(STATUS_FAILED,
                       "%s: the probe of --verify takes the whole model in memory, "
                       "more than --memory allows",
                       b->path);
    int threads = common.threads ? (int)common.threads : threads_default(1);
    struct threads *pool = threads > 1 ? threads_new(threads) : NULL;
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
    threads_free(pool);
    free(weights);
    free(x);
    free(y);
    return result;
}

int
verify(const struct model_source *m, const char *output)
{
    struct model_source other;
    struct str why = {0};
    if (model_source_open(&other, output) < 0)
        return -1;
    enum dtype type = options.dtype_given ? options_dtype() : other.dtype;
    int result = 0;
    if (!config_same_shape(&m->config, &other.config, &why))
        result = err_set(STATUS_DIFFERS, "%s: another shape than %s: %s", output, m->path,
                         why.data ? why.data : "");
    if (result == 0)
        result = compare_tensors(m, &other, type);
    if (result == 0)
        result = compare_logits(m, &other);
    str_release(&why);
    model_source_close(&other);
    return result;
}
