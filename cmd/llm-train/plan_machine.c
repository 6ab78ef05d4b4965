/* --plan --machine: where the ranks of a run are to be on the machine it is for. */
#include "cmd/llm-train/plan_machine.h"

#include <stdio.h>
#include <string.h>

#include "base/die.h"
#include "base/err.h"
#include "base/file.h"
#include "base/str.h"
#include "cmd/llm-train/machine_file.h"
#include "cmd/llm-train/tensors.h"
#include "cmd/llm-train/train.h"
#include "json/write.h"
#include "parallel/rank_map.h"

/*
 * A way between two neighbours carries what a rank hands on: each hop count is a sum over all ranks,
 * so that bytes × hops is what the network carries in a step. Sums go round their ring twice (all
 * reduced) or once (scattered), n - 1 of n parts each time; gradients and weights go the way of data.
 */
static double
bytes_on(const struct plan_time *p, const struct layout *l, enum axis a)
{
    double n = l->size[a], ring = n > 1 ? (n - 1) / n : 0;

    switch (a) {
    case AXIS_TENSOR:
        return p->bytes.tensor * 2 * ring;
    case AXIS_CONTEXT:
        return p->bytes.context;
    case AXIS_EXPERT:
        return p->bytes.expert;
    case AXIS_PIPELINE:
        return p->bytes.pipeline; /* both directions, on the same way */
    default:
        return p->bytes.gradients * (l->zero > 0 ? 1 : 2) * ring + p->bytes.weights * ring;
    }
}

struct carried {
    double naive, map;
};

static struct carried
carried_on(const struct rank_map *m, const struct plan_time *p, const struct layout *l, enum axis a)
{
    double bytes = bytes_on(p, l, a);

    return (struct carried){bytes * (double)m->naive[a], bytes * (double)m->hops[a]};
}

static void
print_carried(const char *what, struct carried c)
{
    char naive[32], map[32];

    printf("  %-22s %14s %11s", what, human_bytes(c.naive, naive), human_bytes(c.map, map));
    if (c.map > 0)
        printf(" %8.2f", c.naive / c.map);
    printf("\n");
}

static void
print_map(const struct rank_map *m, const struct plan_time *p, const struct layout *l)
{
    struct carried all = {0, 0};

    printf("links between neighbours  in rank order  by the map\n");
    for (int a = 0; a < AXES; a++)
        if (m->naive[a] > 0 || m->hops[a] > 0)
            printf("  %-22s %14lld %11lld\n", axis_name((enum axis)a), (long long)m->naive[a], (long long)m->hops[a]);
    printf("bytes × links of a step   in rank order  by the map   ratio\n");
    for (int a = 0; a < AXES; a++) {
        struct carried c = carried_on(m, p, l, (enum axis)a);
        all.naive += c.naive;
        all.map += c.map;
        if (c.naive > 0 || c.map > 0)
            print_carried(axis_name((enum axis)a), c);
    }
    print_carried("all", all);
}

static void
put_map(struct json_writer *w, const struct rank_map *m, const struct plan_time *p, const struct layout *l)
{
    json_begin_object(w, "map");
    for (int a = 0; a < AXES; a++) {
        struct carried c = carried_on(m, p, l, (enum axis)a);
        json_begin_object(w, axis_name((enum axis)a));
        json_put_int(w, "links_in_rank_order", m->naive[a]);
        json_put_int(w, "links", m->hops[a]);
        json_put_real(w, "byte_links_in_rank_order", c.naive);
        json_put_real(w, "byte_links", c.map);
        json_end_object(w);
    }
    json_end_object(w);
}

/* The index-th word-only line of a host file; "" behind its end. */
static void
host_name(const struct str *hosts, int index, struct str *out)
{
    const char *at = hosts->data;

    for (; at && *at; at += strcspn(at, "\n"), at += *at == '\n') {
        size_t n = strcspn(at, " \t:#\r\n");
        if (n > 0 && index-- == 0) {
            str_add(out, at, n);
            return;
        }
    }
    die(STATUS_USAGE, "--hosts %s: has fewer hosts than the map has nodes", options.hosts);
}

/* A line a rank: its node's coordinate, or its host. */
static void
write_map(const struct rank_map *m, const struct network *n)
{
    struct str out = {0}, hosts = {0};

    if (options.hosts && n->kind == NETWORK_TREE && file_load(options.hosts, 1 << 26, &hosts) < 0)
        die_err();
    for (int r = 0; r < m->ranks; r++) {
        if (hosts.data)
            host_name(&hosts, m->node[r], &out);
        else
            network_name(n, m->node[r], &out);
        str_addc(&out, '\n');
    }
    if (file_store(options.rank_map, out.data, out.len) < 0)
        die_err();
    str_release(&out);
    str_release(&hosts);
}

void
plan_machine_map(const struct trainer *t, const struct plan_time *time, struct json_writer *w)
{
    const struct machine_file *f = t->machine;
    struct network network = f->network; /* which gets its number of nodes */
    struct rank_map m;

    if (options.topology && network_parse(&network, options.topology) < 0)
        die(STATUS_USAGE, "--topology: %s", err_text());
    if (network.kind == NETWORK_NONE) {
        if (options.rank_map)
            die(STATUS_USAGE, "--rank-map: %s names no topology", options.machine);
        return;
    }
    if (rank_map_make(&m, &network, t->layout.size, t->layout.order, (int)f->domains) < 0)
        die(STATUS_USAGE, "--machine %s: %s", options.machine, err_text());
    if (w)
        put_map(w, &m, time, &t->layout);
    else
        print_map(&m, time, &t->layout);
    if (options.rank_map)
        write_map(&m, &network);
    rank_map_release(&m);
}
