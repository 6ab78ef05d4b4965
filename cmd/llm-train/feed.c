/* Deals the token stream out to the ranks, a step at a time. */
#include "cmd/llm-train/feed.h"

#include <string.h>

#include "base/err.h"
#include "base/hash.h"
#include "base/mem.h"

enum { TAG_DEAL = 7 };

/* Ids that so many sequences take: unpacked ones share theirs, and the last one needs one more. */
static int64_t
part_tokens(int64_t sequences, int64_t seq_length, int64_t stride)
{
    return sequences > 0 ? sequences * stride + (stride > seq_length ? 0 : 1) : 0;
}

static int64_t
own_tokens(const struct feed *f)
{
    return part_tokens(f->o.sequences, f->o.seq_length, f->stride);
}

static int64_t
step_tokens(const struct feed *f)
{
    return part_tokens(f->o.global_batch, f->o.seq_length, f->stride);
}

uint64_t
feed_bytes(int64_t sequences, int64_t seq_length, int64_t all)
{
    uint64_t n = (uint64_t)part_tokens(sequences, seq_length, seq_length);

    return n * (4 + 1 + 2 + 4 + 4) +
           (uint64_t)part_tokens(all, seq_length, seq_length) * (4 + 1 + 2);
}

static void
take_buffers(struct feed *f)
{
    size_t n = (size_t)own_tokens(f) + 1;

    f->ids = mem_array(n, sizeof *f->ids);
    f->marks = mem_zalloc(n);
    f->sources = mem_array(n, sizeof *f->sources);
    f->targets = mem_array(n, sizeof *f->targets);
    f->first = mem_array(n, sizeof *f->first);
}

/* A whole step's data, on rank 0 of a pipe. */
static void
take_step_buffers(struct feed *f)
{
    size_t all = (size_t)step_tokens(f);

    f->parts = mem_zarray((size_t)f->comm->size, sizeof *f->parts);
    if (f->comm->rank != 0)
        return;
    f->step_ids = mem_array(all, sizeof *f->step_ids);
    f->step_marks = mem_array(all, 1);
    f->step_sources = mem_array(all, sizeof *f->step_sources);
}

/* What the ranks that read nothing must know of the stream. */
static int
share_head(struct feed *f)
{
    if (f->stream) {
        f->head = *token_stream_head(f->stream);
        f->head.provenance = NULL;
    }
    if (f->o.pipe && comm_broadcast(f->comm, &f->head, sizeof f->head, 0) < 0)
        return -1;
    f->head.provenance = NULL;
    return 0;
}

/* Packed sequences are trained as they are. */
static int
check_length(const struct feed *f)
{
    uint32_t packed = token_stream_head(f->stream)->seq_length;

    if (packed && packed != f->o.seq_length)
        return err_set(STATUS_INPUT, "%s: is packed for sequences of %u tokens, not %lld: "
                       "give --seq-length %u", f->o.paths[0], packed, (long long)f->o.seq_length,
                       packed);
    return 0;
}

int
feed_open(struct feed *f, struct comm *comm, const struct feed_options *o)
{
    int status = 0;

    *f = (struct feed){.o = *o, .comm = comm};
    if (!o->pipe || comm->rank == 0) {
        f->stream = token_stream_open(o->paths, o->path_count, o->fd);
        if (!f->stream)
            status = (int)err_status();
    }
    if (status == 0 && f->stream && check_length(f) < 0)
        status = STATUS_INPUT;
    if (comm_agree(comm, status) < 0 || share_head(f) < 0)
        return -1;
    f->stride = o->seq_length + (f->head.seq_length ? 1 : 0);
    take_buffers(f);
    if (!o->pipe)
        return 0;
    take_step_buffers(f);
    return feed_deal(f, o->global_batch, o->first, o->sequences);
}

int
feed_deal(struct feed *f, int64_t global_batch, int64_t first, int64_t sequences)
{
    struct deal mine = {first, sequences};

    f->o.global_batch = global_batch;
    f->o.first = first;
    f->o.sequences = sequences;
    return f->o.pipe ? comm_all_gather(f->comm, &mine, f->parts, sizeof mine) : 0;
}

/* Ids in the whole input over all epochs; UINT64_MAX when unknown. */
static uint64_t
all_tokens(const struct feed *f)
{
    uint64_t once = f->stream ? token_stream_tokens(f->stream) : UINT64_MAX;

    if (once == UINT64_MAX)
        return once;
    return __builtin_mul_overflow(once, (uint64_t)f->o.epochs, &once) ? UINT64_MAX - 1 : once;
}

