#include "cmd/llm-tokenize/chat.h"

#include <string.h>
#include <time.h>

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "cmd/llm-tokenize/conversation.h"
#include "cmd/llm-tokenize/options.h"
#include "cmd/llm-tokenize/preference.h"

/* The template, and what it makes of a line. */

enum { TEMPLATE_LIMIT = 16 << 20 };

struct chat {
    struct chat_template *template;
    struct chat_template *with_tools; /* "tool_use" beside it, as transformers takes it; NULL */
    struct json_doc variables; /* --chat-variables */
    struct tm date;            /* --chat-date */
};

/* ---- loading ------------------------------------------------------------------------- */

/* The directory that the tokenizer lies in; allocated. */
static char *
tokenizer_dir(void)
{
    const char *slash = strrchr(options.tokenizer, '/');

    if (file_is_dir(options.tokenizer))
        return mem_strdup(options.tokenizer);
    if (!slash)
        return mem_strdup(".");
    return mem_strndup(options.tokenizer, slash == options.tokenizer
                                              ? 1
                                              : (size_t)(slash - options.tokenizer));
}

static void
set_token(struct chat *c, const struct tokenizer *t, const char *name, uint32_t id)
{
    size_t n;
    const char *text = id == TOKEN_NONE ? NULL : tokenizer_text(t, id, &n);

    if (text)
        chat_template_set(c->template, name, text, n);
    if (text && c->with_tools)
        chat_template_set(c->with_tools, name, text, n);
}

/* A template of its own file, with the special tokens of the directory, or else of the tokenizer. */
static int
load_file(struct chat *c, const struct tokenizer *t, const char *dir)
{
    const struct tokenizer_specials *s = tokenizer_specials(t);
    struct str text = {0};
    int status = file_load(options.chat_template, TEMPLATE_LIMIT, &text);

    if (!status) {
        c->template = chat_template_new(options.chat_template, text.data ? text.data : "", text.len);
        status = c->template ? 0 : -1;
    }
    str_release(&text);
    if (status)
        return status;
    char *config = file_join(dir, "tokenizer_config.json");
    if (!file_exists(config)) {
        set_token(c, t, "bos_token", s->bos);
        set_token(c, t, "eos_token", s->eos);
        set_token(c, t, "pad_token", s->pad);
        set_token(c, t, "unk_token", s->unk);
    }
    free(config);
    return chat_template_take_tokens(c->template, dir);
}

static int
load_directory(struct chat *c, const char *dir)
{
    /* Pairs of plain texts need none: only those of messages are faulty then. */
    static const char none[] = "{{ raise_exception('there is no chat template: give --chat-template FILE') }}";
    int tools, has = chat_template_has(dir, NULL);

    if (has == 0 && options.preference)
        c->template = chat_template_new("--preference", none, sizeof none - 1);
    else
        c->template = chat_template_load(dir, NULL);
    if (!c->template)
        return -1;
    tools = chat_template_has(dir, "tool_use");
    if (tools > 0)
        c->with_tools = chat_template_load(dir, "tool_use");
    return tools < 0 || (tools && !c->with_tools) ? -1 : 0;
}

static int
load_template(struct chat *c, const struct tokenizer *t)
{
    const struct tokenizer_specials *s = tokenizer_specials(t);
    char *dir = tokenizer_dir();
    int status = options.chat_template ? load_file(c, t, dir) : load_directory(c, dir);

    free(dir);
    if (status)
        return status;
    if (options.bos)
        set_token(c, t, "bos_token", s->bos);
    if (options.eos)
        set_token(c, t, "eos_token", s->eos);
    return 0;
}

/* A result must not depend on the day. */
static int
read_date(struct chat *c)
{
    const char *end;

    if (!options.chat_date)
        return chat_template_asks_date(c->template) ||
                       (c->with_tools && chat_template_asks_date(c->with_tools))
                   ? err_set(STATUS_USAGE,
                             "the chat template asks for the date: give it as --chat-date YYYY-MM-DD")
                   : 0;
    end = strptime(options.chat_date, "%Y-%m-%d", &c->date);
    if (!end || *end || strlen(options.chat_date) != 10)
        return err_set(STATUS_USAGE, "--chat-date %s: not a date YYYY-MM-DD", options.chat_date);
    c->date.tm_isdst = 0;
    return 0;
}

