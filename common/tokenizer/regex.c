#define PCRE2_CODE_UNIT_WIDTH 8
#include "tokenizer/regex.h"

#include <pcre2.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "tokenizer/regex_syntax.h"

struct regex {
    pcre2_code *code;
    bool jit;
};

/* Match data, and stacks that grow: one for all patterns of a thread. */
struct regex_scratch {
    pcre2_match_data *data;
    pcre2_match_context *context;
    pcre2_jit_stack *stack;
};

enum {
    STACK_LEAST = 32 << 10,
    STACK_MOST = 64 << 20,
    HEAP_KIB = 512 << 10,
    MATCH_LIMIT = 1000000000
};

struct regex *
regex_new(const char *pattern, size_t n, char *why, size_t why_size)
{
    struct str translated = {0};
    if (regex_translate(pattern, n, &translated, why, why_size) < 0) {
        str_release(&translated);
        return NULL;
    }
    int error = 0;
    PCRE2_SIZE offset = 0;
    pcre2_code *code = pcre2_compile((PCRE2_SPTR)translated.data, translated.len,
                                     PCRE2_UTF | PCRE2_UCP, &error, &offset, NULL);
    str_release(&translated);
    if (!code) {
        char text[160];
        pcre2_get_error_message(error, (PCRE2_UCHAR *)text, sizeof text);
        snprintf(why, why_size, "the pattern does not compile: %s", text);
        return NULL;
    }
    struct regex *r = mem_zalloc(sizeof *r);
    r->code = code;
    r->jit = pcre2_jit_compile(code, PCRE2_JIT_COMPLETE) == 0;
    return r;
}

void
regex_free(struct regex *r)
{
    if (!r)
        return;
    pcre2_code_free(r->code);
    free(r);
}

struct regex_scratch *
regex_scratch_new(void)
{
    struct regex_scratch *s = mem_zalloc(sizeof *s);
    s->data = pcre2_match_data_create(1, NULL);
    s->context = pcre2_match_context_create(NULL);
    s->stack = pcre2_jit_stack_create(STACK_LEAST, STACK_MOST, NULL);
    if (s->context) {
        pcre2_jit_stack_assign(s->context, NULL, s->stack);
        pcre2_set_heap_limit(s->context, HEAP_KIB);
        pcre2_set_match_limit(s->context, MATCH_LIMIT);
    }
    return s;
}

void
regex_scratch_free(struct regex_scratch *s)
{
    if (!s)
        return;
    pcre2_match_data_free(s->data);
    pcre2_match_context_free(s->context);
    pcre2_jit_stack_free(s->stack);
    free(s);
}

int
regex_find(const struct regex *r, struct regex_scratch *s, const char *text, size_t n, size_t from,
           size_t *begin, size_t *end)
{
    PCRE2_SPTR subject = (PCRE2_SPTR)text;
    uint32_t options = PCRE2_NO_UTF_CHECK;
    int rc = pcre2_match(r->code, subject, n, from, options, s->data, s->context);
    /* compiled code has a stack of its own, which words of a megabyte exceed: the
     * interpreter takes its memory from the heap */
    if (rc == PCRE2_ERROR_JIT_STACKLIMIT)
        rc = pcre2_match(r->code, subject, n, from, options | PCRE2_NO_JIT, s->data, s->context);
    if (rc == PCRE2_ERROR_NOMATCH)
        return 0;
    if (rc < 0) {
        char reason[160];
        pcre2_get_error_message(rc, (PCRE2_UCHAR *)reason, sizeof reason);
        return err_set(STATUS_INPUT, "the tokenizer's pattern fails on this text: %s", reason);
    }
    const PCRE2_SIZE *pair = pcre2_get_ovector_pointer(s->data);
    *begin = pair[0];
    *end = pair[1];
    return 1;
}
