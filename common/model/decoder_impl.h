#ifndef MODEL_DECODER_IMPL_H
#define MODEL_DECODER_IMPL_H

#include "kernels/grid.h"
#include "model/decoder.h"

/*
 * Private to common/model: the decoder's state and its operations, one file each,
 * forward and backward. T is the number of tokens in hand. Every operation cuts its work into cells
 * by shape alone and runs them on the pool.
 */

/* Rows of one cell where rows do not depend on each other. */
enum { ROW_CELL = 32 };

/* Tokens whose logits exist at once. A constant: the head's gradient accumulates chunk by chunk. */
enum { HEAD_CHUNK = 256 };

/* The same of a layer's experts (moe.c). */
struct moe_state {
    void *probs;     /* wide [T][experts]: the router's softmax */
    void *log_z;     /* wide [T]: log of the sum of the exponentials of its logits */
    void *up;        /* act [rows][2 inner]: backward turns it into its gradient */
    void *shared_up; /* act [T][2 shared]: of the shared expert; the same */
    void *gate;      /* wide [T]: the sigmoid that weighs the shared expert */
};
struct moe;

/* What a layer leaves for its backward pass. Layers and slots share what is not kept. */
struct layer_state {
    void *x, *x_mid; /* act [T][hidden]: the residual stream before attention and before the MLP */
    void *mean1, *rstd1; /* wide [T]; mean: layer norm only */
    void *mean2, *rstd2;
    void *qkv;     /* act [T][qkv], after rotary */
    void *qk_raw;  /* act [T][query + kv]: queries and keys before their norm */
    void *qk_rstd; /* wide [T][heads + kv_heads] */
    void *context; /* act [T][query]: attention's output */
    void *lse;     /* wide [sequence][head][length] */
    void *up;      /* act [T][up]; backward turns it into its gradient */
    struct moe_state moe;
};

/* What stays of a layer between decoder_backward_input and decoder_backward_weight. */
struct weight_state {
    void *d_qkv, *d_out, *d_down; /* act: gradients of the outputs of qkv, output, down */
    void *d_up;                   /* … of up; NULL: layer_state's */
    void *inner;                  /* act [T][intermediate]: input of down */
    void *context, *x_mid;        /* act: NULL: layer_state's */
};

/* The activations of one micro-batch in one piece. */
struct slot {
    struct layer_state *layer; /* [layers of the piece] */
    void *x_final, *mean_final, *rstd_final; /* of a piece with the head */
    double *router; /* [router_sums]: over the layers so far; backward: over all */
};

/* One occurrence of a table row in a batch: sorted by row, then place. */
struct place {
    uint32_t row, token;
};

/*
 * What a context rank needs besides (context.c, ring.c). A block is a rank's keys and values, or
 * their gradients: [T][2 kv], keys first.
 */
struct ring {
    uint32_t *inputs; /* [T]: of this rank's tokens */
    int32_t *targets; /* [T] */
    int32_t *first;   /* [context_size][capacity]: how many of a rank's keys a token does not see */
    void *kv[2];      /* act: the block in hand and the one that arrives */
    void *sum;        /* wide [T][query]: context, or the gradient of queries, of the blocks so far */
    char *part;       /* the same of one block and group of heads, and its log-sum-exp; a worker */
    size_t part_each;
    void *d_kv[2], *d_kv_part; /* wide: blocks that go round; this rank's part of one */
};

struct decoder {
    const struct config *config;
    const struct params *params;
    struct decoder_options options;
    enum precision precision;
    const struct ops *ops;
    struct threads *pool;
    struct arena arena;
    size_t lasting; /* bytes at its start that stay when the precision changes */
    struct decoder_memory memory;

