/* llm-eval: scores a language model on token shards, and lets it write. */
#include <stdio.h>
#include <string.h>

#include "base/die.h"
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "cmd/llm-eval/eval.h"
#include "parallel/launch.h"
#include "parallel/mpi_comm.h"
#include "parallel/mpi_end.h"

static struct comm *world;

/* die() of one of several ranks takes the job down. */
static void
stop_all_ranks(enum status status)
{
    if (!world || world->size == 1)
        return;
    if (world->rank > 0)
        warn("%s", die_last());
    world->ops->abort(world, (int)status);
}

static int
launch(int argc, char **argv, char **operands, int count)
{
    struct launch l = {.ranks = (int)options.ranks,
                       .hosts = options.hosts,
                       .standard_input = count == 2 && strcmp(operands[1], "-") == 0,
                       .argc = argc,
                       .argv = argv};
    int status = launch_ranks(&l);
    if (status < 0)
        die_err();
    return status;
}

/* A mode that computes with the model. */
static int
run_model(struct model *m, char **operands, int count)
{
    if (model_open(m, operands[0], world) < 0)
        return -1;
    switch (options_mode()) {
    case MODE_TEXT:
        return generate(m);
    case MODE_SHARDS:
        return score_shards(m, operands + 1, count - 1, world);
    case MODE_REQUESTS:
        return run_requests(m, world);
    default:
        return run_tasks(m, world);
    }
}

/* 0, or the class of an error that every rank met. */
static int
run(char **operands, int count)
{
    struct model m = {.speaks = world->rank == 0};
    enum eval_mode mode = options_mode();
    int result = 0;
    if (mode == MODE_INFO || mode == MODE_MAKE_REQUESTS || mode == MODE_RESULTS) {
        if (count)
            result = model_open_tokenizer(&m, operands[0]);
        if (result == 0)
            result = run_tasks(count ? &m : NULL, world);
    } else {
        result = run_model(&m, operands, count);
    }
    /* The end of an MPI job flushes nothing. */
    if (result == 0 && fflush(stdout) != 0)
        result = err_sys("standard output");
    if (result == 0)
        result = log_close();
    if (result < 0 && world->size > 1 && world->rank == 0)
        warn("%s", err_text());
    if (result < 0 && world->size == 1)
        die_err();
    enum status status = result < 0 ? err_status() : STATUS_OK;
    model_close(&m);
    return (int)status;
}

int
main(int argc, char **argv)
{
    char **operands;
    die_set_tool("llm-eval");
    die_set_mute(mpi_launched() && mpi_launched_rank() > 0);
    int count = opt_parse(&llm_eval, argc, argv, &operands);
    if (!mpi_launched())
        options_check(operands, count);
    if (options.ranks > 1 && !mpi_launched())
        finish((enum status)launch(argc, argv, operands, count));
    if (mpi_world(&argc, &argv, &world) < 0)
        die_err();
    die_set_hook(stop_all_ranks);
    die_set_rank(world->rank > 0 ? world->rank : -1);
    options_check(operands, count);
    file_remove_on_signals();
    if (common.log && world->rank == 0 && log_open(common.log) < 0)
        die_err();
    finish((enum status)mpi_end(world, run(operands, count)));
}
