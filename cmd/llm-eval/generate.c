/* Text that the model writes: prompt in, continuation out, as it comes. */
#include "cmd/llm-eval/eval.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/die.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "json/json.h"
#include "json/write.h"
#include "model/generate.h"

enum { CHUNK = 512, PROMPTS_LIMIT = 1 << 30 };

struct generation {
    const struct model *m;
    struct decoder *decoder;
    struct tokenizer_scratch *scratch;
    struct sampler sampler;
    float *logits;
    void *sort; /* the sampler's */
    bool terminal;
    struct outfile json;
    struct ids ends; /* tokens that end a text */
    /* one text */
    struct ids ids;  /* prompt, then what was added */
    size_t prompt;   /* ids of the prompt */
    struct str text; /* the continuation, whole characters */
    size_t shown;    /* bytes of it that were written */
};

/* ---- showing ---- */

/* Where the first stop text begins in the continuation, or its length. */
static size_t
find_stop(const struct str *text)
{
    size_t best = text->len;
    for (size_t i = 0; i < options.stop.len; i++) {
        const char *stop = options.stop.data[i];
        const char *at = text->len ? memmem(text->data, text->len, stop, strlen(stop)) : NULL;
        if (at && (size_t)(at - text->data) < best)
            best = (size_t)(at - text->data);
    }
    return best;
}

/* Bytes at the end of the text that a stop text could begin with. */
static size_t
held_back(const struct str *text)
{
    size_t most = 0;
    for (size_t i = 0; i < options.stop.len; i++) {
        size_t n = strlen(options.stop.data[i]);
        for (size_t k = n < text->len ? n : text->len; k > most; k--)
            if (memcmp(text->data + text->len - k, options.stop.data[i], k) == 0)
                most = k;
    }
    return most;
}

static int
write_out(const char *data, size_t n)
{
    if (n && (fwrite(data, 1, n, stdout) != n || fflush(stdout) != 0))
        return err_sys("standard output");
    return 0;
}

static int
show_until(struct generation *g, size_t end)
{
    size_t from = g->shown;
    if (end <= from)
        return 0;
    g->shown = end;
    return write_out(g->text.data + from, end - from);
}

/* ---- one text ---- */

static bool
is_end(const struct generation *g, uint32_t id)
{
    for (size_t i = 0; i < g->ends.len; i++)
        if (g->ends.data[i] == id)
            return true;
    return false;
}

/* The logits that predict what comes behind the prompt. */
static int
read_prompt(struct generation *g, struct kv_cache *cache)
{
    size_t n = g->prompt;
    for (size_t at = 0; at < n; at += CHUNK) {
        size_t m = n - at < CHUNK ? n - at : CHUNK;
        if (decoder_extend(g->decoder, cache, g->ids.data + at, (int64_t)m, at + m == n ? 1 : 0,
                           g->logits) < 0)
            return -1;
    }
    return 0;
}

/* Adds tokens until an end: 0 or -1. */
static int
extend(struct generation *g, struct kv_cache *cache, struct tokenizer_stream *stream, int64_t room)
{
    const struct model *m = g->m;
    for (int64_t i = 0; i < room; i++) {
        uint32_t id = sampler_next(&g->sampler, g->logits, m->config->vocab_size, (uint64_t)i,
                                   g->sort);
        if (is_end(g, id))
            break;
        vec_push(&g->ids, id);
        if (id < tokenizer_vocabulary(m->tokenizer) &&
            tokenizer_stream_add(stream, id, &g->text) < 0)
            return -1;
        size_t stop = find_stop(&g->text);
        if (stop < g->text.len) {
            g->text.len = stop;
            return show_until(g, stop);
        }
        if (show_until(g, g->text.len - held_back(&g->text)) < 0)
            return -1;
        if (i + 1 < room && decoder_extend(g->decoder, cache, &id, 1, 1, g->logits) < 0)
            return -1;
    }
    size_t before = g->text.len;
    if (tokenizer_stream_end(stream, &g->text) < 0)
        return -1;
    size_t stop = find_stop(&g->text);
    g->text.len = stop < before ? before : stop;
    return show_until(g, g->text.len);
}

static int
continue_prompt(struct generation *g)
{
    const struct config *c = g->m->config;
    int64_t room = c->max_position_embeddings - (int64_t)g->prompt;
    if (g->prompt == 0)
        return err_set(STATUS_INPUT, "an empty prompt, and the tokenizer puts nothing before it");
    if (room < 1)
        return err_set(STATUS_INPUT,
                       "a prompt of %zu tokens leaves no room in the model's %lld "
                       "positions",
                       g->prompt, (long long)c->max_position_embeddings);
    room = options.max_new < room ? options.max_new : room;
    struct kv_cache *cache = kv_cache_new(g->decoder, (int64_t)g->prompt + room);
    struct tokenizer_stream *stream = tokenizer_stream_new(g->m->tokenizer, true);
    int result = read_prompt(g, cache);
    if (result == 0)
        result = extend(g, cache, stream, room);
    tokenizer_stream_free(stream);
    kv_cache_free(cache);
    return result;
}

