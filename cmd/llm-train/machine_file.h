#ifndef LLM_TRAIN_MACHINE_FILE_H
#define LLM_TRAIN_MACHINE_FILE_H

#include <stdint.h>

#include "parallel/network.h"

/*
 * --machine FILE: what a machine's nodes have, as lines of `name = value`; # begins a comment.
 *
 *   name       for people
 *   cores      of a node
 *   domains    memory domains of a node (1): a rank runs in each
 *   peak       FLOP/s of a node in the run's precision (6.758T: powers of 1000)
 *   memory     bytes of a node (32G: powers of 1024)
 *   bandwidth  bytes/s of a node's memory (1000)
 *   network    bytes/s of a node's link, one way (1000)
 *   topology   torus SIZExSIZE… (the shape of the job), or tree NODES (below a leaf switch)
 *
 * cores, peak and memory are required.
 */
struct machine_file {
    char *name;
    uint64_t cores, domains, peak, memory, bandwidth, link;
    struct network network; /* kind NETWORK_NONE: no topology given */
};

/* 0, or -1 with a record that names file and line (STATUS_INPUT). */
int machine_file_load(struct machine_file *m, const char *path);
void machine_file_release(struct machine_file *m);

#endif
