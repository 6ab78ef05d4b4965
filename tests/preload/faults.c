/*
 * LD_PRELOAD: system calls of a program fail as LLM_FAULT=KIND:NUMBER:PATH says; a kind of
 * tests/unit/faults.h, the number of the call among those below PATH (a part of a path), in each
 * process. Says on standard error which call it was.
 */
#include "tests/unit/faults.h"

#include <stdlib.h>

__attribute__((constructor)) static void
begin(void)
{
    const char *text = getenv("LLM_FAULT");
    char kind[32];
    int number, path;
    if (!text || sscanf(text, "%31[^:]:%d:%n", kind, &number, &path) != 2)
        return;
    for (int k = FAULT_NONE; k < FAULT_KINDS; k++)
        if (strcmp(kind, fault_names[k]) == 0)
            fault_arm((enum fault_kind)k, number, text + path);
}

__attribute__((destructor)) static void
end(void)
{
    fault.below = NULL;
    if (fault.hit)
        fprintf(stderr, "fault: %s, call %ld\n", fault.hit, fault.at);
}
