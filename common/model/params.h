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
 *   final_norm.weight/.bias [hidden]            head.weight [vocab][hidden] (untied)
 */
enum param_kind { PARAM_MATRIX, PARAM_EMBEDDING, PARAM_NORM, PARAM_BIAS };

struct param {
    char name[64];
    enum param_kind kind;  /* matrices and embeddings have an act copy and decay */
    bool decay;            /* weight decay applies (DESIGN.md: not to norms and biases) */
    bool residual_output;  /* attention.output and mlp.down, for depth-scaled initialization */
    int layer;             /* -1: none */
    int64_t rows, columns; /* vectors: rows = 1 */
    int64_t offset, size;  /* elements in the flat array */
};

/* Where each tensor of one layer is: index into the table, -1 when absent. */
struct layer_params {
    int attention_norm, attention_norm_bias, qkv, qkv_bias, output, output_bias;
    int mlp_norm, mlp_norm_bias, up, up_bias, down, down_bias; /* up: gate_up for SwiGLU */
};

struct params {
    struct param *param;
    int count;
    struct layer_params *layer;                                 /* [num_hidden_layers] */
    int embedding, position, final_norm, final_norm_bias, head; /* head == embedding when tied */
    int64_t elements;   /* of the flat array, gaps included */
    int64_t parameters; /* without gaps */
    /*
     * A gradient array has grad_elements >= elements: when the embedding is tied, the
     * gradient of its use as an input (sparse) is kept apart at tied_offset, [vocab][hidden], and
     * is added to the dense one (head) once, after both were reduced. tied_offset -1: not tied.
     */
    int64_t tied_offset, grad_elements;
};

/* Is parameter i a weight of a matrix product, whose gradient is one, too (see struct batch)? */
static inline bool
params_in_product(const struct params *p, int i)
{
    return p->param[i].kind == PARAM_MATRIX || i == p->head;
}

enum { NORM_BLOCK = 16384 }; /* elements of one block of gradient norms, ZeRO slices and hashes */

int params_init(struct params *p, const struct config *c);
void params_release(struct params *p);
int params_find(const struct params *p, const char *name); /* index or -1 */

/*
 * Fills the flat wide array: normal(0, initializer_range), keyed by (seed, tensor name,
 * element index); norms 1, biases 0; residual outputs scaled by 1/sqrt(2 layers) for
 * GPT-2. std <= 0: the configuration's. pool may be NULL; threads do not matter.
 */
void params_initialize(struct threads *pool, const struct params *p, const struct config *c,
                       uint64_t seed, double std, float *master);

#endif
