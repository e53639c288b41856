// Packing, gathers and type conversions: no arithmetic, every value exact.

/// IEEE half to f32, exact, subnormals and non-finite values included.
CK_INLINE float half_to_float(uint16_t h) {
  uint32_t sign = (uint32_t)(h & 0x8000) << 16, bits = h & 0x7fff;
  if (bits >= 0x7c00) {
    bits = 0x7f800000 | (bits & 0x3ff) << 13;
  } else if (bits >= 0x400) {
    bits = (bits << 13) + (112u << 23);
  } else if (bits > 0) {  // subnormal: bits · 2^-24
    int shift = __builtin_clz(bits) - 21;
    bits = ((bits << (shift + 13)) & 0x7fffff) | (uint32_t)(113 - shift) << 23;
  }
  bits |= sign;
  float f;
  memcpy(&f, &bits, 4);
  return f;
}

CK_INLINE float read_value(const void *src, ck_dtype type, int64_t i) {
  float f;
  uint16_t h;
  if (type == CK_F32) {
    memcpy(&f, (const char *)src + 4 * i, 4);
    return f;
  }
  memcpy(&h, (const char *)src + 2 * i, 2);
  if (type == CK_F16) return half_to_float(h);
  uint32_t bits = (uint32_t)h << 16;
  memcpy(&f, &bits, 4);
  return f;
}

static void read_row(float *y, const void *src, ck_dtype type, int64_t first, int64_t count) {
  if (type == CK_F32) {
    memcpy(y, (const char *)src + 4 * first, count * 4);
    return;
  }
  int64_t i = 0;
  if (type == CK_BF16) {
    for (; i + 16 <= count; i += 16) vstore(y + i, vload_bf16((const char *)src + 2 * (first + i)));
  }
  for (; i < count; i++) y[i] = read_value(src, type, first + i);
}

/// Item = panel.
static void pack(const void *arguments, int64_t begin, int64_t end, const ck_scratch *scratch) {
  (void)scratch;
  const ck_pack_args *g = arguments;
  int64_t n = g->n, k = g->k, pairs = (k + 1) / 2;
  for (int64_t panel = begin; panel < end; panel++) {
    int64_t valid = n - panel * 32 < 32 ? n - panel * 32 : 32;
    if (g->source == CK_BF16) {
      uint16_t *dst = (uint16_t *)g->dst + panel * pairs * 64;
      memset(dst, 0, pairs * 64 * 2);
      const char *src = (const char *)g->src + 2 * panel * 32 * k;
      for (int64_t i = 0; i < k; i++) {
        for (int64_t j = 0; j < valid; j++) {
          memcpy(dst + i / 2 * 64 + j * 2 + i % 2, src + 2 * (j * k + i), 2);
        }
      }
      continue;
    }
    float *dst = (float *)g->dst + panel * k * 32;
    if (valid < 32) memset(dst, 0, k * 32 * 4);
    int64_t i = 0;
    if (g->source == CK_F32 && valid == 32) {
      const float *src = (const float *)g->src + panel * 32 * k;
      for (; i + 8 <= k; i += 8) {
        for (int64_t j = 0; j < 32; j += 8) {
          u8x r[8];
          for (int64_t row = 0; row < 8; row++) r[row] = *(const u8_any *)(src + (j + row) * k + i);
          transpose8(r);
          for (int64_t row = 0; row < 8; row++) *(u8_any *)(dst + (i + row) * 32 + j) = r[row];
        }
      }
    }
    for (; i < k; i++) {
      for (int64_t j = 0; j < valid; j++) {
        dst[i * 32 + j] = read_value(g->src, g->source, (panel * 32 + j) * k + i);
      }
    }
  }
}

/// y[k] = row `index` of a packed matrix, read at stride.
static void unpack_row(float *y, const void *panels, ck_dtype type, int64_t k, int64_t index) {
  int64_t panel = index / 32, lane = index % 32;
  if (type == CK_BF16) {
    const uint32_t *p = (const uint32_t *)panels + panel * ((k + 1) / 2) * 32 + lane;
    for (int64_t i = 0; i < k; i++) {
      uint32_t pair = p[i / 2 * 32], bits = i % 2 ? pair & 0xffff0000u : pair << 16;
      memcpy(y + i, &bits, 4);
    }
    return;
  }
  const float *p = (const float *)panels + panel * k * 32 + lane;
  for (int64_t i = 0; i < k; i++) y[i] = p[i * 32];
}

/// Item = row of the result.
static void unpack(const void *arguments, int64_t begin, int64_t end, const ck_scratch *scratch) {
  (void)scratch;
  const ck_pack_args *g = arguments;
  for (int64_t row = begin; row < end; row++) {
    unpack_row((float *)g->dst + row * g->k, g->src, g->source, g->k, row);
  }
}

static void gather_packed(const void *arguments, int64_t begin, int64_t end,
                          const ck_scratch *scratch) {
  (void)scratch;
  const ck_gather_args *g = arguments;
  for (int64_t i = begin; i < end; i++) {
    unpack_row(g->y + i * g->width, g->table, g->dtype, g->width, g->index[i]);
  }
}

static void gather(const void *arguments, int64_t begin, int64_t end, const ck_scratch *scratch) {
  (void)scratch;
  const ck_gather_args *g = arguments;
  for (int64_t i = begin; i < end; i++) {
    read_row(g->y + i * g->width, g->table, g->dtype, g->index[i] * g->width, g->width);
  }
}

static void gather_rows(const void *arguments, int64_t begin, int64_t end,
                        const ck_scratch *scratch) {
  (void)scratch;
  const ck_gather_args *g = arguments;
  const float *x = g->table;
  for (int64_t i = begin; i < end; i++) {
    memcpy(g->y + i * g->width, x + g->index[i] * g->width, g->width * 4);
  }
}

static void scatter_rows(const void *arguments, int64_t begin, int64_t end,
                         const ck_scratch *scratch) {
  (void)scratch;
  const ck_gather_args *g = arguments;
  const float *x = g->table;
  for (int64_t i = begin; i < end; i++) {
    memcpy(g->y + g->index[i] * g->width, x + i * g->width, g->width * 4);
  }
}

static void convert(const void *arguments, int64_t begin, int64_t end, const ck_scratch *scratch) {
  (void)scratch;
  const ck_convert_args *g = arguments;
  read_row(g->dst + begin, g->src, g->source, begin, end - begin);
}