    int64_t capacity; /* most tokens at once */
    int64_t hidden, query, kv, qkv, up, intermediate, group; /* of this tensor rank */
    int64_t heads, kv_heads, vocab;                          /* its heads, its rows of the head */
    int tensor_size, context_size, expert_size;
    struct comm *same_keys; /* tensor ranks with this one's key/value heads; NULL: no tensor ranks */
    struct model_piece *piece; /* [pieces] */
    int pieces;

    struct fp8 *fp8;        /* NULL: never */
    bool in_fp8, recording; /* recording: amax enter the history */
    void *fp8_x, *fp8_dy;   /* act [T][broadest]: rounded operands */

    const char *act, *wide, *vectors; /* weights; vectors NULL: in wide */
    const struct weight_source *source; /* of matrices; NULL: act */
    const struct gradients *gradients;  /* during a backward pass */
    int failed; /* of a group's sum or gather within this call: -1, with its record */

    /* tables */
    void *cos_sin;                       /* wide [seq_length][rotary_dim] */
    struct walk *walk;                   /* inference (walk.h); NULL: training */
    int32_t *positions;                  /* [T] */
    int32_t *first;                      /* [T]: of the layer in hand, */
    int32_t *first_of[2];                /* without and with a window (the same unless layers differ) */
    struct ring *ring;                   /* NULL: no context ranks */
    float *largest;     /* [layers][workers]: attention logits while they are watched */
    float *largest_now; /* [workers]: of the layer in hand; NULL: not watched */
    bool watching;
    struct place *places, *places_other; /* [T] */
    int64_t *runs;                       /* [T + 1]: where equal rows begin in places */

    /* activations */
    struct slot **slot;            /* [pieces][slots] */
    struct weight_state **pending; /* [pieces][weight_slots * layers of the piece] */
    const struct slot *h_final_of; /* whose final norm's output stands in h_final; NULL: none */
    void *delta;               /* act [T][hidden]: not yet added to the residual stream */
    void *h;                   /* act [T][hidden]: a norm's output */
    void *inner;               /* act [T][intermediate]: of the MLP */
    void *h_final;             /* act [T][hidden] */
    void *d_x, *d_x_other, *d_h; /* act [T][hidden] */
    void *d_narrow;              /* act [T][max(intermediate, query)] */
    void *d_qkv;                 /* act [T][qkv] */
    void *gathered;              /* act [T][hidden]: all tokens' rows (sequence parallelism) */
    void *qk_line, *qk_d_weight; /* QK-norm, a worker's own: act [query], wide [head_dim] */
    struct moe *moe;             /* NULL: no layer has experts */
    double *router;              /* the sums of the slot in hand; NULL: nobody wants them */

    /* logits */
    void *logits;         /* wide [HEAD_CHUNK][vocab] */
    void *d_logits;       /* act, the same */
    double *loss, *log_z; /* [T] */
    int32_t *part_targets; /* [HEAD_CHUNK]: as counted from this rank's first row of the head */
    double *parts;         /* [tensor_size][2][HEAD_CHUNK]: log_z and the target's logit */

    /* packed weights, op(B) of a product; NULL: the table packs none */
    void *packed;                        /* the linear layer's in hand */
    void *head_forward, *head_backward; /* of x W^T and of dy W */
    bool head_packed;                    /* as the weights are now */
    bool *arranged;                      /* [params->count], which matrices are; NULL: none */

    void *low, *d_low; /* act [T][targets rank]: between the two matrices of adapters, and its gradient */

    bool *written; /* [params->count]: flat gradients (decoder_train): products add to it */

    /* scratch */
    void *partials;          /* wide [reduction blocks][broadest] */
    char *attention_scratch; /* a piece a worker */
    size_t attention_scratch_each;
};

/*
 * The micro-batch in hand: this context rank's tokens. rows: those that this rank has of the
 * residual stream and the norms (fewer than count with sequence parallelism).
 */
struct tokens {
    int64_t sequences, length, count, rows;
};
struct tokens tokens_of(const struct decoder *d, int64_t sequences, int64_t length);

