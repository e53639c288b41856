// Optimizer and random initialization.

/// Item = block of CK_SQUARE_BLOCK values: Σ x² in double, 16 lanes, lanes added as in rule b.
static void square_sum(const void *arguments, int64_t begin, int64_t end,
                       const ck_scratch *scratch) {
  (void)scratch;
  const ck_square_sum_args *g = arguments;
  for (int64_t block = begin; block < end; block++) {
    double lane[16] = {0};
    int64_t first = block * CK_SQUARE_BLOCK;
    int64_t last = first + CK_SQUARE_BLOCK < g->count ? first + CK_SQUARE_BLOCK : g->count;
    int64_t i = first;
    for (; i + 16 <= last; i += 16) {
      for (int j = 0; j < 16; j++) {
        double x = g->x[i + j];
        lane[j] = __builtin_fma(x, x, lane[j]);
      }
    }
    for (int j = 0; i < last; i++, j++) {
      double x = g->x[i];
      lane[j] = __builtin_fma(x, x, lane[j]);
    }
    for (int step = 8; step > 0; step /= 2) {
      for (int j = 0; j < step; j++) lane[j] += lane[j + step];
    }
    g->blocks[block] = lane[0];
  }
}

/// One vector of parameters. Vectors, because a scalar square root drags libm's errno along.
CK_INLINE void adamw_lanes(const ck_adamw_args *a, v16 *p, v16 *m, v16 *v, v16 g) {
  g = g * vsplat(a->clip);
  *m = vfma(vsplat(a->one_minus_beta1), g - *m, *m);
  *v = vfma(vsplat(a->one_minus_beta2) * g, g, *v * vsplat(a->beta2));
  v16 root = __builtin_elementwise_sqrt(*v) / vsplat(a->sqrt_bias2);
  v16 divisor = root + vsplat(a->eps);
  // With eps 0 a parameter that has had no gradient yet has no direction: 0 / 0 would be NaN for good.
  v16 direction = vselect(divisor == vsplat(0), vsplat(0), *m / divisor);
  *p = vfma(vsplat(-a->step), direction, *p * vsplat(a->decay));
}

static void adamw(const void *arguments, int64_t begin, int64_t end, const ck_scratch *scratch) {
  (void)scratch;
  const ck_adamw_args *a = arguments;
  int64_t i = begin;
  for (; i + 16 <= end; i += 16) {
    v16 p = vload(a->p + i), m = vload(a->m + i), v = vload(a->v + i);
    adamw_lanes(a, &p, &m, &v, vload(a->g + i));
    vstore(a->p + i, p);
    vstore(a->m + i, m);
    vstore(a->v + i, v);
  }
  if (i < end) {
    int64_t left = end - i;
    v16 p = vload_part(a->p + i, left, 0), m = vload_part(a->m + i, left, 0);
    v16 v = vload_part(a->v + i, left, 0);
    adamw_lanes(a, &p, &m, &v, vload_part(a->g + i, left, 0));
    vstore_part(a->p + i, p, left);
    vstore_part(a->m + i, m, left);
    vstore_part(a->v + i, v, left);
  }
}

static void uniform(const void *arguments, int64_t begin, int64_t end, const ck_scratch *scratch) {
  (void)scratch;
  const ck_uniform_args *g = arguments;
  for (int64_t i = begin; i < end; i++) {
    uint32_t c[4] = {(uint32_t)i, (uint32_t)(i >> 32), (uint32_t)g->stream,
                     (uint32_t)(g->stream >> 32)};
    ck_philox_block(c, (uint32_t)g->seed, (uint32_t)(g->seed >> 32));
    float u = (float)(c[0] >> 8) * 0x1p-24f;
    float x = sfma(u, g->hi - g->lo, g->lo);
    g->out[i] = x < g->hi ? x : g->below_hi;  // rounding may reach hi, which is excluded
  }
}
