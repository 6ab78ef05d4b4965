#include "base/err.h"
#include "model/decoder_impl.h"

/*
 * How sequences are cut over a context group of c ranks. Causal attention gives late tokens more
 * to do than early ones; so a sequence is 2c chunks, and rank r has the chunks r and 2c - 1 - r:
 * the same number of pairs of queries and keys for every rank (the "zigzag" order of public ring
 * attention codes). All arrays of the decoder hold these tokens alone, in order.
 */

int
context_check_length(int context_size, int64_t length)
{
    int64_t unit = 2 * context_size, less = length / unit * unit;

    if (context_size == 1 || length % unit == 0)
        return 0;
    if (less == 0)
        return err_set(STATUS_INPUT,
                       "%d context ranks take sequences of a multiple of %lld tokens, not %lld: "
                       "the nearest is %lld",
                       context_size, (long long)unit, (long long)length, (long long)unit);
    return err_set(STATUS_INPUT,
                   "%d context ranks take sequences of a multiple of %lld tokens, not %lld: the "
                   "nearest are %lld and %lld",
                   context_size, (long long)unit, (long long)length, (long long)less,
                   (long long)(less + unit));
}

int64_t
context_position(int context_size, int rank, int64_t local, int64_t i)
{
    int64_t chunk = local / 2, low = rank, high = 2 * context_size - 1 - rank;

    return i < chunk ? low * chunk + i : high * chunk + i - chunk;
}

static int64_t
within(int64_t x, int64_t most)
{
    return x < 0 ? 0 : x < most ? x : most;
}

int64_t
context_tokens_before(int context_size, int rank, int64_t local, int64_t position)
{
    int64_t chunk = local / 2, low = rank, high = 2 * context_size - 1 - rank;

    return within(position - low * chunk, chunk) + within(position - high * chunk, chunk);
}

void
context_carve(struct decoder *d)
{
    struct ring *x = d->ring;
    size_t tokens = (size_t)d->capacity;

    if (!x)
        return;
    x->inputs = arena_take_array(&d->arena, tokens, sizeof *x->inputs);
    x->targets = arena_take_array(&d->arena, tokens, sizeof *x->targets);
    x->first = arena_take_array(&d->arena, tokens * (size_t)d->context_size, sizeof *x->first);
}

/* Token i of this rank's part of sequence s, with what it sees of every rank's keys. */
static void
take_token(const struct decoder *d, const struct batch *b, int64_t s, int64_t i)
{
    const struct ring *x = d->ring;
    int64_t local = b->length / d->context_size, at = s * local + i;
    int64_t position = context_position(d->context_size, d->options.context->rank, local, i);
    int64_t whole = s * b->length + position, first = b->first[whole];
    int64_t window = d->config->sliding_window, from = position - window + 1;

    x->inputs[at] = b->inputs[whole];
    x->targets[at] = b->targets[whole];
    d->positions[at] = (int32_t)(position - first);
    first = window > 0 && first < from ? from : first;
    for (int r = 0; r < d->context_size; r++)
        x->first[r * d->capacity + at] =
            (int32_t)context_tokens_before(d->context_size, r, local, first);
}

struct batch
context_batch(const struct decoder *d, const struct batch *b)
{
    struct batch mine = *b;

    if (!d->ring) {
        set_positions(d, b);
        return mine;
    }
    mine.length = b->length / d->context_size;
    for (int64_t s = 0; s < b->sequences; s++)
        for (int64_t i = 0; i < mine.length; i++)
            take_token(d, b, s, i);
    mine.inputs = d->ring->inputs;
    mine.targets = d->ring->targets;
    mine.first = NULL; /* of other tokens, too: in d->ring */
    return mine;
}

/*
 * Requests for the ring's messages and for those of gradients that are on their way meanwhile: more
 * than are ever under way, once, so that no step takes memory for one.
 */
static int
take_requests(struct comm *c)
{
    enum { PAIRS = 32, TAG = 3 };
    struct comm_request *q[2 * PAIRS] = {NULL};
    char nothing = 0, into = 0;
    int result = 0;

    for (int i = 0; i < PAIRS && result == 0; i++)
        result = c->ops->receive(c, &into, 0, c->rank, TAG, &q[i]);
    for (int i = PAIRS; i < 2 * PAIRS && result == 0; i++)
        result = c->ops->send(c, &nothing, 0, c->rank, TAG, &q[i]);
    for (int i = 0; i < 2 * PAIRS && result == 0; i++)
        result = comm_wait(c, &q[i]);
    return result;
}

/* Memory that the first sum and messages take is taken here, not in some later step. */
int
context_open(const struct decoder *d)
{
    double nothing = 0;

    if (!d->ring)
        return 0;
    if (d->moe && comm_sum(d->options.context, &nothing, 1, COMM_F64) < 0)
        return -1;
    return take_requests(d->options.context);
}

int
context_sum_routers(const struct decoder *d, double *sums)
{
    size_t n = (size_t)router_sums(d->config);

    return d->ring && n > 0 ? comm_sum(d->options.context, sums, n, COMM_F64) : 0;
}

int
context_token_loss(const struct decoder *d, const struct batch *b, double *token_loss)
{
    int64_t local = b->length / d->context_size, tokens = b->sequences * b->length;
    int rank = d->ring ? d->options.context->rank : 0;

    for (int64_t i = 0; i < tokens; i++)
        token_loss[i] = 0;
    for (int64_t s = 0; s < b->sequences; s++)
        for (int64_t i = 0; i < local; i++) {
            int64_t at = d->ring ? context_position(d->context_size, rank, local, i) : i;
            token_loss[s * b->length + at] = d->loss[s * local + i];
        }
    if (!d->ring)
        return 0;
    /* one rank's number and zeros: exact in any order */
    return comm_all_reduce(d->options.context, token_loss, (size_t)tokens, COMM_F64, COMM_SUM);
}
