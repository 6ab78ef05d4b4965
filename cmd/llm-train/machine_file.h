#ifndef LLM_TRAIN_MACHINE_FILE_H
#define LLM_TRAIN_MACHINE_FILE_H

#include <stdint.h>

#include "parallel/network.h"

/*
 * --machine FILE: what a machine's nodes have, as lines of `name = value`; # begins a comment.
 * Numbers may have K, M, G, T: powers of 1000, of `memory` powers of 1024. A node is what shares
 * a network card's way out: rates are those of a node unless said otherwise.
 *
 *   name       for people
 *   nodes      of the whole machine: how many ranks it has where --ranks does not say
 *   cores      of a node
 *   domains    ranks of a node (1): its memory domains, or its accelerators
 *   memory     bytes of a node
 *
 * What is stated by those who built it, and what was really reached (by default the same):
 *
 *   peak       operations a second; peak-fp32, peak-bf16, peak-fp8: in that precision
 *   products, products-fp32, products-bf16, products-fp8
 *              operations a second that large matrix products reach
 *   attention, attention-fp32, attention-bf16
 *              … that attention's products reach (by default those of products)
 *   half-size  products of n × n × n reach half of that rate at n = half-size (0), rate n / (n + half-size)
 *              in general with n the smallest of the three sizes (after Hockney's n½, Parallel
 *              Computing 1981)
 *   units      of an accelerator that each compute one tile of a product at a time, and
 *   tile       its numbers, as 256x128: products whose tiles do not fill the units in their last wave
 *              take as long as if they did (NVIDIA, "Matrix Multiplication Background") (0: no such units)
 *   overhead   seconds that a product takes at least (0): starting it
 *   bandwidth  bytes a second of memory
 *   stream     bytes a second that elementwise work really reaches
 *   update     bytes a second that the optimizer reaches (by default those of stream)
 *   scores     bytes that a forward pass moves for each attention score, a backward pass half as much
 *              again, of programs that store them, masked ones too (0: as here, where they are not);
 *              what these do again selectively is attention (Korthikanti et al., 2022)
 *   accumulate bytes moved for each weight of a product to add a micro-batch's gradient, of programs
 *              that do so behind the product (0: as here, where it is part of it)
 *   overlap    share of a rank's last backward pass beside which gradients can be on their way (1)
 *
 *   network    bytes a second of one link, one way; latency: seconds of a message (0)
 *   links      that one node uses at once (1)
 *   inner      bytes a second, one way, between a rank and others of its node (0: at memory's rate,
 *              half of a domain's each for reading and writing); inner-latency: seconds of a message (0)
 *   watts      of a node at work, with its share of network and cooling if that is known
 *   topology   torus SIZExSIZE… (the shape of the job), or tree NODES (below a leaf switch)
 *
 * cores, memory and a peak are required; a precision without one is computed at the rates of the next
 * wider one; without a network there is no time for messages between nodes. The last line of a name
 * counts.
 */
enum machine_precision { MACHINE_FP32, MACHINE_BF16, MACHINE_FP8, MACHINE_PRECISIONS };

struct machine_file {
    char *name;
    uint64_t nodes, cores, domains, memory;
    struct machine_rate {
        double peak, products, attention; /* operations/s of a node; filled in: 0 only where no peak is known */
    } rate[MACHINE_PRECISIONS], any; /* any: where no precision is named; use rate */
    double half_size, overhead, units, tile[2];
    double bandwidth, stream, update; /* bytes/s of a node; 0: unknown, elementwise work takes no time */
    double scores, accumulate, overlap;
    double link, latency, inner, inner_latency;
    double links, watts;
    struct network network;   /* kind NETWORK_NONE: no topology given */
};

/*
 * From a file, or (no such file, and a name without a slash) from the machines that are part of the
 * program (machines/NAME.machine). 0, or -1 with a record that names file and line (STATUS_INPUT).
 */
int machine_file_load(struct machine_file *m, const char *path);
void machine_file_release(struct machine_file *m);

#endif
