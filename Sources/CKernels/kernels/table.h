// The one source of both instruction sets: isa_v3.c and isa_v4.c include it with a target.

#include "vec.h"
#include "math.h"
#include "gemm.h"
#include "backward.h"
#include "pack.h"
#include "rows.h"
#include "attention.h"
#include "attention_backward.h"
#include "head.h"
#include "draw.h"
#include "optimizer.h"

static size_t backward_bytes(const ck_attention_shape *shape, int64_t n) {
  backward_scratch w;
  return backward_layout(&w, (float *)0, shape, n);
}

#define CK_KERNEL(name) .name = name

const ck_table CK_TABLE = {
    .isa = CK_ISA,
    .row_tile = CK_ROW_TILE,
    .attention_backward_bytes = backward_bytes,
    CK_KERNEL(linear), CK_KERNEL(interleave), CK_KERNEL(linear_backward), CK_KERNEL(outer_add),
    CK_KERNEL(pack), CK_KERNEL(unpack), CK_KERNEL(gather_packed), CK_KERNEL(gather),
    CK_KERNEL(gather_rows), CK_KERNEL(scatter_rows), CK_KERNEL(add), CK_KERNEL(scale), CK_KERNEL(convert),
    CK_KERNEL(finite), CK_KERNEL(rmsnorm), CK_KERNEL(rmsnorm_backward), CK_KERNEL(rope),
    CK_KERNEL(swiglu), CK_KERNEL(swiglu_backward), CK_KERNEL(kv_write), CK_KERNEL(attention),
    CK_KERNEL(attention_backward), CK_KERNEL(softcap), CK_KERNEL(softcap_backward),
    CK_KERNEL(softmax_stats), CK_KERNEL(logprobs), CK_KERNEL(logprobs_backward), CK_KERNEL(topk),
    CK_KERNEL(draw), CK_KERNEL(square_sum), CK_KERNEL(adamw), CK_KERNEL(uniform),
    CK_KERNEL(exp1), CK_KERNEL(log1), CK_KERNEL(tanh1),
};
