#include "checkpoint/names.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"

/* Which rows of our tensor a tensor of theirs holds. */
enum rows {
    ROWS_ALL,
    ROWS_HEADS, /* all, head by head (struct name_part) */
    ROWS_QUERY,
    ROWS_KEY,
    ROWS_VALUE,
    ROWS_GATE,
    ROWS_UP,
    ROWS_EXPERT_GATE,
    ROWS_EXPERT_UP,
    ROWS_SHARED_GATE,
    ROWS_SHARED_UP
};

/* The first '*' is the layer's number, the second the expert's. Rows of one name of ours stand
 * together, in row order. */
struct name_row {
    const char *ours, *theirs;
    enum rows rows;
    bool transposed;
};

static const struct name_row llama[] = {
    {"embedding.weight", "model.embed_tokens.weight", ROWS_ALL, false},
    {"layers.*.attention_norm.weight", "model.layers.*.input_layernorm.weight", ROWS_ALL, false},
    {"layers.*.attention.qkv.weight", "model.layers.*.self_attn.q_proj.weight", ROWS_QUERY, false},
    {"layers.*.attention.qkv.weight", "model.layers.*.self_attn.k_proj.weight", ROWS_KEY, false},
    {"layers.*.attention.qkv.weight", "model.layers.*.self_attn.v_proj.weight", ROWS_VALUE, false},
    {"layers.*.attention.qkv.bias", "model.layers.*.self_attn.q_proj.bias", ROWS_QUERY, false},
    {"layers.*.attention.qkv.bias", "model.layers.*.self_attn.k_proj.bias", ROWS_KEY, false},
    {"layers.*.attention.qkv.bias", "model.layers.*.self_attn.v_proj.bias", ROWS_VALUE, false},
    {"layers.*.attention.output.weight", "model.layers.*.self_attn.o_proj.weight", ROWS_ALL, false},
    {"layers.*.attention.output.bias", "model.layers.*.self_attn.o_proj.bias", ROWS_ALL, false},
    {"layers.*.mlp_norm.weight", "model.layers.*.post_attention_layernorm.weight", ROWS_ALL, false},
    {"layers.*.mlp.gate_up.weight", "model.layers.*.mlp.gate_proj.weight", ROWS_GATE, false},
    {"layers.*.mlp.gate_up.weight", "model.layers.*.mlp.up_proj.weight", ROWS_UP, false},
    {"layers.*.mlp.gate_up.bias", "model.layers.*.mlp.gate_proj.bias", ROWS_GATE, false},
    {"layers.*.mlp.gate_up.bias", "model.layers.*.mlp.up_proj.bias", ROWS_UP, false},
    {"layers.*.mlp.down.weight", "model.layers.*.mlp.down_proj.weight", ROWS_ALL, false},
    {"layers.*.mlp.down.bias", "model.layers.*.mlp.down_proj.bias", ROWS_ALL, false},
    {"final_norm.weight", "model.norm.weight", ROWS_ALL, false},
    {"head.weight", "lm_head.weight", ROWS_ALL, false},
    {NULL, NULL, ROWS_ALL, false},
};

/* What Mixtral has in the place of the MLP, */
static const struct name_row mixtral[] = {
    {"layers.*.mlp.router.weight", "model.layers.*.block_sparse_moe.gate.weight", ROWS_ALL, false},
    {"layers.*.mlp.experts.*.gate_up.weight", "model.layers.*.block_sparse_moe.experts.*.w1.weight",
     ROWS_EXPERT_GATE, false},
    {"layers.*.mlp.experts.*.gate_up.weight", "model.layers.*.block_sparse_moe.experts.*.w3.weight",
     ROWS_EXPERT_UP, false},
    {"layers.*.mlp.experts.*.down.weight", "model.layers.*.block_sparse_moe.experts.*.w2.weight",
     ROWS_ALL, false},
    {NULL, NULL, ROWS_ALL, false},
};

/* and Qwen, besides norms of its heads. */
static const struct name_row qwen[] = {
    {"layers.*.attention.query_norm.weight", "model.layers.*.self_attn.q_norm.weight", ROWS_ALL,
     false},
    {"layers.*.attention.key_norm.weight", "model.layers.*.self_attn.k_norm.weight", ROWS_ALL,
     false},
    {"layers.*.mlp.router.weight", "model.layers.*.mlp.gate.weight", ROWS_ALL, false},
    {"layers.*.mlp.experts.*.gate_up.weight", "model.layers.*.mlp.experts.*.gate_proj.weight",
     ROWS_EXPERT_GATE, false},
    {"layers.*.mlp.experts.*.gate_up.weight", "model.layers.*.mlp.experts.*.up_proj.weight",
     ROWS_EXPERT_UP, false},
    {"layers.*.mlp.experts.*.down.weight", "model.layers.*.mlp.experts.*.down_proj.weight",
     ROWS_ALL, false},
    {"layers.*.mlp.shared.gate_up.weight", "model.layers.*.mlp.shared_expert.gate_proj.weight",
     ROWS_SHARED_GATE, false},
    {"layers.*.mlp.shared.gate_up.weight", "model.layers.*.mlp.shared_expert.up_proj.weight",
     ROWS_SHARED_UP, false},
    {"layers.*.mlp.shared.down.weight", "model.layers.*.mlp.shared_expert.down_proj.weight",
     ROWS_ALL, false},
    {"layers.*.mlp.shared_gate.weight", "model.layers.*.mlp.shared_expert_gate.weight", ROWS_ALL,
     false},
    {NULL, NULL, ROWS_ALL, false},
};