/* Layer i of a piece's slot. */
static inline struct layer_state *
slot_layer(const struct decoder *d, int piece, const struct slot *s, int i)
{
    return &s->layer[i - d->piece[piece].begin];
}

/* The element n places behind base. */
static inline void *
act_at(const struct decoder *d, void *base, int64_t n)
{
    return (char *)base + (size_t)n * d->ops->act_size;
}

static inline const void *
act_at_const(const struct decoder *d, const void *base, int64_t n)
{
    return (const char *)base + (size_t)n * d->ops->act_size;
}

static inline void *
wide_at(const struct decoder *d, void *base, int64_t n)
{
    return (char *)base + (size_t)n * d->ops->wide_size;
}

static inline const void *
wide_at_const(const struct decoder *d, const void *base, int64_t n)
{
    return (const char *)base + (size_t)n * d->ops->wide_size;
}

/* A matrix or embedding in act, a norm or bias in wide (index -1: NULL), and its gradient. */
const void *weight_act(const struct decoder *d, int param);
const void *weight_wide(const struct decoder *d, int param);

/* Where a gradient is added to; fresh as in struct gradients. */
bool has_gradient(const struct decoder *d, int param); /* else it is frozen */
void *gradient_at(const struct decoder *d, int param, bool *fresh);

/* The last tensors of a unit: what tensor ranks have parts of is summed, then they are ready. */
void gradients_ready(struct decoder *d, int begin, int end);

/* struct weight_source's need (0 or -1) and done, if there is one. */
int unit_need(const struct decoder *d, int unit, int next);
void unit_done(const struct decoder *d, int unit);

/* Runs fn on cells of `each` out of n. */
void run_cells(const struct decoder *d, int64_t n, int64_t each,
               int (*fn)(void *arg, size_t cell, int worker), void *arg);

/* Arrays [rows][columns] from the decoder's arena, which may only count. */
static inline void *
take_act(struct decoder *d, int64_t rows, int64_t columns)
{
    return arena_take_array(&d->arena, (size_t)(rows * columns), d->ops->act_size);
}

static inline void *
take_wide(struct decoder *d, int64_t rows, int64_t columns)
{
    return arena_take_array(&d->arena, (size_t)(rows * columns), d->ops->wide_size);
}

static inline int64_t
rows_of_cell(size_t cell, int64_t each, int64_t n)
{
    int64_t left = n - (int64_t)cell * each;
    return left < each ? left : each;
}

/* reduce.c: out += the sum of partials [blocks][n] (wide), blocks in order; partials are used up.
 */
void reduce_partials(const struct decoder *d, void *out, void *partials, int64_t blocks, int64_t n);
int64_t reduce_blocks(int64_t tokens);

/*
 * linear.c: y [T][out] = x [T][in] W^T + b. Backward: dW += dy^T x, db += sums of dy, and then
 * dx = dy W; dx may be x. The two parts can be had apart, then that of the input comes first.
 * forward_wide: y is wide, without bias and never in FP8: logits of head, routers and gates.
 */
void linear_forward(const struct decoder *d, void *y, const void *x, int weight, int bias,
                    int64_t tokens);
void linear_forward_wide(const struct decoder *d, void *y, const void *x, int weight,
                         int64_t tokens);
void linear_backward(const struct decoder *d, void *dx, const void *dy, const void *x, int weight,
                     int bias, int64_t tokens);
void linear_backward_weight(const struct decoder *d, const void *dy, const void *x, int weight,
                            int bias, int64_t tokens);
void linear_backward_input(const struct decoder *d, void *dx, const void *dy, int weight,
                           int64_t tokens);

/*
 * adapters.c: beside a linear map, nothing where it has no adapters. forward adds to y, backward_input
 * to dx (again: just behind _weight of the same), _weight to the gradients of A and B.
 */
