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
#include "parallel/rank_map.h"

static void
print_map(const struct rank_map *m)
{
    printf("links between neighbours  in rank order  by the map\n");
    for (int a = 0; a < AXES; a++)
        if (m->naive[a] > 0 || m->hops[a] > 0)
            printf("  %-22s %14lld %11lld\n", axis_name((enum axis)a), (long long)m->naive[a], (long long)m->hops[a]);
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
plan_machine_map(const struct trainer *t)
{
    const struct machine_file *f = t->machine;
    struct network network = f->network; /* which gets its number of nodes */
    struct rank_map m;

    if (f->network.kind == NETWORK_NONE) {
        if (options.rank_map)
            die(STATUS_USAGE, "--rank-map: %s names no topology", options.machine);
        return;
    }
    if (rank_map_make(&m, &network, t->layout.size, t->layout.order, (int)f->domains) < 0)
        die(STATUS_USAGE, "--machine %s: %s", options.machine, err_text());
    if (!options.json)
        print_map(&m);
    if (options.rank_map)
        write_map(&m, &network);
    rank_map_release(&m);
}
