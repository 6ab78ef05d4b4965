#ifndef KERNELS_REF_REF_H
#define KERNELS_REF_REF_H

#include "kernels/kernels.h"

/*
 * The reference kernels in plain C: the specification of every entry of the
 * table. Each operation is one .inc file over the types `act` and `wide`;
 * fp32.c, bf16.c and fp64.c choose the types and compile all of them.
 */

/* Each fills every entry of *o. */
void ref_fp32(struct ops *o);
void ref_bf16(struct ops *o);
void ref_fp64(struct ops *o);

/* struct kernels.peak of plain C, without vector instructions of its own. */
double ref_peak(enum precision p, double seconds);

#endif
