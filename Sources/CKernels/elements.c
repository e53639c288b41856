// Entry points of element-wise and row kernels, the optimizer and random numbers.
#include <string.h>

#include "engine.h"
#include "kernels/philox.h"

#pragma STDC FP_CONTRACT OFF

// Values per claim: enough to hide the claim, a multiple of 16 so that lanes keep their place.
static const int64_t CHUNK = 8192;
// What an exponential or a division costs beside an addition.
static const int64_t EXP = 8;

void ck_add(ck_engine *e, float *y, const float *a, const float *b, int64_t count) {
  ck_elements_args args = {.y = y, .a = a, .b = b};
  ck_run(e, e->table->add, &args, count, CHUNK, count / 2);
}

void ck_scale(ck_engine *e, float *y, float s, int64_t count) {
  ck_elements_args args = {.y = y, .s = s};
  ck_run(e, e->table->scale, &args, count, CHUNK, count / 2);
}

void ck_convert(ck_engine *e, float *dst, const void *src, ck_dtype source, int64_t count) {
  ck_convert_args args = {.dst = dst, .src = src, .source = source};
  ck_run(e, e->table->convert, &args, count, CHUNK, count / 2);
}

int ck_all_finite(ck_engine *e, const float *x, int64_t count) {
  int bad = 0;
  ck_finite_args args = {.x = x, .count = count, .bad = &bad};
  ck_run(e, e->table->finite, &args, count, CHUNK, count / 2);
  return !bad;
}

void ck_rmsnorm(ck_engine *e, float *y, const float *x, const float *w, int64_t rows,
                int64_t width, float eps, float plus_one) {
  ck_rmsnorm_args args = {.y = y, .x = x, .w = w, .width = width, .eps = eps,
                          .plus_one = plus_one};
  ck_run(e, e->table->rmsnorm, &args, rows, 8, rows * width);
}

void ck_rmsnorm_backward(ck_engine *e, float *dx, const float *dy, const float *x, const float *w,
                         int64_t rows, int64_t width, float eps, float plus_one, int accumulate) {
  ck_rmsnorm_args args = {.y = dx, .x = x, .w = w, .dy = dy, .width = width, .eps = eps,
                          .plus_one = plus_one, .accumulate = accumulate};
  ck_run(e, e->table->rmsnorm_backward, &args, rows, 8, 2 * rows * width);
}

void ck_rope(ck_engine *e, float *x, const float *cos, const float *sin, const int32_t *positions,
             int64_t rows, int32_t heads, int32_t head_dim, int32_t rotary, int inverse) {
  ck_rope_args args = {.x = x, .cos = cos, .sin = sin, .positions = positions, .heads = heads,
                       .head_dim = head_dim, .rotary = rotary, .inverse = inverse};
  ck_run(e, e->table->rope, &args, rows, 8, rows * heads * head_dim);
}

void ck_swiglu(ck_engine *e, float *y, const float *gate, const float *up, int64_t count) {
  ck_swiglu_args args = {.y = y, .gate = gate, .up = up};
  ck_run(e, e->table->swiglu, &args, count, CHUNK, EXP * count);
}

void ck_swiglu_backward(ck_engine *e, float *dgate, float *dup, const float *dy, const float *gate,
                        const float *up, int64_t count) {
  ck_swiglu_args args = {.dgate = dgate, .dup = dup, .dy = dy, .gate = gate, .up = up};
  ck_run(e, e->table->swiglu_backward, &args, count, CHUNK, EXP * count);
}

void ck_softcap(ck_engine *e, float *y, float cap, int64_t count) {
  ck_elements_args args = {.y = y, .s = cap};
  ck_run(e, e->table->softcap, &args, count, CHUNK, EXP * count);
}

void ck_softcap_backward(ck_engine *e, float *dy, const float *y, float cap, int64_t count) {
  ck_elements_args args = {.y = dy, .a = y, .s = cap};
  ck_run(e, e->table->softcap_backward, &args, count, CHUNK, count);
}

