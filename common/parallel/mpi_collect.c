/*
 * Collectives and messages over MPI, non-blocking. MPI-3.1 counts are int: what is
 * larger goes in pieces of the same operation, in the same order on every rank, or as
 * messages between all pairs.
 */
#include <limits.h>

#include "base/err.h"
#include "base/float16.h"
#include "parallel/mpi_private.h"

static size_t
type_size(enum comm_type t)
{
    static const size_t size[] = {
        [COMM_BYTE] = 1, [COMM_I32] = 4, [COMM_U64] = 8,
        [COMM_F32] = 4,  [COMM_F64] = 8, [COMM_BF16] = 2,
    };

    return size[t];
}

static MPI_Datatype
datatype(enum comm_type t)
{
    switch (t) {
    case COMM_BYTE: return MPI_UINT8_T;
    case COMM_I32: return MPI_INT32_T;
    case COMM_U64: return MPI_UINT64_T;
    case COMM_F32: return MPI_FLOAT;
    case COMM_F64: return MPI_DOUBLE;
    case COMM_BF16: return MPI_UINT16_T;
    }
    return MPI_DATATYPE_NULL;
}

/* ---- reductions of BF16, which MPI 3 does not know: through float, rounded each time ---- */

static void
bf16_sum(void *in, void *inout, int *n, MPI_Datatype *type)
{
    const uint16_t *a = in;
    uint16_t *b = inout;

    (void)type;
    for (int i = 0; i < *n; i++)
        b[i] = bf16_from_float(bf16_to_float(a[i]) + bf16_to_float(b[i]));
}

static void
bf16_max(void *in, void *inout, int *n, MPI_Datatype *type)
{
    const uint16_t *a = in;
    uint16_t *b = inout;

    (void)type;
    for (int i = 0; i < *n; i++)
        if (bf16_to_float(a[i]) > bf16_to_float(b[i]))
            b[i] = a[i];
}

static void
bf16_min(void *in, void *inout, int *n, MPI_Datatype *type)
{
    const uint16_t *a = in;
    uint16_t *b = inout;

    (void)type;
    for (int i = 0; i < *n; i++)
        if (bf16_to_float(a[i]) < bf16_to_float(b[i]))
            b[i] = a[i];
}

static MPI_Op
bf16_operation(enum comm_reduce r)
{
    static MPI_User_function *const function[] = {
        [COMM_SUM] = bf16_sum,
        [COMM_MAX] = bf16_max,
        [COMM_MIN] = bf16_min,
    };
    static MPI_Op made[3];
    static bool is_made[3];

    if (!is_made[r])
        is_made[r] = MPI_Op_create(function[r], 1, &made[r]) == MPI_SUCCESS;
    return is_made[r] ? made[r] : MPI_OP_NULL;
}

/* MPI_OP_NULL: there is no such operation on this type. */
static MPI_Op
operation(enum comm_type t, enum comm_reduce r)
{
    bool real = t == COMM_F32 || t == COMM_F64 || t == COMM_BF16;

    if (r == COMM_OR)
        return real ? MPI_OP_NULL : MPI_BOR;
    if (t == COMM_BF16)
        return bf16_operation(r);
    return r == COMM_SUM ? MPI_SUM : r == COMM_MAX ? MPI_MAX : MPI_MIN;
}

static int
no_operation(const char *what)
{
    return err_set(STATUS_FAILED, "%s: no bitwise or of floating-point numbers", what);
}

/* Of `bytes` spread evenly over all ranks, what belongs to the others. */
static size_t
others(const struct comm *c, size_t bytes)
{
    return bytes / (size_t)c->size * (size_t)(c->size - 1);
}

/* A request of an operation in which this rank sends `bytes` to others. */
static struct comm_request *
begin(struct comm *c, const char *what, size_t bytes)
{
    c->stats.calls++;
    c->stats.bytes += bytes;
    return mpi_request(what);
}

/* The next piece of `left` elements of `size` bytes. */
static int
piece(size_t left, size_t size)
{
    size_t most = mpi_piece() / size;

    most = most < 1 ? 1 : most;
    return (int)(left < most ? left : most);
}

int
mpi_all_reduce(struct comm *c, void *buffer, size_t count, enum comm_type t, enum comm_reduce r,
               struct comm_request **q)
{
    MPI_Op op = operation(t, r);
    size_t size = type_size(t);

    if (op == MPI_OP_NULL)
        return no_operation("all_reduce");
    *q = begin(c, "all_reduce", 2 * others(c, count * size));
    for (size_t done = 0, n; done < count; done += n) {
        n = (size_t)piece(count - done, size);
        if (mpi_check(MPI_Iallreduce(MPI_IN_PLACE, (char *)buffer + done * size, (int)n,
                                     datatype(t), op, mpi_of(c)->mpi, mpi_request_slot(*q)),
                      "all_reduce") != 0)
            return -1;
    }
    return 0;
}

