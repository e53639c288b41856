// The kernel list: every numeric operation of the engine. One implementation of this list is a
// backend; nothing outside it touches numbers. Rules a to o are those of the numerics contract:
// a result element has one order of operations, whatever the batch, threads or instruction set.
//
// Matrices are row-major f32 unless stated; `ld*` are row strides in elements. Pointers passed as
// outputs never alias inputs except where "in place" is said. "store or add": with accumulate == 0
// a chain starts from 0 and is stored, otherwise it continues from the value already there.
#ifndef TINSMITH_CKERNELS_H
#define TINSMITH_CKERNELS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// ---------------------------------------------------------------------------------------------
// Engine handle: worker threads, their scratch memory, and the instruction set in use.

typedef struct ck_engine ck_engine;

/// Instruction sets. Both give the same bits.
enum { CK_ISA_BEST = 0, CK_ISA_V3 = 3, CK_ISA_V4 = 4 };

/// The best instruction set of this CPU: 4 (x86-64-v4), 3 (x86-64-v3), or 0 when AVX2 or FMA is
/// missing and the engine cannot run.
int ck_isa_available(void);

/// Starts an engine with `threads` compute threads (the calling thread is one of them) on `isa`.
/// NULL when the instruction set is not available or memory ran out. An engine is used by one
/// calling thread at a time; MXCSR of that thread is set (FTZ, DAZ) inside each call.
ck_engine *ck_engine_create(int threads, int isa);
void ck_engine_destroy(ck_engine *e);
int ck_engine_threads(const ck_engine *e);
int ck_engine_isa(const ck_engine *e);

// ---------------------------------------------------------------------------------------------
// Packed matrices. W is [n, k] (outputs, inputs), cut into panels of 32 outputs.
//   bf16 source: [n/32][ceil(k/2)][32][2] uint16, pairs of k interleaved (k padded to even by 0)
//   f32 and f16 source: [n/32][k][32] float
// n is padded to 32 with zeros. Panels are 64-byte aligned.

typedef enum { CK_F32 = 0, CK_BF16 = 1, CK_F16 = 2 } ck_dtype;

typedef struct {
  const void *panels;
  ck_dtype dtype;  // CK_F32 or CK_BF16: the type inside the panels
  int64_t n, k;
} ck_packed;

/// Type inside the panels for a source type (f16 widens to f32), and bytes of the packing.
ck_dtype ck_packed_dtype(ck_dtype source);
size_t ck_packed_bytes(ck_dtype source, int64_t n, int64_t k);
/// Packs src [n, k] of type `source` (any alignment) into dst (64-byte aligned).
void ck_pack(ck_engine *e, void *dst, const void *src, ck_dtype source, int64_t n, int64_t k);

/// One f32 matrix of a group: as ck_pack.
typedef struct {
  void *dst;
  const float *src;
  int64_t n, k;
} ck_pack_job;
/// ck_pack of several f32 matrices, which the threads share out between them.
void ck_pack_group(ck_engine *e, const ck_pack_job *jobs, int64_t count);
/// Inverse of ck_pack, to f32 [n, k].
void ck_unpack(ck_engine *e, float *dst, const ck_packed *w);

/// y[m, n] store or add x[m, k] · Wᵀ. Rule a: one fma chain over k ascending per element.
void ck_linear(ck_engine *e, float *y, int64_t ldy, const float *x, int64_t ldx, int64_t m,
               const ck_packed *w, int accumulate);
/// dx[m, k] store or add dy[m, n] · W. One chain over outputs n ascending per element.
void ck_linear_backward(ck_engine *e, float *dx, int64_t lddx, const float *dy, int64_t lddy,
                        int64_t m, const ck_packed *w, int accumulate);
/// g[i, j] += Σ over rows of a[row, i]·b[row, j], rows ascending, one chain continuing from g
/// (rule h). g is [ni, nj] with row stride ldg.
void ck_outer_add(ck_engine *e, float *g, int64_t ldg, const float *a, int64_t lda, int64_t ni,
                  const float *b, int64_t ldb, int64_t nj, int64_t rows);

/// One product of a group: y[m, n] and x[m, k] of ck_linear, or dx[m, k] and dy[m, n] of
/// ck_linear_backward.
typedef struct {
  float *y;
  int64_t ldy;
  const float *x;
  int64_t ldx, m;
  const ck_packed *w;
} ck_linear_product;

