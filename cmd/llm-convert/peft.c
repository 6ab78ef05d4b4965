/* The adapters of a model as Hugging Face's PEFT keeps them. */
#include "cmd/llm-convert/convert.h"

#include <string.h>

#include "json/json.h"
#include "json/write.h"

bool
peft_is(const struct model_source *m)
{
    return m->config.lora.rank > 0;
}

/* Where the model without adapters is, if its config.json says so: peft takes it from there. */
static void
put_base(struct json_writer *w, const struct config *c)
{
    struct json_doc doc = {0};
    const char *path = NULL;

    if (c->json && json_doc_parse(&doc, "config.json", c->json, strlen(c->json)) == 0)
        path = json_string_value(json_object_get(doc.root, "_name_or_path"));
    if (path && *path)
        json_put_string(w, "base_model_name_or_path", path);
    else
        json_put_null(w, "base_model_name_or_path");
    json_doc_release(&doc);
}

void
peft_config(const struct model_source *m, struct str *out)
{
    const struct config *c = &m->config;
    struct json_writer w = {.out = out, .indent = 2};
    const char *name;

    json_begin_object(&w, NULL);
    put_base(&w, c);
    json_put_string(&w, "bias", "none");
    json_put_bool(&w, "fan_in_fan_out", c->family == FAMILY_GPT2); /* its matrices are [in][out] */
    json_put_bool(&w, "inference_mode", true);
    json_put_bool(&w, "init_lora_weights", true);
    json_put_real(&w, "lora_alpha", c->lora.alpha);
    json_put_real(&w, "lora_dropout", 0);
    json_put_string(&w, "peft_type", "LORA");
    json_put_int(&w, "r", c->lora.rank);
    json_begin_array(&w, "target_modules");
    for (int k = 0; (name = lora_name(c, c->lora.targets, k)); k++)
        json_put_string(&w, NULL, name);
    json_end_array(&w);
    json_put_string(&w, "task_type", "CAUSAL_LM");
    json_end_object(&w);
    str_addc(out, '\n');
}
