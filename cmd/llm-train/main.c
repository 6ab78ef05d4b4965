/* llm-train: trains a language model on token shards, on one process or many MPI ranks. */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/die.h"
#include "base/err.h"
#include "base/log.h"
#include "base/sys.h"
#include "base/threads.h"
#include "cmd/llm-train/machine.h"
#include "cmd/llm-train/page.h"
#include "cmd/llm-train/plan_print.h"
#include "cmd/llm-train/probe.h"
#include "cmd/llm-train/train.h"
#include "cmd/llm-train/trainer.h"
#include "cmd/llm-train/version.h"
#include "cmd/version.h"
#include "parallel/launch.h"
#include "parallel/mpi_comm.h"
#include "parallel/mpi_end.h"

static struct comm *world;

void
train_version(void)
{
    version_facts(VERSION_KERNELS, mpi_version());
}

/* Do all ranks come here within two seconds? Then *status is their common one. */
static bool
all_ranks_fail(int *status)
{
    int32_t agreed = (int32_t)*status;
    struct comm_request *q = NULL;
    double until = sys_seconds() + 2;
    bool done = world->ops->all_reduce(world, &agreed, 1, COMM_I32, COMM_MAX, &q) == 0 && !q;

    while (!done && q && sys_seconds() < until) {
        if (world->ops->test(world, &q, &done) < 0)
            return false;
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    *status = agreed;
    return done;
}

/*
 * die() of one of several ranks. What all meet alike (a wrong option, a shard that is corrupt for
 * everyone) is told by rank 0 and all leave together; a rank that fails alone says so and takes the job down.
 */
static void
stop_all_ranks(enum status status)
{
    int common_status = (int)status;

    if (!world || world->size == 1)
        return;
    if (all_ranks_fail(&common_status))
        (void)mpi_end(world, common_status);
    else if (world->rank > 0)
        warn("%s", die_last());
    world->ops->abort(world, (int)status);
}

/* --plan --machine local: this machine is measured by as many of the ranks as it has CPUs for. */
static bool
measures_here(void)
{
    return options.plan && probe_is_local(options.machine);
}

static int
ranks_here(void)
{
    return options.ranks < threads_cpus() ? (int)options.ranks : threads_cpus();
}

static int
launch(int argc, char **argv, char **shards, int shard_count)
{
    struct launch l = {
        .ranks = measures_here() ? ranks_here() : (int)options.ranks,
        .hosts = options.hosts,
        .standard_input = shard_count == 1 && strcmp(shards[0], "-") == 0,
        .argc = argc,
        .argv = argv,
    };
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    int status;

    /* A preset's ranks are those of a cluster; started here they would bring the host down. */
    if (!l.hosts && opt_from_config(&llm_train, "ranks") && cpus > 0 && l.ranks > 4 * cpus)
        die(STATUS_USAGE, "--config asks for %d ranks, this host has %ld CPUs: give --ranks N behind it, and the sizes "
                          "of a layout that fits, or --hosts", l.ranks, cpus);
    status = launch_ranks(&l);
    if (status < 0)
        die_err();
    return status;
}

/* All of the machine, unless --ranks says how many of its domains. */
static double
planned_nodes(const struct machine_file *m)
{
    if (!opt_given(&llm_train, "ranks") && m->nodes > 0)
        return (double)m->nodes;
    return (double)options.ranks / (double)m->domains;
}

static int
plan(void)
{
    static struct trainer t;
    struct machine_file m = {0};

    bool loads = options.machine && !probe_is_local(options.machine);

    if (loads && machine_file_load(&m, options.machine) < 0)
        die_err();
    bool modelless = options.compute > 0 && !options.model && !options.init && !options.resume;
    if (modelless && probe_is_local(options.machine))
        die(STATUS_USAGE, "--machine local: is measured by a model: give one");
    if (modelless)
        plan_compute(&m, options.compute, planned_nodes(&m));
    else
        trainer_plan(&t, world, (int)options.ranks, loads ? &m : NULL);
    machine_file_release(&m);
    return STATUS_OK;
}

static int
train(char **shards, int shard_count)
{
    static struct trainer t;
    int status;

    sys_catch_stop();
    trainer_setup(&t, world, shards, shard_count);
    status = trainer_run(&t);
    if (status < 0)
        die_err();
    trainer_release(&t);
    if (log_close() < 0)
        die_err();
    return status;
}

int
main(int argc, char **argv)
{
    char **shards;
    int count;

    die_set_mute(mpi_launched() && mpi_launched_rank() > 0);
    count = opt_parse(&llm_train, argc, argv, &shards);
    if (!mpi_launched())
        options_check(count);
    if (options.report)
        finish((enum status)page_write(options.report, shards, count));
    if (options.curve)
        finish((enum status)curve_print(shards, count));
    if (options.self_check)
        finish((enum status)machine_self_check());
    if (options.ranks > 1 && (!options.plan || measures_here()) && !mpi_launched())
        finish((enum status)launch(argc, argv, shards, count));
    if (mpi_world(&argc, &argv, &world) < 0)
        die_err();
    die_set_hook(stop_all_ranks);
    die_set_rank(world->rank > 0 ? world->rank : -1);
    die_set_mute(world->rank > 0);
    options_check(count);
    if (options.plan)
        finish((enum status)mpi_end(world, plan()));
    finish((enum status)mpi_end(world, train(shards, count)));
}
