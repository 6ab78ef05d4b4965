#include "cmd/version.h"

#include <stdio.h>

#include "archive/libraries.h"
#include "base/err.h"
#include "base/version.h"
#include "kernels/blas.h"
#include "kernels/kernels.h"
#include "shard/format.h"

/* The facts of the build and the machine that all programs print alike. */

static void
kernel_facts(void)
{
    const struct kernels *k = kernels_pick(NULL);

    printf("kernels    %s\n", k ? k->name : err_text());
    blas_load();
    printf("BLAS       %s\n", blas_describe());
}

void
version_facts(int which, const char *mpi)
{
    printf("compiler   %s\n", version_compiler);
    if (which & VERSION_KERNELS)
        kernel_facts();
    if (mpi)
        printf("MPI        %s\n", mpi);
    printf("zstd       %s\n", shard_zstd_version());
    if (which & VERSION_ARCHIVE)
        printf("archives   %s\n", archive_libraries());
}
