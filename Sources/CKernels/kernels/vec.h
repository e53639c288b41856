// Sixteen f32 lanes and the few operations on them that the kernels use. One vector is two ymm
// registers on v3 and one zmm on v4: the same arithmetic per lane, so the same bits. Everything
// is always_inline: vectors never cross a call, whose convention depends on the target.

#define CK_INLINE static inline __attribute__((always_inline))

typedef float v16 __attribute__((ext_vector_type(16)));  // 64 bytes; ext for the ?: operator
typedef int32_t i16 __attribute__((ext_vector_type(16)));
typedef uint32_t u16x __attribute__((ext_vector_type(16)));
typedef uint16_t h16x __attribute__((ext_vector_type(16)));
typedef v16 v16_any __attribute__((aligned(4), may_alias));
typedef u16x u16_any __attribute__((aligned(4), may_alias));
typedef h16x h16_any __attribute__((aligned(1), may_alias));

CK_INLINE v16 vsplat(float x) { return (v16)(x); }
CK_INLINE v16 vload(const float *p) { return *(const v16_any *)p; }
CK_INLINE void vstore(float *p, v16 x) { *(v16_any *)p = x; }
CK_INLINE v16 vfma(v16 a, v16 b, v16 c) { return __builtin_elementwise_fma(a, b, c); }
CK_INLINE float sfma(float a, float b, float c) { return __builtin_fmaf(a, b, c); }

/// The first n (< 16) values, the other lanes `fill`.
CK_INLINE v16 vload_part(const float *p, int64_t n, float fill) {
  float lanes[16];
  for (int i = 0; i < 16; i++) lanes[i] = i < n ? p[i] : fill;
  return vload(lanes);
}
CK_INLINE void vstore_part(float *p, v16 x, int64_t n) {
  float lanes[16];
  vstore(lanes, x);
  for (int i = 0; i < n; i++) p[i] = lanes[i];
}

/// mask ? a : b per lane; the mask is the result of a vector comparison.
CK_INLINE v16 vselect(i16 mask, v16 a, v16 b) { return mask ? a : b; }
CK_INLINE v16 as_floats(i16 x) { return (v16)(x); }
CK_INLINE i16 as_bits(v16 x) { return (i16)(x); }
CK_INLINE v16 vmax(v16 a, v16 b) { return vselect(a > b, a, b); }

/// Rule b: 8+8, 4+4, 2+2, 1+1.
CK_INLINE float vsum(v16 x) {
  typedef float v8 __attribute__((ext_vector_type(8)));
  typedef float v4 __attribute__((ext_vector_type(4)));
  v8 a = __builtin_shufflevector(x, x, 0, 1, 2, 3, 4, 5, 6, 7) +
         __builtin_shufflevector(x, x, 8, 9, 10, 11, 12, 13, 14, 15);
  v4 b = __builtin_shufflevector(a, a, 0, 1, 2, 3) + __builtin_shufflevector(a, a, 4, 5, 6, 7);
  return (b[0] + b[2]) + (b[1] + b[3]);
}
CK_INLINE float vmax_lanes(v16 x) {
  float m = x[0];
  for (int i = 1; i < 16; i++) m = x[i] > m ? x[i] : m;
  return m;
}

/// bf16 to f32, 16 values at any address.
CK_INLINE v16 vload_bf16(const void *p) {
  u16x wide = __builtin_convertvector(*(const h16_any *)p, u16x);
  return (v16)(wide << 16);
}

typedef uint32_t u8x __attribute__((vector_size(32)));
typedef uint32_t u8_any __attribute__((vector_size(32), aligned(4), may_alias));

/// 8 × 8 transposition of 32-bit words in registers.
CK_INLINE void transpose8(u8x r[8]) {
  u8x a[8], b[8];
  for (int i = 0; i < 8; i += 2) {
    a[i] = __builtin_shufflevector(r[i], r[i + 1], 0, 8, 1, 9, 4, 12, 5, 13);
    a[i + 1] = __builtin_shufflevector(r[i], r[i + 1], 2, 10, 3, 11, 6, 14, 7, 15);
  }
  for (int i = 0; i < 8; i += 4) {
    b[i] = __builtin_shufflevector(a[i], a[i + 2], 0, 1, 8, 9, 4, 5, 12, 13);
    b[i + 1] = __builtin_shufflevector(a[i], a[i + 2], 2, 3, 10, 11, 6, 7, 14, 15);
    b[i + 2] = __builtin_shufflevector(a[i + 1], a[i + 3], 0, 1, 8, 9, 4, 5, 12, 13);
    b[i + 3] = __builtin_shufflevector(a[i + 1], a[i + 3], 2, 3, 10, 11, 6, 7, 14, 15);
  }
  for (int i = 0; i < 4; i++) {
    r[i] = __builtin_shufflevector(b[i], b[i + 4], 0, 1, 2, 3, 8, 9, 10, 11);
    r[i + 4] = __builtin_shufflevector(b[i], b[i + 4], 4, 5, 6, 7, 12, 13, 14, 15);
  }
}
