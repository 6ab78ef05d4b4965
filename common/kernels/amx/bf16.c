/* The AMX table in BF16: what runs on tiles. */
#include "kernels/amx/amx.h"

void
amx_bf16(struct ops *o)
{
    o->gemm = amx_gemm;
    o->gemm_pack_size = amx_gemm_pack_size;
    o->gemm_pack = amx_gemm_pack;
    o->gemm_arrange = NULL; /* packed is what these products read */
    o->attention_scratch = amx_attention_scratch;
    o->attention_forward = amx_attention_forward;
    o->attention_backward = amx_attention_backward;
    o->attention_rounds = true;
}
