#ifndef KERNELS_AMX_AMX_H
#define KERNELS_AMX_AMX_H

#include <stdint.h>

#include "kernels/kernels.h"

/*
 * Kernels for AMX (Intel from Sapphire Rapids on): BF16 products and attention on tiles; all
 * else is the AVX-512 table's. An element of a product is one chain over k, 32 at a time from
 * k = 0, whatever the shape around it, its place or its cell; attention of a query is one chain
 * over its keys, whatever the queries beside it.
 *
 * With EMULATED_TILES the same source runs on tiles in software (tile.h), under names of
 * its own: a test links both.
 */
#ifdef EMULATED_TILES
#define amx_bf16 emulated_amx_bf16
#define amx_peak emulated_amx_peak
#define amx_gemm emulated_amx_gemm
#define amx_gemm_pack emulated_amx_gemm_pack
#define amx_gemm_pack_size emulated_amx_gemm_pack_size
#define amx_attention_scratch emulated_amx_attention_scratch
#define amx_backward_scratch emulated_amx_backward_scratch
#define amx_attention_forward emulated_amx_attention_forward
#define amx_attention_backward emulated_amx_attention_backward
#endif

/* Overrides entries of *o, the AVX-512 table's for BF16. */
void amx_bf16(struct ops *o);

/* BF16 by tiles, other precisions as the AVX-512 table. */
double amx_peak(enum precision p, double seconds);

/*
 * NULL when this process may use tiles, else why not. The first call asks the kernel for the
 * permission, which all threads then have.
 */
const char *amx_refusal(void);

/* The entries (kernels.h); b_column is a multiple of 32 where b_packed is given. */
void amx_gemm(const struct gemm *g);
size_t amx_gemm_pack_size(bool tb, int64_t n, int64_t k);
void amx_gemm_pack(bool tb, int64_t n, int64_t k, const void *b, int64_t ldb, int64_t column,
                   int64_t columns, void *packed);
size_t amx_attention_scratch(int64_t queries, int64_t keys, int64_t heads, int64_t head_dim,
                             bool backward);
void amx_attention_forward(const struct attention *a);
void amx_attention_backward(const struct attention *a);

#endif
