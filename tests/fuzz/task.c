/* A task file and, behind a NUL, the file `d` that it may name: requests come out, or an error. */
#include <unistd.h>

#include "base/file.h"
#include "eval/task.h"
#include "tests/fuzz/fuzz.h"

enum { DOCUMENTS = 8 };

static char folder[] = P_tmpdir "/fuzz-task-XXXXXX";

static void
remove_folder(void)
{
    file_remove_tree(folder);
}

/* A directory of our own, removed at the end. */
static const char *
directory(void)
{
    static bool made;

    if (!made)
        must(mkdtemp(folder) && atexit(remove_folder) == 0);
    made = true;
    return folder;
}

static void
store(const char *path, const void *data, size_t n)
{
    FILE *file = fopen(path, "wb");

    must(file && fwrite(data, 1, n, file) == n && fclose(file) == 0);
}

/* Requests survive being written and read. */
static void
check_requests(const struct task_run *run, const char *path)
{
    struct str out = {0}, again = {0};
    request_list list;

    for (size_t i = 0; i < run->requests.len; i++) {
        fuzz_utf8(&run->requests.data[i].context);
        fuzz_utf8(&run->requests.data[i].continuation);
        request_write(&run->requests.data[i], &out);
    }
    store(path, out.data ? out.data : "", out.len);
    must(requests_load(path, &list) == 0);
    must(list.len == run->requests.len);
    for (size_t i = 0; i < list.len; i++)
        request_write(&list.data[i], &again);
    must(again.len == out.len && (!out.len || memcmp(again.data, out.data, out.len) == 0));
    requests_release(&list);
    str_release(&out);
    str_release(&again);
}

static void
check_samples(const struct task *t, const struct task_run *run)
{
    size_t next = 0;

    for (size_t i = 0; i < run->samples.len; i++) {
        const struct sample *s = &run->samples.data[i];

        must(s->request == next && s->label >= -1 && s->label < (int64_t)s->choices.len);
        must(t->output_type != OUTPUT_MULTIPLE_CHOICE || s->requests >= s->choices.len);
        next += s->requests;
        fuzz_utf8(&s->target);
    }
    must(next == run->requests.len && run->samples.len <= DOCUMENTS);
}

static void
run_task(const struct task *t)
{
    const struct task_options o = {directory(), -1, DOCUMENTS, NULL, 0};
    struct task_run run;

    if (task_run_make(t, &o, &run) < 0) {
        fuzz_error();
        return;
    }
    check_samples(t, &run);
    char *path = file_join(directory(), "requests");
    if (run.requests.len < 1000)
        check_requests(&run, path);
    free(path);
    task_run_release(&run);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    const uint8_t *nul = n ? memchr(data, 0, n) : NULL;
    size_t size = nul ? (size_t)(nul - data) : n;
    char *text = fuzz_copy(data, size), *path = file_join(directory(), "d");
    struct str info = {0};
    struct task t;

    store(path, nul ? (const char *)nul + 1 : "", nul ? n - size - 1 : 0);
    if (task_parse(&t, "task", text, size) < 0) {
        fuzz_error();
    } else {
        task_info(&t, &info);
        fuzz_utf8(&info);
        run_task(&t);
        task_release(&t);
    }
    str_release(&info);
    free(text);
    free(path);
    return 0;
}