uint64_t
feed_trainable(const struct feed *f)
{
    uint64_t total = all_tokens(f);

    if (total == UINT64_MAX || total == 0)
        return total;
    return f->head.seq_length ? feed_trained(f, total) : total - 1;
}

uint64_t
feed_trained(const struct feed *f, uint64_t position)
{
    return f->head.seq_length ? position / (uint64_t)f->stride * (uint64_t)f->o.seq_length : position;
}

/* Reads n tokens of the stream repeated for its epochs. Tokens read, or -1. */
static int64_t
read_epochs(struct feed *f, uint64_t position, size_t n, uint32_t *ids, uint8_t *marks, uint16_t *sources)
{
    uint64_t once = token_stream_tokens(f->stream), total = all_tokens(f);
    size_t done = 0;

    if (f->o.pipe)
        return token_stream_read(f->stream, position, n, ids, marks, sources);
    while (done < n && position + done < total) {
        uint64_t at = (position + done) % once;
        size_t want = n - done < once - at ? n - done : (size_t)(once - at);
        int64_t got = token_stream_read(f->stream, at, want, ids + done, marks + done, sources + done);
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        done += (size_t)got;
    }
    return (int64_t)done;
}

int
feed_chain(struct feed *f, uint64_t *chain)
{
    uint64_t once, parts[3];

    *chain = 0;
    if (f->comm->rank != 0)
        return 0;
    once = token_stream_tokens(f->stream);
    if (f->o.pipe || once == 0 || f->position < once)
        return token_stream_chain(f->stream, f->position, chain);
    /* Later passes: the pass, the whole chain, and the chain within it. */
    parts[0] = f->position / once;
    if (token_stream_chain(f->stream, once, &parts[1]) < 0 ||
        token_stream_chain(f->stream, f->position % once, &parts[2]) < 0)
        return -1;
    *chain = hash64(parts, sizeof parts);
    return 0;
}

/* A pipe is read up to the position; its tokens are dropped. */
static int
skip_to(struct feed *f, uint64_t position)
{
    if (f->o.pipe) {
        int64_t got = position ? token_stream_read(f->stream, position - 1, 1, f->ids, f->marks, f->sources) : 1;
        if (got < 0)
            return -1;
        if (got == 0)
            return err_set(STATUS_INPUT, "%s: ends before token %llu, where training stopped",
                           f->o.paths[0], (unsigned long long)position);
    } else if (position > all_tokens(f)) {
        return err_set(STATUS_INPUT, "%s: the shards hold %llu tokens, training stopped at token %llu",
                       f->o.paths[0], (unsigned long long)all_tokens(f), (unsigned long long)position);
    }
    return 0;
}

int
feed_seek(struct feed *f, uint64_t position, uint64_t chain)
{
    uint64_t found;
    int status = 0;

    f->position = position;
    if (f->comm->rank == 0) {
        if (skip_to(f, position) < 0 || feed_chain(f, &found) < 0)
            status = (int)err_status();
        else if (found != chain)
            status = (err_set(STATUS_INPUT,
                              "%s: is not the data this run was trained on: hash chain %016llx at token %llu, expected %016llx",
                              f->o.paths[0], (unsigned long long)found, (unsigned long long)position,
                              (unsigned long long)chain), STATUS_INPUT);
    }
    return comm_agree(f->comm, status);
}

static void
count_sources(struct feed *f, const uint16_t *sources, const uint8_t *marks, int64_t sequences)
{
    size_t have = token_stream_sources(f->stream);

    if (have > f->source_count) {
        f->source_tokens = mem_grow_array(f->source_tokens, have, sizeof *f->source_tokens);
        memset(f->source_tokens + f->source_count, 0, (have - f->source_count) * sizeof *f->source_tokens);
        f->source_count = have;
    }
    for (int64_t j = 0; j < sequences; j++)
        for (int64_t i = j * f->stride; i < j * f->stride + f->o.seq_length; i++)
            f->source_tokens[sources[i]] += !(marks[i] & TOKEN_PADDING);
}

/* Rank 0 of a pipe reads the whole step, keeps its part and sends the others theirs. */
static int
deal_out(struct feed *f)
{
    for (int r = 1; r < f->comm->size; r++) {
        size_t n = (size_t)part_tokens(f->parts[r].sequences, f->o.seq_length, f->stride);
        size_t from = (size_t)(f->parts[r].first * f->stride), bytes = n * 5;
        struct comm_request *q = NULL;

        if (n == 0)
            continue;
        if (bytes > f->message_size)
            f->message = mem_grow(f->message, f->message_size = bytes);
        memcpy(f->message, f->step_ids + from, n * 4);
        memcpy(f->message + n * 4, f->step_marks + from, n);
        if (f->comm->ops->send(f->comm, f->message, bytes, r, TAG_DEAL, &q) < 0 || comm_wait(f->comm, &q) < 0)
            return -1;
    }
    return 0;
}

