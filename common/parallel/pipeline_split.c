/* Layers onto pipeline stages by cost. */
#include <math.h>

#include "base/mem.h"
#include "parallel/pipeline_table.h"

/*
 * Dynamic programme from the back: worst[p][i] is the cheapest costliest run when items
 * [i, n) are cut into p runs. O(pieces n^2), n is a number of layers.
 */
void
pipeline_split(const double *cost, int n, int pieces, int *begin)
{
    size_t width = (size_t)n + 1;
    double *worst = mem_zarray((size_t)(pieces + 1) * width, sizeof *worst);

    for (size_t i = 0; i < width; i++)
        worst[i] = i == (size_t)n ? 0 : INFINITY;
    for (int p = 1; p <= pieces; p++)
        for (int i = 0; i <= n; i++) {
            double best = INFINITY, run = 0;
            for (int end = i + 1; end <= n; end++) {
                run += cost[end - 1];
                best = fmin(best, fmax(run, worst[(size_t)(p - 1) * width + (size_t)end]));
            }
            worst[(size_t)p * width + (size_t)i] = best;
        }

    double limit = worst[(size_t)pieces * width];
    int at = 0;
    for (int p = pieces; p > 0; p--) {
        begin[pieces - p] = at;
        double run = cost[at];
        int end = at + 1;
        /* as long as this run and what is left both stay within the limit */
        while (end < n && n - end > p - 1 && run + cost[end] <= limit)
            run += cost[end++];
        while (end > at + 1 && worst[(size_t)(p - 1) * width + (size_t)end] > limit)
            end--;
        at = end;
    }
    begin[pieces] = n;
    free(worst);
}
