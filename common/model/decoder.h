#ifndef MODEL_DECODER_H
#define MODEL_DECODER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/threads.h"
#include "comm/comm.h"
#include "kernels/kernels.h"
#include "model/config.h"
#include "model/fp8.h"
#include "model/params.h"

/*
 * The decoder: forward, backward, and inference with a key/value cache. It owns
 * activations only; weights and gradients are the caller's flat arrays (params.h).
 * Nothing is allocated after decoder_new.
 *
 * What a layer keeps for its backward pass; all three give the same bits. What costs one
 * elementwise pass (norm outputs, the MLP's inner activations) is never kept.
 *   none       the residual stream before attention and MLP, queries, keys, values, context,
 *              the MLP's up projection: no matrix product is done twice
 *   selective  all of that but the up projection
 *   full       the residual stream that enters the layer
 */
enum recompute { RECOMPUTE_NONE, RECOMPUTE_SELECTIVE, RECOMPUTE_FULL };

struct decoder_options {
    const struct kernels *kernels;
    enum precision precision; /* at first */
    unsigned precisions;      /* 1 << each that decoder_set_precision may choose later */
    const struct fp8_options *fp8; /* copied; NULL: never in FP8. Else precision may be bf16 */
    struct threads *pool;     /* NULL: one thread */
    int64_t micro_batch;  /* sequences at once, at most */
    int64_t seq_length;
    enum recompute recompute;
    bool training; /* false: forward only, little memory */
    /* Coefficients of the routers' losses (see struct sequence_loss). */
    double router_aux_loss, router_z_loss;
    /*
     * A part of the model on one of many ranks; p is params_init_part's of the same part. The
     * groups: NULL is a group of one. All calls that compute are collective over them.
     */
    const struct model_part *part; /* must outlive the decoder; NULL: the whole model */
    const int *slots;        /* [pieces], copied: micro-batches whose activations are held at once; NULL: 1 */
    int weight_slots;        /* of each piece, between decoder_backward_input and _weight; 0: never */
    struct comm *tensor, *context, *expert;
    int context_size;        /* for a plan, which has no groups; 0: the group's */
    bool sequence_parallel;  /* norms and the residual stream in tensor_size parts of the tokens */
    bool arrange;  /* forward only: decoder_set_weights may rearrange the matrices of act in place,
                      for no other use, so that they are read at the speed of memory */
    bool arranged; /* an earlier decoder of this kind has done so: with `arrange` */
};

struct decoder;

/* Bytes decoder_new would take, by kind, without taking them: what --plan prints. */
struct decoder_memory {
    uint64_t activations, logits, scratch, tables;
};
void decoder_plan(const struct config *c, const struct params *p, const struct decoder_options *o,
                  struct decoder_memory *m);

/*
 * c and p must outlive the decoder. NULL: no memory, or a sequence length beyond the
 * model's learned positions.
 */
struct decoder *decoder_new(const struct config *c, const struct params *p,
                            const struct decoder_options *o);
void decoder_free(struct decoder *d);
uint64_t decoder_bytes(const struct decoder *d); /* what it took */

/*
 * Changes what the decoder computes in, without taking memory: one of those named in its
 * options; fp8: the linear layers of bf16 in fp8-hybrid (fp8.h), with the scales as they are.
 * Activations and weights are gone: decoder_set_weights comes next.
 */
void decoder_set_precision(struct decoder *d, enum precision p, bool fp8);

/*
 * Largest attention logits, scale * q k of what a row sees, of the forward passes from here on (on:
 * those before are forgotten; NaN passed over). decoder_largest_logit: of a layer, on this rank;
 * -INFINITY: none was seen. Of training decoders; off at first, and costs nothing then.
 */
void decoder_watch_logits(struct decoder *d, bool on);
float decoder_largest_logit(const struct decoder *d, int layer);

/* The scales of fp8-hybrid, or NULL when the decoder never computes in it. */
struct fp8 *decoder_fp8(const struct decoder *d);

/*
 * Weights: `wide` is the flat array of master weights (norms and biases are read
 * there); `act` is the flat array of the precision's act type (matrices; for fp32
 * and fp64 pass the same pointer as wide). Call again after every optimizer step. In FP8 the
 * linear layers' matrices in `act` are made from `wide` and rounded in place: afterwards they are
 * multiples of their scales.
 */
void decoder_set_weights(struct decoder *d, void *act, const void *wide);

