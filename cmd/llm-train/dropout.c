/* Models that were trained with dropout: ours is without, which must be said. */
#include "cmd/llm-train/trainer.h"

#include <string.h>

#include "base/die.h"
#include "checkpoint/checkpoint.h"
#include "cmd/llm-train/train.h"
#include "json/json.h"

/* What the families' config.json call the dropouts of a language model's training, in transformers and before. */
static const char *const keys[] = {
    "resid_pdrop", "embd_pdrop", "attn_pdrop", "attention_dropout", "hidden_dropout", "embedding_dropout",
    "hidden_dropout_prob", "attention_probs_dropout_prob", "activation_dropout", "residual_dropout", "dropout",
};

void
trainer_check_dropout(const struct trainer *t)
{
    const char *name = options.model ? options.model : options.init ? options.init : "config.json";
    struct json_doc doc;

    if (options.dropout > 0)
        die(STATUS_USAGE, "--dropout %g: training is without dropout: expected 0", options.dropout);
    if (options.dropout == 0 || !t->config.json) /* NULL: of a file that has no such keys */
        return;
    if (json_doc_parse(&doc, name, t->config.json, strlen(t->config.json)) < 0)
        die_err();
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        double value = 0;

        if (json_get_real(&doc, doc.root, keys[i], JSON_MAY, &value) < 0)
            die_err();
        if (value > 0)
            die(STATUS_INPUT, "%s: %s is %g: training is without dropout; --dropout 0 says that this is wanted",
                t->from ? t->from->path : name, keys[i], value);
    }
    json_doc_release(&doc);
}
