#include "checkpoint/names.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"

/* Which rows of our tensor a tensor of theirs holds. */
enum rows { ROWS_ALL, ROWS_QUERY, ROWS_KEY, ROWS_VALUE, ROWS_GATE, ROWS_UP };

/* '*' is the layer's number. Rows of one name of ours stand together, in row order. */
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

/* Buffers that a state dictionary carried once. */
static const char *const llama_buffers[] = {"*.rotary_emb.inv_freq", NULL};
static const char *const gpt2_buffers[] = {"*.attn.bias", "*.attn.masked_bias", NULL};

static const struct {
    const struct name_row *rows;
    const char *const *buffers;
    const char *optional_prefix;
} families[FAMILIES] = {
    [FAMILY_LLAMA] = {llama, llama_buffers, ""},
    [FAMILY_GPT2] = {gpt2, gpt2_buffers, "transformer."},
};

/* Is name the pattern with this layer's number for '*'? */
static bool
is_name(const char *pattern, int layer, const char *name)
{
    const char *star = strchr(pattern, '*');
    char number[16];
    if (!star)
        return strcmp(pattern, name) == 0;
    size_t before = (size_t)(star - pattern);
    size_t n = (size_t)snprintf(number, sizeof number, "%d", layer);
    return layer >= 0 && strncmp(name, pattern, before) == 0 &&
           strncmp(name + before, number, n) == 0 && strcmp(name + before + n, star + 1) == 0;
}

static void
set_name(struct name_part *part, const char *pattern, int layer)
{
    const char *star = strchr(pattern, '*');
    if (star)
        snprintf(part->name, sizeof part->name, "%.*s%d%s", (int)(star - pattern), pattern, layer,
                 star + 1);
    else
        snprintf(part->name, sizeof part->name, "%s", pattern);
}

/* The elements of a vector count as its rows. */
static void
set_rows(struct name_part *part, const struct config *c, const struct param *p, enum rows rows)
{
    int64_t query = c->num_attention_heads * c->head_dim;
    int64_t key = c->num_key_value_heads * c->head_dim, up = c->intermediate_size;
    const struct {
        int64_t first, rows;
    } range[] = {
        [ROWS_ALL] = {0, part->vector ? p->size : p->rows},
        [ROWS_QUERY] = {0, query},
        [ROWS_KEY] = {query, key},
        [ROWS_VALUE] = {query + key, key},
        [ROWS_GATE] = {0, up},
        [ROWS_UP] = {up, up},
    };
    part->first = range[rows].first;
    part->rows = range[rows].rows;
}

int
names_parts(const struct config *c, const struct param *p, struct name_part out[NAME_PARTS])
{
    int n = 0;
    for (const struct name_row *r = families[c->family].rows; r->ours && n < NAME_PARTS; r++) {
        if (!is_name(r->ours, p->layer, p->name))
            continue;
        struct name_part *part = &out[n++];
        *part = (struct name_part){.transposed = r->transposed};
        part->vector = p->kind == PARAM_NORM || p->kind == PARAM_BIAS;
        part->columns = part->vector ? 1 : p->columns;
        set_name(part, r->theirs, p->layer);
        set_rows(part, c, p, r->rows);
    }
    return n;
}

bool
names_ignored(const struct config *c, const char *name)
{
    if (c->tie_word_embeddings && strcmp(name, "lm_head.weight") == 0)
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
