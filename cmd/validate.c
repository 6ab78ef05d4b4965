#include "cmd/validate.h"

#include <math.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"

/*
 * Sequences are scored in rounds: each rank takes the next ROUND of them, then all ranks learn
 * all sums and add them in the sequences' order. Alone, or on a pipe, a round is one sequence.
 */
enum { ROUND = 8 };

/* What one sequence adds to one source. */
struct sums {
    double loss;
    uint64_t tokens, bytes;
};

struct validation {
    struct token_stream *stream;
    struct decoder *decoder;
    const struct validate_options *o;
    struct comm *comm;
    uint64_t end;    /* tokens to read; UINT64_MAX: until the stream ends */
    uint64_t stride; /* tokens from one sequence's start to the next one's */
    int64_t length;
    /* one sequence */
    uint32_t *ids; /* [length + 1] */
    uint8_t *marks, *begins;
    uint16_t *source;
    int32_t *targets, *first;
    double *token_loss;
    uint64_t *bytes;    /* [sources] */
    struct sums *round; /* [ranks][each][sources] */
    int each;           /* sequences of a round that one rank takes */
    size_t sources;     /* known by now: a pipe's grow */
    struct validate_result *out;
    bool ended;
};

static void
allocate(struct validation *v)
{
    size_t n = (size_t)v->length + 1;
    v->ids = mem_array(n, sizeof *v->ids);
    v->marks = mem_array(n, 1);
    v->begins = mem_array(n, 1);
    v->source = mem_array(n, sizeof *v->source);
    v->targets = mem_array(n, sizeof *v->targets);
    v->first = mem_array(n, sizeof *v->first);
    v->token_loss = mem_array(n, sizeof *v->token_loss);
}

static void
release(struct validation *v)
{
    free(v->ids);
    free(v->marks);
    free(v->begins);
    free(v->source);
    free(v->targets);
    free(v->first);
    free(v->token_loss);
    free(v->bytes);
    free(v->round);
}

/* Room for the sources the stream knows by now. */
static void
grow_sources(struct validation *v)
{
    size_t n = token_stream_sources(v->stream);
    if (n == v->sources && v->round)
        return;
    v->out->source = mem_grow_array(v->out->source, n + 1, sizeof *v->out->source);
    for (size_t i = v->sources; i < n; i++)
        v->out->source[i] = (struct validate_source){
            .name = token_stream_source(v->stream, i)->name};
    v->out->sources = v->sources = n;
    v->bytes = mem_grow_array(v->bytes, n + 1, sizeof *v->bytes);
    v->round = mem_grow_array(v->round, (size_t)(v->comm->size * v->each) * (n + 1),
                              sizeof *v->round);
}

/* Targets of the n tokens in hand, as training sets them; the rest of the sequence is padding. */
static void
set_targets(struct validation *v, int64_t n)
{
    for (int64_t i = 0; i < v->length; i++) {
        v->begins[i] = i < n && (v->marks[i] & TOKEN_BEGINS);
        v->targets[i] = -1;
        if (i + 1 >= n)
            continue;
        if (token_is_scored(v->marks[i + 1], v->o->document_mask))
            v->targets[i] = (int32_t)v->ids[i + 1];
    }
    for (int64_t i = n; i < v->length; i++)
        v->ids[i] = 0;
    batch_pieces(v->begins, v->length, v->o->document_mask, v->first);
}

/* Scores the sequence at `position` into `to` [sources]; a sequence behind the end adds nothing. */
static int
score_sequence(struct validation *v, uint64_t position)
{
    struct sequence_loss whole;
    uint64_t left = position < v->end ? v->end - position : 0;
    size_t want = (size_t)v->length + 1;
    if (left < want)
        want = (size_t)left;
    int64_t n = want ? token_stream_read(v->stream, position, want, v->ids, v->marks, v->source)
                     : 0;
    if (n < 0)
        return -1;
    grow_sources(v);
    v->ended |= n < v->length + 1 && v->end == UINT64_MAX;
    memset(v->bytes, 0, (v->sources + 1) * sizeof *v->bytes);
    uint64_t own = left < v->stride ? left : v->stride;
    if (n > 0 && token_stream_bytes(v->stream, position, own, v->bytes) < 0)
        return -1;
    set_targets(v, n);
    struct batch b = {.sequences = 1,
                      .length = v->length,
                      .inputs = v->ids,
                      .targets = v->targets,
                      .first = v->first};
    memset(v->token_loss, 0, (size_t)v->length * sizeof *v->token_loss);
    if (n <= 1)
        return 0;
    if (v->o->score)
        return v->o->score(v->o->scorer, &b, v->token_loss);
    return decoder_loss(v->decoder, &b, &whole, v->token_loss);
}

/* The sequence in hand, by source, in the order of its tokens. */
static void
sum_sequence(struct validation *v, struct sums *to)
{
    for (size_t i = 0; i < v->sources; i++)
        to[i] = (struct sums){.bytes = v->bytes[i]};
    for (int64_t i = 0; i < v->length; i++)
        if (v->targets[i] >= 0) {
            to[v->source[i + 1]].loss += v->token_loss[i];
            to[v->source[i + 1]].tokens++;
        }
}

