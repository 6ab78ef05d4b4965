/* A step's sequences, dealt out anew when the batch has another size. */
#include "cmd/llm-train/trainer.h"

#include "base/die.h"
#include "base/err.h"
#include "cmd/llm-train/losses.h"
#include "cmd/llm-train/train.h"
#include "parallel/pipeline.h"

/* Can every size of the ramp be dealt out (interleaving wants multiples)? The layout is the whole batch's again. */
void
trainer_check_ramp(struct trainer *t)
{
    const struct batch_ramp *r = &t->length.ramp;

    if (ramp_check(r, t->groups * t->micro_batch) < 0)
        die_err();
    for (int64_t i = 0; i <= r->sizes && r->sizes > 0; i++)
        layout_deal(&t->layout, ramp_size(r, i), t->micro_batch);
}

int
trainer_set_batch(struct trainer *t)
{
    int64_t batch = ramp_batch(&t->length.ramp, feed_trained(&t->feed, t->feed.position));

    if (batch == t->batch)
        return 0;
    t->batch = batch;
    pipeline_free(t->pipeline);
    t->pipeline = NULL;
    layout_deal(&t->layout, batch, t->micro_batch);
    losses_free(t->losses);
    t->losses = losses_new(t->world, &t->layout, batch);
    if (feed_deal(&t->feed, batch, t->layout.first, t->layout.sequences) < 0)
        return -1;
    return trainer_make_pipeline(t);
}
