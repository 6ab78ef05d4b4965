/*
 * The world of a build without MPI (make MPI=no): one process over comm/single.c, which
 * refuses to be one of several.
 */
#include "parallel/mpi_comm.h"
#include "parallel/mpi_end.h"

#include "base/err.h"
#include "parallel/launch.h"

bool
mpi_built(void)
{
    return false;
}

const char *
mpi_version(void)
{
    return "none (built without it)";
}

int
mpi_world(int *argc, char ***argv, struct comm **out)
{
    (void)argc, (void)argv;
    *out = comm_single();
    if (mpi_launched())
        return err_set(STATUS_FAILED, "started as one of several ranks, but built without MPI");
    return 0;
}

int
mpi_agree_status(struct comm *world, int status)
{
    (void)world;
    return status;
}

int
mpi_end(struct comm *world, int status)
{
    launch_report(status);
    return mpi_agree_status(world, status);
}
