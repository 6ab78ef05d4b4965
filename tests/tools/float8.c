/*
 * Writes what base/float8.h makes of all numbers, for tests/peers/fp8.py: for E4M3, then for E5M2,
 * the 65,536 codes of the BF16 numbers in order, then the 256 values of the codes as FP32.
 */
#include "base/float8.h"

#include <stdio.h>

#include "base/float16.h"

int
main(void)
{
    for (int f = FP8_E4M3; f <= FP8_E5M2; f++) {
        for (int i = 0; i < 65536; i++)
            putchar(fp8_from_float(bf16_to_float((bf16)i), (enum fp8_format)f));
        for (int c = 0; c < 256; c++) {
            float x = fp8_to_float((uint8_t)c, (enum fp8_format)f);
            fwrite(&x, sizeof x, 1, stdout);
        }
    }
    return fflush(stdout) != 0;
}
