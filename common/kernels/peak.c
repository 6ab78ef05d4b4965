#include "kernels/peak.h"

#include "base/sys.h"

double
peak_rate(float (*round)(float start), double flops, double seconds)
{
    volatile float start_value = 0, sink; /* volatile: the work is neither shared nor dropped */
    double best = 0, start = sys_seconds(), begin, now = start;
    do {
        begin = now;
        sink = round(start_value);
        now = sys_seconds();
        double rate = flops / (now - begin);
        best = rate > best ? rate : best;
    } while (now - start < seconds);
    (void)sink;
    return best;
}
