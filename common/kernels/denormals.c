#include "kernels/kernels.h"

/*
 * x86: MXCSR's bits "denormals are zero" (6) and "flush to zero" (15), Intel's manual, volume 1,
 * section 10.2.3. Arm: FPCR's FZ (24), Arm's architecture reference manual, C5.2.8.
 */
void
kernels_flush_denormals(void)
{
#if defined(__x86_64__)
    __builtin_ia32_ldmxcsr(__builtin_ia32_stmxcsr() | 1u << 6 | 1u << 15);
#elif defined(__aarch64__)
    uint64_t control;
    __asm__ volatile("mrs %0, fpcr" : "=r"(control));
    __asm__ volatile("msr fpcr, %0" : : "r"(control | UINT64_C(1) << 24));
#endif
}
