/*
 * Each document apart: every token of it is predicted once, from as much of the
 * document before it as the window holds. The first one is predicted from the shard's BOS,
 * or else its EOS, unless the document begins with it.
 */
#include "cmd/llm-eval/eval.h"

#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/progress.h"
#include "base/vec.h"

enum { CHUNK = 65536 };

struct rolling {
    struct token_stream *stream;
    struct decoder *decoder;
    struct validate_result *out;
    int64_t window, stride;
    uint32_t prefix;     /* SHARD_NONE: none */
    struct ids ids;      /* the document, its prefix before it */
    VEC(uint8_t) scored; /* of each id, as a target */
    uint16_t source;
    /* one window */
    int32_t *targets, *first;
    double *token_loss;
    uint64_t *bytes; /* [sources] */
};

static void
grow_sources(struct rolling *r)
{
    size_t old = r->out->sources, n = token_stream_sources(r->stream);
    if (n == old && r->bytes)
        return;
    r->out->source = mem_grow_array(r->out->source, n + 1, sizeof *r->out->source);
    r->bytes = mem_grow_array(r->bytes, n + 1, sizeof *r->bytes);
    for (size_t i = old; i < n; i++) {
        r->out->source[i] = (struct validate_source){
            .name = token_stream_source(r->stream, i)->name};
        r->bytes[i] = 0;
    }
    r->out->sources = n;
}

/* Targets [from, to) of the document, seen from inputs [begin, to - 1). */
static int
score_window(struct rolling *r, int64_t begin, int64_t from, int64_t to)
{
    struct sequence_loss whole;
    struct validate_source *s = &r->out->source[r->source];
    int64_t n = to - 1 - begin;
    for (int64_t i = 0; i < n; i++) {
        int64_t target = begin + i + 1;
        bool wanted = target >= from && r->scored.data[target];
        r->targets[i] = wanted ? (int32_t)r->ids.data[target] : -1;
        r->first[i] = 0;
    }
    struct batch b = {.sequences = 1,
                      .length = n,
                      .inputs = r->ids.data + begin,
                      .targets = r->targets,
                      .first = r->first};
    if (decoder_loss(r->decoder, &b, &whole, r->token_loss) < 0)
        return -1;
    for (int64_t i = 0; i < n; i++)
        if (r->targets[i] >= 0) {
            s->loss += r->token_loss[i];
            s->tokens++;
        }
    return 0;
}

/* The first window predicts as many tokens as it holds, each later one `stride` more. */
static int
score_document(struct rolling *r)
{
    int64_t n = (int64_t)r->ids.len, done = 1;
    int result = 0;
    while (done < n && result == 0) {
        int64_t step = done == 1 ? r->window : r->stride;
        int64_t to = done + step < n ? done + step : n;
        int64_t begin = to - 1 - r->window > 0 ? to - 1 - r->window : 0;
        result = score_window(r, begin, done, to);
        done = to;
    }
    vec_clear(&r->ids);
    vec_clear(&r->scored);
    return result;
}

static void
add_token(struct rolling *r, uint32_t id, uint8_t mark, uint16_t source)
{
    if (r->ids.len == 0) {
        r->source = source;
        if (r->prefix != SHARD_NONE && id != r->prefix) {
            vec_push(&r->ids, r->prefix);
            vec_push(&r->scored, 0);
        }
    }
    vec_push(&r->ids, id);
    vec_push(&r->scored, !(mark & TOKEN_NO_LOSS));
}

static int
score_stream(struct rolling *r)
{
    uint32_t *ids = mem_array(CHUNK, sizeof *ids);
    uint8_t *marks = mem_array(CHUNK, 1);
    uint16_t *sources = mem_array(CHUNK, sizeof *sources);
    uint64_t at = 0;
    int64_t n = 1;
    int result = 0;
    while (result == 0 && n > 0) {
        n = token_stream_read(r->stream, at, CHUNK, ids, marks, sources);
        grow_sources(r);
        if (n < 0 || token_stream_bytes(r->stream, at, (uint64_t)n, r->bytes) < 0)
            result = -1;
        for (int64_t i = 0; i < n && result == 0; i++) {
            if ((marks[i] & TOKEN_BEGINS) && r->ids.len)
                result = score_document(r);
            if (result == 0 && !(marks[i] & TOKEN_PADDING))
                add_token(r, ids[i], marks[i], sources[i]);
        }
        at += (uint64_t)(n > 0 ? n : 0);
        progress_set(at);
    }
    if (result == 0)
        result = score_document(r);
    free(ids);
    free(marks);
    free(sources);
    return result;
}

static void
add_up(struct rolling *r)
{
    struct validate_source *all = &r->out->all;
    *all = (struct validate_source){.name = "all"};
    for (size_t i = 0; i < r->out->sources; i++) {
        struct validate_source *s = &r->out->source[i];
        s->bytes = r->bytes[i];
        all->loss += s->loss;
        all->tokens += s->tokens;
        all->bytes += s->bytes;
    }
}

int
score_rolling(struct token_stream *s, const struct model *m, struct validate_result *out)
{
    const struct shard_head *head = token_stream_head(s);
    struct rolling r = {.stream = s, .out = out, .window = model_seq_length(m)};
    *out = (struct validate_result){0};
    r.stride = options.stride ? options.stride : r.window;
    r.prefix = head->bos != SHARD_NONE ? head->bos : head->eos;
    if (r.stride > r.window)
        return err_set(STATUS_USAGE, "--stride %lld is longer than the window of %lld tokens",
                       (long long)r.stride, (long long)r.window);
    if (head->seq_length)
        return err_set(STATUS_INPUT, "--rolling: a packed shard has no whole documents");
    r.decoder = model_decoder(m, r.window);
    if (!r.decoder)
        return -1;
    size_t n = (size_t)r.window + 1;
    r.targets = mem_array(n, sizeof *r.targets);
    r.first = mem_array(n, sizeof *r.first);
    r.token_loss = mem_array(n, sizeof *r.token_loss);
    int result = score_stream(&r);
    add_up(&r);
    vec_release(&r.ids);
    vec_release(&r.scored);
    free(r.targets);
    free(r.first);
    free(r.token_loss);
    free(r.bytes);
    decoder_free(r.decoder);
    return result;
}
