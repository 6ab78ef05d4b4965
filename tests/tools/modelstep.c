/*
 * One training step or the logits of a model, over raw files: what tests/peers/model.py
 * compares with PyTorch.
 *
 *   modelstep table CONFIG                      the parameter table: name rows columns offset
 *   modelstep write CONFIG                      config_write's text
 *   modelstep train CONFIG WEIGHTS BATCH PRECISION Z GRADS [AUX ROUTER_Z]
 *                                               prints loss, z-loss and count of scored targets,
 *                                               and the routers' two losses; their coefficients
 *   modelstep logits CONFIG WEIGHTS BATCH PRECISION LOGITS
 *                                               sequence by sequence, a token at a time after the
 * first half
 *
 * PRECISION: fp32, bf16, or fp8 (fp8-hybrid with current scaling). WEIGHTS, GRADS, LOGITS: float32. BATCH: int32 sequences, length, then inputs,
 * targets and first, each [sequences][length]. GRADS are of the mean loss over scored targets, the
 * tied embedding's two added.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "model/decoder.h"

struct job {
    struct config config;
    struct params params;
    struct str weights, batch_bytes;
    void *act;
    struct batch batch;
    struct decoder *decoder;
};

static int
fail(void)
{
    fprintf(stderr, "modelstep: %s\n", err_text());
    return 1;
}

static int
load_model(struct job *j, const char *path)
{
    return config_load(&j->config, path) < 0 || params_init(&j->params, &j->config) < 0 ? -1 : 0;
}

static enum precision
precision_of(const char *name)
{
    return strcmp(name, "fp32") == 0 ? PRECISION_FP32 : PRECISION_BF16;
}

static int
load_batch(struct job *j, const char *path)
{
    if (file_load(path, 1u << 30, &j->batch_bytes) < 0)
        return -1;

    const int32_t *words = (const int32_t *)(const void *)j->batch_bytes.data;
    int64_t tokens = (int64_t)words[0] * words[1];

    if (j->batch_bytes.len != (size_t)(2 + 3 * tokens) * 4)
        return err_set(STATUS_INPUT, "%s: wrong size", path);
    j->batch = (struct batch){
        .sequences = words[0],
        .length = words[1],
        .inputs = (const uint32_t *)(words + 2),
        .targets = words + 2 + tokens,
        .first = words + 2 + 2 * tokens,
    };
    return 0;
}

static int
load(struct job *j, char **argv, bool training, double aux, double router_z)
{
    enum precision p = precision_of(argv[5]);
    const struct kernels *k = kernels_pick(NULL);
    const struct fp8_options current = {.recipe = FP8_TENSORWISE};
    bool in_fp8 = strcmp(argv[5], "fp8") == 0;

    if (!k || load_model(j, argv[2]) < 0 || file_load(argv[3], 1u << 30, &j->weights) < 0 ||
        load_batch(j, argv[4]) < 0)
        return -1;
    if (j->weights.len != (size_t)j->params.elements * sizeof(float))
        return err_set(STATUS_INPUT, "%s: wrong size", argv[3]);

    struct decoder_options o = {.kernels = k,
                                .precision = p,
                                .fp8 = in_fp8 ? &current : NULL,
                                .micro_batch = j->batch.sequences,
                                .seq_length = j->batch.length,
                                .training = training,
                                .router_aux_loss = aux,
                                .router_z_loss = router_z};
    void *act = j->weights.data;
    j->decoder = decoder_new(&j->config, &j->params, &o);
    if (!j->decoder)
        return -1;
    decoder_set_precision(j->decoder, p, in_fp8);
    if (p == PRECISION_BF16) {
        act = j->act = mem_aligned((size_t)j->params.elements * k->ops[p].act_size);
        k->ops[p].to_act(act, j->weights.data, j->params.elements);
    }
    decoder_set_weights(j->decoder, act, j->weights.data);
    return 0;
}

static int
print_table(const struct params *p)
{
    for (int i = 0; i < p->count; i++)
        printf("%s %lld %lld %lld\n", p->param[i].name, (long long)p->param[i].rows,
               (long long)p->param[i].columns, (long long)p->param[i].offset);
    printf("- %lld 0 0\n", (long long)p->elements);
    return 0;
}

static int
train(struct job *j, const char *z, const char *out)
{
    struct sequence_loss *loss = mem_zarray((size_t)j->batch.sequences, sizeof *loss), sum = {0};
    float *grads = mem_zarray((size_t)j->params.grad_elements, sizeof *grads);
    const struct param *e = &j->params.param[j->params.embedding];
    int64_t scored = 0;

    for (int64_t i = 0; i < j->batch.sequences * j->batch.length; i++)
        scored += j->batch.targets[i] >= 0;
    if (decoder_train(j->decoder, &j->batch, grads, 1 / (double)scored, strtod(z, NULL), loss, NULL,
                      NULL) < 0)
        return -1;
    if (j->params.tied_offset >= 0)
        for (int64_t i = 0; i < e->size; i++)
            grads[e->offset + i] += grads[j->params.tied_offset + i];
    for (int64_t s = 0; s < j->batch.sequences; s++) {
        sum.loss += loss[s].loss;
        sum.z_loss += loss[s].z_loss;
        sum.scored += loss[s].scored;
        sum.router_aux_loss += loss[s].router_aux_loss;
        sum.router_z_loss += loss[s].router_z_loss;
    }
    printf("%.12g %.12g %lld %.12g %.12g\n", sum.loss / (double)scored,
           sum.z_loss / (double)scored, (long long)sum.scored,
           sum.router_aux_loss / (double)scored, sum.router_z_loss / (double)scored);
    int status = file_store(out, grads, (size_t)j->params.elements * sizeof *grads);
    free(loss);
    free(grads);
    return status;
}

static int
logits(struct job *j, const char *out)
{
    int64_t length = j->batch.length, half = length / 2, vocab = j->config.vocab_size;
    size_t n = (size_t)(j->batch.sequences * length * vocab);
    float *all = mem_zarray(n, sizeof *all), *at = all;

    for (int64_t s = 0; s < j->batch.sequences; s++) {
        struct kv_cache *c = kv_cache_new(j->decoder, length);
        const uint32_t *ids = j->batch.inputs + s * length;

        if (decoder_extend(j->decoder, c, ids, half, half, at) < 0)
            return -1;
        at += half * vocab;
        for (int64_t i = half; i < length; i++, at += vocab)
            if (decoder_extend(j->decoder, c, ids + i, 1, 1, at) < 0)
                return -1;
        kv_cache_free(c);
    }
    int status = file_store(out, all, n * sizeof *all);
    free(all);
    return status;
}

static int
losses(struct job *j, const char *out)
{
    size_t n = (size_t)(j->batch.sequences * j->batch.length);
    struct sequence_loss *sums = mem_zarray((size_t)j->batch.sequences, sizeof *sums);
    double *each = mem_zarray(n, sizeof *each);
    int status = decoder_loss(j->decoder, &j->batch, sums, each);

    if (status == 0)
        status = file_store(out, each, n * sizeof *each);
    free(sums);
    free(each);
    return status;
}

int
main(int argc, char **argv)
{
    struct job j = {0};
    const char *mode = argc > 2 ? argv[1] : "";

    if (strcmp(mode, "table") == 0)
        return load_model(&j, argv[2]) < 0 ? fail() : print_table(&j.params);
    if (strcmp(mode, "write") == 0) {
        struct str text = {0};

        if (load_model(&j, argv[2]) < 0)
            return fail();
        config_write(&j.config, "float32", &text);
        fputs(text.data, stdout);
        return 0;
    }
    if (strcmp(mode, "train") == 0 && (argc == 8 || argc == 10))
        return load(&j, argv, true, argc > 8 ? strtod(argv[8], NULL) : 0,
                    argc > 8 ? strtod(argv[9], NULL) : 0) < 0 || train(&j, argv[6], argv[7]) < 0 ? fail() : 0;
    if (strcmp(mode, "logits") == 0 && argc == 7)
        return load(&j, argv, false, 0, 0) < 0 || logits(&j, argv[6]) < 0 ? fail() : 0;
    if (strcmp(mode, "losses") == 0 && argc == 7)
        return load(&j, argv, false, 0, 0) < 0 || losses(&j, argv[6]) < 0 ? fail() : 0;
    fprintf(stderr, "usage: see the head of tests/tools/modelstep.c\n");
    return 2;
}
