#ifndef CMD_VERSION_H
#define CMD_VERSION_H

/*
 * What --version proves, a line each: compiler and flags; with VERSION_KERNELS the kernel
 * table this machine gets and BLAS with its core; mpi unless NULL; zstd; with
 * VERSION_ARCHIVE what archives are read with.
 */
enum { VERSION_KERNELS = 1, VERSION_ARCHIVE = 2 };
void version_facts(int which, const char *mpi);

#endif
