#ifndef KERNELS_TEXT_BLOCK_H
#define KERNELS_TEXT_BLOCK_H

#include <stdint.h>

/* 64 bytes of text as masks, bit i for byte i; for the text.c of each instruction set. */
struct block {
    uint64_t foreign;       /* not ASCII */
    uint64_t letter, upper; /* upper: of the letters */
    uint64_t digit;
    uint64_t space;   /* \t \n \v \f \r and the blank */
    uint64_t newline; /* \n \r */
    uint64_t blank, apostrophe, slash;
    uint64_t control; /* the other characters below the blank, and DEL */
};

#endif