static void
add_sums(struct validation *v, const struct sums *from)
{
    for (size_t i = 0; i < v->sources; i++) {
        struct validate_source *s = &v->out->source[i];
        s->loss += from[i].loss;
        s->tokens += from[i].tokens;
        s->bytes += from[i].bytes;
    }
}

/* One round from sequence `base` on; all ranks end up with the same sums. */
static int
run_round(struct validation *v, uint64_t base)
{
    int result = 0;
    int ranks = v->comm->size;
    uint64_t mine = base + (uint64_t)(v->comm->rank * v->each);
    for (int i = 0; i < v->each && result == 0; i++) {
        result = score_sequence(v, (mine + (uint64_t)i) * v->stride);
        size_t place = (size_t)(v->comm->rank * v->each + i);
        if (result == 0)
            sum_sequence(v, v->round + place * v->sources);
    }
    if (ranks > 1) {
        size_t bytes = (size_t)v->each * v->sources * sizeof *v->round;
        struct sums *own = v->round + (size_t)(v->comm->rank * v->each) * v->sources;
        if (comm_agree(v->comm, result < 0 ? (int)err_status() : STATUS_OK) < 0)
            return -1;
        result = comm_all_gather(v->comm, own, v->round, bytes);
    }
    for (int i = 0; i < ranks * v->each && result == 0; i++)
        add_sums(v, v->round + (size_t)i * v->sources);
    return result;
}

/* The end of the last whole document within `limit` tokens, or of the first document. */
static int
whole_documents(struct token_stream *s, uint64_t limit, uint64_t *end)
{
    enum { CHUNK = 65536 };
    uint32_t *ids = mem_array(CHUNK, sizeof *ids);
    uint8_t *marks = mem_array(CHUNK, 1);
    uint64_t best = 0, at = 0, total = token_stream_tokens(s);
    int64_t n = 1;
    while (n > 0 && total > limit && (at <= limit || best == 0)) {
        n = token_stream_read(s, at, CHUNK, ids, marks, NULL);
        for (int64_t i = 0; i < n; i++) {
            uint64_t p = at + (uint64_t)i;
            if ((marks[i] & TOKEN_BEGINS) && p > 0 && (p <= limit || best == 0))
                best = p;
        }
        at += (uint64_t)(n > 0 ? n : 0);
    }
    free(ids);
    free(marks);
    *end = best ? best : total;
    return n < 0 ? -1 : 0;
}

static int
find_end(struct validation *v)
{
    const struct shard_head *head = token_stream_head(v->stream);
    v->end = token_stream_tokens(v->stream);
    if (head->seq_length && head->seq_length != (uint64_t)v->length)
        return err_set(STATUS_INPUT, "the shard is packed for sequences of %u tokens, not %lld",
                       head->seq_length, (long long)v->length);
    v->stride = (uint64_t)v->length + (head->seq_length ? 1 : 0);
    if (!token_stream_seekable(v->stream)) {
        v->end = UINT64_MAX;
        if (v->comm->size > 1 || v->o->tokens)
            return err_set(STATUS_USAGE, "validation on a pipe takes one rank, and all tokens");
    } else if (v->o->tokens && head->seq_length) {
        v->end = v->o->tokens / v->stride * v->stride;
    } else if (v->o->tokens && whole_documents(v->stream, v->o->tokens, &v->end) < 0) {
        return -1;
    }
    return 0;
}

static void
add_up(struct validate_result *out)
{
    out->all = (struct validate_source){.name = "all"};
    for (size_t i = 0; i < out->sources; i++) {
        out->all.loss += out->source[i].loss;
        out->all.tokens += out->source[i].tokens;
        out->all.bytes += out->source[i].bytes;
    }
}

int
validate(struct token_stream *s, struct decoder *d, const struct validate_options *o,
         struct validate_result *out)
{
    struct validation v = {.stream = s,
                           .decoder = d,
                           .o = o,
                           .out = out,
                           .length = o->seq_length,
                           .comm = o->comm ? o->comm : comm_single()};
    *out = (struct validate_result){0};
    v.each = v.comm->size > 1 ? ROUND : 1;
    allocate(&v);
    int result = find_end(&v);
    if (result == 0)
        grow_sources(&v);
    uint64_t per_round = (uint64_t)(v.comm->size * v.each);
    for (uint64_t i = 0; result == 0 && !v.ended && i * v.stride < v.end; i += per_round) {
        result = run_round(&v, i);
        uint64_t done = (i + per_round) * v.stride;
        if (result == 0 && o->progress)
            o->progress(o->arg, done < v.end ? done : v.end);
    }
    release(&v);
    add_up(out);
    if (result < 0)
        validate_release(out);
    return result;
}

void
validate_release(struct validate_result *r)
{
    free(r->source);
    *r = (struct validate_result){0};
}

double
validate_loss(const struct validate_source *s)
{
    return s->tokens ? s->loss / (double)s->tokens : 0;
}

double
validate_bits_per_byte(const struct validate_source *s)
{
    return s->bytes ? s->loss / M_LN2 / (double)s->bytes : 0;
}
