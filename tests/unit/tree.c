/* The reduction tree and the slices of its owners, against their definitions in DESIGN terms. */
#include "parallel/tree.h"

#include "parallel/slices.h"
#include "tests/mpi/table.h"
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

/* Whole blocks, nearly equal parts of every unit and of all, and every element somebody's. */
static int
wrong_slices(const struct params *p, const bool *mine, int owners)
{
    struct slices s;
    int64_t most = 0, all = 0, blocks = 0;
    int wrong = 0;

    slices_cut(&s, p, mine, owners);
    for (int owner = 0; owner < owners; owner++) {
        int count;
        int64_t sum = 0, before = -1;
        const struct reduced_run *run = slices_of(&s, owner, &count);
        wrong += count > s.units;
        for (int i = 0; i < count; i++) {
            struct param_block first, last;
            params_block(p, run[i].block, &first);
            params_block(p, run[i].block_end - 1, &last);
            wrong += run[i].begin != first.offset || run[i].end != last.offset + last.size;
            wrong += run[i].begin <= before;
            before = run[i].begin;
            for (int k = first.param; k <= last.param; k++)
                wrong += mine && !mine[k];
            int at, unit = slices_find(&s, run[i].end - 1, &at);
            wrong += unit < 0 || slices_owner(&s, unit, at) != owner;
            sum += run[i].end - run[i].begin;
            blocks += run[i].block_end - run[i].block;
        }
        most = sum > most ? sum : most;
        all += sum;
    }
    wrong += most > all / owners + 2 * NORM_BLOCK * s.units;
    for (int i = 0; i < p->count; i++)
        if (!mine || mine[i])
            blocks -= (p->param[i].size + NORM_BLOCK - 1) / NORM_BLOCK;
    wrong += blocks != (p->count > 3 ? 1 : 0); /* the one tensor of three runs of rows */
    slices_release(&s);
    return wrong;
}

static void
test_slices(void)
{
    struct test_table t, stage;
    bool mine[TEST_TENSORS];
    int wrong = 0, unlike = 0;

    test_table_make(&t, true);
    test_table_make_stage(&stage, 1);
    for (int i = 0; i < TEST_TENSORS; i++)
        mine[i] = i != 4;
    for (int owners = 1; owners <= 20; owners++) {
        struct slices whole, last;
        wrong += wrong_slices(&t.params, NULL, owners) + wrong_slices(&t.params, mine, owners);
        slices_cut(&whole, &t.params, NULL, owners);
        slices_cut(&last, &stage.params, NULL, owners);
        for (int i = 0; i < owners; i++) {
            const struct reduced_run *a = slices_run(&whole, 0, i), *b = slices_run(&last, 0, i);
            unlike += a->begin != b->begin || a->end != b->end;
        }
        slices_release(&whole);
        slices_release(&last);
    }
    ok(wrong == 0, "slices of 1 to 20 owners: whole blocks, nearly equal");
    ok(unlike == 0, "the embedding is cut alike in every part");
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
