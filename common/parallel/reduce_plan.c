/* Who adds what: the nodes of all ranks, what hosts make of them, and the stack of each tensor. */
#include <stdlib.h>

#include "base/mem.h"
#include "parallel/reduce_private.h"

/* The maximal nodes of all ranks. */
static void
plan_nodes(struct reducer *r)
{
    struct tree_run found[TREE_DEPTH];

    r->nodes = mem_array((size_t)r->groups, sizeof *r->nodes); /* a node is a leaf or more */
    for (int rank = 0; rank < r->comm->size; rank++) {
        int n = tree_nodes(r->groups, tree_share(r->groups, r->comm->size, rank), found);
        if (rank == r->comm->rank)
            r->own_first = r->node_count;
        for (int i = 0; i < n; i++)
            r->nodes[r->node_count++] = (struct node){found[i], rank, i};
    }
}

/* Runs of leaves, and the values in which their sums stand. */
struct stack {
    struct tree_run *run;
    int *place;
    int depth;
};

/*
 * Puts a run on the stack and adds what the tree adds; where one of two is `home`, there: a sum
 * of two has the same bits either way round.
 */
static void
push(struct stack *s, int leaves, struct tree_run run, int place, int home, struct additions *out)
{
    s->run[s->depth] = run;
    s->place[s->depth++] = place;
    while (s->depth > 1 && tree_joins(leaves, s->run[s->depth - 2], s->run[s->depth - 1])) {
        struct addition a = {s->place[s->depth - 2], s->place[s->depth - 1]};
        if (a.from == home)
            a = (struct addition){a.from, a.to};
        s->run[s->depth - 2].end = s->run[s->depth - 1].end;
        s->place[s->depth - 2] = a.to;
        s->depth--;
        if (out)
            out->list[out->count++] = a;
    }
}

/* The parts of one host. */
static void
add_parts(struct reducer *r, int host, struct stack *s)
{
    bool mine = host == r->hosts.mine;

    s->depth = 0;
    for (int i = 0; i < r->node_count; i++)
        if (r->hosts.host[r->nodes[i].rank] == host)
            push(s, r->groups, r->nodes[i].run, i, r->home, mine ? &r->on_host : NULL);
    for (int i = 0; i < s->depth; i++)
        r->parts[r->part_count++] = (struct part){s->run[i], host, s->place[i]};
    if (mine)
        r->own_parts = s->depth;
}

static int
by_begin(const void *a, const void *b)
{
    const struct part *x = a, *y = b;

    return x->run.begin - y->run.begin;
}

/* The first node of a rank. */
static int
first_node(const struct reducer *r, int rank)
{
    int i = 0;

    while (r->nodes[i].rank != rank)
        i++;
    return i;
}

/* The stack program of this rank's groups, which every tensor goes through by itself. */
static void
plan_leaves(struct reducer *r)
{
    struct tree_stack stack = {.leaves = r->groups};
    int n = r->run.end - r->run.begin;

    r->leaves = mem_zarray((size_t)n, sizeof *r->leaves);
    for (int i = 0; i < n; i++) {
        struct leaf *l = &r->leaves[i];
        struct addition fold[TREE_DEPTH];
        l->buffer = stack.depth;
        tree_push(&stack, r->run.begin + i);
        while (tree_fold(&stack))
            fold[l->folds++] = (struct addition){stack.depth - 1, stack.depth};
        l->fold = mem_dup(fold, (size_t)l->folds * sizeof *fold + 1);
    }
}

void
reduce_plan_tree(struct reducer *r)
{
    const struct hosts *h = &r->hosts;
    size_t n;
    struct stack s;
    int home = -1;

    plan_leaves(r);
    plan_nodes(r);
    n = (size_t)r->node_count;
    s.run = mem_array(n, sizeof *s.run);
    s.place = mem_array(n, sizeof *s.place);
    r->parts = mem_array(n, sizeof *r->parts);
    r->on_host.list = mem_array(n, sizeof *r->on_host.list);
    r->over_hosts.list = mem_array(n, sizeof *r->over_hosts.list);
    r->at = mem_array(n, sizeof *r->at);
    r->home = r->zero == 0 ? first_node(r, h->rank[h->begin[h->mine]]) : r->own_first;
    for (int i = 0; i < h->count; i++)
        add_parts(r, i, &s);
    qsort(r->parts, (size_t)r->part_count, sizeof *r->parts, by_begin);
    for (int i = 0; i < r->part_count; i++)
        if (r->parts[i].host == h->mine && r->parts[i].node == r->home)
            home = i;
    s.depth = 0;
    for (int i = 0; i < r->part_count; i++)
        push(&s, r->groups, r->parts[i].run, i, home, &r->over_hosts);
    free(s.run);
    free(s.place);
}

void
reduce_free_plan(struct reducer *r)
{
    for (int i = 0; r->leaves && i < r->run.end - r->run.begin; i++)
        free(r->leaves[i].fold);
    free(r->leaves);
    free(r->nodes);
    free(r->parts);
    free(r->on_host.list);
    free(r->over_hosts.list);
    free(r->at);
}
