/* Text that the model writes: of one prompt as it comes, of a file's lines several at a time. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "base/utf8.h"
#include "cmd/llm-eval/generation.h"
#include "cmd/llm-eval/talk.h"
#include "json/write.h"

enum { PROMPTS_LIMIT = 1 << 30 };

struct prompt {
    const char *text;
    size_t n;
};

struct generation {
    struct model *m;
    struct tokenizer_scratch *scratch;
    struct talk_form form; /* of --chat */
    bool echo;             /* prompts are printed before their texts */
    struct outfile json;
    struct ids ends;
    stop_list stops;
    struct str file; /* of --prompts */
    VEC(struct prompt) prompts;
    VEC(struct writing) writings;
    size_t written; /* lines that are on standard output */
};

/* ---- output ---- */

static int
write_out(const char *data, size_t n)
{
    if (n && (fwrite(data, 1, n, stdout) != n || fflush(stdout) != 0))
        return err_sys("standard output");
    return 0;
}

static int
show(void *arg, const char *text, size_t n)
{
    (void)arg;
    return write_out(text, n);
}

static void
put_ids(struct json_writer *w, const char *key, const struct ids *ids)
{
    json_begin_array(w, key);
    for (size_t i = 0; i < ids->len; i++)
        json_put_uint(w, NULL, ids->data[i]);
    json_end_array(w);
}

static int
write_json(struct generation *g, size_t i, const struct str *text)
{
    struct str line = {0};
    struct json_writer w = {.out = &line};
    if (!options.json)
        return 0;
    json_begin_object(&w, NULL);
    json_put_bytes(&w, "prompt", g->prompts.data[i].text, g->prompts.data[i].n);
    json_put_bytes(&w, "text", text->len ? text->data : "", text->len);
    put_ids(&w, "prompt_ids", &g->writings.data[i].prompt);
    put_ids(&w, "ids", &g->writings.data[i].ids);
    json_end_object(&w);
    str_addc(&line, '\n');
    int result = outfile_write(&g->json, line.data, line.len);
    str_release(&line);
    return result;
}

/* ---- prompts ---- */

/* The prompt's tokens: as a text begins, or as a user's message. */
static int
encode_prompt(struct generation *g, const struct prompt *p, struct ids *out)
{
    if (utf8_valid(p->text, p->n) != p->n)
        return err_set(STATUS_INPUT, "the prompt is not UTF-8");
    if (!options.chat)
        return tokenizer_encode(g->m->tokenizer, g->scratch, p->text, p->n, ENCODE_POST_PREFIX,
                                out);
    json_t *messages = talk_new(options.system);
    int result = talk_say(messages, "user", p->text, p->n);
    if (result == 0)
        result = talk_encode(&g->form, messages, out);
    json_decref(messages);
    return result;
}

/* The writing that continues the last prompt. */
static int
add_writing(struct generation *g)
{
    struct writing w;
    writing_init(&w);
    writing_options(&w, g->writings.len, &g->stops, &g->ends);
    int result = encode_prompt(g, &g->prompts.data[g->prompts.len - 1], &w.prompt);
    if (result == 0)
        result = writing_fit(&w, g->m->config->max_position_embeddings);
    vec_push(&g->writings, w);
    return result;
}

static int
add_prompt(struct generation *g, const char *text, size_t n)
{
    struct prompt p = {text, n};
    vec_push(&g->prompts, p);
    return add_writing(g);
}

static int
add_lines(struct generation *g)
{
    if (file_load(options.prompts, PROMPTS_LIMIT, &g->file) < 0)
        return -1;
    for (size_t at = 0; at < g->file.len;) {
        const char *line = g->file.data + at, *end = memchr(line, '\n', g->file.len - at);
        size_t n = end ? (size_t)(end - line) : g->file.len - at;
        if (add_prompt(g, line, n) < 0)
            return err_status() == STATUS_INPUT
                       ? err_prefix("%s: line %zu", options.prompts, g->prompts.len)
                       : -1;
        at += n + 1;
    }
    return 0;
}

/* ---- the modes ---- */

/* Prints the texts that are done and have no other before them. */
static int
print_lines(void *arg, size_t which)
{
    struct generation *g = arg;
    (void)which;
    for (; g->written < g->writings.len && g->writings.data[g->written].done; g->written++) {
        const struct prompt *p = &g->prompts.data[g->written];
        struct str text = {0};
        int result = writing_text(&g->writings.data[g->written], g->m, &text);
        if (result == 0 && g->echo)
            result = write_out(p->text, p->n);
        if (result == 0)
            result = write_json(g, g->written, &text);
        str_addc(&text, '\n');
        if (result == 0)
            result = write_out(text.data, text.len);
        str_release(&text);
        if (result < 0)
            return -1;
    }
    return 0;
}

static int
write_one(struct generation *g)
{
    struct writing *w = &g->writings.data[0];
    struct writing_stream s = {.show = show};
    struct pen pen;
    int result = pen_init(&pen, g->m, (int64_t)w->prompt.len + w->max_new);
    writing_stream_begin(&s, g->m);
    if (result == 0 && g->echo)
        result = write_out(g->prompts.data[0].text, g->prompts.data[0].n);
    if (result == 0)
        result = pen_write(&pen, w, &s, NULL);
    if (result == 0)
        result = write_out("\n", 1);
    s.text.len = s.shown;
    if (result == 0)
        result = write_json(g, 0, &s.text);
    writing_stream_release(&s);
    pen_release(&pen);
    return result;
}

static int
write_prompts(struct generation *g)
{
    if (options.generate)
        return add_prompt(g, options.generate, strlen(options.generate)) < 0 ? -1 : write_one(g);
    if (add_lines(g) < 0)
        return -1;
    return write_texts(g->m, g->writings.data, g->writings.len, options.batch, print_lines, g);
}

static void
generation_release(struct generation *g)
{
    for (size_t i = 0; i < g->writings.len; i++)
        writing_release(&g->writings.data[i]);
    vec_release(&g->writings);
    vec_release(&g->prompts);
    str_release(&g->file);
    stops_release(&g->stops);
    vec_release(&g->ends);
    talk_form_close(&g->form);
    tokenizer_scratch_free(g->scratch);
}

/* --mt-bench asks, else --prompts or --generate say what is written. */
static int
write_all(struct generation *g)
{
    if (options.mt_bench)
        return chat_answers(g->m, options.mt_bench, &g->json);
    int result = options.chat ? talk_form_open(&g->form, g->m) : 0;
    if (result == 0)
        result = find_ends(g->m, &g->ends);
    if (result == 0)
        result = add_stop_options(&g->stops, g->m->tokenizer, g->scratch);
    return result == 0 ? write_prompts(g) : -1;
}

int
generate(struct model *m)
{
    struct generation g = {.m = m, .echo = isatty(STDOUT_FILENO) && !options.chat};
    if (options.interactive)
        return interactive(m);
    if (check_tokenizer(m) < 0)
        return -1;
    if (options.json && outfile_open(&g.json, options.json, false) < 0)
        return -1;
    g.scratch = tokenizer_scratch_new(m->tokenizer);
    int result = write_all(&g);
    if (options.json && result == 0)
        result = outfile_commit(&g.json);
    else if (options.json)
        outfile_abandon(&g.json);
    generation_release(&g);
    return result;
}