/*
 * Where matrices and embeddings are read, in units: 0 the embeddings, 1 + i layer i, layers + 1
 * the final norm and the head (which reads unit 0 where tied). need: before the unit is used,
 * until done; a hint of what comes next is `next` (-1: nothing). 0 or -1 with a record.
 */
struct weight_source {
    void *arg;
    int (*need)(void *arg, int unit, int next);
    void (*done)(void *arg, int unit);
    const void *(*act)(void *arg, int param); /* valid while its unit is needed */
};

/*
 * The same where norms and biases stand in an array of their own, [params->vectors] (struct
 * param.vector), and, unless `source` is NULL, matrices come from there (act: NULL). Not in FP8.
 */
void decoder_set_part_weights(struct decoder *d, void *act, const void *vectors,
                              const struct weight_source *source);

/* A micro-batch: `sequences` of seq_length tokens each, one after the other. */
struct batch {
    int64_t sequences, length;
    const uint32_t *inputs; /* [sequences][length] */
    const int32_t *targets; /* [sequences][length], < 0: not scored */
    const int32_t *first;   /* [sequences][length]: where in it the token's piece begins */
    const double *weight;   /* [sequences]: the gradient of a sequence's loss counts so often; NULL: once */
    bool overwrite; /* training: gradients of weights of products (params_in_product) are written
                       instead of added to: what stood there is not read, nor need it be zero */
};

/*
 * Fills first[length] from the marks that say where a document begins (within the
 * sequence): piece starts, or all 0 when document_mask is false. Positions are index - first.
 */
void batch_pieces(const uint8_t *begins, int64_t length, bool document_mask, int32_t *first);

/*
 * Where gradients go. `param` is an index into the table; params->count stands for the input
 * side of a tied embedding. at: the tensor's gradient, wide, added to in ascending order of
 * micro-batches; *fresh: what stands there is not to be read, the first product is written over it
 * (asked for weights of products only, params_in_product; where fresh is NULL, `at` has zeroed
 * it). ready: complete for this micro-batch; each tensor of the piece exactly once. Frozen tensors
 * (struct param) are never asked for.
 */
struct gradients {
    void *arg;
    void *(*at)(void *arg, int param, bool *fresh);
    void (*ready)(void *arg, int param); /* may be NULL */
    bool last; /* this micro-batch is the last before these gradients are used: what several ranks
                  of a tensor group have parts of is summed before `ready` */
};

struct sequence_loss {
    double loss, z_loss; /* sums over the scored targets; z_loss is the sum of log_z^2 */
    int64_t scored;
    /*
     * Of the whole micro-batch, times its scored targets, and in its first sequence, so that a
     * step's sum over its scored targets is their mean: the routers' auxiliary loss and z-loss
     * (router.c) without their coefficients. They are not in loss.
     */
    double router_aux_loss, router_z_loss;
};

/*
 * Forward and backward of one micro-batch. Gradients of sum(loss) * scale plus
 * z * sum(log_z^2) * scale are ADDED to `grads` (wide, grad_elements long; but see
 * batch.overwrite). out [sequences]. When the gradient of a run of table entries is complete for this micro-batch, ready(arg,
 * begin, end) is called with element offsets [begin, end) of the gradient array (head and final
 * norm first, layers from the last to the first, embeddings last; every element exactly once).
 * ready may be NULL.
 */
int decoder_train(struct decoder *d, const struct batch *b, void *grads, double scale, double z,
                  struct sequence_loss *out, void (*ready)(void *arg, int64_t begin, int64_t end),
                  void *arg);

/*
 * Forward only: out [sequences]; token_loss [sequences][length] (may be NULL) gets -log p
 * of each target, 0 when not scored; on context ranks the whole on every rank, while out is of
 * their own tokens. In FP8 it leaves no trace in the history of scales.
 */
int decoder_loss(struct decoder *d, const struct batch *b, struct sequence_loss *out,
                 double *token_loss);

/*
 * The same in pieces, for pipelines. forward: x [T][hidden] is the residual stream that enters
 * the piece (NULL with the embedding), y the one that leaves it (NULL with the head). T: the
 * tokens of the batch, divided by context_size, and by tensor_size with sequence_parallel.
 * backward: dy is the gradient of y (NULL with the head), dx that of x (NULL with the embedding),
 * out [sequences] is filled with the head (of a context rank: its tokens' part). A batch is as
 * for decoder_train, whole on every rank; `overwrite` is not looked at.
 *
 * backward_input leaves products' weights out, which backward_weight does later, in any order
 * among micro-batches but ascending; between them the slot stays in use, one of the piece's
 * weight_slots as well. Head, norms, embeddings and experts are done in backward_input.
 * 0 or -1.
 */