/// One product of a group: as ck_outer_add; without `accumulate` the chains start from 0 and g is
/// only written.
typedef struct {
  float *g;
  int64_t ldg;
  const float *a;
  int64_t lda, ni;
  const float *b;
  int64_t ldb, nj, rows;
  int accumulate;
} ck_outer_product;

/// Several products as one call, the same bits as one by one; no output may be in two of them.
void ck_linear_group(ck_engine *e, const ck_linear_product *p, int64_t count, int accumulate);
void ck_linear_backward_group(ck_engine *e, const ck_linear_product *p, int64_t count,
                              int accumulate);
void ck_outer_add_group(ck_engine *e, const ck_outer_product *p, int64_t count);

/// y[rows, k] = row tokens[i] of a packed [n, k] table (tied embedding), exact.
void ck_gather_packed(ck_engine *e, float *y, const ck_packed *w, const int32_t *tokens,
                      int64_t rows);
/// y[rows, width] = row tokens[i] of a plain [n, width] table of type `dtype` (any alignment).
void ck_gather(ck_engine *e, float *y, const void *table, ck_dtype dtype, int64_t width,
               const int32_t *tokens, int64_t rows);
/// y[i, :] = x[index[i], :], and its inverse y[index[i], :] = x[i, :], on f32 rows.
void ck_gather_rows(ck_engine *e, float *y, const float *x, int64_t width, const int32_t *index,
                    int64_t rows);
void ck_scatter_rows(ck_engine *e, float *y, const float *x, int64_t width, const int32_t *index,
                     int64_t rows);

// ---------------------------------------------------------------------------------------------
// Element-wise and row kernels.

/// y = a + b (y may be a or b).
void ck_add(ck_engine *e, float *y, const float *a, const float *b, int64_t count);
/// y *= s, in place.
void ck_scale(ck_engine *e, float *y, float s, int64_t count);
/// dst = widened src, `count` values (any alignment).
void ck_convert(ck_engine *e, float *dst, const void *src, ck_dtype source, int64_t count);
/// 1 when every value is finite.
int ck_all_finite(ck_engine *e, const float *x, int64_t count);

/// y = x · (1 / sqrt(mean(x²) + eps)) · (w + plus_one). Sums by rule b.
void ck_rmsnorm(ck_engine *e, float *y, const float *x, const float *w, int64_t rows,
                int64_t width, float eps, float plus_one);
/// dx store or add.
void ck_rmsnorm_backward(ck_engine *e, float *dx, const float *dy, const float *x, const float *w,
                         int64_t rows, int64_t width, float eps, float plus_one, int accumulate);

/// Rotary embedding in place, half-split: pairs (i, i + rotary/2) of each head. cos and sin are
/// [positions][rotary/2]; position of each row explicit. inverse != 0 rotates back (backward).
void ck_rope(ck_engine *e, float *x, const float *cos, const float *sin, const int32_t *positions,
             int64_t rows, int32_t heads, int32_t head_dim, int32_t rotary, int inverse);

/// y = silu(gate) · up, silu(g) = g / (1 + exp(-g)).
void ck_swiglu(ck_engine *e, float *y, const float *gate, const float *up, int64_t count);
/// dgate and dup are stored.
void ck_swiglu_backward(ck_engine *e, float *dgate, float *dup, const float *dy, const float *gate,
                        const float *up, int64_t count);

// ---------------------------------------------------------------------------------------------
// Attention over paged keys and values (rule c). A page holds CK_PAGE positions of one layer:
//   K [kv_heads][k_dim][CK_PAGE], then V [kv_heads][CK_PAGE][v_dim]

enum { CK_PAGE = 32 };

typedef struct {
  int32_t heads, kv_heads, k_dim, v_dim;
  float scale;     // multiplies q·k
  float softcap;   // 0: none; else s = softcap · tanh(s / softcap)
  int32_t window;  // 0: causal only; else keys in (position - window, position]
} ck_attention_shape;

/// Floats of one page of one layer.
int64_t ck_page_floats(const ck_attention_shape *shape);