void adapters_carve(struct decoder *d);
void adapters_forward(const struct decoder *d, void *y, const void *x, int weight, int64_t tokens);
void adapters_backward_input(const struct decoder *d, void *dx, const void *dy, int weight,
                             int64_t tokens, bool again);
void adapters_backward_weight(const struct decoder *d, const void *dy, const void *x, int weight,
                              int64_t tokens);

/*
 * fp8.c: carving; the tensor of a linear map's x, W or dy (-1: not in FP8); x [n] rounded into
 * `buffer`, or x itself for tensor -1 (again: with the scale of the first time); the factor of
 * a product of two such tensors (0 for -1); weights.
 */
struct fp8 *fp8_carve(struct arena *a, const struct config *c, const struct params *p,
                      const struct fp8_options *o, int workers);
int fp8_tensor(const struct decoder *d, int weight, enum fp8_role role);
const void *fp8_operand(const struct decoder *d, void *buffer, const void *x, int64_t n, int tensor,
                        bool again);
double fp8_unscale(const struct decoder *d, int a, int b);
void fp8_round_weights(const struct decoder *d, char *act);

/* arrange.c: matrices in the order in which products read them, in place, when options.arrange. */
void arrange_weights(const struct decoder *d, void *act);
bool is_arranged(const struct decoder *d, int weight);

/*
 * packing.c: packing_carve takes the buffers from the arena. packed_weight packs W^T (tb) or W
 * for a product with so many rows; valid until the next call; NULL: not packed. The head's forms
 * are those that packing_head has made, while d->head_packed says so; packing_head returns false
 * when packing does not pay.
 */
void packing_carve(struct decoder *d);
const void *packed_weight(const struct decoder *d, int weight, bool tb, int64_t tokens);
bool packing_head(const struct decoder *d, int64_t tokens, bool backward);

/* norm.c: x_out = x + delta (delta NULL: x as it is), y = norm(x_out). Backward adds d_residual. */
struct norm_at {
    int weight, bias;  /* params; bias -1 for RMS */
    void *mean, *rstd; /* wide [T] */
};
void norm_forward(const struct decoder *d, const struct norm_at *at, void *y, void *x_out,
                  const void *x, const void *delta, int64_t tokens);
void norm_backward(const struct decoder *d, const struct norm_at *at, void *dx, const void *dy,
                   const void *d_residual, const void *x, int64_t tokens);

/*
 * tensor.c: tensor and sequence parallelism; a group of one does nothing. Rows: of tokens, in act
 * [hidden]. A rank's own rows are all of them, with sequence parallelism its run of them. A
 * failure is left in d->failed.
 */
int tensor_open(struct decoder *d); /* groups; collective. 0 or -1 */
void tensor_close(struct decoder *d);
int64_t tensor_rows(const struct decoder *d, int64_t tokens); /* how many are this rank's own */
int tensor_check_tokens(const struct decoder *d, int64_t sequences, int64_t length);

static inline int
tensor_rank(const struct decoder *d)
{
    return d->options.tensor ? d->options.tensor->rank : 0;
}

/* Where this rank's own rows stand among all. */
void *own_rows(const struct decoder *d, void *all, const struct tokens *t);

/* Fills `all`, of which the own rows are set. */
void gather_rows(struct decoder *d, void *all, const struct tokens *t);

/* All rows, of which `rows` are the own ones; valid until the next call. */
const void *gathered(struct decoder *d, const void *rows, const struct tokens *t);

/*
 * rows = the own ones of the sum over ranks of `partial`, all rows of it; where that is to be made:
 * partial_of(rows), which may be d->h; or rows = own_rows(partial).
 */
void *partial_of(const struct decoder *d, void *rows);
void sum_rows(struct decoder *d, void *rows, void *partial, const struct tokens *t);

/* y, own rows, = the sum over ranks of x W^T, + b. May use d->h. */
void linear_forward_sum(struct decoder *d, void *y, const void *x, int weight, int bias,
                        const struct tokens *t);

