/*
 * The logits of a MODEL (a Hugging Face directory or checkpoint) in fp32, for tests:
 *
 *     modellogits MODEL ID…      float32 [ids][vocab] on standard output
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/die.h"
#include "base/mem.h"
#include "base/str.h"
#include "checkpoint/model_source.h"
#include "model/decoder.h"

int
main(int argc, char **argv)
{
    struct model_source m;
    int64_t n = argc - 2;
    die_set_tool("modellogits");
    if (n < 1)
        die(STATUS_USAGE, "modellogits MODEL ID...");
    const struct kernels *k = kernels_pick(NULL);
    if (!k || model_source_open(&m, argv[1]) < 0)
        die_err();
    float *weights = mem_aligned((size_t)m.params.elements * sizeof *weights);
    if (model_source_load(&m, weights) < 0)
        die_err();
    const struct decoder_options o = {
        .kernels = k, .precision = PRECISION_FP32, .micro_batch = 1, .seq_length = n};
    struct decoder *d = decoder_new(&m.config, &m.params, &o);
    if (!d)
        die_err();
    decoder_set_weights(d, weights, weights);

    uint32_t *ids = mem_array((size_t)n, sizeof *ids);
    for (int64_t i = 0; i < n; i++) {
        int64_t id;
        if (parse_int(argv[2 + i], &id) < 0 || id < 0)
            die(STATUS_USAGE, "%s is not an id", argv[2 + i]);
        ids[i] = (uint32_t)id;
    }
    size_t count = (size_t)(n * m.config.vocab_size);
    float *logits = mem_array(count, sizeof *logits);
    struct kv_cache *cache = kv_cache_new(d, n);
    if (decoder_extend(d, cache, ids, n, n, logits) < 0)
        die_err();
    fwrite(logits, sizeof *logits, count, stdout);
    finish(STATUS_OK);
}
