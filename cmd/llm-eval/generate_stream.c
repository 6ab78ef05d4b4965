/* One text after the other, each shown as it comes, over one cache that keeps what they share. */
#include "cmd/llm-eval/generation.h"

#include "base/mem.h"

enum { CHUNK = 512 };

int
pen_init(struct pen *p, const struct model *m, int64_t capacity)
{
    size_t vocab = (size_t)m->config->vocab_size;
    int64_t positions = m->config->max_position_embeddings;
    *p = (struct pen){.m = m};
    p->decoder = model_decoder(m, positions < CHUNK ? positions : CHUNK);
    if (!p->decoder)
        return -1;
    p->cache = kv_cache_new(p->decoder, capacity);
    p->logits = mem_array(vocab, sizeof *p->logits);
    p->scratch = mem_array(vocab, 16);
    return 0;
}

void
pen_release(struct pen *p)
{
    kv_cache_free(p->cache);
    decoder_free(p->decoder);
    vec_release(&p->held);
    free(p->logits);
    free(p->scratch);
}

/* Puts ids behind the first `at` of the cache; the logits of the last one. */
static int
read_ids(struct pen *p, size_t at, const uint32_t *ids, size_t n)
{
    struct walk_item item = {
        .cache = p->cache, .at = (int64_t)at, .ids = ids, .n = (int64_t)n, .logits = p->logits};
    p->held.len = 0; /* what the cache holds after an error is not known */
    int result = decoder_walk(p->decoder, &item, 1);
    return result;
}

/* The prompt, but for its beginning if that is what the cache holds. */
static int
read_prompt(struct pen *p, const struct ids *prompt)
{
    size_t at = 0, most = p->held.len < prompt->len - 1 ? p->held.len : prompt->len - 1;
    while (at < most && p->held.data[at] == prompt->data[at])
        at++;
    if (read_ids(p, at, prompt->data + at, prompt->len - at) < 0)
        return -1;
    for (size_t i = 0; i < prompt->len; i++)
        vec_push(&p->held, prompt->data[i]);
    return 0;
}

int
pen_write(struct pen *p, struct writing *w, struct writing_stream *s, bool (*stop)(void))
{
    if (read_prompt(p, &w->prompt) < 0)
        return -1;
    for (;;) {
        if (writing_add(w, p->m, p->logits, p->scratch) < 0)
            return -1;
        w->done = w->done || (stop && stop());
        if (writing_stream_add(s, w, p->m) < 0)
            return -1;
        if (w->done)
            return 0;
        uint32_t id = w->ids.data[w->ids.len - 1];
        size_t at = p->held.len;
        if (read_ids(p, at, &id, 1) < 0)
            return -1;
        p->held.len = at;
        vec_push(&p->held, id);
    }
}