/* Its matrices are of the class Conv1D, stored [in][out]. */
static const struct name_row gpt2[] = {
    {"embedding.weight", "transformer.wte.weight", ROWS_ALL, false},
    {"position.weight", "transformer.wpe.weight", ROWS_ALL, false},
    {"layers.*.attention_norm.weight", "transformer.h.*.ln_1.weight", ROWS_ALL, false},
    {"layers.*.attention_norm.bias", "transformer.h.*.ln_1.bias", ROWS_ALL, false},
    {"layers.*.attention.qkv.weight", "transformer.h.*.attn.c_attn.weight", ROWS_ALL, true},
    {"layers.*.attention.qkv.bias", "transformer.h.*.attn.c_attn.bias", ROWS_ALL, false},
    {"layers.*.attention.output.weight", "transformer.h.*.attn.c_proj.weight", ROWS_ALL, true},
    {"layers.*.attention.output.bias", "transformer.h.*.attn.c_proj.bias", ROWS_ALL, false},
    {"layers.*.mlp_norm.weight", "transformer.h.*.ln_2.weight", ROWS_ALL, false},
    {"layers.*.mlp_norm.bias", "transformer.h.*.ln_2.bias", ROWS_ALL, false},
    {"layers.*.mlp.up.weight", "transformer.h.*.mlp.c_fc.weight", ROWS_ALL, true},
    {"layers.*.mlp.up.bias", "transformer.h.*.mlp.c_fc.bias", ROWS_ALL, false},
    {"layers.*.mlp.down.weight", "transformer.h.*.mlp.c_proj.weight", ROWS_ALL, true},
    {"layers.*.mlp.down.bias", "transformer.h.*.mlp.c_proj.bias", ROWS_ALL, false},
    {"final_norm.weight", "transformer.ln_f.weight", ROWS_ALL, false},
    {"final_norm.bias", "transformer.ln_f.bias", ROWS_ALL, false},
    {"head.weight", "lm_head.weight", ROWS_ALL, false},
    {NULL, NULL, ROWS_ALL, false},
};

static const struct name_row neox[] = {
    {"embedding.weight", "gpt_neox.embed_in.weight", ROWS_ALL, false},
    {"layers.*.attention_norm.weight", "gpt_neox.layers.*.input_layernorm.weight", ROWS_ALL, false},
    {"layers.*.attention_norm.bias", "gpt_neox.layers.*.input_layernorm.bias", ROWS_ALL, false},
    {"layers.*.attention.qkv.weight", "gpt_neox.layers.*.attention.query_key_value.weight",
     ROWS_HEADS, false},
    {"layers.*.attention.qkv.bias", "gpt_neox.layers.*.attention.query_key_value.bias", ROWS_HEADS,
     false},
    {"layers.*.attention.output.weight", "gpt_neox.layers.*.attention.dense.weight", ROWS_ALL,
     false},
    {"layers.*.attention.output.bias", "gpt_neox.layers.*.attention.dense.bias", ROWS_ALL, false},
    {"layers.*.mlp_norm.weight", "gpt_neox.layers.*.post_attention_layernorm.weight", ROWS_ALL,
     false},
    {"layers.*.mlp_norm.bias", "gpt_neox.layers.*.post_attention_layernorm.bias", ROWS_ALL, false},
    {"layers.*.mlp.up.weight", "gpt_neox.layers.*.mlp.dense_h_to_4h.weight", ROWS_ALL, false},
    {"layers.*.mlp.up.bias", "gpt_neox.layers.*.mlp.dense_h_to_4h.bias", ROWS_ALL, false},
    {"layers.*.mlp.down.weight", "gpt_neox.layers.*.mlp.dense_4h_to_h.weight", ROWS_ALL, false},
    {"layers.*.mlp.down.bias", "gpt_neox.layers.*.mlp.dense_4h_to_h.bias", ROWS_ALL, false},
    {"final_norm.weight", "gpt_neox.final_layer_norm.weight", ROWS_ALL, false},
    {"final_norm.bias", "gpt_neox.final_layer_norm.bias", ROWS_ALL, false},
    {"head.weight", "embed_out.weight", ROWS_ALL, false},
    {NULL, NULL, ROWS_ALL, false},
};

/* Buffers that a state dictionary carried once. */
static const char *const llama_buffers[] = {"*.rotary_emb.inv_freq", NULL};
static const char *const gpt2_buffers[] = {"*.attn.bias", "*.attn.masked_bias", NULL};
static const char *const neox_buffers[] = {"*.attention.bias", "*.attention.masked_bias",
                                           "*.rotary_emb.inv_freq", NULL};

