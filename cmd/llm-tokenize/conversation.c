#include "cmd/llm-tokenize/conversation.h"

#include <string.h>

#include "base/str.h"

/* From the members of a JSON line to a list of messages. */

/* ShareGPT's names, and those that its descendants have. */
static const struct {
    const char *from, *role;
} roles[] = {
    {"human", "user"},       {"user", "user"},       {"gpt", "assistant"},
    {"assistant", "assistant"}, {"chatgpt", "assistant"}, {"bing", "assistant"},
    {"bard", "assistant"},   {"model", "assistant"}, {"system", "system"},
    {"tool", "tool"},        {"observation", "tool"},
};

bool
conversation_has(const json_t *line, const char *key)
{
    const json_t *v = json_object_get(line, key);

    return v && !json_is_null(v);
}

json_t *
conversation_message(const char *role, const json_t *text)
{
    json_t *message = json_object();

    json_object_set_new(message, "role", json_string(role));
    json_object_set_new(message, "content", json_deep_copy(text));
    return message;
}

/* ---- messages ---------------------------------------------------------------------- */

static json_t *
of_sharegpt(const struct json_doc *doc, const json_t *turn)
{
    const json_t *value = json_object_get(turn, "value");
    const char *from;

    if (json_get_string(doc, turn, "from", JSON_NEED, &from) < 0)
        return NULL;
    if (!json_is_string(value)) {
        json_fail(doc, turn, "value", "expected a string");
        return NULL;
    }
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++)
        if (!strcmp(from, roles[i].from))
            return conversation_message(roles[i].role, value);
    json_fail(doc, turn, "from", "nobody known: %s", from);
    return NULL;
}

/* Content may be missing beside calls of tools, and a list of typed parts: that is the template's. */
static json_t *
of_message(const struct json_doc *doc, const json_t *message)
{
    const json_t *content = json_object_get(message, "content");
    const char *role;

    if (json_get_string(doc, message, "role", JSON_NEED, &role) < 0)
        return NULL;
    if (content && !json_is_string(content) && !json_is_null(content) && !json_is_array(content)) {
        json_fail(doc, message, "content", "expected a string");
        return NULL;
    }
    return json_deep_copy(message);
}

json_t *
conversation_messages(const struct json_doc *doc, const json_t *list)
{
    json_t *messages = json_array();

    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *from = json_array_get(list, i);
        json_t *message = NULL;
        if (!json_is_object(from))
            json_fail_at(doc, list, i, "expected an object");
        else if (!json_object_get(from, "role") && json_object_get(from, "from"))
            message = of_sharegpt(doc, from);
        else
            message = of_message(doc, from);
        if (!message) {
            json_decref(messages);
            return NULL;
        }
        json_array_append_new(messages, message);
    }
    return messages;
}

/* ---- lines ----------------------------------------------------------------------------- */

int
conversation_put_system(const struct json_doc *doc, const json_t *line, json_t *messages)
{
    const json_t *system = json_object_get(line, "system");
    const json_t *role = json_object_get(json_array_get(messages, 0), "role");

    if (!conversation_has(line, "system") || (json_is_string(system) && !json_string_length(system)))
        return 0;
    if (!json_is_string(system))
        return json_fail(doc, line, "system", "expected a string");
    if (role && !strcmp(json_string_value(role), "system"))
        return json_fail(doc, line, "system", "the messages begin with another one");
    json_array_insert_new(messages, 0, conversation_message("system", system));
    return 0;
}

/* The input stands behind the instruction, an empty line between them. */
static json_t *
of_alpaca(const struct json_doc *doc, const json_t *line)
{
    const char *instruction, *input = "", *output;
    size_t instruction_n, input_n = 0, output_n;
    struct str text = {0};

    if (json_get_bytes(doc, line, "instruction", JSON_NEED, &instruction, &instruction_n) < 0 ||
        json_get_bytes(doc, line, "input", JSON_MAY, &input, &input_n) < 0 ||
        json_get_bytes(doc, line, "output", JSON_NEED, &output, &output_n) < 0)
        return NULL;
    str_add(&text, instruction, instruction_n);
    if (input_n)
        str_adds(&text, "\n\n");
    str_add(&text, input, input_n);
    json_t *messages = json_array(), *question = json_stringn(text.data ? text.data : "", text.len);
    json_array_append_new(messages, conversation_message("user", question));
    json_array_append_new(messages,
                          conversation_message("assistant", json_object_get(line, "output")));
    json_decref(question);
    str_release(&text);
    return messages;
}

json_t *
conversation_load(const struct json_doc *doc, const json_t *line)
{
    const char *key = conversation_has(line, "messages") ? "messages" : "conversations";
    const json_t *list;
    json_t *messages;

    if (conversation_has(line, key)) {
        if (json_get_array(doc, line, key, JSON_NEED, &list) < 0)
            return NULL;
        messages = conversation_messages(doc, list);
    } else if (conversation_has(line, "instruction")) {
        messages = of_alpaca(doc, line);
    } else {
        json_fail(doc, line, NULL, "no messages, no conversations, no instruction");
        return NULL;
    }
    if (messages && conversation_put_system(doc, line, messages)) {
        json_decref(messages);
        return NULL;
    }
    if (messages && !json_array_size(messages)) {
        json_fail(doc, line, key, "no messages");
        json_decref(messages);
        return NULL;
    }
    return messages;
}

/* ---- variables ---------------------------------------------------------------------------- */

/* Sets `tools`, which may be the JSON of a list. 0 or -1. */
static int
set_tools(const struct json_doc *doc, const json_t *line, json_t *variables)
{
    const json_t *tools = json_object_get(line, "tools");
    struct json_doc inner = {0};

    if (!conversation_has(line, "tools") || (json_is_string(tools) && !json_string_length(tools)))
        return 0;
    if (json_is_string(tools)) {
        if (json_doc_parse(&inner, "JSON: tools", json_string_value(tools),
                           json_string_length(tools)))
            return -1;
        tools = inner.root;
    }
    int status = 0;
    if (json_is_array(tools))
        json_object_set_new(variables, "tools", json_deep_copy(tools));
    else if (!json_is_null(tools))
        status = json_fail(doc, line, "tools", "expected a list");
    json_doc_release(&inner);
    return status;
}

json_t *
conversation_variables(const struct json_doc *doc, const json_t *line, const json_t *more)
{
    json_t *variables = more ? json_deep_copy(more) : json_object();
    const json_t *given = NULL, *documents = NULL;

    if (json_get_object(doc, line, "chat_template_kwargs", JSON_MAY, &given) < 0 ||
        json_get_array(doc, line, "documents", JSON_MAY, &documents) < 0 ||
        set_tools(doc, line, variables)) {
        json_decref(variables);
        return NULL;
    }
    if (given) {
        json_t *copy = json_deep_copy(given);
        json_object_update(variables, copy);
        json_decref(copy);
    }
    if (documents)
        json_object_set_new(variables, "documents", json_deep_copy(documents));
    return variables;
}
