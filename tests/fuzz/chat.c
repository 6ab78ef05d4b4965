/*
 * chat: a template, compiled and rendered over a conversation. The input: the template, and
 * behind a byte 0 the conversation as JSON; without it a fixed one. What comes out is UTF-8, and
 * a second rendering gives the same.
 */
#include "tests/fuzz/fuzz.h"

#include "tokenizer/chat.h"

static const char conversation[] =
    "[{\"role\":\"system\",\"content\":\"S\"},{\"role\":\"user\",\"content\":\" \\u65e5 "
    "<b>\\n\",\"n\":1.5},"
    "{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"function\":{\"name\":\"f\","
    "\"arguments\":"
    "{\"k\":[1,-2.5,true,null]}}}]},{\"role\":\"assistant\",\"content\":\"A\",\"thinking\":\"t\"}]";

static int
render(const struct chat_template *t, const json_t *messages, bool parts, struct str *out)
{
    struct tokenizer_part part[4];
    size_t count = 4;
    struct chat_options o = {.add_generation_prompt = true};

    if (parts) {
        o.parts = part;
        o.parts_count = &count;
    }
    if (chat_template_render(t, messages, &o, out))
        return -1;
    for (size_t i = 0; parts && i < count && i < 4; i++)
        must(part[i].begin <= part[i].end && part[i].end <= out->len);
    return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    const uint8_t *zero = n ? memchr(data, 0, n) : NULL;
    size_t length = zero ? (size_t)(zero - data) : n;
    char *text = fuzz_copy(data, length);
    struct chat_template *t = chat_template_new("fuzz", text, length);
    json_t *messages = NULL;
    struct str out = {0}, again = {0};

    if (zero)
        messages = json_loadb((const char *)zero + 1, n - length - 1, 0, NULL);
    if (!messages)
        messages = json_loads(conversation, 0, NULL);
    if (!t || render(t, messages, n % 2, &out)) {
        fuzz_error();
    } else {
        fuzz_utf8(&out);
        if (!memmem(text, length, "strftime", 8))
            must(!render(t, messages, false, &again) && again.len == out.len &&
                 (!out.len || !memcmp(again.data, out.data, out.len)));
    }
    json_decref(messages);
    chat_template_free(t);
    str_release(&out);
    str_release(&again);
    free(text);
    return 0;
}
