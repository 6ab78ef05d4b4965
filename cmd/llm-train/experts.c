/* What a model with experts, or without, asks of the options. */
#include "cmd/llm-train/experts.h"

#include "base/die.h"
#include "cmd/llm-train/train.h"
#include "cmd/llm-train/trainer.h"

void
experts_check(const struct trainer *t)
{
    const char *type = t->config.model_type;
    bool experts = t->config.num_experts > 0;

    if (!experts && (options.moe_aux_loss_coeff > 0 || options.moe_z_loss_coeff > 0))
        die(STATUS_INPUT, "--%s: %s models have no experts",
            options.moe_aux_loss_coeff > 0 ? "moe-aux-loss-coeff" : "moe-z-loss-coeff", type);
    if (experts && precision_has_fp8(&t->precisions))
        die(STATUS_INPUT, "--precision %s: fp8-hybrid is not supported for models with experts (%s)",
            options.precision, type);
}