static int
write_json(struct generation *g, const char *prompt, size_t n)
{
    struct str line = {0};
    struct json_writer w = {.out = &line};
    json_begin_object(&w, NULL);
    json_put_bytes(&w, "prompt", prompt, n);
    json_put_bytes(&w, "text", g->text.len ? g->text.data : "", g->text.len);
    json_begin_array(&w, "prompt_ids");
    for (size_t i = 0; i < g->prompt; i++)
        json_put_uint(&w, NULL, g->ids.data[i]);
    json_end_array(&w);
    json_begin_array(&w, "ids");
    for (size_t i = g->prompt; i < g->ids.len; i++)
        json_put_uint(&w, NULL, g->ids.data[i]);
    json_end_array(&w);
    json_end_object(&w);
    str_addc(&line, '\n');
    int result = outfile_write(&g->json, line.data, line.len);
    str_release(&line);
    return result;
}

static int
generate_one(struct generation *g, const char *prompt, size_t n)
{
    vec_clear(&g->ids);
    str_clear(&g->text);
    g->shown = 0;
    if (utf8_valid(prompt, n) != n)
        return err_set(STATUS_INPUT, "the prompt is not UTF-8");
    if (tokenizer_encode(g->m->tokenizer, g->scratch, prompt, n, ENCODE_POST_PREFIX, &g->ids) < 0)
        return -1;
    g->prompt = g->ids.len;
    if (g->terminal && write_out(prompt, n) < 0)
        return -1;
    if (continue_prompt(g) < 0 || write_out("\n", 1) < 0)
        return -1;
    return options.json ? write_json(g, prompt, n) : 0;
}

/* ---- all texts ---- */

/* One id or a list of them, as transformers has it. */
static int
add_ends(struct generation *g, const struct json_doc *doc, const json_t *root)
{
    const json_t *list = json_object_get(root, "eos_token_id");
    int64_t id = -1;
    if (!json_is_array(list)) {
        if (json_get_int(doc, root, "eos_token_id", JSON_MAY, -1, INT32_MAX, &id) < 0)
            return -1;
        if (id >= 0)
            vec_push(&g->ends, (uint32_t)id);
        return 0;
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (json_at_int(doc, list, i, 0, INT32_MAX, &id) < 0)
            return -1;
        vec_push(&g->ends, (uint32_t)id);
    }
    return 0;
}

/* The EOS of the configuration, of the tokenizer, and those of generation_config.json. */
static int
find_ends(struct generation *g)
{
    const struct tokenizer_specials *s = tokenizer_specials(g->m->tokenizer);
    struct json_doc doc = {0};
    const json_t *root;
    int result = 0;
    if (g->m->config->eos_token_id >= 0)
        vec_push(&g->ends, (uint32_t)g->m->config->eos_token_id);
    if (s->eos != TOKEN_NONE)
        vec_push(&g->ends, s->eos);
    char *path = file_join(g->m->source.path, "generation_config.json");
    if (file_exists(path)) {
        result = json_doc_load(&doc, path, 0);
        if (result == 0)
            result = json_root_object(&doc, &root) < 0 ? -1 : add_ends(g, &doc, root);
        json_doc_release(&doc);
    }
    free(path);
    return result;
}

static int
generate_lines(struct generation *g)
{
    struct str text = {0};
    int result = file_load(options.prompts, PROMPTS_LIMIT, &text);
    size_t number = 1;
    for (size_t at = 0; result == 0 && at < text.len; number++) {
        const char *line = text.data + at, *end = memchr(line, '\n', text.len - at);
        size_t n = end ? (size_t)(end - line) : text.len - at;
        result = generate_one(g, line, n);
        if (result < 0 && err_status() == STATUS_INPUT)
            err_prefix("%s: line %zu", options.prompts, number);
        at += n + 1;
    }
    str_release(&text);
    return result;
}

int
generate(struct model *m)
{
    struct generation g = {.m = m, .terminal = isatty(STDOUT_FILENO)};
    if (!m->tokenizer)
        return err_set(STATUS_INPUT, "%s: %s", m->source.path, m->why_no_tokenizer);
    if (tokenizer_vocabulary(m->tokenizer) > m->config->vocab_size)
        return err_set(STATUS_INPUT, "%s: the tokenizer has %u tokens, the model %lld",
                       m->source.path, tokenizer_vocabulary(m->tokenizer),
                       (long long)m->config->vocab_size);
    for (size_t i = 0; i < options.stop.len; i++)
        if (options.stop.data[i][0] == '\0')
            return err_set(STATUS_USAGE, "--stop: an empty text");
    if (find_ends(&g) < 0)
        return -1;
    if (options.json && outfile_open(&g.json, options.json, false) < 0)
        return -1;
    int64_t length = m->config->max_position_embeddings;
    g.decoder = model_decoder(m, length < CHUNK ? length : CHUNK);
    int result = g.decoder ? 0 : -1;
    size_t vocab = (size_t)m->config->vocab_size;
    g.scratch = tokenizer_scratch_new(m->tokenizer);
    g.logits = mem_array(vocab, sizeof *g.logits);
    g.sort = mem_alloc(vocab * 16);
    g.sampler = (struct sampler){.temperature = options.temperature,
                                 .top_p = options.top_p,
                                 .top_k = options.top_k,
                                 .seed = (uint64_t)common.seed};
    if (result == 0)
        result = options.prompts ? generate_lines(&g)
                                 : generate_one(&g, options.generate, strlen(options.generate));
    if (options.json && result == 0)
        result = outfile_commit(&g.json);
    else if (options.json)
        outfile_abandon(&g.json);
    tokenizer_scratch_free(g.scratch);
    decoder_free(g.decoder);
    vec_release(&g.ids);
    vec_release(&g.ends);
    str_release(&g.text);
    free(g.logits);
    free(g.sort);
    return result;
}
