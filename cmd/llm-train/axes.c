/* The cost of communication by axis, in the log. */
#include "cmd/llm-train/axes.h"

#include "base/die.h"
#include "base/log.h"
#include "base/str.h"
#include "cmd/llm-train/trainer.h"
#include "json/write.h"

/* Groups with one operation after another: the time waited is that of the transfers. */
static struct comm *
group_of(const struct layout *l, enum axis a)
{
    struct comm *const groups[AXES] = {
        [AXIS_TENSOR] = l->tensor,
        [AXIS_CONTEXT] = l->context,
        [AXIS_EXPERT] = l->expert,
        [AXIS_PIPELINE] = l->size[AXIS_PIPELINE] > 1 ? l->pipeline : NULL,
    };

    return groups[a];
}

static void
begin_counting(struct trainer *t)
{
    for (int a = 0; a < AXES; a++) {
        struct comm *c = group_of(&t->layout, (enum axis)a);
        if (c)
            c->stats = (struct comm_stats){0};
    }
}

void
axes_step(struct trainer *t)
{
    if (t->world->size == 1)
        return;
    if (!t->later.started) {
        begin_counting(t);
        return;
    }
    t->axes.steps++;
    t->axes.overlap += reducer_overlap(t->reducer);
}

static void
put_group(struct json_writer *w, const struct trainer *t, enum axis a, const struct comm *c)
{
    double steps = (double)t->axes.steps, wait = c->stats.seconds_waiting;
    char bytes[32];

    note("%s: %s a step, %.3g s waited", axis_name(a), human_bytes((double)c->stats.bytes / steps, bytes), wait / steps);
    json_begin_object(w, NULL);
    json_put_string(w, "axis", axis_name(a));
    json_put_int(w, "ranks", c->size);
    json_put_real(w, "bytes_per_step", (double)c->stats.bytes / steps);
    json_put_real(w, "wait_seconds_per_step", wait / steps);
    json_put_real(w, "bytes_per_second", wait > 0 ? (double)c->stats.bytes / wait : 0);
    json_end_object(w);
}

static void
put_data(struct json_writer *w, const struct trainer *t)
{
    const struct layout *l = &t->layout;
    int ranks = l->dense->size;
    double bytes = (double)t->params.grad_elements * sizeof(float) * (ranks - 1) / ranks;
    double overlap = t->axes.overlap / (double)t->axes.steps;
    char text[32];

    note("data: %s of gradients a step, %.0f %% reduced during backward", human_bytes(bytes, text), 100 * overlap);
    json_begin_object(w, NULL);
    json_put_string(w, "axis", axis_name(AXIS_DATA));
    json_put_int(w, "ranks", ranks);
    json_put_real(w, "bytes_per_step", bytes);
    json_put_real(w, "overlap", overlap);
    json_end_object(w);
}

int
axes_end(const struct trainer *t)
{
    struct str s = {0};
    struct json_writer w = {.out = &s};

    if (t->world->size == 1 || t->axes.steps == 0)
        return 0;
    json_begin_array(&w, NULL);
    for (int a = 0; a < AXES; a++) {
        const struct comm *c = group_of(&t->layout, (enum axis)a);
        if (c)
            put_group(&w, t, (enum axis)a, c);
    }
    if (t->layout.dense)
        put_data(&w, t);
    json_end_array(&w);
    log_begin("axes");
    log_int("steps", (int64_t)t->axes.steps);
    log_json("axes", s.data);
    str_release(&s);
    return log_end();
}