/*
 * Cross-entropy of a chunk, each rank with its rows of the head. part_targets fills d->part_targets
 * for those (not scored: -1). join_losses turns loss and log_z of the own part, where targets of
 * other ranks are not scored, into those of the whole vocabulary.
 */
void part_targets(const struct decoder *d, const int32_t *targets, int64_t rows, int32_t elsewhere);
void join_losses(struct decoder *d, const int32_t *targets, int64_t rows, double *loss,
                 double *log_z);

/* Sums what ranks have parts of in the gradients of tensors [begin, end): those of norms with
 * sequence parallelism, those of keys and values that several ranks hold. */
void tensor_sum_gradients(struct decoder *d, int begin, int end);

/*
 * rotary.c: table [positions][rotary_dim]; both directions in place on the queries and keys of qkv,
 * at the positions of the tokens in hand.
 */
void rotary_table(const struct config *c, const struct ops *ops, int64_t positions, void *cos_sin);
void rotary_apply(const struct decoder *d, void *qkv, bool inverse, int64_t tokens);

/* qk_norm.c: queries and keys of s->qkv in place; their gradients in d_qkv. Nothing without it. */
void qk_norm_carve(struct decoder *d);
void qk_norm_carve_layer(struct decoder *d, struct layer_state *s);
void qk_norm_forward(const struct decoder *d, const struct layer_state *s, int layer,
                     int64_t tokens);
void qk_norm_backward(const struct decoder *d, const struct layer_state *s, int layer, void *d_qkv,
                      int64_t tokens);

/* attention.c; _group: the arguments for a group of heads that both directions share. */
struct attention attention_group(const struct decoder *d, const struct layer_state *s,
                                 const struct tokens *t, int64_t sequence, int64_t head,
                                 int worker);
void attention_all_forward(struct decoder *d, const struct layer_state *s, int layer,
                           const struct tokens *t);
void attention_all_backward(struct decoder *d, const struct layer_state *s, const struct tokens *t,
                            const void *d_context, void *d_qkv);

/* ring.c: the same on a context rank; a failure is left in d->failed. */
void ring_carve(struct decoder *d);
void ring_forward(struct decoder *d, const struct layer_state *s, const struct tokens *t);
void ring_backward(struct decoder *d, const struct layer_state *s, const struct tokens *t,
                   const void *d_context, void *d_qkv);

/*
 * context.c: which tokens of a sequence are a context rank's. `local` is how many; token i of them
 * stands at context_position of the sequence, and context_tokens_before stand before `position`.
 * check_length: 0, or -1 with the nearest lengths that the ranks can share.
 */
int context_check_length(int context_size, int64_t length);
int64_t context_position(int context_size, int rank, int64_t local, int64_t i);
int64_t context_tokens_before(int context_size, int rank, int64_t local, int64_t position);
void context_carve(struct decoder *d);
int context_open(const struct decoder *d); /* collective; 0 or -1 */

/* This rank's tokens of a batch, valid until the next call; sets the positions and first keys. */
struct batch context_batch(const struct decoder *d, const struct batch *b);

/* The routers' sums of all layers, summed over the context ranks. Collective. 0 or -1. */
int context_sum_routers(const struct decoder *d, double *sums);

/* token_loss [sequences][length] of the whole batch on every rank. Collective. 0 or -1. */
int context_token_loss(const struct decoder *d, const struct batch *b, double *token_loss);

/*
 * mlp.c: inner [T][intermediate] from up [T][up], and back. Backward also gives inner again; d_up
 * may be up, and inner d_inner.
 */
void mlp_inner_forward(const struct decoder *d, void *inner, const void *up, int64_t tokens);
void mlp_inner_backward(const struct decoder *d, void *d_up, void *inner, const void *up,
                        const void *d_inner, int64_t tokens);

