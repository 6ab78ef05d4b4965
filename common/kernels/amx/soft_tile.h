#ifndef KERNELS_AMX_SOFT_TILE_H
#define KERNELS_AMX_SOFT_TILE_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/float16.h"

/*
 * The tile instructions in plain C, for tests on machines without them: the operation sections
 * of Intel's Software Developer's Manual, volume 2 (LDTILECFG, TILELOADD, TILESTORED, TILEZERO,
 * TDPBF16PS). What raises an exception there aborts here.
 */
enum { SOFT_TILES = 8, SOFT_ROWS = 16, SOFT_ROW_BYTES = 64 };

struct soft_tiles {
    bool configured;
    int rows[SOFT_TILES], row_bytes[SOFT_TILES];
    uint8_t data[SOFT_TILES][SOFT_ROWS][SOFT_ROW_BYTES];
};

static _Thread_local struct soft_tiles soft_tiles;

static inline void
soft_tile_require(bool good)
{
    if (!good)
        abort();
}

static inline void
soft_tile_release(void)
{
    memset(&soft_tiles, 0, sizeof soft_tiles);
}

/* The 64 bytes: palette, start row, 14 reserved, 16 x row bytes, 16 x rows. */
static inline void
soft_tile_configure(const void *config)
{
    uint8_t c[64];
    memcpy(c, config, sizeof c);
    soft_tile_release();
    if (c[0] == 0)
        return;
    soft_tile_require(c[0] == 1 && c[1] == 0);
    for (int i = 2; i < 16; i++)
        soft_tile_require(c[i] == 0);
    for (int t = 0; t < 16; t++) {
        int row_bytes = c[16 + 2 * t] | c[17 + 2 * t] << 8, rows = c[48 + t];
        if (t >= SOFT_TILES) {
            soft_tile_require(row_bytes == 0 && rows == 0);
            continue;
        }
        soft_tile_require(row_bytes <= SOFT_ROW_BYTES && rows <= SOFT_ROWS);
        soft_tile_require((row_bytes == 0) == (rows == 0));
        soft_tiles.row_bytes[t] = row_bytes;
        soft_tiles.rows[t] = rows;
    }
    soft_tiles.configured = true;
}

static inline void
soft_tile_require_tile(int t)
{
    soft_tile_require(soft_tiles.configured && t >= 0 && t < SOFT_TILES && soft_tiles.rows[t] > 0);
}

static inline void
soft_tile_zero(int t)
{
    soft_tile_require_tile(t);
    memset(soft_tiles.data[t], 0, sizeof soft_tiles.data[t]);
}

static inline void
soft_tile_load(int t, const void *from, int64_t stride)
{
    soft_tile_zero(t);
    for (int r = 0; r < soft_tiles.rows[t]; r++)
        memcpy(soft_tiles.data[t][r], (const char *)from + r * stride,
               (size_t)soft_tiles.row_bytes[t]);
}

static inline void
soft_tile_store(void *to, int64_t stride, int t)
{
    soft_tile_require_tile(t);
    for (int r = 0; r < soft_tiles.rows[t]; r++)
        memcpy((char *)to + r * stride, soft_tiles.data[t][r], (size_t)soft_tiles.row_bytes[t]);
}

/* A denormal becomes a zero of its sign. */
static inline float
soft_tile_flush(float x)
{
    return fabsf(x) < 0x1p-126f ? copysignf(0, x) : x;
}

static inline float
soft_tile_fma(float a, float b, float sum)
{
    return soft_tile_flush(fmaf(a, b, sum));
}

/*
 * c += a b: the even and the odd k of a row are two chains of fused multiply-adds from 0, whose
 * sum is added to c; to nearest even, denormals are 0 going in and coming out.
 */
static inline void
soft_tile_dot(int c, int a, int b)
{
    const struct soft_tiles *s = &soft_tiles;
    soft_tile_require_tile(c);
    soft_tile_require_tile(a);
    soft_tile_require_tile(b);
    soft_tile_require(c != a && c != b && a != b);
    soft_tile_require(s->row_bytes[c] % 4 == 0 && s->row_bytes[a] % 4 == 0);
    soft_tile_require(s->rows[a] == s->rows[c] && s->row_bytes[b] == s->row_bytes[c] &&
                      s->rows[b] == s->row_bytes[a] / 4);
    const int columns = s->row_bytes[c] / 4, pairs = s->row_bytes[a] / 4;
    for (int m = 0; m < s->rows[c]; m++) {
        float even[SOFT_ROWS] = {0}, odd[SOFT_ROWS] = {0}, row[SOFT_ROWS];
        for (int k = 0; k < pairs; k++) {
            bf16 x[2], y[SOFT_ROWS][2];
            memcpy(x, s->data[a][m] + 4 * k, sizeof x);
            memcpy(y, s->data[b][k], sizeof y);
            float x0 = soft_tile_flush(bf16_to_float(x[0]));
            float x1 = soft_tile_flush(bf16_to_float(x[1]));
            for (int n = 0; n < columns; n++) {
                even[n] = soft_tile_fma(x0, soft_tile_flush(bf16_to_float(y[n][0])), even[n]);
                odd[n] = soft_tile_fma(x1, soft_tile_flush(bf16_to_float(y[n][1])), odd[n]);
            }
        }
        memcpy(row, s->data[c][m], sizeof row);
        for (int n = 0; n < columns; n++)
            row[n] = soft_tile_flush(soft_tile_flush(row[n]) + soft_tile_flush(even[n] + odd[n]));
        memcpy(soft_tiles.data[c][m], row, sizeof row);
    }
}

#endif
