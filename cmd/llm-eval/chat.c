/* Messages as tokens, in the model's chat template. */
#include "cmd/llm-eval/talk.h"

#include <string.h>

#include "base/err.h"
#include "base/str.h"
#include "tokenizer/tokenizer.h"

int
talk_form_open(struct talk_form *f, const struct model *m)
{
    *f = (struct talk_form){.m = m};
    err_clear();
    f->template = chat_template_load(m->source.path, NULL);
    if (!f->template && err_status() == STATUS_OK)
        return err_set(STATUS_INPUT, "%s: the model has no chat template", m->source.path);
    if (!f->template)
        return -1;
    f->scratch = tokenizer_scratch_new(m->tokenizer);
    return 0;
}

void
talk_form_close(struct talk_form *f)
{
    chat_template_free(f->template);
    tokenizer_scratch_free(f->scratch);
    *f = (struct talk_form){0};
}

json_t *
talk_new(const char *system)
{
    json_t *messages = json_array();
    if (system)
        talk_say(messages, "system", system, strlen(system));
    return messages;
}

int
talk_say(json_t *messages, const char *role, const char *text, size_t n)
{
    json_t *content = json_stringn(n ? text : "", n), *message = json_object();
    if (!content) {
        json_decref(message);
        return err_set(STATUS_INPUT, "the text is not UTF-8");
    }
    json_object_set_new(message, "role", json_string(role));
    json_object_set_new(message, "content", content);
    json_array_append_new(messages, message);
    return 0;
}

int
talk_encode(const struct talk_form *f, const json_t *messages, struct ids *out)
{
    const struct chat_options o = {.add_generation_prompt = true};
    struct str text = {0};
    int result = chat_template_render(f->template, messages, &o, &text);
    if (result == 0)
        result = tokenizer_encode(f->m->tokenizer, f->scratch, text.len ? text.data : "", text.len, 0, out);
    str_release(&text);
    return result;
}
