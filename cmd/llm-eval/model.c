/* The model that is evaluated: weights in memory, its tokenizer, a decoder. */
#include "cmd/llm-eval/eval.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/die.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "kernels/blas.h"
#include "kernels/check.h"

enum { MAX_SHAPES = 32 };

/*
 * In OpenBLAS a row's bits depend on how many are multiplied together, in the tables' own
 * products they do not. Whole sequences all have one length, and llm-train scores them with
 * OpenBLAS where that is faster: they stay as they are there.
 */
static void
own_products(void)
{
    if (options.rolling || options_mode() != MODE_SHARDS)
        blas_disable("scores do not depend on the batch");
}

/* All ranks take the least table of all. */
static int
pick_kernels(struct model *m, struct comm *comm)
{
    kernels_flush_denormals();
    m->kernels = kernels_pick(NULL);
    if (comm_agree(comm, m->kernels ? STATUS_OK : (int)err_status()) < 0)
        return -1;
    int32_t level = kernels_level(m->kernels->name);
    if (comm_all_reduce(comm, &level, 1, COMM_I32, COMM_MIN) < 0)
        return -1;
    if (level != kernels_level(m->kernels->name))
        m->kernels = kernels_pick(kernels_level_name(level));
    own_products();
    return comm_agree(comm, m->kernels ? STATUS_OK : (int)err_status());
}

static int
start_threads(struct model *m, struct comm *comm)
{
    struct comm *host;
    if (comm->ops->split_host(comm, &host) < 0)
        return -1;
    int n = common.threads ? (int)common.threads : threads_default(host->size);
    if (host != comm)
        comm_release(host);
    m->pool = n > 1 ? threads_new(n) : NULL;
    return 0;
}

/* --precision, else what the checkpoint was trained in, else fp32. */
static enum precision
choose_precision(const struct model *m)
{
    const char *trained = m->source.trained ? m->source.trained->manifest.state.precision
                                               : "";
    if (options.precision_given)
        return options.precision ? PRECISION_BF16 : PRECISION_FP32;
    if (strcmp(trained, "bf16") == 0 || strcmp(trained, "fp8-hybrid") == 0)
        return PRECISION_BF16;
    return PRECISION_FP32;
}

/* Gives the memory of whole pages of FP32 weights back; they read as zero from then on. */
static void
forget(float *from, float *to)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t begin = ((uintptr_t)from + page - 1) / page * page, end = (uintptr_t)to / page * page;
    if (begin < end)
        madvise((void *)begin, end - begin, MADV_DONTNEED);
}

/*
 * Weights are read once a token: both arrays in huge pages where the system has them. Matrices
 * are needed in the precision's type only, norms and biases in FP32.
 */
static int
load_weights(struct model *m)
{
    size_t n = (size_t)m->params->elements;
    m->arranged = mem_zalloc(sizeof *m->arranged);
    const struct ops *ops = &m->kernels->ops[m->precision];
    if (arena_init(&m->weight_arena, n * sizeof *m->weights) < 0)
        return -1;
    m->act = m->weights = arena_take_array(&m->weight_arena, n, sizeof *m->weights);
    if (part_load(m, m->weights) < 0)
        return -1;
    if (m->precision == PRECISION_FP32)
        return 0;
    if (arena_init(&m->act_arena, n * ops->act_size) < 0)
        return -1;
    m->act = arena_take_array(&m->act_arena, n, ops->act_size);
    for (int i = 0; i < m->params->count; i++) {
        const struct param *p = &m->params->param[i];
        float *from = m->weights + p->offset;
        ops->to_act((char *)m->act + (size_t)p->offset * ops->act_size, from, p->size);
        if (p->kind == PARAM_MATRIX || p->kind == PARAM_EMBEDDING)
            forget(from, from + p->size);
    }
    return 0;
}

/* Weights and what the largest decoder of this run takes: within --memory, when given. */
static int
check_memory(const struct model *m)
{
    struct decoder_memory d;
    const struct decoder_options o = {.kernels = m->kernels,
                                      .precision = m->precision,
                                      .pool = m->pool,
                                      .micro_batch = 1,
                                      .seq_length = model_seq_length(m),
                                      .part = m->tensor ? &m->part : NULL};
    uint64_t need = (uint64_t)m->params->elements * sizeof(float);
    char text[32], limit[32];
    if (m->precision != PRECISION_FP32)
        need += (uint64_t)m->params->elements * m->kernels->ops[m->precision].act_size;
    decoder_plan(m->config, m->params, &o, &d);
    need += d.activations + d.logits + d.scratch + d.tables;
    if (common.memory == 0 || need <= common.memory)
        return 0;
    return err_set(STATUS_FAILED, "%s: needs %s, --memory allows %s", m->source.path,
                   human_bytes((double)need, text), human_bytes((double)common.memory, limit));
}

