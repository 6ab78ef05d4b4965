/*
 * The engine that runs a pipeline table. Every border between two pieces has a few buffers, used
 * in turn: micro-batch m lies in number m modulo their count, as messages of a border go in
 * ascending order (pipeline_depth sees to it). A receive is posted as soon as its buffer has been
 * read, a send is waited for when its buffer is to be written again.
 */
#include "parallel/pipeline.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/sys.h"
#include "parallel/pipeline_private.h"

struct border {
    bool there;
    int peer, tag;
    struct border *local;          /* the end it goes to, when that is on this rank */
    char *buffer;                  /* [depth][bytes] */
    struct comm_request **request; /* [depth] */
    int posted; /* incoming: micro-batches of this step received for, or written to */
};

struct pipeline {
    struct pipeline_options o;
    int stage, depth, weight_slots;
    int *slots;            /* [chunks] */
    struct border *border; /* [chunks][PIPELINE_BORDERS] */
    struct comm_request **requests;
    char *memory;
    size_t bytes, stride;   /* of a micro-batch; from one buffer to the next */
    unsigned losses;        /* pipeline_loss's calls */
    double waited;                  /* in the run at hand */
    double all_seconds, all_waited; /* in all but the first */
    bool ran;
    bool failed;
};

static struct border *
border_of(struct pipeline *p, int chunk, enum pipeline_border b)
{
    return &p->border[chunk * PIPELINE_BORDERS + (int)b];
}

/* ---- making ---- */

/* Buffers begin on cache lines. */
enum { LINE = 64 };

static uint64_t
buffer_bytes(const struct decoder *d, int64_t micro_batch)
{
    size_t element;
    uint64_t bytes = (uint64_t)decoder_border(d, micro_batch, &element);

    return (bytes * element + LINE - 1) / LINE * LINE;
}

uint64_t
pipeline_bytes(const struct decoder *d, const struct pipeline_table *t, int stage,
               int64_t micro_batch)
{
    return (uint64_t)pipeline_buffers(t, stage) * buffer_bytes(d, micro_batch);
}

/*
 * Both ends of a border have the same tag: the piece before it, and the direction. The
 * micro-batch need not be in it, as messages of equal tags keep their order.
 */
static void
connect_border(struct pipeline *p, int chunk, enum pipeline_border b)
{
    const struct pipeline_table *t = p->o.table;
    bool before = b == PIPELINE_X_IN || b == PIPELINE_DX_OUT;
    bool backward = b == PIPELINE_DY_IN || b == PIPELINE_DX_OUT;
    int piece = pipeline_piece(t, p->stage, chunk);
    struct border *border = border_of(p, chunk, b);

    border->there = pipeline_border_is(t, piece, b);
    border->peer = (p->stage + (before ? t->stages - 1 : 1)) % t->stages;
    border->tag = 2 * (before ? piece - 1 : piece) + backward;
    if (border->there && t->stages == 1 && b == PIPELINE_Y_OUT)
        border->local = border_of(p, chunk + 1, PIPELINE_X_IN);
    if (border->there && t->stages == 1 && b == PIPELINE_DX_OUT)
        border->local = border_of(p, chunk - 1, PIPELINE_DY_IN);
}

static void
take_buffers(struct pipeline *p, int64_t buffers)
{
    size_t count = (size_t)(p->o.table->chunks * PIPELINE_BORDERS), used = 0;

    p->memory = mem_aligned(p->stride * (size_t)buffers + 1);
    p->requests = mem_zarray((size_t)buffers + 1, sizeof(struct comm_request *));
    for (size_t i = 0; i < count; i++) {
        struct border *b = &p->border[i];
        if (!b->there || b->local)
            continue;
        b->buffer = p->memory + used * p->stride;
        b->request = p->requests + used;
        used += (size_t)p->depth;
    }
}

/*
 * As many requests as can ever be under way, once, so that no step takes memory for one; and a few
 * for what others begin meanwhile.
 */
