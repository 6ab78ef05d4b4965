/* How a text goes on and ends, one token after the other, and what of it may be shown. */
#include "cmd/llm-eval/generation.h"

#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "json/json.h"

/* ---- where texts end ---- */

int
stop_add(stop_list *list, const struct tokenizer *t, struct tokenizer_scratch *s, const char *text,
         size_t n)
{
    struct ids ids = {0};
    if (n == 0)
        return err_set(STATUS_USAGE, "an empty text");
    if (utf8_valid(text, n) != n)
        return err_set(STATUS_USAGE, "the text is not UTF-8");
    for (size_t i = 0; i < list->len; i++)
        if (list->data[i].n == n && memcmp(list->data[i].text, text, n) == 0)
            return 0;
    int result = tokenizer_encode(t, s, text, n, 0, &ids);
    if (result == 0) {
        struct stop_text stop = {mem_strndup(text, n), n, ids.len + 2};
        vec_push(list, stop);
    }
    vec_release(&ids);
    return result;
}

void
stops_release(stop_list *list)
{
    for (size_t i = 0; i < list->len; i++)
        free(list->data[i].text);
    vec_release(list);
}

int
add_stop_options(stop_list *list, const struct tokenizer *t, struct tokenizer_scratch *s)
{
    for (size_t i = 0; i < options.stop.len; i++)
        if (stop_add(list, t, s, options.stop.data[i], strlen(options.stop.data[i])) < 0)
            return err_prefix("--stop");
    return 0;
}

size_t
stops_cut(const stop_list *list, const char *text, size_t n)
{
    for (size_t i = 0; i < list->len && n; i++) {
        const char *at = memmem(text, n, list->data[i].text, list->data[i].n);
        if (at)
            n = (size_t)(at - text);
    }
    return n;
}

size_t
stops_held(const stop_list *list, const char *text, size_t n)
{
    size_t most = 0;
    for (size_t i = 0; i < list->len; i++) {
        const struct stop_text *s = &list->data[i];
        for (size_t k = s->n < n ? s->n : n; k > most; k--)
            if (memcmp(text + n - k, s->text, k) == 0)
                most = k;
    }
    return most;
}

/* One id or a list of them, as transformers has it. */
static int
add_ends(const struct json_doc *doc, const json_t *root, struct ids *ends)
{
    const json_t *list = json_object_get(root, "eos_token_id");
    int64_t id = -1;
    if (!json_is_array(list)) {
        if (json_get_int(doc, root, "eos_token_id", JSON_MAY, -1, INT32_MAX, &id) < 0)
            return -1;
        if (id >= 0)
            vec_push(ends, (uint32_t)id);
        return 0;
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (json_at_int(doc, list, i, 0, INT32_MAX, &id) < 0)
            return -1;
        vec_push(ends, (uint32_t)id);
    }
    return 0;
}

static int
read_ends(const char *name, const char *data, size_t n, struct ids *ends)
{
    struct json_doc doc = {0};
    const json_t *root;
    if (json_doc_parse(&doc, name, data, n) < 0)
        return -1;
    int result = json_root_object(&doc, &root) < 0 ? -1 : add_ends(&doc, root, ends);
    json_doc_release(&doc);
    return result;
}

static int
take_ends(void *arg, const char *name, const char *data, size_t n)
{
    return strcmp(name, "generation_config.json") == 0 ? read_ends(name, data, n, arg) : 0;
}

int
find_ends(const struct model *m, struct ids *ends)
{
    const struct tokenizer_specials *s = tokenizer_specials(m->tokenizer);
    if (m->config->eos_token_id >= 0)
        vec_push(ends, (uint32_t)m->config->eos_token_id);
    if (s->eos != TOKEN_NONE)
        vec_push(ends, s->eos);
    if (m->config->json &&
        read_ends("config.json", m->config->json, strlen(m->config->json), ends) < 0)
        return -1;
    return model_source_files(&m->source, take_ends, ends);
}

int
check_tokenizer(const struct model *m)
{
    if (!m->tokenizer)
        return err_set(STATUS_INPUT, "%s: %s", m->source.path, m->why_no_tokenizer);
    if (tokenizer_vocabulary(m->tokenizer) > m->config->vocab_size)
        return err_set(STATUS_INPUT, "%s: the tokenizer has %u tokens, the model %lld",
                       m->source.path, tokenizer_vocabulary(m->tokenizer),
                       (long long)m->config->vocab_size);
    return 0;
}

/* ---- one text ---- */

void
writing_init(struct writing *w)
{
    *w = (struct writing){.sampler = {.top_p = 1}, .repetition_penalty = 1, .end = TOKEN_NONE};
}

void
writing_options(struct writing *w, uint64_t number, const stop_list *stops, const struct ids *ends)
{
    w->max_new = options.max_new;
    w->sampler = (struct sampler){.temperature = options.temperature,
                                  .top_p = options.top_p,
                                  .top_k = options.top_k,
                                  .seed = (uint64_t)common.seed};
    w->repetition_penalty = options.repetition_penalty;
    w->number = number;
    w->stops = stops;
    w->ends = ends;
}