/// Rows [row, row + rows) of the batch are positions [start, start + rows) of one sequence whose
/// page j (positions 32j…32j+31) lies at base + pages[j] · page_stride.
typedef struct {
  int64_t row;
  int32_t rows, start;
  const int32_t *pages;
} ck_sequence;

/// Writes rows of k [rows, kv_heads·k_dim] and v [rows, kv_heads·v_dim] into their pages.
void ck_kv_write(ck_engine *e, float *base, int64_t page_stride, const ck_attention_shape *shape,
                 const ck_sequence *sequences, int64_t count, const float *k, const float *v);
/// o [rows, heads·v_dim] from q [rows, heads·k_dim] and the pages. max and sum, [rows, heads],
/// keep m and l for the backward pass (NULL in inference). Serves training, scoring, chunked
/// prefill and decode with the same bits.
void ck_attention(ck_engine *e, float *o, float *max, float *sum, const float *q,
                  const float *base, int64_t page_stride, const ck_attention_shape *shape,
                  const ck_sequence *sequences, int64_t count);
/// Whole sequences only (start == 0; pages unused). k and v are row-major as given to
/// ck_kv_write. dq, dk, dv are stored. p is recomputed from max and sum. Chains of dk and dv run
/// over the heads of the group ascending, within a head over queries ascending; those of dq over
/// keys ascending.
void ck_attention_backward(ck_engine *e, float *dq, float *dk, float *dv, const float *d_o,
                           const float *q, const float *k, const float *v, const float *o,
                           const float *max, const float *sum, const ck_attention_shape *shape,
                           const ck_sequence *sequences, int64_t count);

// ---------------------------------------------------------------------------------------------
// Output head. logits is [rows, vocab].

/// y = cap · tanh(y / cap) in place, and its derivative dy *= 1 - (y/cap)² (y already capped).
void ck_softcap(ck_engine *e, float *y, float cap, int64_t count);
void ck_softcap_backward(ck_engine *e, float *dy, const float *y, float cap, int64_t count);
/// Rule d: max[i] = max of row i, sum[i] = Σ exp((l - max) / T) in 16 lanes. Here and below T is
/// temperatures[i], or 1 where that is 0 or `temperatures` is NULL; T = 1 gives the bits of no
/// division.
void ck_softmax_stats(ck_engine *e, float *max, float *sum, const float *logits,
                      const float *temperatures, int64_t rows, int64_t vocab);
/// logprobs[i, j] = (logits[i, targets[i, j]] - max[i]) / T - log(sum[i]); targets [rows, k]. A
/// target outside [0, vocab) gives NaN here, and no gradient below.
void ck_logprobs(ck_engine *e, float *logprobs, const float *logits, const float *max,
                 const float *sum, const float *temperatures, const int32_t *targets, int64_t rows,
                 int64_t k, int64_t vocab);
/// In place: logits become d logits = Σ_j dp[i, j]·(onehot(targets[i, j]) - softmax). The sum of
/// dp over j ascending, then the softmax term, then one-hot terms added in j ascending.
void ck_logprobs_backward(ck_engine *e, float *logits, const float *max, const float *sum,
                          const int32_t *targets, const float *dp, int64_t rows, int64_t k,
                          int64_t vocab);
/// The k largest of each row with their log-probs: order (logit descending, id ascending).
/// ids and logprobs are [rows, k]; k <= vocab.
void ck_topk(ck_engine *e, int32_t *ids, float *logprobs, const float *logits, const float *max,
             const float *sum, const float *temperatures, int64_t rows, int64_t k, int64_t vocab);

typedef struct {
  uint64_t seed;
  uint32_t sample;    // index of the sample within its request
  uint32_t position;  // absolute position of the token being drawn
  float temperature;  // 0: argmax (lowest id on ties)
  float top_p;        // 1: off
  int32_t top_k;      // <= 0: off
} ck_draw_params;

/// Rule l: tokens[i] drawn from row i. With top-k or top-p: candidates ordered (logit descending,
/// id ascending), cut to k, then to the shortest prefix whose mass reaches p; else ids ascending.
/// Sums in double over exp((l - m)/T); the counter-based Philox4x32-10 gives u in [0, 1). top_p
/// refers to the mass of the top_k candidates, or of all ids without top_k.
void ck_draw(ck_engine *e, int32_t *tokens, const float *logits, const float *max,
             const ck_draw_params *params, int64_t rows, int64_t vocab);

