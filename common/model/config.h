#ifndef MODEL_CONFIG_H
#define MODEL_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "kernels/kernels.h"

/*
 * What a config.json says, as data: one decoder serves every family through these
 * switches. Names are those of Hugging Face. Old and new keys are read
 * (rope_theta and rope_parameters, torch_dtype and dtype). What a file asks for and
 * the decoder does not do is refused by name, and so is an impossible value. Missing
 * keys have the defaults of transformers 5. Dropout is not done (its keys are for training
 * there); of a list of eos_token_id the first counts.
 */
enum family { FAMILY_LLAMA, FAMILY_GPT2, FAMILY_MIXTRAL, FAMILY_QWEN, FAMILY_NEOX, FAMILIES };
enum norm { NORM_RMS, NORM_LAYER };
enum position { POSITION_ROTARY, POSITION_LEARNED };
enum mlp { MLP_SWIGLU, MLP_GELU };
enum rope_scaling {
    ROPE_DEFAULT,
    ROPE_LINEAR,
    ROPE_LLAMA3,
    ROPE_DYNAMIC,
    ROPE_YARN,
    ROPE_LONGROPE,
    ROPE_PROPORTIONAL
};

/* Bounds that keep every product of sizes within 63 bits. */
enum {
    CONFIG_MAX_VOCAB = 1 << 24,
    CONFIG_MAX_HIDDEN = 1 << 18,
    CONFIG_MAX_INTERMEDIATE = 1 << 20,
    CONFIG_MAX_LAYERS = 1 << 12,
    CONFIG_MAX_HEADS = 1 << 13,
    CONFIG_MAX_HEAD_DIM = 1 << 12,
    CONFIG_MAX_POSITIONS = 1 << 26,
    CONFIG_MAX_EXPERTS = 1 << 10
};

/*
 * Low-rank adapters (Hu et al., 2021, "LoRA"; names and meaning as in Hugging Face's PEFT): beside
 * the linear map y = x W^T of a target stands (alpha / rank) (x A^T) B^T, with A [rank][in] and B
 * [out][rank]. A target is a module of Hugging Face's model: a run of rows of ours.
 */
enum lora_target {
    LORA_QUERY = 1 << 0,
    LORA_KEY = 1 << 1,
    LORA_VALUE = 1 << 2,
    LORA_QKV = 1 << 3, /* all three as one module: GPT-2, GPT-NeoX */
    LORA_OUTPUT = 1 << 4,
    LORA_GATE = 1 << 5,
    LORA_UP = 1 << 6,
    LORA_DOWN = 1 << 7
};
struct lora {
    int64_t rank; /* 0: there are none */
    double alpha;
    unsigned targets; /* of enum lora_target */
};
enum { LORA_MAX_RANK = 4096 };

struct config {
    enum family family;
    char model_type[32]; /* "llama", "mistral", "gpt2", "gpt_neox", "mixtral", "qwen2", ... */
    int64_t vocab_size, hidden_size, intermediate_size, num_hidden_layers;
    int64_t num_attention_heads, num_key_value_heads, head_dim, max_position_embeddings;
    enum norm norm;
    double norm_eps;
    enum position position;
    double rope_theta;
    int64_t rotary_dim; /* <= head_dim, even */
    double rope_partial; /* partial_rotary_factor: of head_dim; 1 but in GPT-NeoX and proportional scaling */
    enum rope_scaling rope_scaling;
    double rope_factor, rope_low_freq_factor, rope_high_freq_factor;
    double rope_beta_fast, rope_beta_slow; /* yarn */
    bool rope_truncate;
    double rope_attention_factor;       /* of cosines and sines; 0 is 1 */
    double *rope_divisors;              /* longrope, owned: [2][rotary_dim / 2], short, then long */
    int64_t rope_original_max_position;
    enum mlp mlp;
    enum gelu gelu;
    const char *gelu_name; /* "gelu_new": as the file calls it */
    bool attention_bias, output_bias, mlp_bias, norm_bias, tie_word_embeddings;
    bool qk_norm;           /* an RMS norm of each query and key head, before rotary */
    bool parallel_residual; /* the MLP reads the stream that enters the layer, not attention's sum */
    int64_t sliding_window; /* 0: none */
    uint64_t full_attention[CONFIG_MAX_LAYERS / 64]; /* a bit a layer: it has no window all the same */
    /*
     * Layers of experts (config_sparse says which) have, instead of the MLP of
     * intermediate_size, a router and num_experts MLPs of moe_intermediate_size, of which each
     * token uses num_experts_per_tok, weighted by the softmax of the router's logits (norm_topk_prob:
     * over the chosen ones alone), and one of shared_intermediate_size (0: none) that all use,
     * times the sigmoid of a gate of its own.
     */
    int64_t num_experts; /* 0: no such layers */
    int64_t num_experts_per_tok, moe_intermediate_size, shared_intermediate_size;
    bool norm_topk_prob;
    double router_aux_loss_coef;
    int64_t decoder_sparse_step;
    uint64_t mlp_only[CONFIG_MAX_LAYERS / 64]; /* a bit a layer: mlp_only_layers */
    double initializer_range;
    int64_t bos_token_id, eos_token_id, pad_token_id; /* -1: none */
    struct lora lora; /* the member "lora" of a checkpoint's config.json, not of Hugging Face's */
    char *json; /* the file's text, owned: checkpoints copy it */
};

/*
 * Reads a config.json; name is for messages. 0, or -1 (STATUS_INPUT names key, value and
 * what was expected).
 */
int config_load(struct config *c, const char *path);
int config_parse(struct config *c, const char *name, const char *json, size_t n);
void config_release(struct config *c);

/*
 * The same model, with a json text in any case. config_with: where one member of it has another value
 * (owned by the call; NULL: it is not there). 0 or -1.
 */
struct json_t;
int config_copy(struct config *to, const struct config *from);
int config_with(struct config *to, const struct config *from, const char *key, struct json_t *value);

/*
 * Can the model be computed at positions [0, length)? Not beyond learned ones; nor, as inference here
 * does not turn keys again, where the frequencies depend on how long the text has become: with
 * dynamic scaling beyond max_position_embeddings, with longrope beyond
 * original_max_position_embeddings. 0, or -1 (STATUS_INPUT says which).
 */
int config_check_length(const struct config *c, int64_t length);

/* Does layer i have the sliding window? Have some layers it and others not? */
bool config_windowed(const struct config *c, int64_t i);
bool config_mixed_windows(const struct config *c);

/* Does layer i have experts? How many such layers there are. */
bool config_sparse(const struct config *c, int64_t i);
int64_t config_sparse_layers(const struct config *c);

/*
 * Appends a config.json that transformers 5 reads, with the values of c: dtype "float32",
 * "bfloat16" or "float16"; special ids that are < 0 are left out.
 */
void config_write(const struct config *c, const char *dtype, struct str *out);

/*
 * config_lora.c. Modules by their names, "q_proj,v_proj", or "all-linear": all but the head.
 * lora_targets: 0 or -1 (STATUS_USAGE: names that there are). lora_name: the k-th module's that is
 * among `targets`, or NULL. config_set_lora: the same model with other adapters (rank 0: none), also
 * in its json. 0 or -1.
 */
int lora_targets(const struct config *c, const char *names, unsigned *targets);
const char *lora_name(const struct config *c, unsigned targets, int k);
int config_set_lora(struct config *c, const struct lora *l);

/* Appends the figures in which a and b would not fit the same weights; true when none. */
bool config_same_shape(const struct config *a, const struct config *b, struct str *why);

#endif
