// The register tile: CK_R rows × CK_H groups of 16 outputs, one fma chain over k per element
// (rule a). Included once per tile shape. Three readings of the operands, one arithmetic:
//   bf16: a by rows, b a bf16 panel        row:  a by rows, b rows of f32 with stride ldb
//   col:  a by columns (a[k·lda + row])    (a f32 panel is `row` with ldb = 32)
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

static void CK_TILE(bf16)(float *c, int64_t ldc, const float *a, int64_t lda, const void *panel,
                          int64_t ldb, int64_t half, int64_t pair, int64_t k, int accumulate) {
  (void)ldb;  // a panel's own: 32 outputs × 2 values of k
  const uint32_t *b = panel;
  CK_LOAD_C
  int64_t i = 0;
  for (; i + 1 < k; i += 2, b += 32) {
    v16 w[CK_H];
    u16x words[CK_H];
    CK_UNROLL for (int h = 0; h < CK_H; h++) {
      const uint32_t *p = b + (h / 2) * pair + (h % 2) * half;
      words[h] = *(const u16_any *)p;
      // Both lines of a row of the panel: the second half is read next.
      if (h % 2 == 0) __builtin_prefetch(p + CK_PREFETCH);
      if (CK_H == 1) __builtin_prefetch((const char *)((uintptr_t)(p + CK_PREFETCH) ^ 64));
      w[h] = (v16)(words[h] << 16);
    }
    CK_STEP(a[r * lda + i])
    CK_UNROLL for (int h = 0; h < CK_H; h++) w[h] = (v16)(words[h] & 0xffff0000u);
    CK_STEP(a[r * lda + i + 1])
  }
  if (i < k) {
    v16 w[CK_H];
    CK_UNROLL for (int h = 0; h < CK_H; h++) {
      u16x last = *(const u16_any *)(b + (h / 2) * pair + (h % 2) * half);
      w[h] = (v16)(last << 16);
    }
    CK_STEP(a[r * lda + i])
  }
  CK_STORE_C
}

static void CK_TILE(row)(float *c, int64_t ldc, const float *a, int64_t lda, const void *rows,
                         int64_t ldb, int64_t half, int64_t pair, int64_t k, int accumulate) {
  const float *b = rows;
  CK_LOAD_C
  _Pragma("clang loop unroll_count(2)") for (int64_t i = 0; i < k; i++, b += ldb) {
    v16 w[CK_H];
    CK_UNROLL for (int h = 0; h < CK_H; h++) {
      w[h] = vload(b + (h / 2) * pair + (h % 2) * half);
    }
    CK_STEP(a[r * lda + i])
  }
  CK_STORE_C
}

static void CK_TILE(col)(float *c, int64_t ldc, const float *a, int64_t lda, const void *rows,
                         int64_t ldb, int64_t half, int64_t pair, int64_t k, int accumulate) {
  const float *b = rows;
  CK_LOAD_C
  _Pragma("clang loop unroll_count(2)") for (int64_t i = 0; i < k; i++, b += ldb, a += lda) {
    v16 w[CK_H];
    CK_UNROLL for (int h = 0; h < CK_H; h++) {
      w[h] = vload(b + (h / 2) * pair + (h % 2) * half);
    }
    CK_STEP(a[r])
  }
  CK_STORE_C
}

#undef CK_TILE_
#undef CK_TILE__
#undef CK_TILE
#undef CK_UNROLL
#undef CK_LOAD_C
#undef CK_STORE_C
#undef CK_STEP
#undef CK_R
#undef CK_H