int
model_open(struct model *m, const char *path, struct comm *comm)
{
    *m = (struct model){.speaks = comm->rank == 0};
    int result = model_source_open(&m->source, path);
    if (comm_agree(comm, result < 0 ? (int)err_status() : STATUS_OK) < 0)
        return -1;
    m->config = &m->source.config;
    m->params = &m->source.params;
    m->precision = choose_precision(m);
    result = part_open(m, comm);
    if (comm_agree(comm, result < 0 ? (int)err_status() : STATUS_OK) < 0)
        return -1;
    if (pick_kernels(m, comm) < 0 || start_threads(m, comm) < 0)
        return -1;
    result = check_memory(m) < 0 ? -1 : load_weights(m);
    if (comm_agree(comm, result < 0 ? (int)err_status() : STATUS_OK) < 0)
        return -1;
    m->tokenizer = model_source_tokenizer(&m->source);
    if (!m->tokenizer)
        m->why_no_tokenizer = mem_strdup(err_text());
    return 0;
}

int
model_open_tokenizer(struct model *m, const char *path)
{
    if (model_source_open(&m->source, path) < 0)
        return -1;
    m->config = &m->source.config;
    m->params = &m->source.params;
    m->tokenizer = model_source_tokenizer(&m->source);
    return m->tokenizer ? 0 : -1;
}

void
model_close(struct model *m)
{
    arena_release(&m->act_arena);
    arena_release(&m->weight_arena);
    free(m->arranged);
    tokenizer_free(m->tokenizer);
    free(m->why_no_tokenizer);
    threads_free(m->pool);
    part_close(m);
    model_source_close(&m->source);
    *m = (struct model){0};
}

struct decoder *
model_decoder(const struct model *m, int64_t seq_length)
{
    const struct decoder_options o = {.kernels = m->kernels,
                                      .precision = m->precision,
                                      .pool = m->pool,
                                      .micro_batch = 1,
                                      .seq_length = seq_length,
                                      .part = m->tensor ? &m->part : NULL,
                                      .tensor = m->tensor,
                                      .arrange = true,
                                      .arranged = *m->arranged};
    struct gemm shapes[MAX_SHAPES];
    struct kernel_check found;
    int n = decoder_gemm_shapes(m->config, seq_length, shapes, MAX_SHAPES);
    if (kernels_check(m->kernels, m->precision, shapes, n, false, &found) < 0)
        return NULL;
    if (found.note[0])
        warn("%s", found.note);
    struct decoder *d = decoder_new(m->config, m->params, &o);
    if (!d)
        return NULL;
    decoder_set_weights(d, m->act, m->weights);
    *m->arranged = true;
    return d;
}

static const char *
trained_with(const struct model *m, const char *option)
{
    const struct checkpoint *c = m->source.trained;
    const char *value = c ? training_state_get(&c->manifest.state, option) : NULL;
    return value ? value : "";
}

int64_t
model_seq_length(const struct model *m)
{
    int64_t trained = 0;
    if (options.seq_length)
        return options.seq_length;
    if (parse_int(trained_with(m, "seq-length"), &trained) == 0 && trained > 0)
        return trained;
    return m->config->max_position_embeddings;
}

bool
model_document_mask(const struct model *m)
{
    if (options.document_mask_given)
        return options.document_mask;
    return strcmp(trained_with(m, "document-mask"), "no") != 0;
}

int
model_fits(const struct model *m, const struct shard_head *head, const char *name)
{
    const struct checkpoint *c = m->source.trained;
    uint8_t own[16] = {0}, none[16] = {0};
    if (head->vocabulary > m->config->vocab_size)
        return err_set(STATUS_INPUT, "%s: a vocabulary of %u tokens, the model has %lld", name,
                       head->vocabulary, (long long)m->config->vocab_size);
    if (m->tokenizer)
        tokenizer_fingerprint(m->tokenizer, own);
    else if (c)
        memcpy(own, c->manifest.state.fingerprint, sizeof own);
    if (memcmp(own, none, sizeof own) == 0) {
        if (m->speaks)
            warn("cannot check that %s has the model's tokenizer: %s", name, m->why_no_tokenizer);
        return 0;
    }
    if (memcmp(own, head->fingerprint, sizeof own) != 0)
        return err_set(STATUS_INPUT, "%s: made with another tokenizer than the model's", name);
    return 0;
}
