#ifndef KERNELS_AMX_TILE_H
#define KERNELS_AMX_TILE_H

#include <stdint.h>

/*
 * The tile operations. Tiles are numbered 0 to 7 and named by a literal number. All are
 * configured as 16 rows of 64 bytes: 16 x 16 sums in FP32, 16 rows of 32 BF16 of A, or 16
 * pairs of rows of B for 16 columns ([k/2][16][2]). Shorter operands are padded by zeros where
 * they are packed, so that one configuration serves all.
 *
 * A kernel calls tile_begin() first and tile_end() last. Loading the configuration costs about
 * as much as five tile products; in return no state outlives a kernel: nothing is inherited
 * or lost by fork(), and a thread that is not multiplying has no 8 KiB of tiles to save.
 *
 * Written as instructions: the compilers' intrinsics for loads do not tell that they read
 * memory, and stores before them may be moved behind.
 */
enum {
    TILE_SIDE = 16,  /* of C and A, and columns of B and C */
    TILE_DEPTH = 32, /* of k in A and B */
    TILE_BYTES = 1024,
    TILE_STRIDE = 64
};

struct tile_config {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
};

#define TILE_CONFIG_ALL                                                        \
    {                                                                          \
        .palette = 1, .row_bytes = {64, 64, 64, 64, 64, 64, 64, 64}, .rows = { \
            16,                                                                \
            16,                                                                \
            16,                                                                \
            16,                                                                \
            16,                                                                \
            16,                                                                \
            16,                                                                \
            16                                                                 \
        }                                                                      \
    }

#ifdef EMULATED_TILES

#include "kernels/amx/soft_tile.h"

#define tile_configure(config) soft_tile_configure(config)
#define tile_end() soft_tile_release()
#define tile_zero(t) soft_tile_zero(t)
#define tile_load(t, from) soft_tile_load(t, from, TILE_STRIDE)
#define tile_store(to, t) soft_tile_store(to, TILE_STRIDE, t)
#define tile_dot(c, a, b) soft_tile_dot(c, a, b)

#else

static inline void
tile_configure(const struct tile_config *config)
{
    __asm__ volatile("ldtilecfg %0" ::"m"(*config));
}

static inline void
tile_end(void)
{
    __asm__ volatile("tilerelease" ::: "memory");
}

#define tile_zero(t) __asm__ volatile("tilezero %%tmm" #t ::)
/* The tile's 1 KiB at `from`. */
#define tile_load(t, from)                                                                  \
    __asm__ volatile("tileloadd (%0,%1,1), %%tmm" #t ::"r"(from), "r"((int64_t)TILE_STRIDE) \
                     : "memory")
#define tile_store(to, t)                                                                     \
    __asm__ volatile("tilestored %%tmm" #t ", (%0,%1,1)" ::"r"(to), "r"((int64_t)TILE_STRIDE) \
                     : "memory")
/* c += a b. */
#define tile_dot(c, a, b) __asm__ volatile("tdpbf16ps %%tmm" #b ", %%tmm" #a ", %%tmm" #c ::)

#endif

static inline void
tile_begin(void)
{
    static const struct tile_config config = TILE_CONFIG_ALL;
    tile_configure(&config);
}

#endif