static int
read_variables(struct chat *c)
{
    const json_t *root;

    if (!options.chat_variables)
        return 0;
    if (json_doc_parse(&c->variables, "--chat-variables", options.chat_variables,
                       strlen(options.chat_variables)) ||
        json_root_object(&c->variables, &root) < 0) {
        char *text = mem_strdup(err_text());
        err_set(STATUS_USAGE, "%s", text);
        free(text);
        return -1;
    }
    return 0;
}

struct chat *
chat_open(const struct tokenizer *t)
{
    struct chat *c = mem_zalloc(sizeof *c);

    if (load_template(c, t) || read_date(c) || read_variables(c)) {
        chat_close(c);
        return NULL;
    }
    return c;
}

void
chat_close(struct chat *c)
{
    if (!c)
        return;
    chat_template_free(c->template);
    chat_template_free(c->with_tools);
    json_doc_release(&c->variables);
    free(c);
}

uint64_t
chat_hash(const struct chat *c)
{
    uint64_t tools = c->with_tools ? chat_template_hash(c->with_tools) : 0;

    return chat_template_hash(c->template) ^ (tools << 1);
}

void
chat_document_release(struct chat_document *d)
{
    str_release(&d->text);
    vec_release(&d->parts);
}

/* ---- lines ------------------------------------------------------------------------------ */

/* Appends what the template makes of the messages, and its parts. 0 or -1. */
static int
render(const struct chat *c, const json_t *messages, const json_t *variables,
       struct chat_document *d)
{
    struct chat_options o = {
        .variables = variables,
        .last_part = options.preference || options.loss == CHAT_LOSS_LAST,
        .added_parts = options.preference,
        .now = options.chat_date ? &c->date : NULL,
    };
    const struct chat_template *t =
        c->with_tools && json_object_get(variables, "tools") ? c->with_tools : c->template;
    size_t begin = d->text.len, count = json_array_size(messages) + 8, room;

    if (!options.preference && options.loss == CHAT_LOSS_ALL)
        return chat_template_render(t, messages, &o, &d->text);
    do { /* {% generation %} blocks may be more than messages */
        room = count;
        vec_reserve(&d->parts, room);
        d->text.len = begin;
        o.parts = d->parts.data + d->parts.len;
        o.parts_count = &count;
        count = room;
        if (chat_template_render(t, messages, &o, &d->text))
            return -1;
    } while (count > room);
    d->parts.len += count;
    return 0;
}

static int
take_conversation(const struct chat *c, const struct json_doc *doc, const json_t *line,
                  const json_t *variables, struct chat_document *d, enum drop *why)
{
    json_t *messages = conversation_load(doc, line);

    if (!messages)
        return -1;
    *why = DROP_TEMPLATE;
    int status = render(c, messages, variables, d);
    json_decref(messages);
    return status;
}

static int
take_pair(const struct chat *c, const struct json_doc *doc, const json_t *line,
          const json_t *variables, struct chat_document *d, enum drop *why)
{
    struct preference p;
    int status;

    if (preference_load(&p, doc, line))
        return -1;
    if (p.plain) {
        preference_join(&p, d);
        status = 0;
    } else {
        *why = DROP_TEMPLATE;
        status = render(c, p.chosen, variables, d);
        d->second = d->text.len;
        if (!status)
            status = render(c, p.rejected, variables, d);
    }
    preference_release(&p);
    return status;
}

int
chat_take_line(const struct chat *c, const char *line, size_t n, struct chat_document *d,
               enum drop *why)
{
    struct json_doc doc = {0};
    const json_t *root;
    json_t *variables = NULL;
    int status = -1;

    str_clear(&d->text);
    vec_clear(&d->parts);
    d->second = 0;
    d->plain = false;
    *why = DROP_JSON;
    if (json_doc_parse(&doc, "JSON", line, n))
        return -1;
    *why = DROP_CONVERSATION;
    if (json_root_object(&doc, &root) > 0)
        variables = conversation_variables(&doc, root, c->variables.root);
    if (variables)
        status = options.preference ? take_pair(c, &doc, root, variables, d, why)
                                    : take_conversation(c, &doc, root, variables, d, why);
    json_decref(variables);
    json_doc_release(&doc);
    return status;
}
