/* Validation while training: the same number as llm-eval's. */
#include "cmd/validate.h"

#include "base/err.h"
#include "cmd/llm-train/train.h"
#include "cmd/llm-train/trainer.h"

int
trainer_validate(struct trainer *t)
{
    struct validate_options o = {
        .seq_length = t->seq_length,
        .document_mask = options.document_mask,
        .tokens = options.valid_tokens,
        .comm = t->world,
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
        result = report_valid(&t->report, t->step, validate_loss(&r.all), validate_bits_per_byte(&r.all),
                              (int64_t)r.all.tokens);
    if (s)
        validate_release(&r);
    token_stream_close(s);
    return result;
}
