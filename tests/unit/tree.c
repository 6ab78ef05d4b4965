/* The reduction tree and the slices of its owners, against their definitions in DESIGN terms. */
#include "parallel/tree.h"

#include "parallel/slices.h"
#include "tests/unit/tap.h"

enum { MOST = 40 };

/*
 * Is [begin, end) a node of tree(n) = tree(first p) + tree(rest), p the largest power of two
 * < n?
 */
static bool
is_node(int first, int n, struct tree_run r)
{
    int p = 1;

    if (r.begin == first && r.end == first + n)
        return true;
    if (n == 1 || r.begin < first || r.end > first + n)
        return false;
    while (2 * p < n)
        p *= 2;
    return r.end <= first + p ? is_node(first, p, r) : is_node(first + p, n - p, r);
}

/* Not within another node that lies in the run. */
static bool
is_maximal(int leaves, struct tree_run run, struct tree_run node)
{
    for (int b = run.begin; b <= node.begin; b++)
        for (int e = node.end; e <= run.end; e++)
            if ((b != node.begin || e != node.end) && is_node(0, leaves, (struct tree_run){b, e}))
                return false;
    return true;
}

static void
test_joins(void)
{
    int wrong = 0, nodes = 0;

    for (int n = 1; n <= MOST; n++)
        for (int b = 0; b < n; b++)
            for (int m = b + 1; m < n; m++)
                for (int e = m + 1; e <= n; e++) {
                    struct tree_run left = {b, m}, right = {m, e};
                    bool want = is_node(0, n, left) && is_node(0, n, right) &&
                                is_node(0, n, (struct tree_run){b, e});
                    wrong += tree_joins(n, left, right) != want;
                    nodes += want;
                }
    /* A tree of n leaves has n - 1 sums. */
    ok(wrong == 0 && nodes == MOST * (MOST - 1) / 2, "what joins is what the definition adds");
}

static void
test_runs(void)
{
    int wrong_stack = 0, wrong_nodes = 0, wrong_buffers = 0;

    for (int n = 1; n <= MOST; n++)
        for (int b = 0; b < n; b++)
            for (int e = b + 1; e <= n; e++) {
                struct tree_run nodes[TREE_DEPTH], run = {b, e};
                struct tree_stack s = {.leaves = n};
                int count = tree_nodes(n, run, nodes), at = b, most = 0;
                for (int leaf = b; leaf < e; leaf++) {
                    tree_push(&s, leaf);
                    most = s.depth > most ? s.depth : most;
                    while (tree_fold(&s))
                        continue;
                }
                wrong_stack += s.depth != count;
                for (int i = 0; i < count; i++) {
                    wrong_nodes += nodes[i].begin != at || !is_node(0, n, nodes[i]) ||
                                   !is_maximal(n, run, nodes[i]);
                    at = nodes[i].end;
                    wrong_stack += i < s.depth && (s.run[i].begin != nodes[i].begin ||
                                                   s.run[i].end != nodes[i].end);
                }
                wrong_nodes += at != e;
                wrong_buffers += tree_buffers(n, run) != most || most < count;
            }
    ok(wrong_nodes == 0, "a run falls into its maximal nodes");
    ok(wrong_stack == 0, "the stack program leaves just those");
    ok(wrong_buffers == 0, "and needs the buffers that tree_buffers says");
}

static void
test_share(void)
{
    int wrong = 0;

    for (int n = 1; n <= MOST; n++)
        for (int ranks = 1; ranks <= n; ranks++) {
            int at = 0;
            for (int r = 0; r < ranks; r++) {
                struct tree_run run = tree_share(n, ranks, r);
                int length = run.end - run.begin;
                wrong += run.begin != at || length < n / ranks || length > (n + ranks - 1) / ranks;
                at = run.end;
            }
            wrong += at != n;
        }
    ok(wrong == 0, "groups are dealt out in contiguous runs, sizes at most one apart");
    is_int(tree_buffers_most(8, 8), 1, "one group a rank: one buffer");
    is_int(tree_buffers_most(8, 1), 4, "eight groups on one rank: log2 8 + 1");
    is_int(tree_buffers_most(32, 3), 6, "a run across the grid: [21, 32)");
}

static void
test_slices(void)
{
    static const int64_t sizes[] = {100000, 7, 16384, 16385, 70000, 1};
    struct param tensor[6];
    struct params p = {.param = tensor, .count = 6, .embedding = 0};
    int wrong = 0;

    for (int i = 0; i < 6; i++) {
        tensor[i] = (struct param){.offset = p.elements, .size = sizes[i]};
        p.elements = (p.elements + sizes[i] + 15) / 16 * 16;
    }
    p.tied_offset = p.elements;
    p.grad_elements = p.elements + 100000;

    for (int owners = 1; owners <= 20; owners++) {
        struct slice s[20];
        int64_t at = 0, block = 0, largest = 0;
        slices_cut(&p, owners, s);
        for (int i = 0; i < owners; i++) {
            wrong += s[i].begin != at || s[i].block != block || s[i].end < at;
            at = s[i].end;
            block = s[i].block_end;
            largest = s[i].end - s[i].begin > largest ? s[i].end - s[i].begin : largest;
            /* A cut is a tensor's beginning or a whole number of blocks into it. */
            int64_t e = s[i].end;
            bool whole = e == p.elements;
            for (int k = 0; k < p.count; k++)
                whole |= e >= tensor[k].offset && e < tensor[k].offset + sizes[k] &&
                         (e - tensor[k].offset) % NORM_BLOCK == 0;
            wrong += !whole;
        }
        wrong += at != p.elements || block != 7 + 1 + 1 + 2 + 5 + 1;
        wrong += largest > p.elements / owners + 2 * NORM_BLOCK;
        for (int64_t e = 0; e < p.elements; e += 997) {
            const struct slice *o = &s[slices_owner(&p, s, owners, e)];
            wrong += e < o->begin || e >= o->end;
        }
        for (int64_t e = 0; e < 100000; e += 997)
            wrong += slices_owner(&p, s, owners, p.tied_offset + e) !=
                     slices_owner(&p, s, owners, e);
    }
    ok(wrong == 0, "slices of 1 to 20 owners: whole blocks, nearly equal, twins together");
}

int
main(void)
{
    test_joins();
    test_runs();
    test_share();
    test_slices();
    return done();
}
