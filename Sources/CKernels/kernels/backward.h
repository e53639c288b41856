// Products that read a matrix across its panels: input gradients and gradients of adapters.

/// t[n, k] = rows [n0, n0 + 32) × columns [k0, k0 + count) of a packed matrix, one panel. k0 even.
static void unpack_block(float *t, int64_t ldt, const ck_packed *w, int64_t panel_index, int64_t k0,
                         int64_t count) {
  if (w->dtype == CK_BF16) {
    const uint32_t *p = (const uint32_t *)w->panels + (panel_index * ((w->k + 1) / 2) + k0 / 2) * 32;
    for (int64_t k = 0; k < count; k += 2, p += 32) {
      for (int64_t n = 0; n < 32; n++) {
        uint32_t low = p[n] << 16, high = p[n] & 0xffff0000u;
        memcpy(t + n * ldt + k, &low, 4);
        if (k + 1 < count) memcpy(t + n * ldt + k + 1, &high, 4);
      }
    }
    return;
  }
  const float *p = (const float *)w->panels + (panel_index * w->k + k0) * 32;
  for (int64_t k = 0; k < count; k++, p += 32) {
    for (int64_t n = 0; n < 32; n++) t[n * ldt + k] = p[n];
  }
}

enum { CK_N_BLOCK = 512 };

/// Item = (row block, column block of dx). A block of W is transposed into scratch once and serves
/// all rows of the item; chains over outputs continue from block to block.
static void linear_backward(const void *arguments, int64_t begin, int64_t end,
                            const ck_scratch *scratch) {
  const ck_linear_backward_args *g = arguments;
  float *t = scratch->memory;  // [CK_N_BLOCK][column_block]
  int64_t n = g->w.n, k = g->w.k;
  for (int64_t item = begin; item < end; item++) {
    int64_t row = item / g->column_blocks * g->row_block;
    int64_t rows = g->m - row < g->row_block ? g->m - row : g->row_block;
    int64_t col = item % g->column_blocks * g->column_block;
    int64_t cols = k - col < g->column_block ? k - col : g->column_block;
    int64_t ldt = ck_round_up(cols, 16);
    for (int64_t at = 0; at == 0 || at < n; at += CK_N_BLOCK) {
      int64_t length = n - at < CK_N_BLOCK ? n - at : CK_N_BLOCK;
      for (int64_t j = 0; j < length; j += 32) {
        unpack_block(t + j * ldt, ldt, &g->w, (at + j) / 32, col, cols);
      }
      product p = {.c = g->dx + row * g->lddx + col, .ldc = g->lddx,
                   .a = g->dy + row * g->lddy + at, .lda = g->lddy, .b = t, .ldb = ldt,
                   .pair_stride = 32, .element = 4, .cols = cols, .k = length,
                   .accumulate = g->accumulate || at > 0};
      run_product(tiles_row, &p, rows, g->lddy);
    }
  }
}

enum { CK_OUTER_ROWS = 256 };

/// Item = (block of i, block of j) of g[i, j] += Σ a[row, i]·b[row, j], one chain over rows.
static void outer_add(const void *arguments, int64_t begin, int64_t end,
                      const ck_scratch *scratch) {
  const ck_outer_args *g = arguments;
  float *t = scratch->memory;  // [CK_OUTER_ROWS][j_block], so that tiles read whole groups of 16
  for (int64_t item = begin; item < end; item++) {
    int64_t i = item / g->j_blocks * g->i_block;
    int64_t rows_of_g = g->ni - i < g->i_block ? g->ni - i : g->i_block;
    int64_t j = item % g->j_blocks * g->j_block;
    int64_t cols = g->nj - j < g->j_block ? g->nj - j : g->j_block;
    int64_t ldt = ck_round_up(cols, 16);
    for (int64_t at = 0; at < g->rows; at += CK_OUTER_ROWS) {
      int64_t length = g->rows - at < CK_OUTER_ROWS ? g->rows - at : CK_OUTER_ROWS;
      for (int64_t r = 0; r < length; r++) {
        memcpy(t + r * ldt, g->b + (at + r) * g->ldb + j, cols * 4);
        memset(t + r * ldt + cols, 0, (ldt - cols) * 4);
      }
      product p = {.c = g->g + i * g->ldg + j, .ldc = g->ldg, .a = g->a + at * g->lda + i,
                   .lda = g->lda, .b = t, .ldb = ldt, .pair_stride = 32, .element = 4,
                   .cols = cols, .k = length, .accumulate = 1};
      run_product(tiles_col, &p, rows_of_g, 1);
    }
  }
}