static int64_t square_blocks(int64_t count) {
  return (count + CK_SQUARE_BLOCK - 1) / CK_SQUARE_BLOCK;
}

static double ordered_sum(const double *x, int64_t count) {
  double sum = 0;
  for (int64_t i = 0; i < count; i++) sum += x[i];
  return sum;
}

double ck_square_sum(ck_engine *e, const float *x, int64_t count) {
  int64_t blocks = square_blocks(count);
  if (blocks <= 0) return 0;
  double *sums = ck_engine_shared(e, (size_t)blocks * sizeof(double));
  ck_square_sum_args args = {.x = x, .count = count, .blocks = sums};
  ck_run(e, e->table->square_sum, &args, blocks, 4, count);
  return ordered_sum(sums, blocks);
}

typedef struct {
  const float *const *x;
  const int64_t *counts;
  double *const *blocks;
  ck_task task;
} square_arrays;

/// Item = array: an adapter's matrices are many and small.
static void run_square_arrays(const void *arguments, int64_t begin, int64_t end,
                              const ck_scratch *scratch) {
  const square_arrays *g = arguments;
  for (int64_t i = begin; i < end; i++) {
    ck_square_sum_args args = {.x = g->x[i], .count = g->counts[i], .blocks = g->blocks[i]};
    g->task(&args, 0, square_blocks(g->counts[i]), scratch);
  }
}

double ck_square_sum_group(ck_engine *e, const float *const *x, const int64_t *counts,
                           int64_t arrays) {
  int64_t blocks = 0, values = 0;
  for (int64_t i = 0; i < arrays; i++) {
    blocks += square_blocks(counts[i]);
    values += counts[i];
  }
  if (blocks <= 0) return 0;
  double **parts = ck_engine_shared(e, (size_t)(arrays + blocks) * 8);
  double *next = (double *)(parts + arrays);
  for (int64_t i = 0; i < arrays; i++) {
    parts[i] = next;
    next += square_blocks(counts[i]);
  }
  square_arrays args = {.x = x, .counts = counts, .blocks = parts, .task = e->table->square_sum};
  ck_run(e, run_square_arrays, &args, arrays, 1, values);
  double sum = 0;
  for (int64_t i = 0; i < arrays; i++) sum += ordered_sum(parts[i], square_blocks(counts[i]));
  return sum;
}

void ck_adamw(ck_engine *e, float *p, float *m, float *v, const float *g, int64_t count, float clip,
              double lr, double beta1, double beta2, double eps, double weight_decay, double bias1,
              double bias2) {
  ck_adamw_args args = {.p = p, .m = m, .v = v, .g = g, .clip = clip,
                        .decay = (float)(1 - lr * weight_decay),
                        .one_minus_beta1 = (float)(1 - beta1), .beta2 = (float)beta2,
                        .one_minus_beta2 = (float)(1 - beta2),
                        .sqrt_bias2 = (float)__builtin_sqrt(bias2), .eps = (float)eps,
                        .step = (float)(lr / bias1)};
  ck_run(e, e->table->adamw, &args, count, CHUNK, 4 * count);
}

/// The largest float below x, without libm. Below 0 lies the largest negative normal number.
static float predecessor(float x) {
  int32_t bits;
  memcpy(&bits, &x, 4);
  bits = x > 0 ? bits - 1 : x < 0 ? bits + 1 : (int32_t)0x80800000;
  memcpy(&x, &bits, 4);
  return x;
}

void ck_uniform(ck_engine *e, float *out, int64_t count, uint64_t seed, uint64_t stream, float lo,
                float hi) {
  ck_uniform_args args = {.out = out, .seed = seed, .stream = stream, .lo = lo, .hi = hi,
                          .below_hi = predecessor(hi)};
  ck_run(e, e->table->uniform, &args, count, CHUNK, 16 * count);
}

void ck_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]) {
  for (int i = 0; i < 4; i++) out[i] = counter[i];
  ck_philox_block(out, key[0], key[1]);
}
