/*
 * GPT-NeoX's fused queries, keys and values: ours [3][heads][head_dim] rows, theirs
 * [heads][3][head_dim] (modeling_gpt_neox.py of transformers 5: view(…, heads, 3 head_dim), then
 * chunk(3)). Element by element, and in runs cut anywhere.
 */
#include "base/err.h"
#include "checkpoint/names.h"
#include "tests/unit/tap.h"

enum { HEADS = 3, DIM = 4, HIDDEN = HEADS * DIM };

static const char neox[] =
    "{\"model_type\":\"gpt_neox\",\"vocab_size\":37,\"hidden_size\":12,\"intermediate_size\":20,"
    "\"num_hidden_layers\":2,\"num_attention_heads\":3,\"rotary_pct\":1}";

/* Where element e of ours stands in theirs, by the definition. */
static int64_t
place(int64_t e, int64_t columns)
{
    int64_t row = e / columns, kind = row / HIDDEN, head = row % HIDDEN / DIM;

    return ((head * 3 + kind) * DIM + row % DIM) * columns + e % columns;
}

static bool
runs_agree(const struct name_part *part, int64_t first, int64_t n)
{
    for (int64_t run, at; n > 0; first += run, n -= run) {
        run = names_run(part, first, n, &at);
        if (run < 1 || run > n)
            return false;
        for (int64_t i = 0; i < run; i++)
            if (at + i != place(first + i, part->columns))
                return false;
    }
    return true;
}

static void
test_part(const struct config *c, const struct params *p, const char *name, const char *theirs,
          bool vector)
{
    struct name_part part[NAME_PARTS];
    const struct param *t = &p->param[params_find(p, name)];

    is_int(names_parts(c, t, part), 1, "%s: one tensor", name);
    is_str(part[0].name, theirs, "%s: its name", name);
    ok(part[0].vector == vector && part[0].rows == 3 * HIDDEN && part[0].first == 0,
       "%s: its shape", name);
    bool all = true;
    for (int64_t first = 0; first < t->size; first++)
        for (int64_t n = 1; n <= t->size - first; n += 1 + t->size / 50)
            all &= runs_agree(&part[0], first, n);
    ok(all, "%s: every run of elements", name);
}

int
main(void)
{
    struct config c;
    struct params p;
    struct name_part part[NAME_PARTS];
    int64_t at;

    if (config_parse(&c, "config.json", neox, strlen(neox)) < 0 || params_init(&p, &c) < 0) {
        diag("%s", err_text());
        return 1;
    }
    test_part(&c, &p, "layers.1.attention.qkv.weight",
              "gpt_neox.layers.1.attention.query_key_value.weight", false);
    test_part(&c, &p, "layers.0.attention.qkv.bias",
              "gpt_neox.layers.0.attention.query_key_value.bias", true);
    for (int i = 0; i < p.count; i++)
        is_int(names_parts(&c, &p.param[i], part), 1, "%s has a name", p.param[i].name);
    names_parts(&c, &p.param[params_find(&p, "head.weight")], part);
    is_str(part[0].name, "embed_out.weight", "the head");
    is_int(names_run(&part[0], 5, 100, &at), 100, "other tensors are one run");
    is_int(at, 5, "where they are");
    ok(names_ignored(&c, "gpt_neox.layers.0.attention.masked_bias") &&
           names_ignored(&c, "gpt_neox.layers.0.attention.rotary_emb.inv_freq") &&
           !names_ignored(&c, "embed_out.weight") &&
           !names_ignored(&c, "gpt_neox.layers.0.attention.query_key_value.bias"),
       "buffers of older files");
    params_release(&p);
    config_release(&c);
    return done();
}
