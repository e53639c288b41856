// Attention (rule c). An item is a strip: up to CK_STRIP rows, a row being one head of the kv
// group at one position, heads fastest. So decode (one position) and prefill use the same tiles.
// Scores of the whole row are kept, there is no running rescale, and every row sums over exactly
// its own keys: what lies beyond them in a page is never read into a chain.

typedef struct {
  int64_t lo, hi;  // visible keys [lo, hi)
} key_range;

CK_INLINE key_range visible(const ck_attention_shape *s, int64_t position) {
  int64_t lo = s->window > 0 ? position - s->window + 1 : 0;
  return (key_range){lo > 0 ? lo : 0, position + 1};
}

/// score = scale · (q·k), capped.
CK_INLINE v16 shape_scores(v16 s, const ck_attention_shape *shape) {
  s = s * vsplat(shape->scale);
  if (shape->softcap > 0) {
    v16 cap = vsplat(shape->softcap);
    s = cap * vtanh(s / cap);
  }
  return s;
}

/// Lanes whose key j = first + lane is visible.
CK_INLINE i16 lanes_in(int64_t first, key_range keys) {
  const i16 lane = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  int32_t from = keys.lo > first ? (int32_t)(keys.lo - first) : 0;
  int32_t to = keys.hi - first < 16 ? (int32_t)(keys.hi - first) : 16;
  return (lane >= from) & (lane < to);
}

/// Turns raw products in s (key j at s[j]) into p = exp(score - m) in place, over whole groups of
/// 16 from `first`; unseen lanes get 0. Lane = j mod 16 because `first` is a multiple of 16.
CK_INLINE void softmax_row(float *s, key_range keys, const ck_attention_shape *shape, float *max,
                           float *sum) {
  const v16 lowest = vsplat(-__builtin_inff());
  int64_t first = keys.lo / 16 * 16;
  v16 m = lowest;
  for (int64_t j = first; j < keys.hi; j += 16) {
    v16 x = shape_scores(vload(s + j), shape);
    if (j < keys.lo || j + 16 > keys.hi) x = vselect(lanes_in(j, keys), x, lowest);
    vstore(s + j, x);
    m = vmax(x, m);
  }
  float top = vmax_lanes(m);
  v16 l = vsplat(0), shift = vsplat(top);
  for (int64_t j = first; j < keys.hi; j += 16) {
    v16 p = vexp_below_zero(vload(s + j) - shift);  // exp(-inf) = 0 where nothing is seen
    vstore(s + j, p);
    l = l + p;
  }
  *max = top;
  *sum = vsum(l);
}

/// o[rows, v_dim] += p over keys [from, to) of one page whose values are v [32][ldv].
CK_INLINE void add_values(float *o, int64_t ldo, const float *p, int64_t ldp, int64_t rows,
                          const float *v, int64_t ldv, int64_t page_first, int64_t from,
                          int64_t to) {
  if (from >= to) return;
  product product = {.c = o, .ldc = ldo, .a = p + from, .lda = ldp,
                     .b = v + (from - page_first) * ldv, .ldb = ldv, .half = 16, .pair = 32,
                     .cols = ldo, .k = to - from, .accumulate = 1};
  run_product(tiles_row, &product, rows, ldp);
}

typedef struct {
  float *q, *s, *o, *v;  // [strip][k_dim], [strip][keys], [strip][v_pad], [32][v_pad]
  int64_t lds, v_pad;
} attention_scratch;

/// One page's part of every output chain, ascending keys. Rows of a tile run together over the
/// keys that all of them see, and alone over the few before and after.
static void add_page(const attention_scratch *w, const ck_attention_shape *shape,
                     const key_range *keys, int64_t rows, const float *v, int64_t page_first) {
  int64_t last = page_first + CK_PAGE, ldv = shape->v_dim;
  if (w->v_pad != shape->v_dim) {  // whole groups of 16 must be readable
    for (int64_t j = 0; j < CK_PAGE; j++) {
      memcpy(w->v + j * w->v_pad, v + j * shape->v_dim, shape->v_dim * 4);
    }
    v = w->v;
    ldv = w->v_pad;
  }
  for (int64_t row = 0; row < rows; row += CK_ROW_TILE) {
    int64_t height = rows - row < CK_ROW_TILE ? rows - row : CK_ROW_TILE;
    int64_t from = page_first, to = last;
    for (int64_t r = row; r < row + height; r++) {
      if (keys[r].lo > from) from = keys[r].lo;
      if (keys[r].hi < to) to = keys[r].hi;
    }
    int common = from < to;
    for (int64_t r = row; r < row + height && (!common || from > page_first); r++) {
      int64_t lo = keys[r].lo > page_first ? keys[r].lo : page_first;
      int64_t hi = keys[r].hi < last ? keys[r].hi : last;
      add_values(w->o + r * w->v_pad, w->v_pad, w->s + r * w->lds, w->lds, 1, v, ldv, page_first,
                 lo, common ? from : hi);
    }
    if (!common) continue;
    add_values(w->o + row * w->v_pad, w->v_pad, w->s + row * w->lds, w->lds, height, v, ldv,
               page_first, from, to);
    for (int64_t r = row; r < row + height && to < last; r++) {
      int64_t hi = keys[r].hi < last ? keys[r].hi : last;
      add_values(w->o + r * w->v_pad, w->v_pad, w->s + r * w->lds, w->lds, 1, v, ldv, page_first,
                 to, hi);
    }
  }
}

