/* Requests that others made: in as JSON lines, results out as JSON lines. */
#include "cmd/llm-eval/eval.h"

#include <stdio.h>
#include <string.h>

#include "base/err.h"

int
requests_answer(struct model *m, const request_list *requests, struct comm *comm, result_list *out)
{
    size_t n = requests->len;
    vec_reserve(out, n + 1);
    memset(out->data, 0, (n + 1) * sizeof *out->data);
    out->len = n;
    return engine_run(m, requests->data, n, comm, out->data);
}

static int
print_results(const request_list *requests, const result_list *results)
{
    struct str line = {0};
    int result = 0;
    for (size_t i = 0; i < requests->len && result == 0; i++) {
        str_clear(&line);
        result_write(&requests->data[i], &results->data[i], &line);
        if (fwrite(line.data, 1, line.len, stdout) != line.len)
            result = err_sys("standard output");
    }
    str_release(&line);
    return result;
}

int
run_requests(struct model *m, struct comm *comm)
{
    request_list requests = {0};
    result_list results = {0};
    int result = requests_load(options.requests, &requests);
    if (comm_agree(comm, result < 0 ? (int)err_status() : STATUS_OK) < 0)
        result = -1;
    if (result == 0)
        result = requests_answer(m, &requests, comm, &results);
    if (result == 0 && comm->rank == 0)
        result = print_results(&requests, &results);
    results_release(&results);
    requests_release(&requests);
    return result;
}
