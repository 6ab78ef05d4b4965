#ifndef KERNELS_EACH_H
#define KERNELS_EACH_H

/*
 * Runs the block that follows for i = 0, lanes, 2 lanes … below n. `left` is the constant
 * `lanes` in the loop over whole vectors and what remains in a last, shorter round: functions
 * that take it then are plain loads and stores in the loop.
 */
#define EACH_OF(lanes, i, left, n, ...)           \
    do {                                          \
        int64_t i = 0;                            \
        for (; i + (lanes) <= (n); i += (lanes)) { \
            enum { left = (lanes) };              \
            __VA_ARGS__                           \
        }                                         \
        if (i < (n)) {                            \
            const int64_t left = (n)-i;           \
            __VA_ARGS__                           \
        }                                         \
    } while (0)

#endif