/*
 * moe.c, of layers with experts: memory, for counting and for taking: what is shared, and what a
 * layer keeps. forward: y [T][hidden], which may be h, is this tensor rank's part of the sum. again
 * redoes what was not kept. backward turns d_y into this tensor rank's part of the gradient of h, in
 * h's place, and adds those of the weights; space is [T][hidden], which may be d_y.
 */
struct moe *moe_new(const struct decoder *d);
void moe_free(struct moe *m);
void moe_carve(struct decoder *d);
void moe_carve_layer(struct decoder *d, struct moe_state *s);
void moe_forward(struct decoder *d, const struct moe_state *s, int layer, void *y, const void *h,
                 int64_t tokens);
void moe_again(struct decoder *d, const struct moe_state *s, int layer, const void *h,
               int64_t tokens);
void moe_backward(struct decoder *d, const struct moe_state *s, int layer, const void *d_y, void *h,
                  void *space, int64_t tokens);

/*
 * router.c: sums over the routers of a micro-batch, carried from layer to layer and, behind the
 * stream at a piece's border, from piece to piece: counts [experts], probabilities [experts] and
 * log_z^2. From those of all layers: the losses, and their gradients made ready for a micro-batch
 * that is `weight` of the loss.
 */
int64_t router_sums(const struct config *c);
void router_losses(const struct decoder *d, const double *sums, int64_t tokens, double *aux,
                   double *z);
void router_prepare(const struct decoder *d, const double *sums, int64_t tokens, double weight);

/* tensor.c: wide numbers of which every tensor rank has a part. */
void sum_parts(struct decoder *d, void *wide, int64_t n);

/* embedding.c: of a tensor rank, with the rows of its part of the vocabulary alone. */
void embedding_forward(const struct decoder *d, void *x, const uint32_t *ids, int64_t tokens);
void embedding_backward(const struct decoder *d, const void *dx, const uint32_t *ids,
                        int64_t tokens);

/*
 * loss.c: head and cross-entropy in chunks. backward: the head's gradient is added and d_h
 * [T][hidden] is the gradient of h. loss and log_z [T] are left in d.
 */
void loss_run(struct decoder *d, const void *h, void *d_h, const struct batch *b, int64_t tokens,
              double scale, double z, bool backward);

/*
 * layer.c: attention and MLP of layer i, whose state is s. forward: x is the stream before the
 * layer ahead's delta, which is added (NULL: s->x is set); leaves d->delta. backward turns d->d_x
 * into the gradient of s->x, after it has redone what was not kept; w NULL: with the gradients of
 * its products' weights, else these are left to layer_backward_weight. middle: from attention's
 * output in d->delta to x_mid and the second norm's output in d->h; mlp_forward: from d->h to
 * d->delta.
 */
void layer_middle(struct decoder *d, const struct layer_state *s, int i, const struct tokens *t);
void mlp_forward(struct decoder *d, const struct layer_state *s, int i, const struct tokens *t);
void layer_forward(struct decoder *d, const struct layer_state *s, int i, const void *x,
                   const struct tokens *t);
void layer_backward(struct decoder *d, const struct layer_state *s, int i, const struct tokens *t,
                    const struct weight_state *w);
void layer_backward_weight(struct decoder *d, const struct layer_state *s, int i,
                           const struct tokens *t, const struct weight_state *w);
struct norm_at layer_norm1(const struct decoder *d, const struct layer_state *s, int i);
struct norm_at layer_norm2(const struct decoder *d, const struct layer_state *s, int i);
struct norm_at final_norm_at(const struct decoder *d, const struct slot *s);

/* decoder.c: checks; positions and first keys of the batch in hand. */
int decoder_check_batch(const struct decoder *d, const struct batch *b);
void set_positions(const struct decoder *d, const struct batch *b);

/* The first key of a token at `index` of a sequence whose piece begins at `first`: a sliding window moves it. */
void set_first(const struct decoder *d, int64_t row, int32_t first, int32_t index);

#endif
