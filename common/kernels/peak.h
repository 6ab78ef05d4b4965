#ifndef KERNELS_PEAK_H
#define KERNELS_PEAK_H

/*
 * FLOP/s of the fastest of the calls of round(0) that fit into `seconds` (at least one), each of
 * which does `flops`. For the tables' peak(): chains of multiply-adds in registers.
 */
double peak_rate(float (*round)(float start), double flops, double seconds);

#endif
