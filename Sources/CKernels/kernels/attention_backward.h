// Attention backward for one (datum, kv head). Order of the chains, the same on every instruction
// set because strips have one size: heads of the group ascending, outermost; strips of
// CK_BACKWARD_STRIP queries ascending; within a strip keys (for dq) or queries (for dk, dv)
// ascending. A key that a query of the strip does not see enters with p = 0.

typedef struct {
  int64_t n, padded, kp, vp, lds;
  float *kt, *vt;           // panels [n/32][dim][32]
  float *k, *dk, *dv;       // [padded][kp or vp]
  float *q, *dq, *d_o;      // strip [CK_BACKWARD_STRIP][kp or vp]
  float *p, *ds;            // strip [CK_BACKWARD_STRIP][lds]
} backward_scratch;

static size_t backward_layout(backward_scratch *w, float *memory, const ck_attention_shape *s,
                              int64_t n) {
  w->n = n;
  w->padded = ck_round_up(n, 32);
  w->kp = ck_round_up(s->k_dim, 16);
  w->vp = ck_round_up(s->v_dim, 16);
  w->lds = w->padded + 16;
  size_t at = 0;
#define CK_TAKE(field, count) w->field = memory + at, at += (size_t)ck_round_up(count, 16)
  CK_TAKE(kt, w->padded * s->k_dim);
  CK_TAKE(vt, w->padded * s->v_dim);
  CK_TAKE(k, w->padded * w->kp);
  CK_TAKE(dk, w->padded * w->kp);
  CK_TAKE(dv, w->padded * w->vp);
  CK_TAKE(q, CK_BACKWARD_STRIP * w->kp);
  CK_TAKE(dq, CK_BACKWARD_STRIP * w->kp);
  CK_TAKE(d_o, CK_BACKWARD_STRIP * w->vp);
  CK_TAKE(p, CK_BACKWARD_STRIP * w->lds);
  CK_TAKE(ds, CK_BACKWARD_STRIP * w->lds);
#undef CK_TAKE
  return at * 4;
}

/// Panels [n/32][dim][32] of the rows of one head, zeros beyond n.
static void to_panels(float *panels, const float *x, int64_t ldx, int64_t n, int64_t dim) {
  memset(panels, 0, ck_round_up(n, 32) * dim * 4);
  for (int64_t j = 0; j < n; j++) {
    float *panel = panels + j / 32 * dim * 32 + j % 32;
    for (int64_t d = 0; d < dim; d++) panel[d * 32] = x[j * ldx + d];
  }
}

/// Copies rows of `width` values into rows of `padded` values, zeros behind.
static void copy_rows(float *y, int64_t padded, const float *x, int64_t ldx, int64_t rows,
                      int64_t width) {
  for (int64_t r = 0; r < rows; r++) {
    memcpy(y + r * padded, x + r * ldx, width * 4);
    memset(y + r * padded + width, 0, (padded - width) * 4);
  }
}

/// Products of the strip's rows with the panels of keys [from, to).
static void panel_products(float *c, int64_t ldc, const float *a, int64_t lda, int64_t rows,
                           const float *panels, int64_t dim, int64_t from, int64_t to) {
  product product = {.c = c + from, .ldc = ldc, .a = a, .lda = lda, .b = panels + from * dim,
                     .ldb = 32, .half = 16, .pair = dim * 32,
                     .cols = ck_round_up(to - from, 16), .k = dim};
  run_product(tiles_row, &product, rows, lda);
}

/// p = exp(s - m) / l and ds = p·(dp - D)·(d score / d product), in place over s and dp.
static void score_gradients(float *p, float *ds, int64_t first, int64_t last, key_range keys,
                            const ck_attention_shape *shape, float max, float sum, float d) {
  float inverse = 1.0f / sum;
  for (int64_t j = first; j < last; j += 16) {
    v16 s = shape_scores(vload(p + j), shape);
    i16 seen = lanes_in(j, keys);
    v16 x = vselect(seen, vexp_below_zero(s - vsplat(max)) * vsplat(inverse), vsplat(0));
    v16 slope = x * (vload(ds + j) - vsplat(d));
    if (shape->softcap > 0) {
      v16 t = s / vsplat(shape->softcap);
      slope = slope * vfma(-t, t, vsplat(1));
    }
    vstore(p + j, x);
    vstore(ds + j, vselect(seen, slope * vsplat(shape->scale), vsplat(0)));
  }
}

/// Σ a·b by rule b.
CK_INLINE float lane_dot(const float *a, const float *b, int64_t n) {
  v16 sum = vsplat(0);
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) sum = vfma(vload(a + i), vload(b + i), sum);
  if (i < n) sum = vfma(vload_part(a + i, n - i, 0), vload_part(b + i, n - i, 0), sum);
  return vsum(sum);
}

