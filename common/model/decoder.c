#include "model/decoder.h"

#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "model/walk.h"

/* The decoder's memory, its weights, and the pass through all layers. Training and evaluation:
 * train.c. */

static int64_t
most(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* ---- memory: one carving for counting and for taking ---- */

static void
carve_tables(struct decoder *d)
{
    const struct config *c = d->config;
    size_t tokens = (size_t)d->capacity;

    if (c->position == POSITION_ROTARY)
        d->cos_sin = take_wide(d, d->options.seq_length, c->rotary_dim);
    d->positions = arena_take_array(&d->arena, tokens, sizeof *d->positions);
    for (int k = 0; k < 2; k++)
        d->first_of[k] = k && !config_mixed_windows(c)
                             ? d->first_of[0]
                             : arena_take_array(&d->arena, tokens, sizeof *d->first);
    d->first = d->first_of[0];
    context_carve(d);
    if (!d->options.training)
        return;
    d->places = arena_take_array(&d->arena, tokens, sizeof *d->places);
    d->places_other = arena_take_array(&d->arena, tokens, sizeof *d->places);
    d->runs = arena_take_array(&d->arena, tokens + 1, sizeof *d->runs);
    d->largest = arena_take_array(&d->arena, (size_t)c->num_hidden_layers * (size_t)threads_count(d->pool),
                                  sizeof *d->largest);
}

static void
take_means(struct decoder *d, void **mean, void **rstd)
{
    int64_t rows = tensor_rows(d, d->capacity);

    *mean = d->config->norm == NORM_LAYER ? take_wide(d, rows, 1) : NULL;
    *rstd = take_wide(d, rows, 1);
}

/*
 * What a layer keeps is its own in every slot; the rest lies where it does in *common, the state
 * that is carved first.
 */
static void
carve_layer(struct decoder *d, struct layer_state *s, const struct layer_state *common, bool sparse)
{
    int64_t tokens = d->capacity, rows = tensor_rows(d, tokens);
    bool training = d->options.training, first = !common;
    enum recompute recompute = d->options.recompute;

    if (common)
        *s = *common;
    if (first || training)
        s->x = take_act(d, rows, d->hidden);
    if (training && recompute == RECOMPUTE_NONE ? !sparse : first)
        s->up = take_act(d, tokens, d->up);
    if (sparse)
        moe_carve_layer(d, &s->moe);
    if (first || (training && recompute != RECOMPUTE_FULL)) {
        s->x_mid = take_act(d, rows, d->hidden);
        take_means(d, &s->mean1, &s->rstd1);
        take_means(d, &s->mean2, &s->rstd2);
        s->qkv = take_act(d, tokens, d->qkv);
        s->context = take_act(d, tokens, d->query);
        s->lse = take_wide(d, tokens, d->heads);
        qk_norm_carve_layer(d, s);
    }
}

static void
carve_slot(struct decoder *d, const struct model_piece *p, struct slot *s)
{
    const struct layer_state *common = &d->slot[0][0].layer[0];

    for (int i = 0; i < p->end - p->begin; i++)
        carve_layer(d, &s->layer[i], &s->layer[i] == common ? NULL : common,
                    config_sparse(d->config, p->begin + i));
    s->router = arena_take_array(&d->arena, (size_t)router_sums(d->config), sizeof *s->router);
    if (!p->head)
        return;
    s->x_final = take_act(d, tensor_rows(d, d->capacity), d->hidden);
    take_means(d, &s->mean_final, &s->rstd_final);
}

static void
carve_pending(struct decoder *d, struct weight_state *w)
{
    int64_t tokens = d->capacity, rows = tensor_rows(d, tokens);
    enum recompute recompute = d->options.recompute;

    *w = (struct weight_state){
        .d_qkv = take_act(d, tokens, d->qkv),
        .d_out = take_act(d, rows, d->hidden),
        .d_down = take_act(d, rows, d->hidden),
        .inner = take_act(d, tokens, d->intermediate),
    };
    if (recompute != RECOMPUTE_NONE)
        w->d_up = take_act(d, tokens, d->up);
    if (recompute == RECOMPUTE_FULL) {
        w->context = take_act(d, tokens, d->query);
        w->x_mid = take_act(d, rows, d->hidden);
    }
}

static int
slots_of(const struct decoder *d, int piece)
{
    return d->options.slots ? d->options.slots[piece] : 1;
}

static void
carve_pieces(struct decoder *d)
{
    for (int i = 0; i < d->pieces; i++) {
        const struct model_piece *p = &d->piece[i];
        int layers = p->end - p->begin;

        for (int k = 0; k < slots_of(d, i); k++)
            carve_slot(d, p, &d->slot[i][k]);
        for (int k = 0; k < d->options.weight_slots * layers; k++)
            carve_pending(d, &d->pending[i][k]);
    }
}

/* The forward pass borrows what the backward pass needs only later. */
static void
carve_activations(struct decoder *d)
{
    int64_t tokens = d->capacity, rows = tensor_rows(d, tokens);

    moe_carve(d);
    carve_pieces(d);
    d->h_final = take_act(d, tokens, d->hidden);
    d->h_final_of = NULL;
    d->delta = d->d_x_other = take_act(d, rows, d->hidden);
    d->h = d->d_h = take_act(d, tokens, d->hidden);
    d->inner = d->d_narrow = take_act(d, tokens, most(d->intermediate, d->query));
    if (!d->options.training)
        return;
    d->d_x = take_act(d, rows, d->hidden);
    d->gathered = rows < tokens ? take_act(d, tokens, d->hidden) : NULL;
    d->d_qkv = take_act(d, tokens, d->qkv);
    qk_norm_carve(d);
}

static void
carve_logits(struct decoder *d)
{
    int64_t vocab = d->vocab;
    int64_t rows = d->capacity < HEAD_CHUNK ? d->capacity : HEAD_CHUNK;

    d->logits = take_wide(d, rows, vocab);
    if (d->options.training)
        d->d_logits = take_act(d, rows, vocab);
    d->loss = arena_take_array(&d->arena, (size_t)d->capacity, sizeof *d->loss);
    d->log_z = arena_take_array(&d->arena, (size_t)d->capacity, sizeof *d->log_z);
    if (d->tensor_size == 1)
        return;
    d->part_targets = arena_take_array(&d->arena, HEAD_CHUNK, sizeof *d->part_targets);
    d->parts = arena_take_array(&d->arena, (size_t)d->tensor_size * 2 * HEAD_CHUNK,
                                sizeof *d->parts);
}

static void
carve_scratch(struct decoder *d)
{
    int64_t length = d->options.seq_length / d->context_size;
    int64_t broadest = 2 * most(d->hidden, d->config->head_dim);
    size_t workers = (size_t)threads_count(d->pool), each;

    for (int i = 0; i < d->params->count; i++)
        if (d->params->param[i].kind == PARAM_BIAS)
            broadest = most(broadest, d->params->param[i].size);
    if (d->options.training)
        d->partials = take_wide(d, reduce_blocks(d->capacity), broadest);
    each = d->ops->attention_scratch(length, length, d->group, d->config->head_dim,
                                     d->options.training);
    d->attention_scratch_each = (each + 63) / 64 * 64;
    d->attention_scratch = arena_take_array(&d->arena, workers, d->attention_scratch_each);
    ring_carve(d);
}

/* Operands of the linear layers' products, rounded: bf16 only, also while not in FP8. */
static void
carve_fp8(struct decoder *d)
{
    int64_t in = most(d->hidden, most(d->query, d->intermediate));
    int64_t out = most(d->hidden, most(d->qkv, d->up));

    if (!d->options.fp8 || d->precision != PRECISION_BF16)
        return;
    d->fp8_x = take_act(d, d->capacity, in);
    if (d->options.training)
        d->fp8_dy = take_act(d, d->capacity, out);
}

/* What outlives a change of precision: the scales of FP8. */
static void
carve_lasting(struct decoder *d)
{
    if (d->options.fp8)
        d->fp8 = fp8_carve(&d->arena, d->config, d->params, d->options.fp8,
                           threads_count(d->pool));
    d->lasting = d->arena.used;
}

static void
carve(struct decoder *d)
{
    size_t at = 0;

    carve_tables(d);
    d->memory.tables = d->arena.used - at;
    at = d->arena.used;
    carve_activations(d);
    d->memory.activations = d->arena.used - at;
    at = d->arena.used;
    carve_logits(d);
    walk_carve(d);
    d->memory.logits = d->arena.used - at;
    at = d->arena.used;
    carve_scratch(d);
    carve_fp8(d);
    adapters_carve(d);
    packing_carve(d);
    d->memory.scratch = d->arena.used - at;
}

/* Lays the memory out behind what lasts. */
static void
choose(struct decoder *d, enum precision p)
{
    d->precision = p;
    d->ops = &d->options.kernels->ops[p];
    d->arena.used = d->lasting;
    d->fp8_x = d->fp8_dy = NULL;
    carve(d);
    if (d->arena.base && d->config->position == POSITION_ROTARY)
        rotary_table(d->config, d->ops, d->options.seq_length, d->cos_sin);
}

/* Bytes of the precision that takes most; d->memory is that one's. */
static size_t
count_memory(struct decoder *d)
{
    unsigned wanted = d->options.precisions | 1u << d->options.precision;
    struct decoder_memory largest = {0};
    size_t size = 0;

    carve_lasting(d);
    for (int p = 0; p < PRECISIONS; p++) {
        if (!(wanted & 1u << p))
            continue;
        choose(d, (enum precision)p);
        if (d->arena.used > size) {
            size = d->arena.used;
            largest = d->memory;
        }
    }
    d->memory = largest;
    return size;
}

/* ---- what this rank computes ---- */

static int
size_of(const struct comm *group)
{
    return group ? group->size : 1;
}

static void
prepare_sizes(struct decoder *d)
{
    const struct config *c = d->config;
    const struct decoder_options *o = &d->options;
    int64_t kv = c->num_key_value_heads;

    d->tensor_size = size_of(o->tensor);
    d->context_size = size_of(o->context);
    d->expert_size = size_of(o->expert);
    if (o->part && o->part->tensor_size > 1) /* a plan has no groups */
        d->tensor_size = o->part->tensor_size;
    if (o->context_size > 1)
        d->context_size = o->context_size;
    if (d->context_size > 1)
        d->ring = mem_zalloc(sizeof *d->ring);
    d->capacity = o->micro_batch * (o->seq_length / d->context_size);
    d->hidden = c->hidden_size;
    d->heads = c->num_attention_heads / d->tensor_size;
    d->kv_heads = kv > d->tensor_size ? kv / d->tensor_size : 1;
    d->query = d->heads * c->head_dim;
    d->kv = d->kv_heads * c->head_dim;
    d->qkv = d->query + 2 * d->kv;
    d->group = d->heads / d->kv_heads;
    if (config_sparse_layers(c) < c->num_hidden_layers)
        d->intermediate = c->intermediate_size / d->tensor_size;
    d->up = c->mlp == MLP_SWIGLU ? 2 * d->intermediate : d->intermediate;
    d->vocab = d->params->head >= 0 ? d->params->param[d->params->head].rows : 0;
}

static void
prepare_pieces(struct decoder *d)
{
    const struct model_part *part = d->options.part;
    struct model_piece whole = {0, (int)d->config->num_hidden_layers, true, true};
    int pieces = part && part->pieces ? part->pieces : 1;
    size_t n = (size_t)pieces, weights = (size_t)d->options.weight_slots;

    d->pieces = pieces;
    d->piece = mem_zarray(n, sizeof *d->piece);
    d->slot = mem_zarray(n, sizeof *d->slot);
    d->pending = mem_zarray(n, sizeof *d->pending);
    for (int i = 0; i < pieces; i++) {
        d->piece[i] = part && part->pieces ? part->piece[i] : whole;
        size_t layers = (size_t)(d->piece[i].end - d->piece[i].begin);
        d->slot[i] = mem_zarray((size_t)slots_of(d, i), sizeof **d->slot);
        for (int k = 0; k < slots_of(d, i); k++)
            d->slot[i][k].layer = mem_zarray(layers, sizeof *d->slot[i][k].layer);
        d->pending[i] = mem_zarray(weights * layers + 1, sizeof **d->pending);
    }
}

static void
release_pieces(struct decoder *d)
{
    for (int i = 0; i < d->pieces; i++) {
        for (int k = 0; k < slots_of(d, i); k++)
            free(d->slot[i][k].layer);
        free(d->slot[i]);
        free(d->pending[i]);
    }
    free(d->slot);
    free(d->pending);
    free(d->piece);
}

static struct decoder *
prepare(const struct config *c, const struct params *p, const struct decoder_options *o)
{
    struct decoder *d = mem_zalloc(sizeof *d);

    d->config = c;
    d->params = p;
    d->options = *o;
    d->ops = &o->kernels->ops[o->precision];
    d->pool = o->pool;
    if (o->slots) {
        int *slots = mem_array((size_t)(o->part->pieces + 1), sizeof *slots);
        memcpy(slots, o->slots, (size_t)o->part->pieces * sizeof *slots);
        d->options.slots = slots;
    }
    prepare_sizes(d);
    prepare_pieces(d);
    d->moe = moe_new(d);
    if (!o->training)
        d->walk = mem_zalloc(sizeof *d->walk);
    if (o->arrange && !o->training && o->kernels->ops[o->precision].gemm_arrange)
        d->arranged = mem_zarray((size_t)p->count, sizeof *d->arranged);
    d->written = mem_zarray((size_t)p->count, sizeof *d->written);
    return d;
}

void
decoder_plan(const struct config *c, const struct params *p, const struct decoder_options *o,
             struct decoder_memory *m)
{
    struct decoder *d = prepare(c, p, o);

    count_memory(d);
    *m = d->memory;
    decoder_free(d);
}

static int
check_options(const struct config *c, const struct decoder_options *o)
{
    if (o->micro_batch < 1 || o->seq_length < 1 || o->micro_batch > INT32_MAX / o->seq_length)
        return err_set(STATUS_FAILED,
                       "micro-batch of %lld sequences of %lld tokens is out of range",
                       (long long)o->micro_batch, (long long)o->seq_length);
    if (config_check_length(c, o->seq_length) < 0)
        return -1;
    if (context_check_length(size_of(o->context), o->seq_length) < 0)
        return -1;
    if (config_mixed_windows(c) && (size_of(o->context) > 1 || o->context_size > 1))
        return err_set(STATUS_INPUT, "context-parallel is not supported for models of which only "
                                     "some layers have a sliding window");
    if (c->lora.rank > 0 && o->fp8)
        return err_set(STATUS_FAILED, "adapters do not work with fp8-hybrid");
    if (o->fp8 && size_of(o->context) > 1)
        return err_set(STATUS_FAILED, "fp8-hybrid does not work with context-parallel (%d)",
                       size_of(o->context));
    if (o->fp8 && o->fp8->recipe == FP8_TENSORWISE && o->part && o->part->tensor_size > 1)
        return err_set(STATUS_FAILED, "tensorwise scales of fp8-hybrid do not work with tensor-parallel (%d)",
                       o->part->tensor_size);
    if ((o->expert ? o->expert->size : 1) != (o->part && o->part->expert_size ? o->part->expert_size : 1))
        return err_set(STATUS_FAILED, "the group of experts is not that of the part");
    if (o->fp8 && c->num_experts > 0)
        return err_set(STATUS_INPUT, "fp8-hybrid is not supported for models with experts");
    return 0;
}

/* A thread's kernels take their scratch at its first product: here, not in some later step. */
static int
warm_thread(void *arg, size_t cell, int worker)
{
    enum { N = 64 };
    const struct decoder *d = arg;
    char *arrays = mem_zalloc(3 * N * N * sizeof(double));
    struct gemm g = {
        .tb = true,
        .m = N,
        .n = N,
        .k = N,
        .a = arrays,
        .lda = N,
        .b = arrays + N * N * sizeof(double),
        .ldb = N,
        .c = arrays + 2 * N * N * sizeof(double),
        .ldc = N,
    };

    (void)cell, (void)worker;
    d->ops->gemm(&g);
    free(arrays);
    return 0;
}

struct decoder *
decoder_new(const struct config *c, const struct params *p, const struct decoder_options *o)
{
    struct decoder *d;

    if (check_options(c, o) < 0)
        return NULL;
    d = prepare(c, p, o);
    if (arena_init(&d->arena, count_memory(d)) < 0) {
        decoder_free(d);
        return NULL;
    }
    carve_lasting(d);
    choose(d, o->precision);
    threads_each(d->pool, warm_thread, d);
    if (tensor_check_tokens(d, o->micro_batch, o->seq_length / d->context_size) < 0 ||
        tensor_open(d) < 0 || context_open(d) < 0) {
        decoder_free(d);
        return NULL;
    }
    return d;
}

void
decoder_set_precision(struct decoder *d, enum precision p, bool fp8)
{
    if (p != d->precision)
        choose(d, p);
    d->in_fp8 = fp8;
}

struct fp8 *
decoder_fp8(const struct decoder *d)
{
    return d->fp8;
}

void
decoder_free(struct decoder *d)
{
    if (!d)
        return;
    tensor_close(d);
    arena_release(&d->arena);
    free(d->arranged);
    free(d->written);
    free(d->ring);
    moe_free(d->moe);
    free(d->walk);
    release_pieces(d);
    free((void *)(uintptr_t)d->options.slots);
    free(d);
}

uint64_t
decoder_bytes(const struct decoder *d)
{
    return d->arena.size;
}

/* ---- weights ---- */

const void *
weight_act(const struct decoder *d, int param)
{
    if (param < 0)
        return NULL;
    if (d->source)
        return d->source->act(d->source->arg, param);
    return act_at_const(d, d->act, d->params->param[param].offset);
}

const void *
weight_wide(const struct decoder *d, int param)
{
    if (param < 0)
        return NULL;
    if (d->vectors)
        return wide_at_const(d, d->vectors, d->params->param[param].vector);
    return wide_at_const(d, d->wide, d->params->param[param].offset);
}

void
decoder_set_weights(struct decoder *d, void *act, const void *wide)
{
    d->act = act;
    d->wide = wide;
    d->vectors = NULL;
    d->source = NULL;
    if (d->in_fp8)
        fp8_round_weights(d, act);
    arrange_weights(d, act);
}

void
decoder_set_part_weights(struct decoder *d, void *act, const void *vectors,
                         const struct weight_source *source)
{
    d->act = act;
    d->wide = NULL;
    d->vectors = vectors;
    d->source = source;
}

/* ---- work ---- */

struct tokens
tokens_of(const struct decoder *d, int64_t sequences, int64_t length)
{
    int64_t local = length / d->context_size, count = sequences * local;

    return (struct tokens){sequences, local, count, tensor_rows(d, count)};
}

void
run_cells(const struct decoder *d, int64_t n, int64_t each, int (*fn)(void *, size_t, int),
          void *arg)
{
    threads_run(d->pool, (size_t)((n + each - 1) / each), fn, arg);
}

void
batch_pieces(const uint8_t *begins, int64_t length, bool document_mask, int32_t *first)
{
    int32_t start = 0;

    for (int64_t i = 0; i < length; i++) {
        if (document_mask && begins[i])
            start = (int32_t)i;
        first[i] = start;
    }
}

int
decoder_check_batch(const struct decoder *d, const struct batch *b)
{
    int64_t vocab = d->config->vocab_size, tokens = b->sequences * b->length;

    if (b->sequences < 1 || b->length < 1 || b->length > d->options.seq_length ||
        b->sequences * (b->length / d->context_size) > d->capacity)
        return err_set(STATUS_FAILED,
                       "batch of %lld sequences of %lld tokens does not fit the decoder",
                       (long long)b->sequences, (long long)b->length);
    for (int64_t i = 0; i < tokens; i++) {
        if (b->inputs[i] >= vocab || b->targets[i] >= vocab)
            return err_set(STATUS_INPUT, "token id %lld is not below vocab_size (%lld)",
                           b->inputs[i] >= vocab ? (long long)b->inputs[i]
                                                 : (long long)b->targets[i],
                           (long long)vocab);
        if (b->first[i] < 0 || b->first[i] > i % b->length)
            return err_set(STATUS_FAILED, "document piece of token %lld begins behind it",
                           (long long)i);
    }
    if (context_check_length(d->context_size, b->length) < 0)
        return -1;
    return tensor_check_tokens(d, b->sequences, b->length / d->context_size);
}

void
set_first(const struct decoder *d, int64_t row, int32_t first, int32_t index)
{
    int32_t window = (int32_t)d->config->sliding_window;

    d->first_of[0][row] = first;
    d->first_of[1][row] = window > 0 && first < index - window + 1 ? index - window + 1 : first;
}

/* Positions count from the piece's start. */
void
set_positions(const struct decoder *d, const struct batch *b)
{
    for (int64_t s = 0, at = 0; s < b->sequences; s++) {
        for (int32_t i = 0; i < b->length; i++, at++) {
            int32_t first = b->first[at];

            d->positions[at] = i - first;
            set_first(d, at, first, i);
        }
    }
}