int decoder_forward_piece(struct decoder *d, int piece, int slot, const struct batch *b,
                          const void *x, void *y);
int decoder_backward_piece(struct decoder *d, int piece, int slot, const struct batch *b,
                           const struct gradients *g, double scale, double z, const void *dy,
                           void *dx, struct sequence_loss *out);
int decoder_backward_input(struct decoder *d, int piece, int slot, int weight_slot,
                           const struct batch *b, const struct gradients *g, double scale,
                           double z, const void *dy, void *dx, struct sequence_loss *out);
int decoder_backward_weight(struct decoder *d, int piece, int slot, int weight_slot,
                            const struct batch *b, const struct gradients *g);

/* Loss alone of the last piece, after its forward: as decoder_loss. */
int decoder_loss_piece(struct decoder *d, int piece, int slot, const struct batch *b,
                       struct sequence_loss *out, double *token_loss);

/*
 * Elements of x, y, dx, dy for so many sequences; bytes of one element. Behind the stream stand
 * the routers' sums of a model with experts, so many bytes.
 */
int64_t decoder_border(const struct decoder *d, int64_t sequences, size_t *element);
size_t decoder_border_sums(const struct config *c);

/* Inference. A cache holds one sequence's keys and values for up to `capacity` tokens. */
struct kv_cache;
struct kv_cache *kv_cache_new(const struct decoder *d, int64_t capacity);
int64_t kv_cache_length(const struct kv_cache *c);
void kv_cache_truncate(struct kv_cache *c, int64_t length); /* forget what lies behind */
void kv_cache_free(struct kv_cache *c);

/*
 * Appends n ids to the cache's sequence and writes the wide logits [vocab] of the
 * last `want` of them to logits [want][vocab] (want <= n). 0 or -1 (no room, an id out of range).
 */
int decoder_extend(struct decoder *d, struct kv_cache *c, const uint32_t *ids, int64_t n,
                   int64_t want, void *logits);

/* Makes dst's first `length` tokens those of src (same decoder, length <= src's and dst's capacity). */
void kv_cache_copy(struct kv_cache *dst, const struct kv_cache *src, int64_t length);

/*
 * Inference over trees of sequences. An item puts n ids at position `at` of its cache: they
 * attend to the cache's tokens [0, at), as they stand when the item's turn comes, and to each other; what
 * was at `at` and behind is replaced. Items are worked on in order within a cache, so that a tree of
 * sequences with shared beginnings is a list of items in depth-first order on one cache: each shared
 * part is computed once, siblings overwrite one another. All items of a call go through the matrix
 * products together, in runs of the decoder's capacity (an item may be cut anywhere); caches
 * are independent of each other. The bits of an item's results depend on the tokens of its path alone.
 */
struct walk_score {
    int64_t token;    /* of the item: the target is what comes behind it */
    uint32_t target;
    double log_p;     /* out: log softmax at target, natural logarithm */
    bool is_greedy;   /* out: no logit is greater, none of a lower id is equal */
};

struct walk_item {
    struct kv_cache *cache;
    int64_t at; /* <= the cache's length when its turn comes */
    const uint32_t *ids;
    int64_t n; /* >= 1 */
    struct walk_score *score; /* [scores], tokens ascending (several targets a token are one row of logits) */
    size_t scores;
    float *logits; /* NULL, or [vocab_size]: of the last token */
};

/*
 * Every cache's length is then the end of its last item. Collective over the tensor group, whose ranks
 * give the same items and get the same results. The head is computed for scored tokens only, in
 * pieces: no [tokens][vocabulary] array. 0 or -1 (no room, an id out of range).
 */
int decoder_walk(struct decoder *d, const struct walk_item *items, size_t count);

/*
 * Exact FLOPs of one sequence: matrix products 2mnk, attention over the keys that a query
 * really meets, the sequence taken as one document.
 */
struct flops {
    double forward, backward; /* model flops */
    double recompute;         /* hardware flops have these, too */
};
void decoder_flops(const struct config *c, int64_t seq_length, enum recompute r, struct flops *out);

/* Keys that the queries of a sequence of one document meet in a layer, over all queries. */
double decoder_attended(const struct config *c, int64_t seq_length, int64_t layer);

/* GEMM shapes of a training micro-batch, for the self-check; returns how many (<= max). */
int decoder_gemm_shapes(const struct config *c, int64_t tokens, struct gemm *out, int max);

#endif
