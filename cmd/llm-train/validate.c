/* Validation while training: the same number as llm-eval's. */
#include "cmd/validate.h"

#include "base/err.h"
#include "cmd/llm-train/train.h"
#include "cmd/llm-train/trainer.h"
#include "parallel/pipeline.h"

/* All stages, and the last one's result on all. */
static int
score(void *arg, const struct batch *b, double *token_loss)
{
    struct trainer *t = arg;
    struct comm *stages = t->layout.pipeline;
    struct sequence_loss whole;

    if (pipeline_loss(t->pipeline, b, &whole, token_loss) < 0)
        return -1;
    if (stages->size == 1)
        return 0;
    return comm_broadcast(stages, token_loss, (size_t)(b->sequences * b->length) * sizeof *token_loss,
                          stages->size - 1);
}

int
trainer_validate(struct trainer *t)
{
    struct validate_options o = {
        .seq_length = t->seq_length,
        .document_mask = options.document_mask,
        .tokens = options.valid_tokens,
        .comm = t->layout.deal,
        .score = score,
        .scorer = t,
    };
    struct validate_result r;
    struct token_stream *s = token_stream_open(&options.valid, 1, -1);
    int result = s ? 0 : (int)err_status();

    if (comm_agree(t->world, result) < 0)
        return -1;
    trainer_validate_precision(t, true);
    result = validate(s, t->decoder, &o, &r);
    trainer_validate_precision(t, false);
    if (result == 0 && t->world->rank == 0)
        result = report_valid(&t->report, t->step, &r);
    if (s)
        validate_release(&r);
    token_stream_close(s);
    return result;
}