/* A reduction to each rank in turn, in pieces: what does not fit one MPI_Ireduce_scatter_block. */
static int
reduce_to_each(struct comm *c, const char *send, void *receive, size_t count_each, enum comm_type t,
               struct comm_request *q)
{
    size_t size = type_size(t);
    MPI_Op op = operation(t, COMM_SUM);

    for (int to = 0; to < c->size; to++)
        for (size_t done = 0, n; done < count_each; done += n) {
            n = (size_t)piece(count_each - done, size);
            const char *from = send + ((size_t)to * count_each + done) * size;
            if (mpi_check(MPI_Ireduce(from, (char *)receive + done * size, (int)n, datatype(t), op,
                                      to, mpi_of(c)->mpi, mpi_request_slot(q)),
                          "reduce_scatter") != 0)
                return -1;
        }
    return 0;
}

int
mpi_reduce_scatter(struct comm *c, const void *send, void *receive, size_t count_each,
                   enum comm_type t, struct comm_request **q)
{
    MPI_Op op = operation(t, COMM_SUM);

    *q = begin(c, "reduce_scatter", others(c, count_each * type_size(t) * (size_t)c->size));
    if (count_each * type_size(t) * (size_t)c->size > mpi_piece())
        return reduce_to_each(c, send, receive, count_each, t, *q);
    return mpi_check(MPI_Ireduce_scatter_block(send, receive, (int)count_each, datatype(t), op,
                                               mpi_of(c)->mpi, mpi_request_slot(*q)),
                     "reduce_scatter");
}

/* ---- messages ---- */

static int
send_pieces(struct comm *c, const char *from, size_t bytes, int to, int tag, struct comm_request *q)
{
    size_t done = 0, n;

    do { /* an empty message is one message, too */
        n = (size_t)piece(bytes - done, 1);
        if (mpi_check(MPI_Isend(from + done, (int)n, MPI_BYTE, to, tag, mpi_of(c)->mpi,
                                mpi_request_slot(q)),
                      q->what) != 0)
            return -1;
        done += n;
    } while (done < bytes);
    return 0;
}

static int
receive_pieces(struct comm *c, char *into, size_t bytes, int from, int tag, struct comm_request *q)
{
    size_t done = 0, n;

    do {
        n = (size_t)piece(bytes - done, 1);
        if (mpi_check(MPI_Irecv(into + done, (int)n, MPI_BYTE, from, tag, mpi_of(c)->mpi,
                                mpi_request_slot(q)),
                      q->what) != 0)
            return -1;
        done += n;
    } while (done < bytes);
    return 0;
}

int
mpi_send(struct comm *c, const void *buffer, size_t bytes, int to, int tag, struct comm_request **q)
{
    *q = begin(c, "send", bytes);
    return send_pieces(c, buffer, bytes, to, tag, *q);
}

int
mpi_receive(struct comm *c, void *buffer, size_t bytes, int from, int tag, struct comm_request **q)
{
    *q = begin(c, "receive", 0);
    return receive_pieces(c, buffer, bytes, from, tag, *q);
}

int
mpi_barrier(struct comm *c, struct comm_request **q)
{
    *q = begin(c, "barrier", 0);
    return mpi_check(MPI_Ibarrier(mpi_of(c)->mpi, mpi_request_slot(*q)), "barrier");
}

int
mpi_broadcast(struct comm *c, void *buffer, size_t bytes, int root, struct comm_request **q)
{
    *q = begin(c, "broadcast", others(c, bytes));
    for (size_t done = 0, n; done < bytes; done += n) {
        n = (size_t)piece(bytes - done, 1);
        if (mpi_check(MPI_Ibcast((char *)buffer + done, (int)n, MPI_BYTE, root, mpi_of(c)->mpi,
                                 mpi_request_slot(*q)),
                      "broadcast") != 0)
            return -1;
    }
    return 0;
}

/* ---- gathers ---- */

static void
move(void *to, const void *from, size_t bytes)
{
    if (to != from && bytes > 0)
        memmove(to, from, bytes);
}

/*
 * Every rank sends `bytes` to every other one and receives sizes[r] at offsets[r].
 * The partner at distance d comes d-th, so that no rank is everybody's first.
 */
static int
gather_by_messages(struct comm *c, const char *send, size_t bytes, char *receive,
                   const size_t *sizes, const size_t *offsets, struct comm_request *q)
{
    move(receive + offsets[c->rank], send, bytes);
    for (int d = 1; d < c->size; d++) {
        int from = (c->rank + d) % c->size;
        if (sizes[from] > 0 &&
            receive_pieces(c, receive + offsets[from], sizes[from], from, TAG_OWN, q) != 0)
            return -1;
    }
    for (int d = 1; d < c->size; d++) {
        int to = (c->rank + c->size - d) % c->size;
        if (bytes > 0 && send_pieces(c, receive + offsets[c->rank], bytes, to, TAG_OWN, q) != 0)
            return -1;
    }
    return 0;
}

