#include "checkpoint/names.h"

#include <stdio.h>
#include <string.h>

/* Adapters in a directory of Hugging Face's PEFT: names made of those of their modules. */

/* The tensor whose weight has that one as A or B. */
static const struct param *
weight_of(const struct params *p, int adapter)
{
    int i = adapter;

    while (i > 0 && (p->param[i].adapters.parts == 0 ||
                     (p->param[i].adapters.a != adapter && p->param[i].adapters.b != adapter)))
        i--;
    return &p->param[i];
}

/* The module of theirs whose outputs begin with that row of ours: "model.….q_proj.weight". */
static const struct name_part *
module_at(const struct name_part *part, int parts, int64_t row)
{
    int k = 0;

    while (k < parts - 1 && part[k].first != row)
        k++;
    return &part[k];
}

int
names_adapter_parts(const struct config *c, const struct params *p, int adapter,
                    struct name_part out[NAME_PARTS])
{
    const struct param *w = weight_of(p, adapter), *t = &p->param[adapter];
    const struct adapters *l = &w->adapters;
    struct name_part module[NAME_PARTS];
    int parts = names_parts(c, w, module);
    bool is_a = t->adapter == 'a';

    for (int k = 0; k < l->parts; k++) {
        const struct name_part *m = module_at(module, parts, l->part[k].row);
        size_t stem = strlen(m->name) - strlen(".weight");

        out[k] = (struct name_part){
            .first = is_a ? k * c->lora.rank : l->part[k].at,
            .rows = is_a ? c->lora.rank : l->part[k].rows,
            .columns = t->columns,
            .heads = is_a ? 0 : m->heads,
        };
        (void)snprintf(out[k].name, sizeof out[k].name, "base_model.model.%.*s.lora_%c.weight",
                       (int)stem, m->name, is_a ? 'A' : 'B');
    }
    return l->parts;
}
