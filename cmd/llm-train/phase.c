/* The precision in force: set up, changed between steps, and FP8's scales across ranks. */
#include "cmd/llm-train/trainer.h"

#include "base/die.h"
#include "base/err.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/fp8_file.h"
#include "cmd/llm-train/arrays.h"
#include "cmd/llm-train/machine.h"
#include "cmd/llm-train/train.h"

/* Options that mean nothing for the schedule are refused. */
static void
check_fp8_options(const struct trainer *t)
{
    static const char *const delayed[] = {"fp8-margin", "fp8-amax-history-len",
                                          "fp8-amax-compute-algo"};
    bool fp8 = precision_has_fp8(&t->precisions);

    if (!fp8 && opt_given(&llm_train, "fp8-recipe") && !opt_from_config(&llm_train, "fp8-recipe"))
        die(STATUS_USAGE, "--fp8-recipe: --precision %s has no fp8-hybrid", options.precision);
    for (size_t i = 0; i < sizeof delayed / sizeof *delayed; i++) {
        if (!opt_given(&llm_train, delayed[i]) || opt_from_config(&llm_train, delayed[i]))
            continue;
        if (!fp8)
            die(STATUS_USAGE, "--%s: --precision %s has no fp8-hybrid", delayed[i],
                options.precision);
        if (options.fp8_recipe == FP8_TENSORWISE)
            die(STATUS_USAGE, "--%s: is for --fp8-recipe delayed", delayed[i]);
    }
}

void
trainer_set_precisions(struct trainer *t)
{
    uint64_t done = t->from ? (uint64_t)t->from->manifest.state.step : 0;

    if (precision_parse(options.precision, &t->precisions) < 0)
        die(STATUS_USAGE, "--precision %s: %s", options.precision, err_text());
    check_fp8_options(t);
    t->phase = precision_at(&t->precisions, done + 1);
    t->precision = t->phase->precision;
    t->fp8 = (struct fp8_options){
        .recipe = (enum fp8_recipe)options.fp8_recipe,
        .amax = (enum fp8_amax)options.fp8_amax_compute_algo,
        .margin = (int)options.fp8_margin,
        .history = options.fp8_amax_history_len,
    };
}

void
trainer_publish_weights(struct trainer *t)
{
    if (arrays_publish(t) < 0)
        die_err();
}

/* Decoder and weights in the phase's precision; a history of scales begins anew. */
void
trainer_begin_phase(struct trainer *t)
{
    const struct precision_phase *p = t->phase;

    t->precision = p->precision;
    arrays_set_runs(t);
    decoder_set_precision(t->decoder, p->precision, p->fp8);
    if (p->fp8)
        fp8_reset(decoder_fp8(t->decoder));
}

void
trainer_change_phase(struct trainer *t)
{
    const struct precision_phase *was = t->phase;

    t->phase = precision_at(&t->precisions, t->step + 1);
    if (t->phase == was)
        return;
    trainer_begin_phase(t);
    trainer_publish_weights(t);
    if (t->phase->precision != was->precision)
        t->report.peak = machine_peak(t);
    t->report.precision = t->phase->name;
    if (t->world->rank == 0)
        note("step %llu: precision %s (was %s)", (unsigned long long)t->step + 1, t->phase->name,
             was->name);
}

/*
 * qkv and up cut their outputs among tensor ranks, output and down their inputs: what is not cut
 * each of them has rounded as a whole. All data ranks round the same weights.
 */
uint64_t
trainer_fp8_saturated(const struct trainer *t, int64_t tensor)
{
    enum fp8_role role = (enum fp8_role)(tensor % FP8_ROLES);
    bool cuts_output = tensor / FP8_ROLES % 2 == 0;
    bool is_whole = role == (cuts_output ? FP8_INPUT : FP8_GRADIENT);
    bool elsewhere = (is_whole && t->layout.coordinate[AXIS_TENSOR] > 0) ||
                     (role == FP8_WEIGHT && t->layout.deal_rank > 0);

    return elsewhere ? 0 : (uint64_t)fp8_step_saturated(decoder_fp8(t->decoder))[tensor];
}

/* What all ranks saw becomes the history's entry of this step. */
int
trainer_end_fp8_step(struct trainer *t, uint64_t *saturated)
{
    struct fp8 *f = decoder_fp8(t->decoder);

    *saturated = 0;
    if (!t->phase->fp8)
        return 0;
    for (int64_t i = 0; i < fp8_tensors(f); i++)
        *saturated += i % FP8_ROLES == FP8_WEIGHT ? 0 : trainer_fp8_saturated(t, i);
    if (comm_all_reduce(t->world, fp8_step_amax(f), (size_t)fp8_tensors(f), COMM_I32, COMM_MAX) < 0 ||
        comm_all_reduce(t->world, saturated, 1, COMM_U64, COMM_SUM) < 0)
        return -1;
    fp8_end_step(f);
    return 0;
}

/* Weights are cast anew, too: their amax belong to the next step. */
void
trainer_drop_fp8_step(struct trainer *t)
{
    if (!t->phase->fp8)
        return;
    fp8_drop_step(decoder_fp8(t->decoder));
    trainer_publish_weights(t);
}

int
trainer_restore_fp8(struct trainer *t)
{
    char *path;
    int result;

    if (!t->phase->fp8 || t->fp8.recipe != FP8_DELAYED)
        return 0;
    path = checkpoint_file(t->from, FP8_FILE);
    result = path ? fp8_file_read(decoder_fp8(t->decoder), path) : 0;
    free(path);
    return result;
}

bool
trainer_has_fp8_history(const struct trainer *t)
{
    return t->phase->fp8 && fp8_history(decoder_fp8(t->decoder)) > 0;
}

void
trainer_validate_precision(struct trainer *t, bool begin)
{
    if (!t->phase->fp8)
        return;
    decoder_set_precision(t->decoder, t->precision, !begin);
    trainer_publish_weights(t);
}
