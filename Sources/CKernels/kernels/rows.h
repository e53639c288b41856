// Element-wise kernels and kernels on rows. Sums within a row are rule b: lane = index mod 16.

/// Applies `body` to lanes of 16 values; the tail goes through the same vector arithmetic.
#define CK_EACH(begin, end, full, part)              \
  int64_t i = (begin);                               \
  for (; i + 16 <= (end); i += 16) { full }          \
  if (i < (end)) {                                   \
    int64_t left = (end) - i;                        \
    part                                             \
  }

static void add(const void *arguments, int64_t begin, int64_t end, const ck_scratch *scratch) {
  (void)scratch;
  const ck_elements_args *g = arguments;
  for (int64_t i = begin; i < end; i++) g->y[i] = g->a[i] + g->b[i];
}

static void scale(const void *arguments, int64_t begin, int64_t end, const ck_scratch *scratch) {
  (void)scratch;
  const ck_elements_args *g = arguments;
  for (int64_t i = begin; i < end; i++) g->y[i] *= g->s;
}

static void finite(const void *arguments, int64_t begin, int64_t end, const ck_scratch *scratch) {
  (void)scratch;
  const ck_finite_args *g = arguments;
  u16x bad = 0;
  for (int64_t i = begin; i < end; i += 16) {
    v16 x = i + 16 <= end ? vload(g->x + i) : vload_part(g->x + i, end - i, 0);
    u16x exponent = (u16x)(x) & 0x7f800000u;
    bad |= (u16x)(exponent == 0x7f800000u);
  }
  uint32_t any = 0;
  for (int j = 0; j < 16; j++) any |= bad[j];
  if (any) __atomic_store_n(g->bad, 1, __ATOMIC_RELAXED);
}

/// 1 / sqrt(mean(x²) + eps).
CK_INLINE float inverse_rms(const float *x, int64_t width, float eps) {
  v16 sum = vsplat(0);
  int64_t i = 0;
  for (; i + 16 <= width; i += 16) {
    v16 v = vload(x + i);
    sum = vfma(v, v, sum);
  }
  if (i < width) {
    v16 v = vload_part(x + i, width - i, 0);
    sum = vfma(v, v, sum);
  }
  return 1.0f / __builtin_elementwise_sqrt(vsum(sum) / (float)width + eps);
}

static void rmsnorm(const void *arguments, int64_t begin, int64_t end, const ck_scratch *scratch) {
  (void)scratch;
  const ck_rmsnorm_args *g = arguments;
  for (int64_t row = begin; row < end; row++) {
    const float *x = g->x + row * g->width;
    float *y = g->y + row * g->width;
    float r = inverse_rms(x, g->width, g->eps);
    for (int64_t i = 0; i < g->width; i++) y[i] = (x[i] * r) * (g->w[i] + g->plus_one);
  }
}

/// With h = dy·(w + plus_one): dx = r·(h - x·(r²·Σ h·x / width)).
static void rmsnorm_backward(const void *arguments, int64_t begin, int64_t end,
                             const ck_scratch *scratch) {
  (void)scratch;
  const ck_rmsnorm_args *g = arguments;
  int64_t width = g->width;
  for (int64_t row = begin; row < end; row++) {
    const float *x = g->x + row * width, *dy = g->dy + row * width, *w = g->w;
    float *dx = g->y + row * width;
    float r = inverse_rms(x, width, g->eps);
    v16 sum = vsplat(0), one = vsplat(g->plus_one);
    int64_t i = 0;
    for (; i + 16 <= width; i += 16) {
      sum = vfma(vload(dy + i) * (vload(w + i) + one), vload(x + i), sum);
    }
    if (i < width) {
      int64_t left = width - i;
      v16 h = vload_part(dy + i, left, 0) * (vload_part(w + i, left, 0) + one);
      sum = vfma(h, vload_part(x + i, left, 0), sum);
    }
    float t = (vsum(sum) * (r * r)) / (float)width;
    if (g->accumulate) {
      for (i = 0; i < width; i++) {
        dx[i] += r * sfma(-x[i], t, dy[i] * (w[i] + g->plus_one));
      }
    } else {
      for (i = 0; i < width; i++) {
        dx[i] = r * sfma(-x[i], t, dy[i] * (w[i] + g->plus_one));
      }
    }
  }
}

