#ifndef MODEL_PARAMS_H
#define MODEL_PARAMS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/threads.h"
#include "model/config.h"

/*
 * The parameter table: every tensor of a model in the order that defines slices,
 * hashes, norms and checkpoints. All of it lies in one flat array; a tensor begins at
 * a multiple of 16 elements, the gap is zero. Our names:
 *
 *   embedding.weight [vocab][hidden]            position.weight [positions][hidden]
 *   layers.N.attention_norm.weight/.bias [hidden]
 *   layers.N.attention.qkv.weight/.bias [(heads + 2 kv_heads) head_dim][hidden]: query rows, key
 * rows, value rows layers.N.attention.output.weight/.bias [hidden][heads head_dim]
 *   layers.N.mlp_norm.weight/.bias [hidden]
 *   layers.N.mlp.gate_up.weight/.bias [2 intermediate][hidden]: gate rows, up rows (SwiGLU)
 *   layers.N.mlp.up.weight/.bias [intermediate][hidden] (GELU)
 *   layers.N.mlp.down.weight/.bias [hidden][intermediate]
 *   layers.N.attention.query_norm.weight, key_norm.weight [head_dim] (QK-norm, before output)
 *   layers.N.mlp.router.weight [experts][hidden], of a layer with experts, and in the MLP's place:
 *   layers.N.mlp.experts.E.gate_up.weight [2 inner][hidden], .down.weight [hidden][inner], each E
 *   layers.N.mlp.shared.gate_up.weight [2 shared][hidden], .down.weight [hidden][shared]
 *   layers.N.mlp.shared_gate.weight [1][hidden]
 *   layers.N.attention.qkv.lora_a [targets rank][hidden], .lora_b [rows of the targets][rank], and the
 * same of attention.output, mlp.gate_up (mlp.up) and mlp.down: adapters, behind the layer's others
 *   final_norm.weight/.bias [hidden]            head.weight [vocab][hidden] (untied)
 */
enum param_kind { PARAM_MATRIX, PARAM_EMBEDDING, PARAM_NORM, PARAM_BIAS };

/*
 * The part of a model that one rank holds. A piece is what is computed in one go: layers
 * [begin, end), the embeddings before them, the final norm and the head behind them. Pieces
 * ascend and do not overlap. {0}: the whole model.
 */
struct model_piece {
    int begin, end;
    bool embedding, head;
};
struct model_part {
    const struct model_piece *piece; /* NULL: one piece, the whole model */
    int pieces;
    int tensor_rank, tensor_size; /* size 0 is 1, as below */
    int expert_rank, expert_size;
};

/*
 * Rows (of a vector: elements) [local, local + count) of a tensor of the part are rows [whole, whole + count) of the
 * whole tensor. counted: of the ranks that hold these rows this one counts them in norms and
 * writes them (norms, and key/value heads of which there are fewer than tensor ranks, are held
 * by several).
 */
struct row_run {
    int64_t local, whole, count;
    bool counted;
};

/* Where a tensor of the part lies in the whole tensor: some of its rows, or some of its columns. */
struct place_in_whole {
    int index;             /* in the whole model's table */
    int64_t rows, columns; /* of the whole tensor */
    int64_t column;        /* its first column there */
    struct row_run run[3]; /* queries, keys, values; gate, up; else one */
    int runs;
};

/*
 * Adapters of a linear map's weight (struct lora): part k adds to elements [row, row + rows) of the
 * output. Its A is rows [k rank, (k + 1) rank) of tensor a, its B rows [at, at + rows) of tensor b.
 */
enum { ADAPTER_PARTS = 3 };
struct adapters {
    int a, b, parts; /* parts 0: there are none */
    struct {
        int64_t row, rows, at;
    } part[ADAPTER_PARTS];
};

struct param {
    char name[64];
    enum param_kind kind;  /* matrices and embeddings have an act copy and decay */
    bool decay;            /* weight decay applies (DESIGN.md: not to norms and biases) */
    bool frozen;           /* it is not trained: it has no gradient, norm, reduction or update */
    bool residual_output;  /* attention.output and mlp.down, for depth-scaled initialization */
    int layer;             /* -1: none */
    int expert;            /* -1: none */
    int64_t rows, columns; /* vectors: rows = 1 */
    int64_t offset, size;  /* elements in the flat array */
    int64_t vector;        /* norms, biases: offset in the array of those alone; else -1 */
    int64_t block; /* number of its first block (params_block) */
    struct place_in_whole whole;
    struct adapters adapters;
    char adapter; /* 'a', 'b': it is such a tensor; else 0 */
};

/* Where each tensor of one layer is: index into the table, -1 when absent (all of them in a layer
 * that the part does not hold). */