int
mpi_all_gather_v(struct comm *c, const void *send, size_t bytes, void *receive, const size_t *sizes,
                 const size_t *offsets, struct comm_request **q)
{
    if (sizes[c->rank] != bytes)
        return err_set(STATUS_FAILED, "all_gather_v: %zu bytes where all expect %zu", bytes,
                       sizes[c->rank]);
    *q = begin(c, "all_gather_v", bytes * (size_t)(c->size - 1));
    return gather_by_messages(c, send, bytes, receive, sizes, offsets, *q);
}

/* As all_gather_v, with equal parts: message by message. */
static int
gather_equal(struct comm *c, const char *send, char *receive, size_t bytes, struct comm_request *q)
{
    move(receive + (size_t)c->rank * bytes, send, bytes);
    for (int d = 1; d < c->size; d++) {
        int from = (c->rank + d) % c->size;
        if (receive_pieces(c, receive + (size_t)from * bytes, bytes, from, TAG_OWN, q) != 0)
            return -1;
    }
    for (int d = 1; d < c->size; d++) {
        int to = (c->rank + c->size - d) % c->size;
        if (send_pieces(c, receive + (size_t)c->rank * bytes, bytes, to, TAG_OWN, q) != 0)
            return -1;
    }
    return 0;
}

int
mpi_all_gather(struct comm *c, const void *send, void *receive, size_t count_each, enum comm_type t,
               struct comm_request **q)
{
    size_t bytes = count_each * type_size(t);
    bool in_place = send == (char *)receive + (size_t)c->rank * bytes;

    *q = begin(c, "all_gather", others(c, bytes * (size_t)c->size));
    if (bytes * (size_t)c->size > mpi_piece())
        return gather_equal(c, send, receive, bytes, *q);
    return mpi_check(MPI_Iallgather(in_place ? MPI_IN_PLACE : send, (int)count_each, datatype(t),
                                    receive, (int)count_each, datatype(t), mpi_of(c)->mpi,
                                    mpi_request_slot(*q)),
                     "all_gather");
}

/* Large exchanges: messages between all pairs. */
static int
exchange_by_messages(struct comm *c, const char *send, char *receive, size_t bytes,
                     struct comm_request *q)
{
    size_t mine = (size_t)c->rank * bytes;

    move(receive + mine, send + mine, bytes);
    for (int d = 1; d < c->size; d++) {
        int from = (c->rank + d) % c->size;
        if (receive_pieces(c, receive + (size_t)from * bytes, bytes, from, TAG_OWN, q) != 0)
            return -1;
    }
    for (int d = 1; d < c->size; d++) {
        int to = (c->rank + c->size - d) % c->size;
        if (send_pieces(c, send + (size_t)to * bytes, bytes, to, TAG_OWN, q) != 0)
            return -1;
    }
    return 0;
}

int
mpi_all_to_all(struct comm *c, const void *send, void *receive, size_t count_each, enum comm_type t,
               struct comm_request **q)
{
    size_t bytes = count_each * type_size(t);

    *q = begin(c, "all_to_all", others(c, bytes * (size_t)c->size));
    if (bytes * (size_t)c->size > mpi_piece())
        return exchange_by_messages(c, send, receive, bytes, *q);
    return mpi_check(MPI_Ialltoall(send, (int)count_each, datatype(t), receive, (int)count_each,
                                   datatype(t), mpi_of(c)->mpi, mpi_request_slot(*q)),
                     "all_to_all");
}

static int
sizes_differ(size_t sent, size_t expected)
{
    return err_set(STATUS_FAILED, "all_to_all_v: %zu bytes to oneself where %zu are expected", sent,
                   expected);
}

int
mpi_all_to_all_v(struct comm *c, const void *send, const size_t *send_sizes,
                 const size_t *send_offsets, void *receive, const size_t *sizes,
                 const size_t *offsets, struct comm_request **q)
{
    const char *out = send;
    char *in = receive;
    size_t bytes = 0;

    *q = NULL;
    if (send_sizes[c->rank] != sizes[c->rank])
        return sizes_differ(send_sizes[c->rank], sizes[c->rank]);
    for (int r = 0; r < c->size; r++)
        bytes += r == c->rank ? 0 : send_sizes[r];
    *q = begin(c, "all_to_all_v", bytes);
    if (sizes[c->rank] > 0)
        move(in + offsets[c->rank], out + send_offsets[c->rank], sizes[c->rank]);
    for (int d = 1; d < c->size; d++) {
        int from = (c->rank + d) % c->size;
        if (sizes[from] > 0 &&
            receive_pieces(c, in + offsets[from], sizes[from], from, TAG_OWN, *q) != 0)
            return -1;
    }
    for (int d = 1; d < c->size; d++) {
        int to = (c->rank + c->size - d) % c->size;
        if (send_sizes[to] > 0 &&
            send_pieces(c, out + send_offsets[to], send_sizes[to], to, TAG_OWN, *q) != 0)
            return -1;
    }
    return 0;
}