static const struct {
    const struct name_row *rows, *more; /* more: NULL, or a second table */
    const char *const *buffers;
    const char *optional_prefix, *head;
} families[FAMILIES] = {
    [FAMILY_LLAMA] = {llama, NULL, llama_buffers, "", "lm_head.weight"},
    [FAMILY_GPT2] = {gpt2, NULL, gpt2_buffers, "transformer.", "lm_head.weight"},
    [FAMILY_MIXTRAL] = {llama, mixtral, llama_buffers, "", "lm_head.weight"},
    [FAMILY_QWEN] = {llama, qwen, llama_buffers, "", "lm_head.weight"},
    [FAMILY_NEOX] = {neox, NULL, neox_buffers, "gpt_neox.", "embed_out.weight"},
};

/* Writes the pattern with the layer's and the expert's number for its stars. */
static void
put_name(char *out, size_t size, const char *pattern, const struct param *p)
{
    int number[] = {p->layer, p->expert};
    size_t n = 0, stars = 0;

    for (; *pattern && n + 1 < size; pattern++) {
        if (*pattern == '*' && stars < 2)
            n += (size_t)snprintf(out + n, size - n, "%d", number[stars++]);
        else
            out[n++] = *pattern;
    }
    out[n < size ? n : size - 1] = '\0';
}

/* Most patterns differ from a name behind the layer's number, without a look at the number. */
static bool
is_name(const char *pattern, const struct param *p)
{
    char name[sizeof p->name];
    const char *star = strchr(pattern, '*');
    size_t before = star ? (size_t)(star - pattern) : strlen(pattern);

    if ((star != NULL) != (p->layer >= 0) || strncmp(pattern, p->name, before) != 0)
        return false;
    put_name(name, sizeof name, pattern, p);
    return strcmp(name, p->name) == 0;
}

/* The elements of a vector count as its rows. */
static void
set_rows(struct name_part *part, const struct config *c, const struct param *p, enum rows rows)
{
    int64_t query = c->num_attention_heads * c->head_dim;
    int64_t key = c->num_key_value_heads * c->head_dim, up = c->intermediate_size;
    int64_t expert = c->moe_intermediate_size, shared = c->shared_intermediate_size;
    const struct {
        int64_t first, rows;
    } range[] = {
        [ROWS_ALL] = {0, part->vector ? p->size : p->rows},
        [ROWS_HEADS] = {0, part->vector ? p->size : p->rows},
        [ROWS_QUERY] = {0, query},
        [ROWS_KEY] = {query, key},
        [ROWS_VALUE] = {query + key, key},
        [ROWS_GATE] = {0, up},
        [ROWS_UP] = {up, up},
        [ROWS_EXPERT_GATE] = {0, expert},
        [ROWS_EXPERT_UP] = {expert, expert},
        [ROWS_SHARED_GATE] = {0, shared},
        [ROWS_SHARED_UP] = {shared, shared},
    };
    part->first = range[rows].first;
    part->rows = range[rows].rows;
}

static int
add_parts(const struct name_row *rows, const struct config *c, const struct param *p, int n,
          struct name_part *out)
{
    for (const struct name_row *r = rows; r && r->ours && n < NAME_PARTS; r++) {
        if (!is_name(r->ours, p))
            continue;
        struct name_part *part = &out[n++];
        *part = (struct name_part){.transposed = r->transposed};
        part->vector = p->kind == PARAM_NORM || p->kind == PARAM_BIAS;
        part->columns = part->vector ? 1 : p->columns;
        put_name(part->name, sizeof part->name, r->theirs, p);
        part->heads = r->rows == ROWS_HEADS ? c->num_attention_heads : 0;
        set_rows(part, c, p, r->rows);
    }
    return n;
}

int
names_parts(const struct config *c, const struct param *p, struct name_part out[NAME_PARTS])
{
    int n = add_parts(families[c->family].rows, c, p, 0, out);

    return add_parts(families[c->family].more, c, p, n, out);
}

int64_t
names_run(const struct name_part *part, int64_t first, int64_t n, int64_t *theirs)
{
    *theirs = first;
    if (part->heads == 0)
        return n;
    int64_t block = part->rows / (3 * part->heads) * part->columns; /* of one head's queries, say */
    int64_t at = first / block, in = first % block;
    int64_t kind = at / part->heads, head = at % part->heads;

    *theirs = (head * 3 + kind) * block + in;
    return n < block - in ? n : block - in;
}

bool
names_ignored(const struct config *c, const char *name)
{
    if (c->tie_word_embeddings && strcmp(name, families[c->family].head) == 0)
        return true;
    for (const char *const *b = families[c->family].buffers; *b; b++)
        if (glob_match(*b, name))
            return true;
    return false;
}

const char *
names_optional_prefix(const struct config *c)
{
    return families[c->family].optional_prefix;
}