// ---------------------------------------------------------------------------------------------
// Losses: value and derivative with respect to p, per token.

typedef enum {
  CK_LOSS_CROSS_ENTROPY = 0,        // -w·p
  CK_LOSS_IMPORTANCE_SAMPLING = 1,  // -r·A, r = exp(p - q)
  CK_LOSS_PPO = 2,                  // -min(r·A, clamp(r, lo, hi)·A)
  CK_LOSS_CISPO = 3,                // -stopgrad(clamp(r, lo, hi))·A·p
  CK_LOSS_DRO = 4,                  // -(p·A - ½·beta·(p - q)²)
  CK_LOSS_GSPO = 5                  // ppo on the sequence ratio s = exp(mean over mask of (p - q))
} ck_loss_kind;

typedef struct {
  double loss;           // Σ over tokens, ascending
  double kl;             // Σ (q - p) over tokens with A != 0 (0 for cross entropy)
  int64_t tokens;        // tokens with a non-zero weight or advantage
  int64_t clipped;       // tokens with A != 0 whose clamp is active: clamp(r)·A < r·A for ppo and
                         // gspo, clamp(r) != r for cispo
  int64_t bad;           // 1 + the first token whose value or derivative is not finite; 0: none
} ck_loss_sums;

/// `count` consecutive tokens of one datum (all of them for gspo). a is the weight (cross entropy)
/// or the advantage; q, lo, hi and mask may be NULL where the loss has none; lo and hi hold one
/// value per token. dp is stored; the sums are added to *sums, token by token. A token with a = 0 adds
/// nothing, whatever its ratio is, but for dro, whose penalty has no factor a.
void ck_loss(ck_loss_kind kind, int64_t count, const float *p, const float *q, const float *a,
             const float *lo, const float *hi, const float *mask, float beta, float *dp,
             ck_loss_sums *sums);

// ---------------------------------------------------------------------------------------------
// Optimizer and random numbers.

/// Σ x² in double: blocks of 4096 in order, 16 lanes within a block (rule k).
double ck_square_sum(ck_engine *e, const float *x, int64_t count);
/// Sum of ck_square_sum over `arrays` arrays, in their order.
double ck_square_sum_group(ck_engine *e, const float *const *x, const int64_t *counts,
                           int64_t arrays);
/// AdamW as torch.optim.AdamW: g·=clip; p·=1-lr·wd; m,v updated; p-=lr/bias1 · m/(sqrt(v)/sqrt(bias2)+eps).
/// Where the divisor is 0 (eps 0 and no gradient so far) p has no direction and only decays.
/// bias1 = 1-beta1^t and bias2 = 1-beta2^t are computed in double by the caller.
void ck_adamw(ck_engine *e, float *p, float *m, float *v, const float *g, int64_t count, float clip,
              double lr, double beta1, double beta2, double eps, double weight_decay, double bias1,
              double bias2);
/// out[i] uniform in [lo, hi): Philox keyed by (seed, stream), counter i.
void ck_uniform(ck_engine *e, float *out, int64_t count, uint64_t seed, uint64_t stream, float lo,
                float hi);

/// One block of Philox4x32-10, for the published known-answer vectors.
void ck_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);

/// Our own exp, log and tanh on one value: the same bits as the vector forms used above (rule e).
float ck_exp(float x);
float ck_log(float x);
float ck_tanh(float x);

// ---------------------------------------------------------------------------------------------
// OpenBLAS, opened at run time after its kernel choice is fixed: test oracle, merged export, doctor.

/// Opens the library once (NULL on success, else why not). Never linked: the choice of kernels
/// must not depend on the environment the service was started with.
const char *ck_blas_open(void);
/// Core name and configuration text, or NULL before a successful open.
const char *ck_blas_core(void);
const char *ck_blas_config(void);
/// c[m, n] = alpha · a[m, k] · op(b) + beta · c, one BLAS thread; transpose_b: b is [n, k].
void ck_blas_gemm(float *c, int64_t ldc, const float *a, int64_t lda, const float *b, int64_t ldb,
                  int transpose_b, int64_t m, int64_t n, int64_t k, float alpha, float beta);

#ifdef __cplusplus
}
#endif
#endif
