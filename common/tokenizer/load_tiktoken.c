#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/err.h"
#include "base/mem.h"
#include "tokenizer/internal.h"
#include "tokenizer/pattern.h"
#include "tokenizer/ranks.h"
#include "tokenizer/regex.h"

/*
 * .tiktoken files: a line for each token, its bytes in base64, a space, its rank, which
 * is its id. What cuts texts and which special tokens there are stands in the tiktoken
 * package's code (tiktoken_ext/openai_public.py): here it goes by the encoding's name.
 */
struct encoding_special {
    uint32_t id;
    const char *text;
};

static const struct encoding_special r50k_specials[] = {{50256, "<|endoftext|>"}, {0}};
static const struct encoding_special p50k_edit_specials[] = {{50256, "<|endoftext|>"},
                                                             {50281, "<|fim_prefix|>"},
                                                             {50282, "<|fim_middle|>"},
                                                             {50283, "<|fim_suffix|>"},
                                                             {0}};
static const struct encoding_special cl100k_specials[] = {{100257, "<|endoftext|>"},
                                                          {100258, "<|fim_prefix|>"},
                                                          {100259, "<|fim_middle|>"},
                                                          {100260, "<|fim_suffix|>"},
                                                          {100276, "<|endofprompt|>"},
                                                          {0}};
static const struct encoding_special o200k_specials[] = {
    {199999, "<|endoftext|>"}, {200018, "<|endofprompt|>"}, {0}};
static const struct encoding_special harmony_specials[] = {
    {199998, "<|startoftext|>"}, {199999, "<|endoftext|>"}, {200002, "<|return|>"},
    {200003, "<|constrain|>"},   {200005, "<|channel|>"},   {200006, "<|start|>"},
    {200007, "<|end|>"},         {200008, "<|message|>"},   {200012, "<|call|>"},
    {200018, "<|endofprompt|>"}, {0}};

static const struct encoding {
    const char *name, *pattern;
    const struct encoding_special *specials; /* NULL: none */
    uint32_t reserved_end; /* every other id from 200,000 to it is <|reserved_ID|> */
} encodings[] = {
    {"gpt2", "gpt2", NULL, 0},
    {"r50k", "gpt2", NULL, 0},
    {"p50k", "gpt2", NULL, 0},
    {"cl100k", "llama3", NULL, 0},
    {"r50k_base", "gpt2", r50k_specials, 0},
    {"p50k_base", "gpt2", r50k_specials, 0},
    {"p50k_edit", "gpt2", p50k_edit_specials, 0},
    {"cl100k_base", "llama3", cl100k_specials, 0},
    {"o200k_base", "o200k", o200k_specials, 0},
    {"o200k_harmony", "o200k", harmony_specials, 201088},
};

enum { HARMONY_RESERVED = 200000 };

static const struct encoding *
encoding_by_name(const char *name)
{
    for (size_t i = 0; i < sizeof encodings / sizeof *encodings; i++)
        if (!strcmp(encodings[i].name, name))
            return &encodings[i];
    return NULL;
}

static bool
is_named(const struct encoding *e, uint32_t id)
{
    for (const struct encoding_special *s = e->specials; s->text; s++)
        if (s->id == id)
            return true;
    return false;
}

static int
add_specials(struct ranks *r, const char *name, const struct encoding *e)
{
    for (const struct encoding_special *s = e->specials; s && s->text; s++)
        if (ranks_add_special(r, name, s->id, s->text, strlen(s->text)) < 0)
            return -1;
    for (uint32_t id = HARMONY_RESERVED; id < e->reserved_end; id++) {
        char text[32];
        int n = snprintf(text, sizeof text, "<|reserved_%u|>", id);
        if (!is_named(e, id) && ranks_add_special(r, name, id, text, (size_t)n) < 0)
            return -1;
    }
    return 0;
}

/* A name that is none may be a regular expression itself. */
static int
choose_regex(struct ranks *r, const char *name, const char *pattern, const struct encoding *e)
{
    const struct pattern *known = pattern_by_name(e ? e->pattern : pattern);
    char why[256];
    r->regex = known ? known->regex : pattern;
    if (known)
        return 0;
    if (!pattern[strspn(pattern, "abcdefghijklmnopqrstuvwxyz0123456789_-")])
        return err_set(STATUS_USAGE, "%s: no pattern is called '%s'", name, pattern);
    struct regex *regex = regex_new(pattern, strlen(pattern), why, sizeof why);
    if (!regex)
        return err_set(STATUS_USAGE, "the pattern '%s': %s", pattern, why);
    regex_free(regex);
    return 0;
}

static int
bad_line(const char *name, size_t line)
{
    return err_set(STATUS_INPUT, "%s: line %zu: expected base64, a space and a rank", name, line);
}

/* One line, without its end. */
static int
add_line(struct ranks *r, const char *name, size_t line, const char *s, size_t n, struct str *bytes)
{
    const char *space = memchr(s, ' ', n);
    if (!space || space == s)
        return bad_line(name, line);
    uint64_t rank = 0;
    const char *digit = space + 1, *end = s + n;
    while (digit < end && *digit >= '0' && *digit <= '9' && rank < VOCAB_MAX)
        rank = 10 * rank + (uint64_t)(*digit++ - '0');
    if (digit == space + 1 || digit != end)
        return bad_line(name, line);
    if (rank >= VOCAB_MAX)
        return err_set(STATUS_INPUT, "%s: line %zu: a rank beyond %d", name, line, VOCAB_MAX - 1);
    str_clear(bytes);
    if (!base64_decode(s, (size_t)(space - s), bytes) || bytes->len == 0)
        return bad_line(name, line);
    if (!vocab_add(&r->tokens, (uint32_t)rank, bytes->data, bytes->len))
        return err_set(STATUS_INPUT, "%s: line %zu: rank %u stands twice", name, line,
                       (unsigned)rank);
    return 0;
}

static int
add_lines(struct ranks *r, const char *name, const char *data, size_t n)
{
    struct str bytes = {0};
    int rc = 0;
    size_t line = 1;
    for (size_t at = 0, end; rc == 0 && at < n; at = end + 1, line++) {
        const char *newline = memchr(data + at, '\n', n - at);
        end = newline ? (size_t)(newline - data) : n;
        size_t length = end - at;
        if (length > 0 && data[end - 1] == '\r')
            length--;
        if (length > 0)
            rc = add_line(r, name, line, data + at, length, &bytes);
    }
    str_release(&bytes);
    return rc;
}

int
tiktoken_to_json(const char *name, const char *data, size_t n, const char *pattern,
                 struct str *json)
{
    if (!pattern)
        return err_set(STATUS_INPUT,
                       "%s: a .tiktoken file does not say how texts are cut: name it with "
                       "--pattern (of llm-tokenize)",
                       name);
    const struct encoding *e = encoding_by_name(pattern);
    struct ranks r = {0};
    int rc = choose_regex(&r, name, pattern, e);
    if (rc == 0)
        rc = add_lines(&r, name, data, n);
    if (rc == 0 && e)
        rc = add_specials(&r, name, e);
    if (rc == 0)
        rc = ranks_to_json(&r, name, json);
    ranks_release(&r);
    return rc;
}
