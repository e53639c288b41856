// Products that read a matrix across its panels: input gradients and gradients of adapters.

/// t[32][16] = the 32 outputs of a panel at 16 values of k, from 8 rows of bf16 pairs.
static void transpose_bf16(float *t, const uint32_t *p) {
  for (int n = 0; n < 32; n += 8) {
    u8x r[8];
    for (int i = 0; i < 8; i++) r[i] = *(const u8_any *)(p + i * 32 + n);
    transpose8(r);
    for (int i = 0; i < 8; i++) {
      u8x low = r[i] << 16, high = r[i] & 0xffff0000u;  // even and odd k
      u8x first = __builtin_shufflevector(low, high, 0, 8, 1, 9, 2, 10, 3, 11);
      u8x second = __builtin_shufflevector(low, high, 4, 12, 5, 13, 6, 14, 7, 15);
      *(u8_any *)(t + (n + i) * 16) = first;
      *(u8_any *)(t + (n + i) * 16 + 8) = second;
    }
  }
}

/// The same from 16 rows of f32.
static void transpose_f32(float *t, const uint32_t *p) {
  for (int n = 0; n < 32; n += 8) {
    for (int k = 0; k < 16; k += 8) {
      u8x r[8];
      for (int i = 0; i < 8; i++) r[i] = *(const u8_any *)(p + (k + i) * 32 + n);
      transpose8(r);
      for (int i = 0; i < 8; i++) *(u8_any *)(t + (n + i) * 16 + k) = r[i];
    }
  }
}

/// t[32][16] from fewer than 16 values of k, zeros behind.
static void transpose_part(float *t, const uint32_t *p, int bf16, int64_t count) {
  memset(t, 0, 32 * 16 * 4);
  for (int64_t k = 0; k < count; k++) {
    for (int64_t n = 0; n < 32; n++) {
      uint32_t word = bf16 ? p[k / 2 * 32 + n] : p[k * 32 + n];
      if (bf16) word = k % 2 ? word & 0xffff0000u : word << 16;
      memcpy(t + n * 16 + k, &word, 4);
    }
  }
}

/// t: groups [cols/16][outputs][16] of W's outputs [n0, n0 + length) and inputs [k0, k0 + cols).
/// n0 is a multiple of 32, k0 of 16; outputs is length rounded up to 32.
static void transpose_block(float *t, const ck_packed *w, int64_t n0, int64_t length, int64_t k0,
                            int64_t cols) {
  int bf16 = w->dtype == CK_BF16;
  int64_t words = bf16 ? (w->k + 1) / 2 : w->k, outputs = ck_round_up(length, 32);
  for (int64_t n = 0; n < length; n += 32) {
    const uint32_t *panel = (const uint32_t *)w->panels + (n0 + n) / 32 * words * 32;
    for (int64_t k = 0; k < cols; k += 16) {
      const uint32_t *p = panel + (bf16 ? (k0 + k) / 2 : k0 + k) * 32;
      float *group = t + k * outputs + n * 16;
      if (cols - k < 16) {
        transpose_part(group, p, bf16, cols - k);
      } else if (bf16) {
        transpose_bf16(group, p);
      } else {
        transpose_f32(group, p);
      }
    }
  }
}

// Outputs of one block: its transposition, the rows' part of dy and dx fit into L2 together.
enum { CK_N_BLOCK = 128 };

/// Item = (row block, column block of dx). A block of W is transposed into scratch once and serves
/// all rows of the item; chains over outputs continue from block to block.
static void linear_backward(const void *arguments, int64_t begin, int64_t end,
                            const ck_scratch *scratch) {
  const ck_linear_backward_args *g = arguments;
  float *t = scratch->memory, *copy = t + CK_N_BLOCK * ck_round_up(g->column_block, 16);
  int64_t n = g->w.n, k = g->w.k;
  for (int64_t item = begin; item < end; item++) {
    int64_t row = item / g->column_blocks * g->row_block;
    int64_t rows = g->m - row < g->row_block ? g->m - row : g->row_block;
    int64_t col = item % g->column_blocks * g->column_block;
    int64_t cols = k - col < g->column_block ? k - col : g->column_block;
    // A few rows use each block once: the smaller one stays in L1 from transposition to use.
    int64_t block = rows <= 2 * CK_ROW_TILE ? 64 : CK_N_BLOCK;
    for (int64_t at = 0; at == 0 || at < n; at += block) {
      int64_t length = n - at < block ? n - at : block, outputs = ck_round_up(length, 32);
      transpose_block(t, &g->w, at, length, col, cols);
      product p = {.c = g->dx + row * g->lddx + col, .ldc = g->lddx,
                   .a = g->dy + row * g->lddy + at, .lda = g->lddy, .b = t, .ldb = 16,
                   .half = outputs * 16, .pair = outputs * 32, .cols = cols, .k = length,
                   .accumulate = g->accumulate || at > 0,
                   .interleaved = rows > CK_FEW_ROWS && cols > CK_NARROW};
      if (p.interleaved) {
        interleave_rows(copy, p.a, p.lda, rows, length);
        p.a = copy;
      }
      run_product(p.interleaved ? tiles_col : tiles_row, &p, rows, p.lda);
    }
  }
}

enum { CK_OUTER_ROWS = 256 };

/// Item = (block of i, block of j) of g[i, j] store or add Σ a[row, i]·b[row, j], one chain over
/// rows. b is copied into groups [cols/16][rows][16], so that tiles read whole groups in sequence.
static void outer_add(const void *arguments, int64_t begin, int64_t end,
                      const ck_scratch *scratch) {
  const ck_outer_args *g = arguments;
  float *t = scratch->memory;  // [j_block/16][CK_OUTER_ROWS][16]
  for (int64_t item = begin; item < end; item++) {
    int64_t i = item / g->j_blocks * g->i_block;
    int64_t rows_of_g = g->ni - i < g->i_block ? g->ni - i : g->i_block;
    int64_t j = item % g->j_blocks * g->j_block;
    int64_t cols = g->nj - j < g->j_block ? g->nj - j : g->j_block;
    for (int64_t at = 0; at < g->rows; at += CK_OUTER_ROWS) {
      int64_t length = g->rows - at < CK_OUTER_ROWS ? g->rows - at : CK_OUTER_ROWS;
      for (int64_t r = 0; r < length; r++) {
        const float *b = g->b + (at + r) * g->ldb + j;
        for (int64_t c = 0; c < cols; c += 16) {
          v16 x = cols - c < 16 ? vload_part(b + c, cols - c, 0) : vload(b + c);
          vstore(t + c * length + r * 16, x);
        }
      }
      product p = {.c = g->g + i * g->ldg + j, .ldc = g->ldg, .a = g->a + at * g->lda + i,
                   .lda = g->lda, .b = t, .ldb = 16, .half = length * 16, .pair = length * 32,
                   .cols = cols, .k = length, .accumulate = g->accumulate || at > 0};
      run_product(tiles_col, &p, rows_of_g, 1);
    }
  }
}
