#ifndef KERNELS_SCRATCH_H
#define KERNELS_SCRATCH_H

#include <stddef.h>

/*
 * `size` bytes, 64-byte aligned, of the calling thread, for the tables' packed operands:
 * taken at its first product, released at its end. Contents last until the next call with a
 * larger size.
 */
void *kernel_scratch(size_t size);

#endif
