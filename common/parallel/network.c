/* Distances in a torus and in a fat tree. */
#include "parallel/network.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"

enum { NODES_MAX = 1 << 24 };

/* "4x6x4" */
static int
parse_shape(struct network *n, const char *text)
{
    char *end;

    n->nodes = 1;
    for (const char *at = text;; at = end + 1) {
        long size = strtol(at, &end, 10);
        if (end == at || size < 1 || size > NODES_MAX / n->nodes || n->dims == NETWORK_DIMS)
            return err_set(STATUS_USAGE, "torus %s: expected one to %d sizes such as 4x6x4", text,
                           NETWORK_DIMS);
        n->size[n->dims++] = (int)size;
        n->nodes *= (int)size;
        if (*end == '\0')
            return 0;
        if (*end != 'x')
            return err_set(STATUS_USAGE, "torus %s: expected sizes such as 4x6x4", text);
    }
}

int
network_parse(struct network *n, const char *text)
{
    char *end;
    long leaf;

    *n = (struct network){0};
    if (strncmp(text, "torus ", 6) == 0) {
        n->kind = NETWORK_TORUS;
        return parse_shape(n, text + 6 + strspn(text + 6, " "));
    }
    if (strncmp(text, "tree ", 5) != 0)
        return err_set(STATUS_USAGE, "'%s': expected 'torus SIZExSIZE…' or 'tree NODES'", text);
    leaf = strtol(text + 5, &end, 10);
    if (end == text + 5 || *end != '\0' || leaf < 1 || leaf > NODES_MAX)
        return err_set(STATUS_USAGE, "%s: expected the nodes below a leaf switch", text);
    n->kind = NETWORK_TREE;
    n->leaf = (int)leaf;
    return 0;
}

void
network_coordinate(const struct network *n, int node, int coordinate[NETWORK_DIMS])
{
    for (int d = 0; d < n->dims; d++) {
        coordinate[d] = node % n->size[d];
        node /= n->size[d];
    }
}

int
network_hops(const struct network *n, int from, int to)
{
    int hops = 0;

    if (from == to)
        return 0;
    if (n->kind == NETWORK_TREE)
        return from / n->leaf == to / n->leaf ? 2 : 4;
    for (int d = 0; d < n->dims; d++) {
        int apart = abs(from % n->size[d] - to % n->size[d]);
        hops += apart < n->size[d] - apart ? apart : n->size[d] - apart;
        from /= n->size[d];
        to /= n->size[d];
    }
    return hops;
}

void
network_name(const struct network *n, int node, struct str *out)
{
    int c[NETWORK_DIMS];

    if (n->kind != NETWORK_TORUS) {
        str_addf(out, "%d", node);
        return;
    }
    network_coordinate(n, node, c);
    for (int d = 0; d < n->dims; d++)
        str_addf(out, "%c%d", d == 0 ? '(' : ',', c[d]);
    str_addc(out, ')');
}
