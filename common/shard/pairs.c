#include "shard/pairs.h"

#include <stdbool.h>

/* Where the run that begins at `at` ends: ids that are scored, or are not. */
static size_t
run_end(const uint8_t *loss, size_t n, size_t at, bool scored)
{
    while (at < n && !loss[at] != scored)
        at++;
    return at;
}

size_t
shard_pair_second(const uint8_t *loss, size_t n)
{
    size_t prompt = run_end(loss, n, 0, false), second = run_end(loss, n, prompt, true);
    size_t second_prompt = run_end(loss, n, second, false);
    size_t end = run_end(loss, n, second_prompt, true);

    if (prompt == 0 || second == prompt || second_prompt == second || end == second_prompt)
        return 0;
    return end == n ? second : 0;
}