static int
take_requests(struct pipeline *p, int64_t buffers)
{
    enum { OTHERS = 8 };
    struct comm_request *spare[OTHERS] = {NULL};
    struct comm *c = p->o.comm;
    int result = 0;

    for (int64_t i = 0; i < buffers + OTHERS && c->size > 1 && result == 0; i++)
        result = c->ops->send(c, p->memory, 0, c->rank, 0,
                              i < buffers ? &p->requests[i] : &spare[i - buffers]);
    for (int64_t i = 0; i < buffers + OTHERS && result == 0; i++)
        result = comm_wait(c, i < buffers ? &p->requests[i] : &spare[i - buffers]);
    return result;
}

static int
check_sizes(const struct pipeline_options *o)
{
    const struct pipeline_table *t = o->table;

    if (t->stages != o->comm->size)
        return err_set(STATUS_FAILED, "a pipeline of %d stages on %d ranks", t->stages,
                       o->comm->size);
    if ((int64_t)t->stages * t->chunks >= 1 << 26)
        return err_set(STATUS_FAILED, "a pipeline of %d stages with %d chunks each is out of range",
                       t->stages, t->chunks);
    return 0;
}

struct pipeline *
pipeline_new(const struct pipeline_options *o)
{
    const struct pipeline_table *t = o->table;
    int depth = check_sizes(o) < 0 ? -1 : pipeline_depth(t);
    size_t element;

    if (depth < 0)
        return NULL;
    struct pipeline *p = mem_zalloc(sizeof *p);
    p->o = *o;
    p->stage = o->comm->rank;
    p->depth = depth;
    p->slots = mem_zarray((size_t)t->chunks, sizeof *p->slots);
    p->weight_slots = pipeline_slots(t, p->stage, p->slots);
    p->bytes = (size_t)decoder_border(o->decoder, o->micro_batch, &element);
    p->bytes *= element;
    p->border = mem_zarray((size_t)(t->chunks * PIPELINE_BORDERS), sizeof *p->border);
    for (int c = 0; c < t->chunks; c++)
        for (int b = 0; b < PIPELINE_BORDERS; b++)
            connect_border(p, c, (enum pipeline_border)b);
    int64_t buffers = pipeline_buffers(t, p->stage);
    uint64_t all = pipeline_bytes(o->decoder, t, p->stage, o->micro_batch);
    p->stride = buffers ? (size_t)(all / (uint64_t)buffers) : 0;
    take_buffers(p, buffers);
    if (take_requests(p, buffers) < 0) {
        p->failed = true;
        pipeline_free(p);
        return NULL;
    }
    return p;
}

void
pipeline_free(struct pipeline *p)
{
    if (!p)
        return;
    /* What still goes out of a failed step may wait for ever. */
    for (int64_t i = pipeline_buffers(p->o.table, p->stage); !p->failed && i-- > 0;)
        if (comm_wait(p->o.comm, &p->requests[i]) < 0)
            break;
    free(p->slots);
    free(p->border);
    free(p->requests);
    free(p->memory);
    free(p);
}

/* ---- messages ---- */

static int
wait_for(struct pipeline *p, struct comm_request **q)
{
    if (!*q)
        return 0;
    double start = sys_seconds();
    int result = comm_wait(p->o.comm, q);
    p->waited += sys_seconds() - start;
    return result;
}

static char *
buffer_at(const struct pipeline *p, const struct border *b, int micro)
{
    return b->buffer + (size_t)(micro % p->depth) * p->stride;
}

/* Receives for every micro-batch below `end`. */
static int
post_until(struct pipeline *p, struct border *b, int end)
{
    int last = p->o.table->micros;

    if (!b->there || p->o.table->stages == 1)
        return 0;
    for (end = end < last ? end : last; b->posted < end; b->posted++)
        if (p->o.comm->ops->receive(p->o.comm, buffer_at(p, b, b->posted), p->bytes, b->peer,
                                    b->tag, &b->request[b->posted % p->depth]) < 0)
            return -1;
    return 0;
}

