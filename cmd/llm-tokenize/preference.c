#include "cmd/llm-tokenize/preference.h"

#include <string.h>

#include "cmd/llm-tokenize/conversation.h"

/* Pairs of answers, in the shapes that TRL's DPOTrainer takes. */

/* ---- texts --------------------------------------------------------------------------- */

/*
 * The prompt of two texts that begin with it: all that they share, but for a space at its end, which
 * belongs to the answers (as TRL's extract_prompt has it).
 */
static void
find_prompt(struct preference *p)
{
    const char *a = p->chosen_text, *b = p->rejected_text;
    size_t n = p->chosen_n < p->rejected_n ? p->chosen_n : p->rejected_n, i = 0;

    while (i < n && a[i] == b[i])
        i++;
    while (i && i < p->chosen_n && ((unsigned char)a[i] & 0xC0) == 0x80)
        i--;
    if (i && a[i - 1] == ' ')
        i--;
    p->prompt = a;
    p->prompt_n = i;
    p->chosen_text += i;
    p->chosen_n -= i;
    p->rejected_text += i;
    p->rejected_n -= i;
}

static int
load_texts(struct preference *p, const struct json_doc *doc, const json_t *line)
{
    p->plain = true;
    if (json_get_bytes(doc, line, "chosen", JSON_NEED, &p->chosen_text, &p->chosen_n) < 0 ||
        json_get_bytes(doc, line, "rejected", JSON_NEED, &p->rejected_text, &p->rejected_n) < 0)
        return -1;
    if (p->chosen_n == p->rejected_n && !memcmp(p->chosen_text, p->rejected_text, p->chosen_n))
        return json_fail(doc, line, NULL, "chosen and rejected are the same");
    if (conversation_has(line, "system"))
        return json_fail(doc, line, "system", "a pair of texts has no system message");
    if (conversation_has(line, "prompt"))
        return json_get_bytes(doc, line, "prompt", JSON_NEED, &p->prompt, &p->prompt_n) < 0 ? -1 : 0;
    find_prompt(p);
    return 0;
}

void
preference_join(const struct preference *p, struct chat_document *d)
{
    d->plain = true;
    for (int i = 0; i < 2; i++) {
        struct tokenizer_part part;
        if (i == 1)
            d->second = d->text.len;
        str_add(&d->text, p->prompt, p->prompt_n);
        part.begin = d->text.len;
        str_add(&d->text, i ? p->rejected_text : p->chosen_text, i ? p->rejected_n : p->chosen_n);
        part.end = d->text.len;
        vec_push(&d->parts, part);
    }
}

/* ---- conversations ------------------------------------------------------------------------ */

static bool
begins_with(const json_t *messages, const json_t *prompt)
{
    size_t n = json_array_size(prompt);

    for (size_t i = 0; i < n; i++)
        if (!json_equal(json_array_get(messages, i), json_array_get(prompt, i)))
            return false;
    return n > 0 && json_array_size(messages) > n;
}

/* The prompt as messages: none where the answers are whole conversations. NULL on error. */
static json_t *
load_prompt(const struct json_doc *doc, const json_t *line, bool shared)
{
    const json_t *prompt = json_object_get(line, "prompt");
    json_t *messages;

    if (!prompt || json_is_null(prompt))
        return json_array();
    if (json_is_array(prompt))
        return conversation_messages(doc, prompt);
    if (!json_is_string(prompt)) {
        json_fail(doc, line, "prompt", "expected a string or messages");
        return NULL;
    }
    messages = json_array();
    if (!shared)
        json_array_append_new(messages, conversation_message("user", prompt));
    return messages;
}

/* The answer, a text or messages, behind the prompt unless it begins with that itself. NULL on error. */
static json_t *
load_side(const struct json_doc *doc, const json_t *line, const char *key, const json_t *prompt)
{
    const json_t *side = json_object_get(line, key);
    json_t *answer, *whole;
    const char *role;

    if (json_is_string(side)) {
        answer = json_array();
        json_array_append_new(answer, conversation_message("assistant", side));
    } else if (json_is_array(side)) {
        answer = conversation_messages(doc, side);
    } else {
        json_fail(doc, line, key, "expected a string or messages");
        return NULL;
    }
    if (!answer)
        return NULL;
    whole = begins_with(answer, prompt) ? json_array() : json_deep_copy(prompt);
    json_array_extend(whole, answer);
    json_decref(answer);
    role = json_string_value(json_object_get(
        json_array_get(whole, json_array_size(whole) - 1), "role"));
    if (!role || strcmp(role, "assistant") || json_array_size(whole) < 2) {
        json_fail(doc, line, key, "no answer of the assistant behind a prompt");
        json_decref(whole);
        return NULL;
    }
    if (conversation_put_system(doc, line, whole)) {
        json_decref(whole);
        return NULL;
    }
    return whole;
}

static int
load_conversations(struct preference *p, const struct json_doc *doc, const json_t *line)
{
    const json_t *a = json_array_get(json_object_get(line, "chosen"), 0);
    const json_t *b = json_array_get(json_object_get(line, "rejected"), 0);
    json_t *prompt = load_prompt(doc, line, a && b && json_equal(a, b));

    if (!prompt)
        return -1;
    p->chosen = load_side(doc, line, "chosen", prompt);
    p->rejected = p->chosen ? load_side(doc, line, "rejected", prompt) : NULL;
    json_decref(prompt);
    if (p->rejected && !json_equal(json_array_get(p->chosen, 0), json_array_get(p->rejected, 0)))
        json_fail(doc, line, NULL, "chosen and rejected begin in different ways");
    else if (p->rejected && json_equal(p->chosen, p->rejected))
        json_fail(doc, line, NULL, "chosen and rejected are the same");
    else if (p->rejected)
        return 0;
    preference_release(p);
    return -1;
}

int
preference_load(struct preference *p, const struct json_doc *doc, const json_t *line)
{
    *p = (struct preference){0};
    if (!conversation_has(line, "chosen") || !conversation_has(line, "rejected"))
        return json_fail(doc, line, NULL, "no chosen and rejected");
    if (json_is_string(json_object_get(line, "chosen")) &&
        json_is_string(json_object_get(line, "rejected")) &&
        !json_is_array(json_object_get(line, "prompt")))
        return load_texts(p, doc, line);
    return load_conversations(p, doc, line);
}

void
preference_release(struct preference *p)
{
    json_decref(p->chosen);
    json_decref(p->rejected);
    p->chosen = p->rejected = NULL;
}
