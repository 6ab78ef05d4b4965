/* The reduction tree as arithmetic on runs of leaves. */
#include "parallel/tree.h"

#include <stdint.h>

#include "base/mem.h"

struct tree_run
tree_share(int leaves, int ranks, int rank)
{
    int64_t n = leaves;

    return (struct tree_run){(int)(n * rank / ranks), (int)(n * (rank + 1) / ranks)};
}

/*
 * [begin, end) is a node: it begins at a multiple of a power of two 2^j and is 2^j long, or
 * cut by the last leaf.
 */
static bool
is_node(int leaves, struct tree_run r, int64_t power)
{
    return r.begin % power == 0 &&
           (r.end - r.begin == power || (r.end == leaves && r.end - r.begin < power));
}

bool
tree_joins(int leaves, struct tree_run a, struct tree_run b)
{
    int64_t half = a.end - a.begin;

    /* The left child of a node is whole: a power of two. */
    return half > 0 && (half & (half - 1)) == 0 && a.end == b.begin && a.begin % (2 * half) == 0 &&
           is_node(leaves, b, half);
}

void
tree_push(struct tree_stack *s, int leaf)
{
    if (s->depth == TREE_DEPTH)
        abort(); /* 2 log2(leaves) runs are the most there can be */
    s->run[s->depth++] = (struct tree_run){leaf, leaf + 1};
}

bool
tree_fold(struct tree_stack *s)
{
    if (s->depth < 2)
        return false;
    struct tree_run *a = &s->run[s->depth - 2], *b = &s->run[s->depth - 1];
    if (!tree_joins(s->leaves, *a, *b))
        return false;
    a->end = b->end;
    s->depth--;
    return true;
}

int
tree_nodes(int leaves, struct tree_run run, struct tree_run nodes[TREE_DEPTH])
{
    int n = 0;

    for (int at = run.begin; at < run.end; at = nodes[n++].end) {
        int64_t length = 1;
        /*
         * Twice as long, as long as that begins on its grid and ends within the run (or
         * beyond the last leaf).
         */
        while (at % (2 * length) == 0 && at + length < run.end &&
               (at + 2 * length <= run.end || run.end == leaves))
            length *= 2;
        nodes[n].begin = at;
        nodes[n].end = at + length < run.end ? (int)(at + length) : run.end;
    }
    return n;
}

int
tree_buffers(int leaves, struct tree_run run)
{
    struct tree_stack s = {.leaves = leaves};
    int most = 0;

    for (int leaf = run.begin; leaf < run.end; leaf++) {
        tree_push(&s, leaf);
        most = s.depth > most ? s.depth : most;
        while (tree_fold(&s))
            continue;
    }
    return most;
}

int
tree_buffers_most(int leaves, int ranks)
{
    int most = 0;

    for (int r = 0; r < ranks; r++) {
        int n = tree_buffers(leaves, tree_share(leaves, ranks, r));
        most = n > most ? n : most;
    }
    return most;
}
