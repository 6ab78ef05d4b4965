#ifndef LLM_TRAIN_VERSION_H
#define LLM_TRAIN_VERSION_H

/* Prints what built and what would run this program: ISA, BLAS and its core, MPI, zstd, libarchive. */
void train_version(void);

#endif
