/* What the environment tells about the launcher of ranks. No MPI call is made. */
#include "parallel/mpi_comm.h"

#include <stdint.h>
#include <stdlib.h>

#include "base/str.h"

bool
mpi_launched(void)
{
    /* What hydra, PMIx, Open MPI and Slurm tell the processes they start. */
    static const char *const names[] = {
        "PMI_FD", "PMI_PORT", "PMI_RANK", "PMI_ID", "PMIX_RANK", "OMPI_COMM_WORLD_SIZE",
    };

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (getenv(names[i]))
            return true;
    return false;
}

int
mpi_launched_rank(void)
{
    static const char *const names[] = {"PMI_RANK", "PMIX_RANK", "OMPI_COMM_WORLD_RANK",
                                        "SLURM_PROCID"};
    int64_t rank;

    for (size_t i = 0; mpi_launched() && i < sizeof names / sizeof *names; i++) {
        const char *value = getenv(names[i]);
        if (value && parse_int(value, &rank) == 0 && rank >= 0 && rank <= INT32_MAX)
            return (int)rank;
    }
    return -1;
}
