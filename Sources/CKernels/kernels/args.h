// What each range kernel is told. A task handles items begin..<end of its list (rows, panels,
// strips …) and owns the outputs of those items, so that threads can never move a bit.
#ifndef CK_ARGS_H
#define CK_ARGS_H

#include "../include/CKernels.h"

/// Per-thread scratch, 64-byte aligned, of at least the bytes that the entry point reserved.
typedef struct {
  void *memory;
  size_t bytes;
} ck_scratch;

typedef void (*ck_task)(const void *args, int64_t begin, int64_t end, const ck_scratch *scratch);

typedef struct {
  float *y;
  int64_t ldy;
  const float *x;
  int64_t ldx, m;
  ck_packed w;
  int accumulate;
  int64_t row_block, panel_block, panel_blocks;  // item = row block · panel_blocks + panel block
  const float *interleaved;  // x as ck_interleave_args makes it, for few rows; or NULL
} ck_linear_args;

/// Few rows of x in the order in which tiles read them: blocks of CK_FEW_BLOCK values of k, in each
/// the rows of one tile after the other, each tile as [k][rows].
typedef struct {
  float *dst;  // ck_interleaved_floats
  const float *x;
  int64_t ldx, m, k;
} ck_interleave_args;

// A row tile's block of x and a half panel's of the weights stay in L1 together.
enum { CK_FEW_ROWS = 32, CK_FEW_BLOCK = 512 };

/// Where a block of k begins. Stores of whole vectors run over, into 8 floats between two blocks.
static inline int64_t ck_interleaved_offset(int64_t at, int64_t m) {
  return at * m + at / CK_FEW_BLOCK * 8;
}
static inline int64_t ck_interleaved_floats(int64_t m, int64_t k) {
  return ck_interleaved_offset(k, m) + 8;
}

typedef struct {
  float *dx;
  int64_t lddx;
  const float *dy;
  int64_t lddy, m;
  ck_packed w;
  int accumulate;
  int64_t row_block, column_block, column_blocks;
} ck_linear_backward_args;

typedef struct {
  float *g;
  int64_t ldg;
  const float *a;
  int64_t lda, ni;
  const float *b;
  int64_t ldb, nj, rows;
  int accumulate;
  int64_t i_block, j_block, j_blocks;
} ck_outer_args;

typedef struct {
  void *dst;
  const void *src;
  ck_dtype source;
  int64_t n, k;
} ck_pack_args;

typedef struct {
  float *y;
  const void *table;  // plain rows, or panels
  ck_dtype dtype;
  int64_t width;
  const int32_t *index;
} ck_gather_args;

typedef struct {
  float *y;
  const float *a, *b;
  float s;
} ck_elements_args;

typedef struct {
  float *dst;
  const void *src;
  ck_dtype source;
} ck_convert_args;

typedef struct {
  const float *x;
  int64_t count;
  int *bad;  // set (atomically) when a value is not finite
} ck_finite_args;

typedef struct {
  float *y;  // or dx
  const float *x, *w, *dy;
  int64_t width;
  float eps, plus_one;
  int accumulate;
} ck_rmsnorm_args;

typedef struct {
  float *x;
  const float *cos, *sin;
  const int32_t *positions;
  int32_t heads, head_dim, rotary;
  int inverse;
} ck_rope_args;

typedef struct {
  float *y, *dgate, *dup;
  const float *dy, *gate, *up;
} ck_swiglu_args;

typedef struct {
  float *base;
  int64_t page_stride;
  ck_attention_shape shape;
  const ck_sequence *sequences;
  const float *k, *v;
} ck_kv_write_args;

typedef struct {
  float *o, *max, *sum;
  const float *q, *base;
  int64_t page_stride;
  ck_attention_shape shape;
  const ck_sequence *sequences;
  int64_t count;
  const int64_t *first_item;  // [count + 1]: items (kv head, strip) before each sequence
} ck_attention_args;

typedef struct {
  float *dq, *dk, *dv;
  const float *d_o, *q, *k, *v, *o, *max, *sum;
  ck_attention_shape shape;
  const ck_sequence *sequences;
} ck_attention_backward_args;

typedef struct {
  float *logits, *max, *sum;
  const float *temperatures;  // [rows], or NULL
  int64_t vocab;
} ck_stats_args;

typedef struct {
  float *logits;  // read by ck_logprobs and ck_topk, replaced by ck_logprobs_backward
  float *logprobs;
  int32_t *ids;
  const float *max, *sum, *dp;
  const float *temperatures;  // [rows], or NULL
  const int32_t *targets;
  int64_t k, vocab;
} ck_logprobs_args;

typedef struct {
  int32_t *tokens;
  const float *logits, *max;
  const ck_draw_params *params;
  int64_t vocab;
} ck_draw_args;

typedef struct {
  const float *x;
  int64_t count;
  double *blocks;
} ck_square_sum_args;

typedef struct {
  float *p, *m, *v;
  const float *g;
  float clip, decay, one_minus_beta1, beta2, one_minus_beta2, sqrt_bias2, eps, step;
} ck_adamw_args;

typedef struct {
  float *out;
  uint64_t seed, stream;
  float lo, hi, below_hi;
} ck_uniform_args;

/// Rows of (query, head of the group) that one attention item handles, forward and backward.
enum { CK_STRIP = 24, CK_BACKWARD_STRIP = 36 };
/// Block length of the squared-sum chain (rule k).
enum { CK_SQUARE_BLOCK = 4096 };

/// The kernels of one instruction set. The tables of v3 and v4 come from the same source.
typedef struct {
  int isa;
  int64_t row_tile;  // rows of the product kernel's register tile
  size_t (*attention_backward_bytes)(const ck_attention_shape *shape, int64_t rows);
  ck_task linear, interleave, linear_backward, outer_add, pack, unpack;
  ck_task gather_packed, gather, gather_rows, scatter_rows;
  ck_task add, scale, convert, finite;
  ck_task rmsnorm, rmsnorm_backward, rope, swiglu, swiglu_backward;
  ck_task kv_write, attention, attention_backward;
  ck_task softcap, softcap_backward, softmax_stats, logprobs, logprobs_backward, topk, draw;
  ck_task square_sum, adamw, uniform;
  float (*exp1)(float);
  float (*log1)(float);
  float (*tanh1)(float);
} ck_table;

extern const ck_table ck_table_v3;
extern const ck_table ck_table_v4;

/// Rows of the items of one sequence: heads of a group of consecutive positions, cut in strips.
static inline int64_t ck_strips(const ck_attention_shape *shape, int64_t rows, int64_t strip) {
  int64_t group = shape->heads / shape->kv_heads;
  return (rows * group + strip - 1) / strip;
}

static inline int64_t ck_round_up(int64_t x, int64_t to) { return (x + to - 1) / to * to; }

#endif
