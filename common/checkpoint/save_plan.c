#include "checkpoint/save_plan.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"

/* ---- sorting and joining what is held ---- */

static int
by_place(const void *x, const void *y)
{
    const struct extent *a = &((const struct held *)x)->at, *b = &((const struct held *)y)->at;
    if (a->param != b->param)
        return a->param < b->param ? -1 : 1;
    return a->offset < b->offset ? -1 : a->offset > b->offset;
}

static bool
one_run(const struct extent *e)
{
    return e->repeat == 1;
}

/* Does b follow a in memory? */
static bool
adjacent(const struct held *a, const struct held *b)
{
    for (int i = 0; i < CHECKPOINT_ARRAYS; i++)
        if (a->array[i] ? b->array[i] != a->array[i] + a->at.count * a->at.repeat : b->array[i] != NULL)
            return false;
    return a->at.param == b->at.param;
}

/* Makes a and b, which follow one another in memory, one extent when they are one in the tensor. */
static bool
join(struct held *a, const struct held *b)
{
    struct extent *x = &a->at;
    const struct extent *y = &b->at;
    if (!adjacent(a, b))
        return false;
    if (one_run(x) && one_run(y) && y->offset == x->offset + x->count) {
        x->count += y->count;
        return true;
    }
    /* Rows of columns: one of the two has the stride. */
    int64_t stride = one_run(x) ? y->stride : x->stride;
    if (x->count != y->count || (one_run(x) && one_run(y)) ||
        (!one_run(y) && y->stride != stride) || y->offset != x->offset + x->repeat * stride)
        return false;
    x->repeat += y->repeat;
    x->stride = stride;
    return true;
}

/* Joining one pair may make it fit the one before. */
static void
join_all(struct held_list *l)
{
    size_t n = 0;
    for (size_t i = 0; i < l->len; i++) {
        l->data[n++] = l->data[i];
        while (n > 1 && join(&l->data[n - 2], &l->data[n - 1]))
            n--;
    }
    l->len = n;
}

static void
push_part(struct held_list *out, const struct held *h, struct extent at, int64_t skipped)
{
    struct held part = {.at = at};
    for (int a = 0; a < CHECKPOINT_ARRAYS; a++)
        part.array[a] = h->array[a] ? h->array[a] + skipped : NULL;
    vec_push(out, part);
}

/* One run is cut where a piece may end: at multiples of PIECE. Columns are cut between rows. */
static void
cut(struct held_list *out, const struct held *h)
{
    struct extent at = h->at;
    int64_t skipped = 0;
    if (one_run(&at)) {
        int64_t end = at.offset + at.count;
        for (; at.offset < end; at.offset += at.count) {
            int64_t border = (at.offset / PIECE + 1) * PIECE;
            at.count = (border < end ? border : end) - at.offset;
            push_part(out, h, at, skipped);
            skipped += at.count;
        }
        return;
    }
    int64_t rows = at.repeat, most = PIECE / at.count > 0 ? PIECE / at.count : 1;
    for (; rows > 0; rows -= at.repeat) {
        at.repeat = rows < most ? rows : most;
        push_part(out, h, at, skipped);
        skipped += at.repeat * at.count;
        at.offset += at.repeat * at.stride;
    }
}

static int
arrange(struct save_plan *p, const struct checkpoint_layout *layout)
{
    struct held_list list = {0}, parts = {0};
    int result = 0;
    for (size_t i = 0; i < layout->count && result == 0; i++) {
        struct held h = layout->held[i];
        result = extent_check(p->whole, &h.at);
        if (h.at.repeat == 1 || h.at.stride == h.at.count) {
            h.at.count *= h.at.repeat;
            h.at.repeat = 1;
        }
        vec_push(&list, h);
    }
    if (result == 0 && list.len) {
        qsort(list.data, list.len, sizeof *list.data, by_place);
        join_all(&list);
        for (size_t i = 0; i < list.len; i++)
            cut(&parts, &list.data[i]);
    }
    vec_release(&list);
    p->held = parts.data;
    p->held_count = parts.len;
    p->memory += parts.cap * sizeof *parts.data;
    return result;
}

