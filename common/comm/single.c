/* A world of one process: collectives copy, messages to oneself wait in a list. */
#include <sys/mman.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "comm/comm.h"

static const size_t type_size[] = {
    [COMM_BYTE] = 1, [COMM_I32] = 4, [COMM_U64] = 8,
    [COMM_F32] = 4,  [COMM_F64] = 8, [COMM_BF16] = 2,
};

/* A message sent to oneself that nobody received, or a receive that nothing met. */
struct comm_request {
    struct comm_request *next;
    int tag;
    size_t bytes;
    void *copy;   /* of a message: its bytes, owned */
    void *buffer; /* of a receive: where they go */
    bool done;
};
static struct comm_request *messages, *receives; /* both in order */

static void
move(void *to, const void *from, size_t bytes)
{
    if (to != from && bytes > 0)
        memmove(to, from, bytes);
}

static int
single_split(struct comm *c, int color, int key, struct comm **out)
{
    (void)key;
    *out = color < 0 ? NULL : c;
    return 0;
}

static int
single_split_host(struct comm *c, struct comm **out)
{
    *out = c;
    return 0;
}

static void
single_release(struct comm *c)
{
    (void)c;
}

static int
single_all_reduce(struct comm *c, void *buffer, size_t count, enum comm_type t, enum comm_reduce r,
                  struct comm_request **q)
{
    (void)c, (void)buffer, (void)count, (void)t, (void)r;
    *q = NULL;
    return 0;
}

/* reduce_scatter, all_gather and all_to_all of one rank are all a copy. */
static int
single_copy(struct comm *c, const void *send, void *receive, size_t count_each, enum comm_type t,
            struct comm_request **q)
{
    (void)c;
    move(receive, send, count_each * type_size[t]);
    *q = NULL;
    return 0;
}

static int
single_all_gather_v(struct comm *c, const void *send, size_t bytes, void *receive,
                    const size_t *sizes, const size_t *offsets, struct comm_request **q)
{
    (void)c, (void)sizes;
    move((char *)receive + offsets[0], send, bytes);
    *q = NULL;
    return 0;
}

static int
single_all_to_all_v(struct comm *c, const void *send, const size_t *send_sizes,
                    const size_t *send_offsets, void *receive, const size_t *sizes,
                    const size_t *offsets, struct comm_request **q)
{
    (void)c;
    *q = NULL;
    if (send_sizes[0] != sizes[0])
        return err_set(STATUS_FAILED, "all_to_all_v: %zu bytes where %zu are expected",
                       send_sizes[0], sizes[0]);
    if (sizes[0] > 0)
        move((char *)receive + offsets[0], (const char *)send + send_offsets[0], sizes[0]);
    return 0;
}

static int
single_broadcast(struct comm *c, void *buffer, size_t bytes, int root, struct comm_request **q)
{
    (void)c, (void)buffer, (void)bytes, (void)root;
    *q = NULL;
    return 0;
}

static int
single_barrier(struct comm *c, struct comm_request **q)
{
    (void)c;
    *q = NULL;
    return 0;
}

/* Takes the first entry with this tag out of a list. */
static struct comm_request *
take(struct comm_request **list, int tag)
{
    for (; *list; list = &(*list)->next)
        if ((*list)->tag == tag) {
            struct comm_request *found = *list;
            *list = found->next;
            return found;
        }
    return NULL;
}

static void
append(struct comm_request **list, struct comm_request *entry)
{
    while (*list)
        list = &(*list)->next;
    *list = entry;
}

static int
too_long(size_t sent, size_t room)
{
    return err_set(STATUS_FAILED, "receive: a message of %zu bytes for %zu", sent, room);
}

static int
single_send(struct comm *c, const void *buffer, size_t bytes, int to, int tag,
            struct comm_request **q)
{
    (void)c, (void)to;
    *q = NULL;
    struct comm_request *waiting = take(&receives, tag);
    if (waiting) {
        waiting->done = true;
        if (bytes > waiting->bytes)
            return too_long(bytes, waiting->bytes);
        move(waiting->buffer, buffer, bytes);
        return 0;
    }
    struct comm_request *m = mem_zalloc(sizeof *m);
    m->tag = tag;
    m->bytes = bytes;
    m->copy = mem_dup(buffer, bytes);
    append(&messages, m);
    return 0;
}

static int
single_receive(struct comm *c, void *buffer, size_t bytes, int from, int tag,
               struct comm_request **q)
{
    (void)c, (void)from;
    *q = NULL;
    struct comm_request *m = take(&messages, tag);
    if (m) {
        size_t sent = m->bytes;
        if (sent <= bytes)
            move(buffer, m->copy, sent);
        free(m->copy);
        free(m);
        return sent > bytes ? too_long(sent, bytes) : 0;
    }
    *q = mem_zalloc(sizeof **q);
    (*q)->tag = tag;
    (*q)->bytes = bytes;
    (*q)->buffer = buffer;
    append(&receives, *q);
    return 0;
}

static int
single_test(struct comm *c, struct comm_request **q, bool *done)
{
    (void)c;
    *done = !*q || (*q)->done;
    if (*done) {
        free(*q);
        *q = NULL;
    }
    return 0;
}

static int
single_wait(struct comm *c, struct comm_request **q)
{
    bool done;

    single_test(c, q, &done);
    if (!done)
        return err_set(STATUS_FAILED, "receive: this process is alone and has sent nothing");
    return 0;
}

static int
single_share(struct comm *c, size_t bytes, void ***base, void **window)
{
    size_t size = bytes > 0 ? bytes : 1;
    /* As shared memory is: zero, and there only where it has been touched. */
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    (void)c;
    if (memory == MAP_FAILED)
        return err_sys("%zu bytes of memory", size);
    *base = mem_array(2, sizeof **base);
    (*base)[0] = memory;
    (*base)[1] = (char *)memory + size;
    *window = *base;
    return 0;
}

static void
single_unshare(struct comm *c, void *window)
{
    void **base = window;

    (void)c;
    if (base)
        munmap(base[0], (size_t)((char *)base[1] - (char *)base[0]));
    free(base);
}

static void
single_abort(struct comm *c, int status)
{
    (void)c;
    _exit(status);
}

static const struct comm_ops single_ops = {
    .name = "single",
    .split = single_split,
    .split_host = single_split_host,
    .release = single_release,
    .all_reduce = single_all_reduce,
    .reduce_scatter = single_copy,
    .all_gather = single_copy,
    .all_gather_v = single_all_gather_v,
    .all_to_all = single_copy,
    .all_to_all_v = single_all_to_all_v,
    .broadcast = single_broadcast,
    .send = single_send,
    .receive = single_receive,
    .barrier = single_barrier,
    .test = single_test,
    .wait = single_wait,
    .share = single_share,
    .unshare = single_unshare,
    .abort = single_abort,
};

struct comm *
comm_single(void)
{
    static struct comm world = {.ops = &single_ops, .rank = 0, .size = 1};

    return &world;
}
