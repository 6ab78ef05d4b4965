/* A step's losses: from the last stage to everybody. */
#include "cmd/llm-train/losses.h"

#include "base/mem.h"

struct losses {
    struct comm *world;
    const struct layout *layout;
    int64_t sequences;
    struct sequence_loss *all; /* [contexts][sequences] */
    size_t *sizes, *offsets;   /* [ranks], in bytes */
};

struct losses *
losses_new(struct comm *world, const struct layout *l, int64_t global_batch)
{
    struct losses *s = mem_zalloc(sizeof *s);
    size_t ranks = (size_t)world->size;

    *s = (struct losses){world, l, global_batch, NULL, NULL, NULL};
    s->all = mem_zarray((size_t)(global_batch * l->size[AXIS_CONTEXT]), sizeof *s->all);
    s->sizes = mem_zarray(ranks, sizeof *s->sizes);
    s->offsets = mem_zarray(ranks, sizeof *s->offsets);
    for (int r = 0; r < world->size; r++) {
        int at[AXES];
        int64_t first, count;
        grid_coordinates(l->size, l->order, r, at);
        layout_sequences(l, r, global_batch, &first, &count);
        s->sizes[r] = layout_has_loss(l, r) ? (size_t)count * sizeof *s->all : 0;
        s->offsets[r] = (size_t)(at[AXIS_CONTEXT] * global_batch + first) * sizeof *s->all;
    }
    return s;
}

void
losses_free(struct losses *s)
{
    if (!s)
        return;
    free(s->all);
    free(s->sizes);
    free(s->offsets);
    free(s);
}

int
losses_add(struct losses *s, const struct sequence_loss *mine, struct sequence_loss *total)
{
    struct comm *w = s->world;
    struct comm_request *q = NULL;

    if (w->ops->all_gather_v(w, mine, s->sizes[w->rank], s->all, s->sizes, s->offsets, &q) != 0 ||
        comm_wait(w, &q) != 0)
        return -1;
    *total = (struct sequence_loss){0};
    for (int64_t i = 0; i < s->sequences; i++) {
        struct sequence_loss sum = s->all[i];
        for (int c = 1; c < s->layout->size[AXIS_CONTEXT]; c++) {
            const struct sequence_loss *part = &s->all[c * s->sequences + i];
            sum.loss += part->loss;
            sum.z_loss += part->z_loss;
            sum.scored += part->scored;
            sum.router_aux_loss += part->router_aux_loss;
            sum.router_z_loss += part->router_z_loss;
        }
        total->loss += sum.loss;
        total->z_loss += sum.z_loss;
        total->scored += sum.scored;
        total->router_aux_loss += sum.router_aux_loss;
        total->router_z_loss += sum.router_z_loss;
    }
    return 0;
}