static void attention_strip(const ck_attention_args *g, const ck_sequence *sequence, int64_t head,
                            int64_t first_row, int64_t rows, const ck_scratch *scratch) {
  const ck_attention_shape *shape = &g->shape;
  int64_t group = shape->heads / shape->kv_heads, k_dim = shape->k_dim, v_dim = shape->v_dim;
  attention_scratch w = {.v_pad = ck_round_up(v_dim, 16)};
  key_range keys[CK_STRIP];
  int64_t lo = INT64_MAX, hi = 0;
  for (int64_t r = 0; r < rows; r++) {
    keys[r] = visible(shape, sequence->start + (first_row + r) / group);
    if (keys[r].lo < lo) lo = keys[r].lo;
    if (keys[r].hi > hi) hi = keys[r].hi;
  }
  int64_t first_page = lo / CK_PAGE, pages = (hi + CK_PAGE - 1) / CK_PAGE;
  // An odd number of cache lines per row keeps the rows of a tile out of one cache set.
  w.lds = ck_round_up(hi, CK_PAGE) + 16;
  w.q = scratch->memory;
  w.o = w.q + ck_round_up(CK_STRIP * k_dim, 16);
  w.v = w.o + CK_STRIP * w.v_pad;
  w.s = w.v + CK_PAGE * w.v_pad;
  for (int64_t r = 0; r < rows; r++) {
    int64_t at = (sequence->row + (first_row + r) / group) * shape->heads +
                 head * group + (first_row + r) % group;
    for (int64_t d = 0; d < k_dim; d++) w.q[r * k_dim + d] = g->q[at * k_dim + d];
  }
  for (int64_t i = 0; i < rows * w.v_pad; i++) w.o[i] = 0;
  for (int64_t page = first_page; page < pages; page++) {
    const float *k = g->base + sequence->pages[page] * g->page_stride + head * k_dim * CK_PAGE;
    int64_t left = ck_round_up(hi - page * CK_PAGE, 16);
    product product = {.c = w.s + page * CK_PAGE, .ldc = w.lds, .a = w.q, .lda = k_dim, .b = k,
                       .ldb = CK_PAGE, .half = 16, .pair = 32,
                       .cols = left < CK_PAGE ? left : CK_PAGE, .k = k_dim};
    run_product(tiles_row, &product, rows, k_dim);
  }
  float max[CK_STRIP], sum[CK_STRIP];
  for (int64_t r = 0; r < rows; r++) {
    softmax_row(w.s + r * w.lds, keys[r], shape, &max[r], &sum[r]);
  }
  int64_t v_offset = shape->kv_heads * k_dim * CK_PAGE + head * CK_PAGE * v_dim;
  for (int64_t page = first_page; page < pages; page++) {
    const float *v = g->base + sequence->pages[page] * g->page_stride + v_offset;
    add_page(&w, shape, keys, rows, v, page * CK_PAGE);
  }
  for (int64_t r = 0; r < rows; r++) {
    int64_t at = (sequence->row + (first_row + r) / group) * shape->heads +
                 head * group + (first_row + r) % group;
    float inverse = 1.0f / sum[r];
    for (int64_t d = 0; d < v_dim; d++) g->o[at * v_dim + d] = w.o[r * w.v_pad + d] * inverse;
    if (g->max) g->max[at] = max[r];
    if (g->sum) g->sum[at] = sum[r];
  }
}

/// Item = (sequence, kv head, strip).
static void attention(const void *arguments, int64_t begin, int64_t end,
                      const ck_scratch *scratch) {
  const ck_attention_args *g = arguments;
  int64_t group = g->shape.heads / g->shape.kv_heads;
  for (int64_t item = begin; item < end; item++) {
    int64_t low = 0, high = g->count;  // last sequence with first_item <= item
    while (high - low > 1) {
      int64_t middle = (low + high) / 2;
      if (g->first_item[middle] <= item) low = middle; else high = middle;
    }
    const ck_sequence *sequence = &g->sequences[low];
    int64_t strips = ck_strips(&g->shape, sequence->rows, CK_STRIP);
    int64_t local = item - g->first_item[low], row = local % strips * CK_STRIP;
    int64_t rows = sequence->rows * group - row;
    attention_strip(g, sequence, local / strips, row, rows < CK_STRIP ? rows : CK_STRIP, scratch);
  }
}

/// Item = sequence.
static void kv_write(const void *arguments, int64_t begin, int64_t end, const ck_scratch *scratch) {
  (void)scratch;
  const ck_kv_write_args *g = arguments;
  int64_t heads = g->shape.kv_heads, k_dim = g->shape.k_dim, v_dim = g->shape.v_dim;
  for (int64_t s = begin; s < end; s++) {
    const ck_sequence *sequence = &g->sequences[s];
    for (int64_t r = 0; r < sequence->rows; r++) {
      int64_t position = sequence->start + r, slot = position % CK_PAGE;
      float *page = g->base + sequence->pages[position / CK_PAGE] * g->page_stride;
      const float *k = g->k + (sequence->row + r) * heads * k_dim;
      const float *v = g->v + (sequence->row + r) * heads * v_dim;
      for (int64_t i = 0; i < heads * k_dim; i++) page[i * CK_PAGE + slot] = k[i];
      float *values = page + heads * k_dim * CK_PAGE;
      for (int64_t h = 0; h < heads; h++) {
        memcpy(values + (h * CK_PAGE + slot) * v_dim, v + h * v_dim, v_dim * 4);
      }
    }
  }
}