static int
receive_deal(struct feed *f)
{
    size_t n = (size_t)own_tokens(f), bytes = n * 5;
    struct comm_request *q = NULL;

    if (n == 0)
        return 0;
    if (bytes > f->message_size)
        f->message = mem_grow(f->message, f->message_size = bytes);
    if (f->comm->ops->receive(f->comm, f->message, bytes, 0, TAG_DEAL, &q) < 0 || comm_wait(f->comm, &q) < 0)
        return -1;
    memcpy(f->ids, f->message, n * 4);
    memcpy(f->marks, f->message + n * 4, n);
    return 0;
}

static int
next_from_pipe(struct feed *f)
{
    size_t all = (size_t)step_tokens(f);
    size_t n = (size_t)own_tokens(f);
    size_t from = (size_t)(f->o.first * f->stride);
    int64_t got = 0;
    int whole = 0;

    if (f->comm->rank == 0)
        got = token_stream_read(f->stream, f->position, all, f->step_ids, f->step_marks, f->step_sources);
    whole = got == (int64_t)all;
    if (comm_agree(f->comm, got < 0 ? (int)err_status() : 0) < 0 ||
        comm_broadcast(f->comm, &whole, sizeof whole, 0) < 0)
        return -1;
    if (!whole)
        return 0;
    if (f->comm->rank != 0)
        return receive_deal(f) < 0 ? -1 : 1;
    memcpy(f->ids, f->step_ids + from, n * sizeof *f->ids);
    memcpy(f->marks, f->step_marks + from, n);
    count_sources(f, f->step_sources, f->step_marks, f->o.global_batch);
    return deal_out(f) < 0 ? -1 : 1;
}

static int
next_from_files(struct feed *f)
{
    size_t n = (size_t)own_tokens(f);
    uint64_t all = (uint64_t)step_tokens(f);
    int64_t got = 0;

    if (f->position + all > all_tokens(f))
        return 0;
    if (n > 0)
        got = read_epochs(f, f->position + (uint64_t)(f->o.first * f->stride), n, f->ids, f->marks, f->sources);
    if (got >= 0 && got != (int64_t)n)
        got = err_set(STATUS_INPUT, "%s: fewer tokens than its tail says", f->o.paths[0]);
    if (comm_agree(f->comm, got < 0 ? (int)err_status() : 0) < 0)
        return -1;
    if (n > 0)
        count_sources(f, f->sources, f->marks, f->o.sequences);
    return 1;
}

/* Targets, document pieces and the number of scored targets of this rank's part. */
static void
cut_sequences(struct feed *f)
{
    int64_t s = f->o.seq_length;

    f->scored = 0;
    for (int64_t j = 0; j < f->o.sequences; j++) {
        const uint32_t *ids = f->ids + j * f->stride;
        uint8_t *marks = f->marks + j * f->stride;
        int32_t *targets = f->targets + j * s;
        for (int64_t i = 0; i < s; i++) {
            bool scored = token_is_scored(marks[i + 1], f->o.document_mask);
            targets[i] = scored ? (int32_t)ids[i + 1] : -1;
            f->scored += scored;
            marks[i] &= TOKEN_BEGINS;
        }
        batch_pieces(marks, s, f->o.document_mask, f->first + j * s);
        if (f->stride > s)
            memmove(f->ids + j * s, ids, (size_t)s * sizeof *ids); /* inputs close ranks */
    }
}

int
feed_next(struct feed *f)
{
    int result = f->o.pipe ? next_from_pipe(f) : next_from_files(f);

    if (result <= 0)
        return result;
    f->position += (uint64_t)(f->o.global_batch * f->stride);
    cut_sequences(f);
    return 1;
}

struct batch
feed_batch(const struct feed *f, int64_t index, int64_t sequences)
{
    int64_t at = index * f->o.seq_length;

    return (struct batch){
        .sequences = sequences,
        .length = f->o.seq_length,
        .inputs = f->ids + at,
        .targets = f->targets + at,
        .first = f->first + at,
    };
}

void
feed_close(struct feed *f)
{
    token_stream_close(f->stream);
    free(f->ids);
    free(f->marks);
    free(f->sources);
    free(f->targets);
    free(f->first);
    free(f->source_tokens);
    free(f->message);
    free(f->parts);
    free(f->step_ids);
    free(f->step_marks);
    free(f->step_sources);
    *f = (struct feed){0};
}
