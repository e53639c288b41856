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

static void adamw(const void *arguments, int64_t begin, int64_t end, const ck_scratch *scratch) {
  (void)scratch;
  const ck_adamw_args *a = arguments;
  float *restrict p = a->p, *restrict m = a->m, *restrict v = a->v;
  for (int64_t i = begin; i < end; i++) {
    float g = a->g[i] * a->clip;
    float moment = sfma(a->one_minus_beta1, g - m[i], m[i]);
    float second = sfma(a->one_minus_beta2 * g, g, v[i] * a->beta2);
    float denominator = __builtin_sqrtf(second) / a->sqrt_bias2 + a->eps;
    m[i] = moment;
    v[i] = second;
    p[i] = sfma(-a->step, moment / denominator, p[i] * a->decay);
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
