// Losses over the tokens of one datum: a few thousand values, so plain scalar code.
#include "engine.h"

#include <immintrin.h>

#pragma STDC FP_CONTRACT OFF

typedef struct {
  float value, slope;  // the token's loss and its derivative with respect to p
  int clipped;
} term;

/// -min(r·a, clamp(r)·a): no gradient where the clamp is active. dr/dp is r.
static term clipped_term(float r, float a, float lo, float hi) {
  float clip = r < lo ? lo : r > hi ? hi : r;
  float plain = r * a, clamped = clip * a;
  if (plain <= clamped) return (term){-plain, -plain, 0};
  return (term){-clamped, 0, 1};
}

static term token_term(ck_loss_kind kind, float p, float q, float a, float r, float lo, float hi,
                       float beta) {
  // What does not count adds nothing, whatever its ratio is: inf × 0 is no number.
  if (a == 0 && kind != CK_LOSS_DRO) return (term){0, 0, 0};
  switch (kind) {
    case CK_LOSS_CROSS_ENTROPY:
      return (term){-a * p, -a, 0};
    case CK_LOSS_IMPORTANCE_SAMPLING:
      return (term){-(r * a), -(r * a), 0};
    case CK_LOSS_PPO:
    case CK_LOSS_GSPO:
      return clipped_term(r, a, lo, hi);
    case CK_LOSS_CISPO: {
      float clip = r < lo ? lo : r > hi ? hi : r;
      return (term){-(clip * a) * p, -(clip * a), clip != r};
    }
    case CK_LOSS_DRO: {
      float d = p - q;
      return (term){-(p * a - 0.5f * beta * (d * d)), -(a - beta * d), 0};
    }
  }
  return (term){0, 0, 0};
}

/// exp of the mean of p - q over the masked tokens; 1 when the mask is empty.
static float sequence_ratio(const ck_table *table, int64_t count, const float *p, const float *q,
                            const float *mask) {
  double sum = 0, n = 0;
  for (int64_t i = 0; i < count; i++) {
    if (mask && mask[i] == 0) continue;
    sum += q ? (double)p[i] - (double)q[i] : 0;
    n += 1;
  }
  return n > 0 ? table->exp1((float)(sum / n)) : 1;
}

void ck_loss(ck_loss_kind kind, int64_t count, const float *p, const float *q, const float *a,
             const float *lo, const float *hi, const float *mask, float beta, float *dp,
             ck_loss_sums *sums) {
  const ck_table *table = ck_best_table();
  if (!table) return;  // no engine exists on such a machine
  unsigned mode = _mm_getcsr();
  _mm_setcsr(0x1f80 | 0x8000 | 0x0040);
  int ratio = kind == CK_LOSS_IMPORTANCE_SAMPLING || kind == CK_LOSS_PPO || kind == CK_LOSS_CISPO;
  float s = kind == CK_LOSS_GSPO ? sequence_ratio(table, count, p, q, mask) : 1;
  for (int64_t i = 0; i < count; i++) {
    float behaviour = q ? q[i] : p[i];
    float r = ratio ? table->exp1(p[i] - behaviour) : s;
    term t = token_term(kind, p[i], behaviour, a[i], r, lo ? lo[i] : 0,
                        hi ? hi[i] : __builtin_inff(), beta);
    dp[i] = t.slope;
    sums->loss += t.value;
    if (!sums->bad && !(__builtin_isfinite(t.value) && __builtin_isfinite(t.slope)))
      sums->bad = i + 1;
    if (a[i] == 0) continue;
    sums->tokens++;
    sums->clipped += t.clipped;
    if (kind != CK_LOSS_CROSS_ENTROPY) sums->kl += (double)behaviour - (double)p[i];
  }
  _mm_setcsr(mode);
}
