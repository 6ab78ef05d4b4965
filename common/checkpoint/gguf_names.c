#include "checkpoint/gguf_names.h"

#include <stdio.h>
#include <string.h>

/* Which rows of our tensor a tensor of theirs holds. */
enum rows { ALL, QUERY, KEY, VALUE, GATE, UP };

/*
 * Ours begins a line per part, in row order; '*' is the layer's number, then the expert's. The
 * ending .weight or .bias is the same in both.
 */
static const struct gguf_name {
    const char *ours, *theirs;
    enum rows rows;
} names[] = {
    {"embedding", "token_embd", ALL},
    {"position", "position_embd", ALL},
    {"final_norm", "output_norm", ALL},
    {"head", "output", ALL},
    {"layers.*.attention_norm", "blk.*.attn_norm", ALL},
    {"layers.*.attention.qkv", "blk.*.attn_q", QUERY},
    {"layers.*.attention.qkv", "blk.*.attn_k", KEY},
    {"layers.*.attention.qkv", "blk.*.attn_v", VALUE},
    {"layers.*.attention.output", "blk.*.attn_output", ALL},
    {"layers.*.attention.query_norm", "blk.*.attn_q_norm", ALL},
    {"layers.*.attention.key_norm", "blk.*.attn_k_norm", ALL},
    {"layers.*.mlp_norm", "blk.*.ffn_norm", ALL},
    {"layers.*.mlp.gate_up", "blk.*.ffn_gate", GATE},
    {"layers.*.mlp.gate_up", "blk.*.ffn_up", UP},
    {"layers.*.mlp.up", "blk.*.ffn_up", ALL},
    {"layers.*.mlp.down", "blk.*.ffn_down", ALL},
    {"layers.*.mlp.router", "blk.*.ffn_gate_inp", ALL},
    {"layers.*.mlp.experts.*.gate_up", "blk.*.ffn_gate_exps", GATE},
    {"layers.*.mlp.experts.*.gate_up", "blk.*.ffn_up_exps", UP},
    {"layers.*.mlp.experts.*.down", "blk.*.ffn_down_exps", ALL},
    {"layers.*.mlp.shared.gate_up", "blk.*.ffn_gate_shexp", GATE},
    {"layers.*.mlp.shared.gate_up", "blk.*.ffn_up_shexp", UP},
    {"layers.*.mlp.shared.down", "blk.*.ffn_down_shexp", ALL},
    {"layers.*.mlp.shared_gate", "blk.*.ffn_gate_inp_shexp", ALL},
};
enum { NAMES = sizeof names / sizeof *names };

/* Families that keep queries, keys and values in one tensor, as we do. */
static const struct gguf_name whole = {"layers.*.attention.qkv", "blk.*.attn_qkv", ALL};

static const struct {
    const char *model_type, *architecture;
} architectures[] = {
    {"llama", "llama"},        {"mistral", "llama"}, {"mixtral", "llama"},
    {"qwen2", "qwen2"},        {"qwen3", "qwen3"},   {"qwen2_moe", "qwen2moe"},
    {"qwen3_moe", "qwen3moe"}, {"gpt2", "gpt2"},     {"gpt_neox", "gptneox"},
};

const char *
gguf_architecture(const struct config *c)
{
    for (size_t i = 0; i < sizeof architectures / sizeof *architectures; i++)
        if (strcmp(architectures[i].model_type, c->model_type) == 0)
            return architectures[i].architecture;
    return NULL;
}

static bool
one_qkv(const struct config *c)
{
    return strcmp(c->model_type, "gpt2") == 0 || strcmp(c->model_type, "gpt_neox") == 0;
}

/* Writes the pattern with the numbers for its stars, and `ending`. */
static void
put_name(char *out, size_t size, const char *pattern, const struct param *p, const char *ending)
{
    int number[] = {p->layer, p->expert};
    size_t n = 0, stars = 0;

    for (; *pattern && n + 1 < size; pattern++) {
        if (*pattern == '*' && stars < 2)
            n += (size_t)snprintf(out + n, size - n, "%d", number[stars++]);
        else
            out[n++] = *pattern;
    }
    if (n < size)
        snprintf(out + n, size - n, "%s", ending);
}

/* ".weight" or ".bias". */
static const char *
ending_of(const struct param *p)
{
    const char *dot = strrchr(p->name, '.');
    return dot ? dot : "";
}

static bool
is_name(const char *pattern, const struct param *p)
{
    char name[sizeof p->name];
    size_t before = strcspn(pattern, "*");
    if ((pattern[before] == '*') != (p->layer >= 0) || strncmp(pattern, p->name, before) != 0)
        return false;
    put_name(name, sizeof name, pattern, p, ending_of(p));
    return strcmp(name, p->name) == 0;
}

static void
set_rows(struct gguf_part *part, const struct config *c, const struct param *p, enum rows rows)
{
    int64_t all = part->vector ? p->size : p->rows;
    int64_t query = c->num_attention_heads * c->head_dim;
    int64_t key = c->num_key_value_heads * c->head_dim;
    const struct {
        int64_t first, rows;
    } range[] = {[ALL] = {0, all},      [QUERY] = {0, query},
                 [KEY] = {query, key},  [VALUE] = {query + key, key},
                 [GATE] = {0, all / 2}, [UP] = {all / 2, all / 2}};
    part->first = range[rows].first;
    part->rows = range[rows].rows;
}

static void
set_part(struct gguf_part *part, const struct config *c, const struct param *p,
         const struct gguf_name *name)
{
    bool permuted = strcmp(gguf_architecture(c), "llama") == 0 &&
                    (name->rows == QUERY || name->rows == KEY);
    *part = (struct gguf_part){.head = permuted ? c->head_dim : 0, .expert = -1};
    part->vector = params_is_vector(p);
    part->columns = part->vector ? 1 : p->columns;
    if (strstr(name->ours, ".experts."))
        part->expert = p->expert;
    put_name(part->name, sizeof part->name, name->theirs, p, ending_of(p));
    set_rows(part, c, p, name->rows);
    /* a matrix of one row, which llama.cpp squeezes */
    if (strstr(name->theirs, "_inp_shexp")) {
        part->vector = true;
        part->rows = p->size;
        part->columns = 1;
    }
}

int
gguf_parts(const struct config *c, const struct param *p, struct gguf_part out[GGUF_PARTS])
{
    int n = 0;

    if (one_qkv(c) && is_name(whole.ours, p)) {
        set_part(&out[0], c, p, &whole);
        return 1;
    }
    for (int i = 0; i < NAMES && n < GGUF_PARTS; i++)
        if (is_name(names[i].ours, p))
            set_part(&out[n++], c, p, &names[i]);
    return n;
}
