// The register tile: CK_R rows × CK_H groups of 16 outputs, one fma chain over k per element
// (rule a). Included once per tile shape. Four readings of the operands, one arithmetic: b is a
// bf16 panel (`bf16`, `bf16_col`) or rows of f32 with stride ldb (`row`, `col`; a f32 panel has
// ldb = 32); a is read by rows, or by columns (a[k·lda + row]; `bf16_col`, `col`).
// Group h lies (h / 2)·pair + (h mod 2)·half elements after the first.

#define CK_TILE_(kind, isa, r, h) tile_##kind##_##isa##_##r##x##h
#define CK_TILE__(kind, isa, r, h) CK_TILE_(kind, isa, r, h)
#define CK_TILE(kind) CK_TILE__(kind, CK_SUFFIX, CK_R, CK_H)
#define CK_UNROLL _Pragma("clang loop unroll(full)")

#define CK_LOAD_C                                              \
  v16 t[CK_R][CK_H];                                           \
  CK_UNROLL for (int r = 0; r < CK_R; r++) {                   \
    CK_UNROLL for (int h = 0; h < CK_H; h++) {                 \
      t[r][h] = accumulate ? vload(c + r * ldc + 16 * h) : vsplat(0); \
    }                                                          \
  }
#define CK_STORE_C                                                                       \
  CK_UNROLL for (int r = 0; r < CK_R; r++) {                                             \
    CK_UNROLL for (int h = 0; h < CK_H; h++) vstore(c + r * ldc + 16 * h, t[r][h]);      \
  }
// One step of every chain: w[h] holds row k of b. CK_PIN keeps the compiler from loading all of a's
// values before the first fma, which 24 accumulators leave no registers for.
#define CK_STEP(a_value)                                                                 \
  CK_UNROLL for (int r = 0; r < CK_R; r++) {                                             \
    v16 x = vsplat(a_value);                                                             \
    CK_UNROLL for (int h = 0; h < CK_H; h++) t[r][h] = vfma(x, w[h], t[r][h]);           \
    CK_UNROLL for (int h = 0; h < CK_H; h++) { CK_PIN(t[r][h]); }                        \
  }

#define CK_A(row, at) a[by_columns ? (at) * lda + (row) : (row) * lda + (at)]

CK_INLINE void CK_TILE(any_bf16)(float *c, int64_t ldc, const float *a, int64_t lda,
                                 const uint32_t *b, int64_t half, int64_t pair, int64_t k,
                                 int accumulate, int by_columns) {
  CK_LOAD_C
  int64_t i = 0;
  for (; i + 1 < k; i += 2, b += 32) {
    v16 w[CK_H];
    CK_UNROLL for (int h = 0; h < CK_H; h++) {
      const uint32_t *p = b + (h / 2) * pair + (h % 2) * half;
      CK_PREFETCH(p);
      w[h] = (v16)(*(const u16_any *)p << 16);
    }
    CK_STEP(CK_A(r, i))
    CK_UNROLL for (int h = 0; h < CK_H; h++) {
      const uint32_t *p = b + (h / 2) * pair + (h % 2) * half;
      // Read again: the accumulators leave no register to keep it in.
      w[h] = (v16)(*(const volatile u16_any *)p & 0xffff0000u);
    }
    CK_STEP(CK_A(r, i + 1))
  }
  if (i < k) {
    v16 w[CK_H];
    CK_UNROLL for (int h = 0; h < CK_H; h++) {
      u16x last = *(const u16_any *)(b + (h / 2) * pair + (h % 2) * half);
      w[h] = (v16)(last << 16);
    }
    CK_STEP(CK_A(r, i))
  }
  CK_STORE_C
}

CK_INLINE void CK_TILE(any_f32)(float *c, int64_t ldc, const float *a, int64_t lda,
                                const float *b, int64_t ldb, int64_t half, int64_t pair,
                                int64_t k, int accumulate, int by_columns) {
  CK_LOAD_C
  _Pragma("clang loop unroll_count(2)") for (int64_t i = 0; i < k; i++, b += ldb) {
    v16 w[CK_H];
    CK_UNROLL for (int h = 0; h < CK_H; h++) {
      w[h] = vload(b + (h / 2) * pair + (h % 2) * half);
    }
    CK_STEP(CK_A(r, i))
  }
  CK_STORE_C
}

static void CK_TILE(bf16)(float *c, int64_t ldc, const float *a, int64_t lda, const void *b,
                          int64_t ldb, int64_t half, int64_t pair, int64_t k, int accumulate) {
  (void)ldb;  // a panel's own: 32 outputs × 2 values of k
  CK_TILE(any_bf16)(c, ldc, a, lda, b, half, pair, k, accumulate, 0);
}

static void CK_TILE(bf16_col)(float *c, int64_t ldc, const float *a, int64_t lda, const void *b,
                              int64_t ldb, int64_t half, int64_t pair, int64_t k,
                              int accumulate) {
  (void)ldb;
  CK_TILE(any_bf16)(c, ldc, a, lda, b, half, pair, k, accumulate, 1);
}

static void CK_TILE(row)(float *c, int64_t ldc, const float *a, int64_t lda, const void *b,
                         int64_t ldb, int64_t half, int64_t pair, int64_t k, int accumulate) {
  CK_TILE(any_f32)(c, ldc, a, lda, b, ldb, half, pair, k, accumulate, 0);
}

static void CK_TILE(col)(float *c, int64_t ldc, const float *a, int64_t lda, const void *b,
                         int64_t ldb, int64_t half, int64_t pair, int64_t k, int accumulate) {
  CK_TILE(any_f32)(c, ldc, a, lda, b, ldb, half, pair, k, accumulate, 1);
}

#undef CK_A
#undef CK_TILE_
#undef CK_TILE__
#undef CK_TILE
#undef CK_UNROLL
#undef CK_LOAD_C
#undef CK_STORE_C
#undef CK_STEP
#undef CK_R
#undef CK_H