/* What comes in for a micro-batch; NULL where nothing does. */
static int
take_in(struct pipeline *p, struct border *b, int micro, const void **out)
{
    *out = NULL;
    if (!b->there)
        return 0;
    if (micro >= b->posted)
        return err_set(STATUS_FAILED,
                       "pipeline stage %d: micro-batch %d is read before it is there", p->stage,
                       micro);
    *out = buffer_at(p, b, micro);
    return wait_for(p, &b->request[micro % p->depth]);
}

/* Where what goes out of a micro-batch is to be written; NULL where nothing does. */
static int
make_room(struct pipeline *p, struct border *b, int micro, void **out)
{
    *out = NULL;
    if (!b->there)
        return 0;
    *out = buffer_at(p, b->local ? b->local : b, micro);
    return b->local ? 0 : wait_for(p, &b->request[micro % p->depth]);
}

static int
send_out(struct pipeline *p, struct border *b, int micro, size_t bytes)
{
    if (!b->there)
        return 0;
    if (b->local) {
        b->local->posted = micro + 1;
        return 0;
    }
    return p->o.comm->ops->send(p->o.comm, buffer_at(p, b, micro), bytes, b->peer, b->tag,
                                &b->request[micro % p->depth]);
}

/* ---- tasks ---- */

static int
run_forward(struct pipeline *p, int chunk, int micro, const struct batch *batch)
{
    struct border *in = border_of(p, chunk, PIPELINE_X_IN),
                  *out = border_of(p, chunk, PIPELINE_Y_OUT);
    const void *x;
    void *y;

    if (take_in(p, in, micro, &x) < 0 || make_room(p, out, micro, &y) < 0 ||
        decoder_forward_piece(p->o.decoder, chunk, micro % p->slots[chunk], batch, x, y) < 0)
        return -1;
    if (send_out(p, out, micro, p->bytes) < 0)
        return -1;
    return post_until(p, in, micro + 1 + p->depth);
}

/* Losses first, where the gradient depends on them. */
static int
weigh_sequences(struct pipeline *p, const struct pipeline_task *k, int slot, struct sequence_loss *loss,
                struct batch *batch)
{
    if (!loss || !p->o.weigh)
        return 0;
    if (decoder_loss_piece(p->o.decoder, k->chunk, slot, batch, loss, NULL) < 0)
        return -1;
    batch->weight = p->o.weigh(p->o.arg, k->micro);
    return batch->weight ? 0 : -1;
}

/* Of inputs and weights, or of inputs alone. */
static int
run_backward(struct pipeline *p, const struct pipeline_task *k, struct batch *batch)
{
    struct border *in = border_of(p, k->chunk, PIPELINE_DY_IN);
    struct border *out = border_of(p, k->chunk, PIPELINE_DX_OUT);
    struct gradients g = p->o.gradients(p->o.arg, k->micro);
    struct sequence_loss *loss = in->there ? NULL : p->o.loss(p->o.arg, k->micro);
    int slot = k->micro % p->slots[k->chunk], result;
    const void *dy;
    void *dx;

    if (take_in(p, in, k->micro, &dy) < 0 || make_room(p, out, k->micro, &dx) < 0 ||
        weigh_sequences(p, k, slot, loss, batch) < 0)
        return -1;
    if (k->work == PIPELINE_BACKWARD)
        result = decoder_backward_piece(p->o.decoder, k->chunk, slot, batch, &g, p->o.scale, p->o.z,
                                        dy, dx, loss);
    else
        result = decoder_backward_input(p->o.decoder, k->chunk, slot, k->micro % p->weight_slots,
                                        batch, &g, p->o.scale, p->o.z, dy, dx, loss);
    if (result < 0 || send_out(p, out, k->micro, p->bytes) < 0)
        return -1;
    return post_until(p, in, k->micro + 1 + p->depth);
}