struct layer_params {
    int attention_norm, attention_norm_bias, qkv, qkv_bias, output, output_bias;
    int query_norm, key_norm;
    int mlp_norm, mlp_norm_bias, up, up_bias, down, down_bias; /* up: gate_up for SwiGLU */
    int router, experts; /* experts: gate_up of the first held one; its down, and the next ones' follow */
    int shared_up, shared_down, shared_gate;
};

struct params {
    struct param *param;
    int count;
    struct layer_params *layer;                                 /* [num_hidden_layers] */
    /* -1: absent. head == embedding when tied, also where a part holds it as the head alone. */
    int embedding, position, final_norm, final_norm_bias, head;
    int64_t elements;   /* of the flat array, gaps included */
    int64_t parameters; /* without gaps */
    /*
     * A gradient array has grad_elements >= elements: when the embedding is tied, the
     * gradient of its use as an input (sparse) is kept apart at tied_offset, [vocab][hidden], and
     * is added to the dense one (head) once, after both were reduced. tied_offset -1: not tied,
     * or the part has only one of the two uses.
     */
    int64_t tied_offset, grad_elements;
    bool tied;       /* the model's embedding and head are one tensor */
    int64_t vectors; /* elements of the array of norms and biases (each from a multiple of 16) */
    int expert_begin, expert_end; /* of every layer with experts */
};

/* A norm or bias: one row, never in act. */
static inline bool
params_is_vector(const struct param *t)
{
    return t->kind == PARAM_NORM || t->kind == PARAM_BIAS;
}

/* Is parameter i a weight of a matrix product, whose gradient is one, too (see struct batch)? */
static inline bool
params_in_product(const struct params *p, int i)
{
    return p->param[i].kind == PARAM_MATRIX || i == p->head;
}

enum { NORM_BLOCK = 16384 }; /* elements of one block of gradient norms, ZeRO slices and hashes */

int params_init(struct params *p, const struct config *c);

/*
 * The table of a part: the tensors it holds, in the order of the whole table, cut for its tensor
 * rank: query, key and value heads, rows of gate and up, columns of output and down, rows of
 * embedding and head (as even as can be, no padding). -1 (STATUS_INPUT): tensor_size does not
 * divide the heads or the MLP, or expert_size the experts; says what does.
 */
int params_init_part(struct params *p, const struct config *c, const struct model_part *part);

/*
 * Blocks: at most NORM_BLOCK elements within a run of rows of a tensor, in table order: what
 * norms, slices and hashes are made of. In a whole table these are the blocks of DESIGN.md §9.
 */
struct param_block {
    int param, run;
    int64_t offset, size; /* elements in the flat array */
    int64_t number;       /* within the run, from 0 */
};
int64_t params_blocks(const struct params *p);
void params_number_blocks(struct params *p); /* fills in param.block; params_init does it */
void params_block(const struct params *p, int64_t block, struct param_block *out);

/*
 * Elements of a part as they lie in the whole tensor `param` (of the whole table): `repeat` runs
 * of `count` elements, the first at `offset` of it, each `stride` behind the one before; in the
 * part's flat array they follow one another from `local` on.
 */
struct extent {
    int param;
    int64_t offset, count, repeat, stride, local;
};

/* The extents of block `block`: at most 3. Returns how many. */
enum { BLOCK_EXTENTS = 3 };
int params_block_extents(const struct params *p, int64_t block, struct extent out[BLOCK_EXTENTS]);

/* Parameters of a whole model that one token uses: of the experts those that it is sent to. */
int64_t params_active(const struct params *p, const struct config *c);

void params_release(struct params *p);
int params_find(const struct params *p, const char *name); /* index or -1 */

/*
 * Fills the flat wide array: normal(0, initializer_range), keyed by (seed, tensor name,
 * element index); norms 1, biases 0; adapters' A uniform in ±1/sqrt(in), as PEFT has it, their B 0;
 * residual outputs scaled by 1/sqrt(2 layers) as the method says: INIT_MODEL for GPT-2 alone.
 * std <= 0: the configuration's. pool may be NULL; threads do not matter.
 */
enum init_method { INIT_MODEL, INIT_STANDARD, INIT_DEPTH_SCALED };
struct params_init {
    uint64_t seed;
    double std;
    enum init_method method;
};
void params_fill(struct threads *pool, const struct param *t, const struct config *c,
                 const struct params_init *how, int64_t begin, int64_t n,
                 float *out); /* elements [begin, begin + n) of t */
void params_initialize(struct threads *pool, const struct params *p, const struct config *c,
                       uint64_t seed, double std, float *master);

#endif