/* ---- pieces ---- */

int64_t
block_elements(const struct params *whole, int param, int64_t number)
{
    return slice_block_size(whole->param[param].size, number);
}

/* May extent i go into the same piece as the one before? */
static bool
goes_on(const struct save_plan *p, const struct piece *piece, size_t i)
{
    const struct extent *a = &p->held[i - 1].at, *b = &p->held[i].at;
    if (piece->runs)
        return !one_run(b) && piece->elements + b->count * b->repeat <= PIECE;
    return one_run(b) && a->param == b->param && b->offset == a->offset + a->count &&
           b->offset / PIECE == a->offset / PIECE;
}

/* Adds a block to the last run of the list, or begins one. */
static void
push_block(struct save_plan *p, size_t from, int64_t block, int64_t count)
{
    struct block_run *last = p->runs > from ? &p->run[p->runs - 1] : NULL;
    if (last && last->first + last->count == block) {
        last->count += count;
    } else {
        if ((p->runs & (p->runs - 1)) == 0) /* grows by doubling */
            p->run = mem_grow_array(p->run, p->runs ? 2 * p->runs : 1, sizeof *p->run);
        p->run[p->runs++] = (struct block_run){block, count, p->hashes};
    }
    p->hashes += count;
}

/* Which whole blocks a piece of one run has. */
static void
find_blocks(struct save_plan *p, struct piece *piece)
{
    const struct extent *at = &p->held[piece->held].at;
    int64_t size = p->whole->param[at->param].size, end = at->offset + piece->elements;
    int64_t first = slice_blocks(at->offset);
    int64_t last = end == size ? slice_blocks(size) : end / NORM_BLOCK;
    if (first >= last)
        return;
    piece->before = first * NORM_BLOCK - at->offset;
    piece->blocks = last - first;
    piece->hash = p->hashes;
    push_block(p, 0, p->first_block[at->param] + first, piece->blocks);
}

static void
make_pieces(struct save_plan *p)
{
    p->piece = mem_zarray(p->held_count + 1, sizeof *p->piece);
    p->memory += (p->held_count + 1) * sizeof *p->piece;
    for (size_t i = 0; i < p->held_count;) {
        struct piece *piece = &p->piece[p->count++];
        piece->held = i;
        piece->runs = !one_run(&p->held[i].at);
        do {
            piece->elements += p->held[i].at.count * p->held[i].at.repeat;
            i++;
        } while (i < p->held_count && goes_on(p, piece, i));
        piece->count = i - piece->held;
        if (!piece->runs)
            find_blocks(p, piece);
    }
    p->runs_whole = p->runs;
}

/* ---- do the ranks' pieces cover everything once? ---- */

/*
 * A number for each of some blocks, added up over the ranks: elements held, and above them how
 * many ranks have the block whole.
 */
enum { COUNTED_BLOCKS = 32768, WHOLE_SHIFT = 40 };

struct census {
    const struct save_plan *p;
    int64_t first, last; /* blocks */
    uint64_t *count;
};

static void
count_run(struct census *c, int param, int64_t offset, int64_t n)
{
    int64_t first = c->p->first_block[param], end = offset + n;
    int64_t from = first + offset / NORM_BLOCK, to = first + slice_blocks(end);
    for (int64_t b = from < c->first ? c->first : from; b < to && b < c->last; b++) {
        int64_t begin = (b - first) * NORM_BLOCK, finish = begin + NORM_BLOCK;
        c->count[b - c->first] += (uint64_t)((finish < end ? finish : end) -
                                             (begin > offset ? begin : offset));
    }
}

