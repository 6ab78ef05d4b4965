/*
 * Every system call of a save fails once, in every way, and every two of them have a kill -9
 * between them: the checkpoint before stays whole, nothing half looks complete, the message names a
 * file, and the next save succeeds.
 */
#include <sys/wait.h>

#include "tests/unit/checkpoint_make.h"
#include "tests/unit/faults.h"

static struct made made;
static struct hash128 expected; /* of step 2 */

static int
save(int64_t step, struct hash128 *hash)
{
    made.state.step = step;
    made.save.directory = "run";
    return checkpoint_save(comm_single(), &made.layout, &made.save, hash);
}

/* The newest complete checkpoint, if all complete ones verify; else -1. */
static int64_t
newest(void)
{
    struct checkpoint_list list;
    int64_t step = 0;
    if (checkpoint_list("run", &list) < 0)
        return -1;
    for (size_t i = 0; i < list.count && step >= 0; i++) {
        char *path = checkpoint_path("run", list.step[i]);
        struct checkpoint *c = checkpoint_open(path);
        bool whole = c && checkpoint_verify(comm_single(), c) == 0;
        if (whole && list.step[i] == 2)
            whole = c->manifest.state_hash.low == expected.low;
        step = !whole ? -1 : i == 0 ? list.step[i] : step;
        checkpoint_close(c);
        free(path);
    }
    checkpoint_list_release(&list);
    return step;
}

/* What is wrong with the outcome of a save of step 2 upon step 1, or NULL. */
static const char *
judge(int result)
{
    int64_t step = newest();
    if (step < 0)
        return "something that is not whole looks complete";
    if (result == 0)
        return step == 2 ? NULL : "said to be saved, and is not";
    if (step != 1)
        return step == 2 ? "said to have failed, and is complete" : "the one before is lost";
    if (!strstr(err_text(), "run"))
        return "the message names no file";
    return NULL;
}

/* The directory as it was before: step 1 alone. */
static void
put_back(void)
{
    if (file_remove_tree("run/step-00000002") < 0 || newest() != 1) {
        diag("%s", err_text());
        exit(1);
    }
}

static void
report(const char *what, long wrong, enum fault_kind kind, long at, const char *why)
{
    if (wrong == 1)
        diag("%s: call %ld (%s): %s (%s)", fault_names[kind], at, fault.hit ? fault.hit : "none",
             why, what);
}

/* Call after call fails, until a save has fewer calls than that. Returns how many there were. */
static long
test_kind(enum fault_kind kind)
{
    long wrong = 0, failed = 0, at = 1, hits = 0;
    for (bool reached = true; reached; at++) {
        struct hash128 hash;
        err_clear();
        fault_arm(kind, at, "run");
        int result = save(2, &hash);
        reached = fault.calls >= at;
        fault.below = NULL;
        const char *why = judge(result);
        failed += result < 0;
        hits += fault.hit != NULL;
        wrong += why != NULL;
        if (why)
            report(err_text(), wrong, kind, at, why);
        put_back();
    }
    ok(wrong == 0, "%s at each of %ld calls: the one before stays, what is complete is whole",
       fault_names[kind], at - 2);
    ok(hits > 5, "%ld of them were hit, %ld saves failed", hits, failed);
    if (kind == FAULT_SHORT)
        is_int(failed, 0, "short writes are gone on with");
    else if (kind == FAULT_INTERRUPT)
        ok(failed < 10, "most interrupted calls are made again");
    else
        ok(failed > at / 2, "most are fatal to the save");
    ok(save(2, NULL) == 0 && newest() == 2, "the next save succeeds");
    put_back();
    return at - 2;
}

static void
test_kill(long calls)
{
    long wrong = 0, complete = 0;
    for (long at = 1; at <= calls; at++) {
        pid_t child = fork();
        int status = 0;
        if (child == 0) {
            fault_arm(FAULT_KILL, at, "run");
            _exit(save(2, NULL) == 0 ? 0 : 1);
        }
        waitpid(child, &status, 0);
        int64_t step = newest();
        wrong += !WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL || step < 1;
        complete += step == 2;
        wrong += checkpoint_clean("run", NULL) < 0;
        put_back();
    }
    is_int(wrong, 0, "kill -9 before each of %ld calls: what is complete is whole", calls);
    ok(complete > 0 && complete < 10, "the new one counts only at the very end (%ld)", complete);
}

/* Older ones are deleted behind the commit: a failure of that does not undo the save. */
static void
test_prune(void)
{
    save(2, NULL);
    made.save.keep_last = 1;
    fault_arm(FAULT_IO, 1, "step-00000001/manifest.json");
    made.state.step = 3;
    int result = checkpoint_save(comm_single(), &made.layout, &made.save, NULL);
    fault.below = NULL;
    ok(result < 0 && strstr(err_text(), "step-00000001/manifest.json") && newest() == 3,
       "what cannot be deleted is named: %s", err_text());
}

/* In memory where that is possible: hundreds of saves. NULL: here. */
static const char *
enter_memory(void)
{
    static char path[] = "/dev/shm/llm-faults-XXXXXX";
    return mkdtemp(path) && chdir(path) == 0 ? path : NULL;
}

int
main(void)
{
    const char *memory = enter_memory();
    made_init(&made, made_config);
    made.layout.limits = (struct slice_limits){.slice_blocks = 1, .file_bytes = 200000};
    if (save(2, &expected) < 0 || file_remove_tree("run") < 0 || save(1, NULL) < 0) {
        diag("%s", err_text());
        return 1;
    }
    long calls = 0;
    for (int kind = FAULT_NO_SPACE; kind < FAULT_KILL; kind++)
        if (kind != FAULT_IO || getenv("LLM_LONG")) /* goes the way of "no space" */
            calls = test_kind((enum fault_kind)kind);
    fault_arm(FAULT_NONE, 0, "run");
    save(2, NULL);
    calls = fault.calls;
    fault.below = NULL;
    put_back();
    test_kill(calls);
    test_prune();
    made_release(&made);
    if (memory && (chdir("/") < 0 || file_remove_tree(memory) < 0))
        return 1;
    return done();
}