static int
run_weight(struct pipeline *p, const struct pipeline_task *k, const struct batch *batch)
{
    struct gradients g = p->o.gradients(p->o.arg, k->micro);

    return decoder_backward_weight(p->o.decoder, k->chunk, k->micro % p->slots[k->chunk],
                                   k->micro % p->weight_slots, batch, &g);
}

static int
run_task(struct pipeline *p, const struct pipeline_task *k)
{
    struct batch batch = p->o.batch(p->o.arg, k->micro);

    if (batch.sequences != p->o.micro_batch)
        return err_set(STATUS_FAILED, "pipeline: a micro-batch of %lld sequences, not %lld",
                       (long long)batch.sequences, (long long)p->o.micro_batch);
    if (k->work == PIPELINE_FORWARD)
        return run_forward(p, k->chunk, k->micro, &batch);
    return k->work == PIPELINE_WEIGHT ? run_weight(p, k, &batch) : run_backward(p, k, &batch);
}

static int
post_first(struct pipeline *p)
{
    for (int c = 0; c < p->o.table->chunks; c++) {
        struct border *x = border_of(p, c, PIPELINE_X_IN), *dy = border_of(p, c, PIPELINE_DY_IN);
        x->posted = dy->posted = 0;
        if (post_until(p, x, p->depth) < 0 || post_until(p, dy, p->depth) < 0)
            return -1;
    }
    return 0;
}

int
pipeline_run(struct pipeline *p, double scale, double z)
{
    const struct pipeline_table *t = p->o.table;
    double start = sys_seconds();
    int result = post_first(p);

    p->waited = 0;
    p->o.scale = scale;
    p->o.z = z;
    for (int i = 0; i < t->count[p->stage] && result == 0; i++)
        result = run_task(p, &t->task[p->stage][i]);
    p->all_seconds += p->ran ? sys_seconds() - start : 0;
    p->all_waited += p->ran ? p->waited : 0;
    p->ran = true;
    p->failed = result < 0;
    return result;
}

void
pipeline_seconds(const struct pipeline *p, double *busy, double *waiting)
{
    *busy = p->all_seconds - p->all_waited;
    *waiting = p->all_waited;
}

/* ---- validation ---- */

/* One chunk of a batch: its input is received where a micro-batch's would be. */
static int
loss_forward(struct pipeline *p, int chunk, const struct batch *b, size_t bytes)
{
    struct border *in = border_of(p, chunk, PIPELINE_X_IN),
                  *out = border_of(p, chunk, PIPELINE_Y_OUT);
    int at = (int)(p->losses % (unsigned)p->depth);
    const void *x;
    void *y;

    if (in->there && p->o.table->stages > 1 &&
        p->o.comm->ops->receive(p->o.comm, buffer_at(p, in, at), bytes, in->peer, in->tag,
                                &in->request[at]) < 0)
        return -1;
    in->posted = at + 1;
    if (take_in(p, in, at, &x) < 0 || make_room(p, out, at, &y) < 0 ||
        decoder_forward_piece(p->o.decoder, chunk, 0, b, x, y) < 0)
        return -1;
    return send_out(p, out, at, bytes);
}

int
pipeline_loss(struct pipeline *p, const struct batch *b, struct sequence_loss *out,
              double *token_loss)
{
    int chunks = p->o.table->chunks;
    size_t element, bytes = (size_t)decoder_border(p->o.decoder, b->sequences, &element);

    for (int c = 0; c < chunks; c++)
        if (loss_forward(p, c, b, bytes * element) < 0) {
            p->failed = true;
            return -1;
        }
    p->losses++;
    if (border_of(p, chunks - 1, PIPELINE_Y_OUT)->there)
        return 0;
    return decoder_loss_piece(p->o.decoder, chunks - 1, 0, b, out, token_loss);
}