int
writing_fit(struct writing *w, int64_t positions)
{
    int64_t room = positions - (int64_t)w->prompt.len;
    if (w->prompt.len == 0)
        return err_set(STATUS_INPUT, "an empty prompt, and the tokenizer puts nothing before it");
    if (room < 1)
        return err_set(STATUS_INPUT,
                       "a prompt of %zu tokens leaves no room in the model's %lld positions",
                       w->prompt.len, (long long)positions);
    w->max_new = w->max_new < room ? w->max_new : room;
    return 0;
}

void
writing_release(struct writing *w)
{
    vec_release(&w->prompt);
    vec_release(&w->ids);
    free(w->seen);
    str_release(&w->recent);
}

/* Appends the text of ids; a model may have more tokens than its tokenizer: they have none. */
static int
decode(const struct model *m, const uint32_t *ids, size_t n, bool skip_special, struct str *out)
{
    uint32_t known = tokenizer_vocabulary(m->tokenizer);
    struct ids kept = {0};
    for (size_t i = 0; i < n; i++)
        if (ids[i] < known)
            vec_push(&kept, ids[i]);
    int result = tokenizer_decode(m->tokenizer, kept.data, kept.len, skip_special, out);
    vec_release(&kept);
    return result;
}

static bool
is_end(const struct ids *ends, uint32_t id)
{
    for (size_t i = 0; ends && i < ends->len; i++)
        if (ends->data[i] == id)
            return true;
    return false;
}

/* Does the text of the last tokens hold a stop text? 1, 0 or -1. */
static int
is_stopped(struct writing *w, const struct model *m)
{
    for (size_t i = 0; w->stops && i < w->stops->len; i++) {
        const struct stop_text *s = &w->stops->data[i];
        size_t n = s->window < w->ids.len ? s->window : w->ids.len;
        str_clear(&w->recent);
        if (decode(m, w->ids.data + w->ids.len - n, n, false, &w->recent) < 0)
            return -1;
        if (w->recent.len && memmem(w->recent.data, w->recent.len, s->text, s->n))
            return 1;
    }
    return 0;
}

static void
penalize(struct writing *w, int64_t vocab, float *logits)
{
    if (w->repetition_penalty == 1)
        return;
    if (!w->seen) {
        w->seen = mem_zarray(sampler_seen_words(vocab), sizeof *w->seen);
        sampler_see(w->seen, vocab, w->prompt.data, w->prompt.len);
        sampler_see(w->seen, vocab, w->ids.data, w->ids.len);
    }
    sampler_penalize(logits, vocab, w->seen, w->repetition_penalty);
}

int
writing_add(struct writing *w, const struct model *m, float *logits, void *scratch)
{
    int64_t vocab = m->config->vocab_size;
    uint64_t index = w->number << 24 | w->ids.len;
    penalize(w, vocab, logits);
    uint32_t id = sampler_next(&w->sampler, logits, vocab, index, scratch);
    if (is_end(w->ends, id)) {
        w->end = id;
        w->done = true;
        return 0;
    }
    vec_push(&w->ids, id);
    if (w->seen)
        sampler_see(w->seen, vocab, &id, 1);
    int stopped = is_stopped(w, m);
    w->done = stopped > 0 || (int64_t)w->ids.len >= w->max_new;
    return stopped < 0 ? -1 : 0;
}

int
writing_text(const struct writing *w, const struct model *m, struct str *out)
{
    struct ids all = {0};
    size_t before = out->len;
    for (size_t i = 0; i < w->ids.len; i++)
        vec_push(&all, w->ids.data[i]);
    if (w->end_is_text && w->end != TOKEN_NONE)
        vec_push(&all, w->end);
    int result = decode(m, all.data, all.len, true, out);
    if (result == 0 && w->stops && out->len > before)
        out->len = before + stops_cut(w->stops, out->data + before, out->len - before);
    if (out->data)
        out->data[out->len] = '\0';
    vec_release(&all);
    return result;
}

/* ---- as it comes ---- */

void
writing_stream_begin(struct writing_stream *s, const struct model *m)
{
    if (s->stream)
        tokenizer_stream_free(s->stream);
    s->stream = tokenizer_stream_new(m->tokenizer, true);
    str_clear(&s->text);
    s->taken = s->shown = 0;
}

void
writing_stream_release(struct writing_stream *s)
{
    tokenizer_stream_free(s->stream);
    str_release(&s->text);
}

int
writing_stream_add(struct writing_stream *s, const struct writing *w, const struct model *m)
{
    uint32_t known = tokenizer_vocabulary(m->tokenizer);
    for (; s->taken < w->ids.len; s->taken++)
        if (w->ids.data[s->taken] < known &&
            tokenizer_stream_add(s->stream, w->ids.data[s->taken], &s->text) < 0)
            return -1;
    if (w->done && tokenizer_stream_end(s->stream, &s->text) < 0)
        return -1;
    size_t end = s->text.len;
    if (w->stops && end) {
        end = stops_cut(w->stops, s->text.data, s->text.len);
        if (!w->done)
            end -= stops_held(w->stops, s->text.data, end);
    }
    size_t from = s->shown;
    if (end <= from)
        return 0;
    s->shown = end;
    return s->show(s->arg, s->text.data + from, end - from);
}
