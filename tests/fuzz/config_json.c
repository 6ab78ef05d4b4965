/* A config.json: refused with a name, or a model whose tensors have names and whose writing reads back. */
#include "checkpoint/names.h"
#include "model/config.h"
#include "model/params.h"
#include "tests/fuzz/fuzz.h"

/* Every tensor of ours is made of whole rows of theirs, one behind the other. */
static void
check_names(const struct config *c, const struct params *p)
{
    for (int i = 0; i < p->count; i++) {
        const struct param *t = &p->param[i];
        struct name_part part[NAME_PARTS];
        int64_t rows = 0;
        int n = names_parts(c, t, part);

        must(n >= 1);
        for (int k = 0; k < n; rows += part[k++].rows)
            must(part[k].first == rows && part[k].rows > 0 && part[k].name[0]);
        must(rows == (params_is_vector(t) ? t->size : t->rows));
    }
}

static void
check_again(const struct config *c)
{
    struct config again;
    struct str out = {0}, why = {0};

    config_write(c, "float32", &out);
    must(config_parse(&again, "again", out.data, out.len) == 0);
    must(config_same_shape(c, &again, &why));
    must(again.rotary_dim == c->rotary_dim && again.rope_scaling == c->rope_scaling &&
         again.rope_theta == c->rope_theta && again.rope_factor == c->rope_factor &&
         again.rope_attention_factor == c->rope_attention_factor &&
         again.sliding_window == c->sliding_window && again.gelu == c->gelu);
    config_release(&again);
    str_release(&out);
    str_release(&why);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct config c;
    struct params p;
    char *text = fuzz_copy(data, n);
    int result = config_parse(&c, "config.json", text, n);

    free(text);
    if (result < 0) {
        fuzz_error();
        return 0;
    }
    must(c.num_attention_heads % c.num_key_value_heads == 0);
    must(c.position != POSITION_ROTARY || (c.rotary_dim % 2 == 0 && c.rotary_dim <= c.head_dim));
    check_again(&c);
    if (c.num_hidden_layers <= 64 && c.num_experts <= 64) {
        must(params_init(&p, &c) == 0);
        check_names(&c, &p);
        params_release(&p);
    }
    config_release(&c);
    return 0;
}
