#ifndef LLM_TRAIN_PLAN_TIME_H
#define LLM_TRAIN_PLAN_TIME_H

#include "cmd/llm-train/machine_file.h"
#include "cmd/llm-train/trainer.h"

/*
 * How long a step takes, by what the machine's file says (machine_file.h) and by the work of the
 * model (decoder_flops's counts, cut for the layout).
 *
 *   products     matrix products, those done again included: operations by the rate that products of
 *                their size reach, or their bytes by the memory's, whichever takes longer
 *   attention    its two products and what their backward pass does, at the rate of attention
 *   elementwise  bytes that norms, activations, sums and the gradients' accumulation move
 *   update       bytes that the optimizer moves
 *   tensor, context, expert, pipeline
 *                messages within a step that are waited for: latency × messages + bytes by rate
 *   bubble       waiting for other stages: the schedule's table run on paper with these costs
 *   gradients, weights
 *                their reduction and gathering, less what goes on beside the backward pass
 *
 * Seconds of one step of the stage that is busiest (the first of equals), so that total is their sum
 * and is how long the step takes. `local` compares the same components with what a run measures.
 */
struct plan_time {
    double products, attention, elementwise, update;
    double tensor, context, expert, pipeline;
    double bubble;
    double gradients, weights;
    double total;

    /* What the figures above are made of; of the same stage. */
    double operations;      /* that all ranks really do in a step, what is done again included */
    double idle;            /* share of all stages' time that is idle in the pipeline, 0 to 1 */
    double hidden;          /* seconds of reduction beside the backward pass, not in gradients */
    struct plan_bytes {     /* that a rank hands on in a step */
        double tensor, context, expert, pipeline, gradients, weights;
    } bytes;
    struct plan_messages {  /* and in how many messages: each takes one latency */
        double tensor, context, expert, pipeline, gradients, weights;
    } messages;
    struct plan_ways {      /* bytes/s of a rank, and seconds of a message, on each axis */
        struct plan_way {
            double rate, latency;
        } tensor, context, expert, pipeline, data;
    } ways;
};

/*
 * Of a run of t's model, sequence length and batches in a layout that has been made, of any of its
 * ranks (the layout of t is not looked at). Cheap: one stage after another, whatever the number of
 * ranks. Cannot fail.
 */
void plan_time_of(const struct trainer *t, const struct layout *l, const struct machine_file *m,
                  struct plan_time *out);

/*
 * Seconds that a step takes at least, by a layout that need only be an outline (layout_outline): no
 * table is run, and reduction and update are free.
 */
double plan_time_least(const struct trainer *t, const struct layout *l, const struct machine_file *m);

/*
 * Bytes of the rank that needs most (the largest total), on `ranks` ranks with the options in force
 * (the layout of t is not looked at; t->groups 0: as many as the data is dealt over). Looks at the ranks
 * that differ: of every stage those at the ends of each axis; at all when they are few. 0, or -1 with a
 * record when such a layout cannot be (layout_try).
 */
int plan_memory(const struct trainer *t, int ranks, struct memory_plan *most);

#endif
