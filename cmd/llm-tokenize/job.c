#include "cmd/llm-tokenize/job.h"

#include <stdlib.h>

/* Jobs are made by the feed, filled by a worker, emptied by the output. */

enum { FAULTS_TOLD = 8 };

struct job *
job_new(void)
{
    return mem_zalloc(sizeof(struct job));
}

void
job_free(struct job *j)
{
    if (!j)
        return;
    for (size_t i = 0; i < j->items.len; i++)
        free(j->items.data[i].path);
    for (size_t i = 0; i < j->faults.len; i++)
        free(j->faults.data[i]);
    vec_release(&j->items);
    vec_release(&j->documents);
    vec_release(&j->ids);
    str_release(&j->loss);
    vec_release(&j->faults);
    str_release(&j->raw);
    free(j);
}

void
job_add_fault(struct job *j, char *message)
{
    if (j->faults.len < FAULTS_TOLD) {
        vec_push(&j->faults, message);
        return;
    }
    free(message);
    j->more_faults++;
}
