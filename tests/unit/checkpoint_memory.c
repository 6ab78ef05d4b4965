/*
 * Saving and loading take a bounded pool beside the arrays, whatever the size of the state and the
 * layout: the most that is resident is measured, and the address space is limited.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/sys.h"
#include "checkpoint/writer.h"
#include "tests/unit/checkpoint_make.h"

/* 8.7 million parameters: 104 MB of state; a row of the largest matrix is 4 KB, a column part 2 KB. */
static const char config_text[] =
    "{\"model_type\":\"llama\",\"architectures\":[\"LlamaForCausalLM\"],\"vocab_size\":4000,"
    "\"hidden_size\":512,\"intermediate_size\":1024,\"num_hidden_layers\":2,"
    "\"num_attention_heads\":8,\"num_key_value_heads\":8,\"head_dim\":64,"
    "\"max_position_embeddings\":64,\"rms_norm_eps\":1e-5,\"rope_theta\":10000.0,"
    "\"hidden_act\":\"silu\",\"tie_word_embeddings\":false}";

enum { MIB = 1 << 20, POOL = 4 * MIB };

static struct made made;

/* VmHWM or VmRSS in bytes. */
static int64_t
memory(const char *field)
{
    char line[256];
    long long kib = -1;
    FILE *f = fopen("/proc/self/status", "r");
    size_t n = strlen(field);
    while (f && kib < 0 && fgets(line, sizeof line, f))
        if (strncmp(line, field, n) == 0 && sscanf(line + n, ": %lld", &kib) != 1)
            kib = -1;
    if (f)
        fclose(f);
    return kib * 1024;
}

/* From now on, the peak counts anew. */
static int64_t
begin_peak(void)
{
    FILE *f = fopen("/proc/self/clear_refs", "w");
    if (f) {
        fputs("5", f);
        fclose(f);
    }
    return memory("VmRSS");
}

/* No more address space than there is, but for `more` bytes. */
static void
limit_space(int64_t more)
{
    long long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (!f || fscanf(f, "%lld", &pages) != 1)
        _exit(9);
    fclose(f);
    rlim_t bytes = (rlim_t)(pages * sysconf(_SC_PAGESIZE) + more);
    setrlimit(RLIMIT_AS, &(struct rlimit){bytes, bytes});
}

/* Makes what is to be read into resident. */
static void
touch(struct held_list *held)
{
    struct wanted_list wanted = made_wanted(held);
    for (size_t i = 0; i < wanted.len; i++)
        for (int a = 0; a < CHECKPOINT_ARRAYS; a++)
            memset(wanted.data[i].array[a], 0xff,
                   (size_t)(wanted.data[i].at.count * wanted.data[i].at.repeat) * sizeof(float));
    vec_release(&wanted);
}

/* Each in a process of its own: its peak beyond what is there, in bytes, at most `most`. */
static void
measure(const char *what, bool (*work)(const struct held_list *), enum made_layout layout, bool filled,
        int64_t most)
{
    int pipe_fd[2];
    int64_t grown = -1;
    if (pipe(pipe_fd) < 0)
        exit(1);
    pid_t child = fork();
    if (child == 0) {
        struct held_list held = {0};
        made_deal(&made, &held, layout, 0, 2, filled); /* what two ranks hold */
        made_deal(&made, &held, layout, 1, 2, filled);
        if (!filled)
            touch(&held);
        for (int a = 0; a < CHECKPOINT_ARRAYS; a++)
            memset(made.array[a], 0, (size_t)made.params.elements * sizeof(float)); /* not shared */
        int64_t before = begin_peak();
        limit_space(most + 24 * MIB); /* the thread's stack, and what malloc reserves for it */
        grown = work(&held) ? memory("VmHWM") - before : -1;
        _exit(write(pipe_fd[1], &grown, sizeof grown) == (ssize_t)sizeof grown ? 0 : 1);
    }
    close(pipe_fd[1]);
    if (read(pipe_fd[0], &grown, sizeof grown) != (ssize_t)sizeof grown)
        grown = -1;
    close(pipe_fd[0]);
    waitpid(child, NULL, 0);
    ok(grown >= 0 && grown <= most, "%s: %.1f MiB beside the arrays, at most %.1f", what,
       (double)grown / MIB, (double)most / MIB);
}

static bool
save(const struct held_list *held)
{
    struct checkpoint_layout layout = {.whole = &made.params, .held = held->data, .count = held->len};
    return checkpoint_save(comm_single(), &layout, &made.save, NULL) == 0;
}

/* With a pool, and a guard right behind the beginning. */
static bool
save_later(const struct held_list *held)
{
    struct checkpoint_layout layout = {.whole = &made.params, .held = held->data, .count = held->len};
    struct checkpoint_writer_options options = {.pool = POOL};
    struct checkpoint_status status = {0};
    struct checkpoint_writer *w = checkpoint_writer_new(comm_single(), &layout, &options);
    if (!w || checkpoint_begin(w, &made.save, NULL) < 0)
        return false;
    checkpoint_guard(w);
    int result = checkpoint_finish(w, &status);
    checkpoint_writer_free(w);
    return result == 0 && status.phase == CHECKPOINT_DONE;
}

static bool
load(const struct held_list *held)
{
    struct wanted_list wanted = made_wanted(held);
    struct checkpoint *c = checkpoint_open("run/step-00000000");
    return c && checkpoint_verify(comm_single(), c) == 0 &&
           checkpoint_read_wanted(c, wanted.data, wanted.len, POOL) == 0;
}

int
main(void)
{
    if (getenv("LLM_SANITIZE")) {
        skip("memory of saving and loading", "the sanitizers' own is not bounded");
        return done();
    }
    made_init(&made, config_text);
    made.layout.limits = (struct slice_limits){0};
    int64_t state = CHECKPOINT_ARRAYS * made.params.elements * (int64_t)sizeof(float);
    ok(state > 20 * POOL, "a state of %d MiB", (int)(state / MIB));
    /* A piece that is gathered or read back is 1 MiB; lists, thread and the like another 2. */
    measure("saving even blocks", save, MADE_SHARE, true, 3 * MIB);
    measure("saving columns", save, MADE_COLUMNS, true, 3 * MIB);
    measure("saving behind a guard", save_later, MADE_ROWS, true, POOL + 3 * MIB);
    measure("loading even blocks", load, MADE_SHARE, false, POOL + 2 * MIB);
    measure("loading columns", load, MADE_COLUMNS, false, POOL + 2 * MIB);
    made_release(&made);
    return done();
}