/// g[keys from..<to, cols] += strip(s)ᵀ · x, chains over the strip's queries.
static void add_outer(float *g, int64_t cols, const float *s, int64_t lds, const float *x,
                      int64_t rows, int64_t from, int64_t to) {
  product product = {.c = g + from * cols, .ldc = cols, .a = s + from, .lda = lds, .b = x,
                     .ldb = cols, .half = 16, .pair = 32, .cols = cols, .k = rows,
                     .accumulate = 1};
  run_product(tiles_col, &product, to - from, 1);
}

static void backward_strip(const ck_attention_backward_args *g, backward_scratch *w,
                           const ck_sequence *sequence, int64_t head, int64_t first, int64_t rows) {
  const ck_attention_shape *shape = &g->shape;
  int64_t k_dim = shape->k_dim, v_dim = shape->v_dim, heads = shape->heads;
  int64_t at = (sequence->row + first) * heads + head;
  int64_t from = visible(shape, first).lo / 32 * 32, to = first + rows;
  int64_t end = ck_round_up(to, 16);
  copy_rows(w->q, w->kp, g->q + at * k_dim, heads * k_dim, rows, k_dim);
  copy_rows(w->d_o, w->vp, g->d_o + at * v_dim, heads * v_dim, rows, v_dim);
  panel_products(w->p, w->lds, w->q, w->kp, rows, w->kt, k_dim, from, to);
  panel_products(w->ds, w->lds, w->d_o, w->vp, rows, w->vt, v_dim, from, to);
  for (int64_t r = 0; r < rows; r++) {
    int64_t row = at + r * heads;
    float d = lane_dot(g->d_o + row * v_dim, g->o + row * v_dim, v_dim);
    score_gradients(w->p + r * w->lds, w->ds + r * w->lds, from, end, visible(shape, first + r),
                    shape, g->max[row], g->sum[row], d);
  }
  product dq = {.c = w->dq, .ldc = w->kp, .a = w->ds + from, .lda = w->lds,
                .b = w->k + from * w->kp, .ldb = w->kp, .half = 16, .pair = 32,
                .cols = w->kp, .k = to - from};
  run_product(tiles_row, &dq, rows, w->lds);
  for (int64_t r = 0; r < rows; r++) {
    memcpy(g->dq + (at + r * heads) * k_dim, w->dq + r * w->kp, k_dim * 4);
  }
  add_outer(w->dv, w->vp, w->p, w->lds, w->d_o, rows, from, to);
  add_outer(w->dk, w->kp, w->ds, w->lds, w->q, rows, from, to);
}

/// Item = datum · kv_heads + kv head.
static void attention_backward(const void *arguments, int64_t begin, int64_t end,
                               const ck_scratch *scratch) {
  const ck_attention_backward_args *g = arguments;
  const ck_attention_shape *shape = &g->shape;
  int64_t kv_heads = shape->kv_heads, group = shape->heads / kv_heads;
  int64_t k_dim = shape->k_dim, v_dim = shape->v_dim;
  for (int64_t item = begin; item < end; item++) {
    const ck_sequence *sequence = &g->sequences[item / kv_heads];
    int64_t kv = item % kv_heads, n = sequence->rows;
    backward_scratch w;
    backward_layout(&w, scratch->memory, shape, n);
    const float *k = g->k + (sequence->row * kv_heads + kv) * k_dim;
    const float *v = g->v + (sequence->row * kv_heads + kv) * v_dim;
    to_panels(w.kt, k, kv_heads * k_dim, n, k_dim);
    to_panels(w.vt, v, kv_heads * v_dim, n, v_dim);
    copy_rows(w.k, w.kp, k, kv_heads * k_dim, n, k_dim);
    memset(w.dk, 0, w.padded * w.kp * 4);
    memset(w.dv, 0, w.padded * w.vp * 4);
    for (int64_t head = kv * group; head < (kv + 1) * group; head++) {
      for (int64_t first = 0; first < n; first += CK_BACKWARD_STRIP) {
        int64_t rows = n - first < CK_BACKWARD_STRIP ? n - first : CK_BACKWARD_STRIP;
        backward_strip(g, &w, sequence, head, first, rows);
      }
    }
    for (int64_t j = 0; j < n; j++) {
      int64_t at = (sequence->row + j) * kv_heads + kv;
      memcpy(g->dk + at * k_dim, w.dk + j * w.kp, k_dim * 4);
      memcpy(g->dv + at * v_dim, w.dv + j * w.vp, v_dim * 4);
    }
  }
}
