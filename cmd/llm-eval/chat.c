/* Messages as tokens, in the model's chat template. */
#include "cmd/llm-eval/talk.h"

#include <string.h>

#include "base/err.h"
#include "base/str.h"
#include "tokenizer/tokenizer.h"

/* Of a model in one file: the template among the files that it stands for. */
struct found {
    const char *path;
    struct chat_template *template;
};

static int
compile(struct found *f, const char *text, size_t n)
{
    f->template = chat_template_new(f->path, text, n);
    return f->template ? 0 : -1;
}

/* A text, or the one named "default" of a list. */
static int
take_member(struct found *f, const json_t *member)
{
    for (size_t i = 0; i < json_array_size(member); i++) {
        const json_t *one = json_array_get(member, i);
        const char *name = json_string_value(json_object_get(one, "name"));
        if (name && strcmp(name, "default") == 0)
            return take_member(f, json_object_get(one, "template"));
    }
    return json_is_string(member)
               ? compile(f, json_string_value(member), json_string_length(member))
               : 0;
}

static int
take_template(void *arg, const char *name, const char *data, size_t n)
{
    struct found *f = arg;
    struct json_doc doc = {0};
    if (f->template)
        return 0;
    if (strcmp(name, "chat_template.jinja") == 0)
        return compile(f, data, n);
    if (strcmp(name, "tokenizer_config.json") != 0)
        return 0;
    int result = json_doc_parse(&doc, name, data, n);
    if (result == 0)
        result = take_member(f, json_object_get(doc.root, "chat_template"));
    json_doc_release(&doc);
    return result;
}

static void
set_token(struct chat_template *template, const struct tokenizer *t, const char *name, uint32_t id)
{
    size_t n = 0;
    const char *text = id == TOKEN_NONE ? NULL : tokenizer_text(t, id, &n);
    if (text)
        chat_template_set(template, name, text, n);
}

static struct chat_template *
load_from_file(const struct model *m)
{
    const struct tokenizer_specials *s = tokenizer_specials(m->tokenizer);
    struct found f = {.path = m->source.path};
    if (model_source_files(&m->source, take_template, &f) < 0)
        return NULL;
    if (!f.template) {
        err_set(STATUS_INPUT, "%s: no chat template there", m->source.path);
        return NULL;
    }
    set_token(f.template, m->tokenizer, "bos_token", s->bos);
    set_token(f.template, m->tokenizer, "eos_token", s->eos);
    set_token(f.template, m->tokenizer, "pad_token", s->pad);
    set_token(f.template, m->tokenizer, "unk_token", s->unk);
    return f.template;
}

int
talk_form_open(struct talk_form *f, const struct model *m)
{
    *f = (struct talk_form){.m = m};
    f->template = m->source.reader ? load_from_file(m) : chat_template_load(m->source.path, NULL);
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
        result = tokenizer_encode(f->m->tokenizer, f->scratch, text.len ? text.data : "", text.len,
                                  0, out);
    str_release(&text);
    return result;
}