static void
count_mine(struct census *c)
{
    const struct save_plan *p = c->p;
    for (size_t i = 0; i < p->held_count; i++) {
        const struct extent *e = &p->held[i].at;
        int64_t first = p->first_block[e->param];
        if (first >= c->last || p->first_block[e->param + 1] <= c->first)
            continue;
        for (int64_t r = 0; r < e->repeat; r++)
            count_run(c, e->param, e->offset + r * e->stride, e->count);
    }
    for (size_t i = 0; i < p->runs_whole; i++) {
        const struct block_run *r = &p->run[i];
        int64_t from = r->first < c->first ? c->first : r->first;
        int64_t to = r->first + r->count < c->last ? r->first + r->count : c->last;
        for (int64_t b = from; b < to; b++)
            c->count[b - c->first] += UINT64_C(1) << WHOLE_SHIFT;
    }
}

static int
check_count(const struct census *c, int param, int64_t block, uint64_t held)
{
    const struct params *whole = c->p->whole;
    int64_t number = block - c->p->first_block[param];
    int64_t expected = block_elements(whole, param, number);
    if (held == (uint64_t)expected)
        return 0;
    return err_set(STATUS_FAILED,
                   "tensor %s: of elements %lld-%lld the ranks together hold %llu, not %lld",
                   whole->param[param].name, (long long)(number * NORM_BLOCK),
                   (long long)(number * NORM_BLOCK + expected - 1), (unsigned long long)held,
                   (long long)expected);
}

/* Checks the counts of all ranks, and deals out the blocks that nobody has whole. */
static int
take_counts(struct save_plan *p, struct census *c, int *param, const struct comm *comm)
{
    int64_t split = 0, n = 0;
    for (int64_t b = c->first; b < c->last; b++) {
        uint64_t count = c->count[b - c->first];
        while (b >= p->first_block[*param + 1])
            ++*param;
        if (check_count(c, *param, b, count & ((UINT64_C(1) << WHOLE_SHIFT) - 1)) < 0)
            return -1;
        split += count >> WHOLE_SHIFT == 0;
    }
    int64_t from = split * comm->rank / comm->size, to = split * (comm->rank + 1) / comm->size;
    for (int64_t b = c->first; b < c->last && n < to; b++)
        if (c->count[b - c->first] >> WHOLE_SHIFT == 0 && n++ >= from)
            push_block(p, p->runs_whole, b, 1);
    p->split |= split > 0;
    return 0;
}

static int
take_census(struct save_plan *p, struct comm *comm)
{
    struct census c = {.p = p};
    int64_t blocks = p->slices.blocks;
    int result = 0, param = 0;
    c.count = mem_array(COUNTED_BLOCKS, sizeof *c.count);
    for (; c.first < blocks && result == 0; c.first = c.last) {
        c.last = blocks - c.first < COUNTED_BLOCKS ? blocks : c.first + COUNTED_BLOCKS;
        memset(c.count, 0, (size_t)(c.last - c.first) * sizeof *c.count);
        count_mine(&c);
        result = comm_all_reduce(comm, c.count, (size_t)(c.last - c.first), COMM_U64, COMM_SUM);
        if (result == 0)
            result = take_counts(p, &c, &param, comm); /* the same on every rank */
    }
    free(c.count);
    return result;
}

int
save_plan_init(struct save_plan *p, struct comm *comm, const struct checkpoint_layout *layout)
{
    int count = layout->whole->count;
    *p = (struct save_plan){.whole = layout->whole};
    file_slices_init(&p->slices, layout->whole, &layout->limits);
    p->first_block = mem_zarray((size_t)count + 1, sizeof *p->first_block);
    for (int i = 0; i < count; i++)
        p->first_block[i + 1] = p->first_block[i] + slice_blocks(layout->whole->param[i].size);
    int result = arrange(p, layout);
    if (comm_agree(comm, result < 0 ? (int)err_status() : STATUS_OK) < 0)
        return -1;
    make_pieces(p);
    result = take_census(p, comm);
    p->memory += p->runs * 2 * sizeof *p->run + p->slices.count * sizeof *p->slices.slice;
    return result;
}

void
save_plan_release(struct save_plan *p)
{
    file_slices_release(&p->slices);
    free(p->first_block);
    free(p->held);
    free(p->piece);
    free(p->run);
    *p = (struct save_plan){0};
}