static void rope(const void *arguments, int64_t begin, int64_t end, const ck_scratch *scratch) {
  (void)scratch;
  const ck_rope_args *g = arguments;
  int64_t half = g->rotary / 2;
  float sign = g->inverse ? -1.0f : 1.0f;
  for (int64_t row = begin; row < end; row++) {
    const float *cos = g->cos + (int64_t)g->positions[row] * half;
    const float *sin = g->sin + (int64_t)g->positions[row] * half;
    for (int32_t head = 0; head < g->heads; head++) {
      float *restrict a = g->x + (row * g->heads + head) * g->head_dim;
      float *restrict b = a + half;
      for (int64_t i = 0; i < half; i++) {
        float s = sign * sin[i], c = cos[i], first = a[i], second = b[i];
        a[i] = sfma(first, c, -(second * s));
        b[i] = sfma(second, c, first * s);
      }
    }
  }
}

static void swiglu(const void *arguments, int64_t begin, int64_t end, const ck_scratch *scratch) {
  (void)scratch;
  const ck_swiglu_args *g = arguments;
  const v16 one = vsplat(1);
  CK_EACH(begin, end, {
    v16 x = vload(g->gate + i);
    vstore(g->y + i, x / (one + vexp(-x)) * vload(g->up + i));
  }, {
    v16 x = vload_part(g->gate + i, left, 0);
    vstore_part(g->y + i, x / (one + vexp(-x)) * vload_part(g->up + i, left, 0), left);
  })
}

static void swiglu_backward(const void *arguments, int64_t begin, int64_t end,
                            const ck_scratch *scratch) {
  (void)scratch;
  const ck_swiglu_args *g = arguments;
  const v16 one = vsplat(1);
  for (int64_t i = begin; i < end; i += 16) {
    int64_t left = end - i;
    int full = left >= 16;
    v16 x = full ? vload(g->gate + i) : vload_part(g->gate + i, left, 0);
    v16 up = full ? vload(g->up + i) : vload_part(g->up + i, left, 0);
    v16 dy = full ? vload(g->dy + i) : vload_part(g->dy + i, left, 0);
    v16 e = one + vexp(-x), sigmoid = one / e;
    // d silu = sigmoid · (1 + x·(1 - sigmoid))
    v16 dgate = dy * up * (sigmoid * vfma(x, one - sigmoid, one));
    v16 dup = dy * (x / e);
    if (full) {
      vstore(g->dgate + i, dgate);
      vstore(g->dup + i, dup);
    } else {
      vstore_part(g->dgate + i, dgate, left);
      vstore_part(g->dup + i, dup, left);
    }
  }
}

static void softcap(const void *arguments, int64_t begin, int64_t end, const ck_scratch *scratch) {
  (void)scratch;
  const ck_elements_args *g = arguments;
  v16 cap = vsplat(g->s);
  CK_EACH(begin, end, { vstore(g->y + i, cap * vtanh(vload(g->y + i) / cap)); }, {
    vstore_part(g->y + i, cap * vtanh(vload_part(g->y + i, left, 0) / cap), left);
  })
}

static void softcap_backward(const void *arguments, int64_t begin, int64_t end,
                             const ck_scratch *scratch) {
  (void)scratch;
  const ck_elements_args *g = arguments;
  for (int64_t i = begin; i < end; i++) {
    float t = g->a[i] / g->s;
    g->y[i] *= sfma(-t, t, 1.0f);
  }
}
