// Products from register tiles. Blocking, tile shapes and threads only choose which chain runs
// when: a chain that is interrupted at a block of k continues from the stored f32 value.

typedef void (*tile_fn)(float *c, int64_t ldc, const float *a, int64_t lda, const void *b,
                        int64_t ldb, int64_t half, int64_t pair, int64_t k, int accumulate);
typedef struct {
  struct {
    tile_fn run;
    int groups;
  } width[3];  // widest, at most 2 groups, 1 group
} tile_shape;

#include CK_TILES

/// c[rows, cols] store or add a · b. b holds `cols` rounded up to 16 readable columns.
typedef struct {
  float *c;
  int64_t ldc;
  const float *a;
  int64_t lda;
  const void *b;  // bf16 panel (uint32 pairs) or f32 rows
  int64_t ldb, half, pair;  // see micro.h, in elements of 4 bytes
  int64_t cols, k;
  int accumulate;
  int interleaved;  // a holds the rows of one tile after the other, each tile as [k][rows]
} product;

/// Runs one tile whose last columns lie outside c, through a copy.
static void edge_tile(tile_fn run, int64_t width, const product *p, float *c, const float *a,
                      int64_t lda, int64_t rows, const void *b, int64_t valid) {
  float copy[CK_ROW_TILE * 128];
  for (int64_t r = 0; r < rows; r++) {
    for (int64_t j = 0; j < width; j++) {
      copy[r * width + j] = p->accumulate && j < valid ? c[r * p->ldc + j] : 0;
    }
  }
  run(copy, width, a, lda, b, p->ldb, p->half, p->pair, p->k, p->accumulate);
  for (int64_t r = 0; r < rows; r++) memcpy(c + r * p->ldc, copy + r * width, valid * 4);
}

/// All columns of c for `rows` rows, in row tiles of nearly equal height. `a_step` is the distance
/// in a of one row of c: lda when a is read by rows, 1 by columns.
static void run_product(const tile_shape *tiles, const product *p, int64_t rows, int64_t a_step) {
  if (rows <= 0) return;
  int64_t count = (rows + CK_ROW_TILE - 1) / CK_ROW_TILE;
  int64_t height = rows / count, taller = rows % count;
  const tile_shape *tall = &tiles[height + (taller > 0) - 1];
  for (int64_t col = 0; col < p->cols;) {
    int64_t left = (p->cols - col + 15) / 16;
    int choice = left >= tall->width[0].groups ? 0 : left >= tall->width[1].groups ? 1 : 2;
    int64_t width = 16 * tall->width[choice].groups;
    const float *b = (const float *)p->b + (col / 32) * p->pair + (col % 32) / 16 * p->half;
    int64_t row = 0;
    for (int64_t t = 0; t < count; t++) {
      int64_t r = height + (t < taller);
      const tile_shape *shape = &tiles[r - 1];
      // A lower tile may prefer another width; it follows the taller one.
      for (int64_t at = 0; at < width && col + at < p->cols;) {
        int pick = choice;
        while (16 * shape->width[pick].groups > width - at) pick++;
        int64_t step = 16 * shape->width[pick].groups;
        float *c = p->c + row * p->ldc + col + at;
        const float *part = b + (at / 32) * p->pair + (at % 32) / 16 * p->half;
        const float *a = p->a + row * (p->interleaved ? p->k : a_step);
        int64_t lda = p->interleaved ? r : p->lda;
        // The next tile's part of c, which the chains continue from, comes in meanwhile.
        for (int64_t ahead = 0; p->accumulate && ahead < r; ahead++) {
          __builtin_prefetch(c + (r + ahead) * p->ldc);
        }
        if (col + at + step > p->cols) {
          edge_tile(shape->width[pick].run, step, p, c, a, lda, r, part, p->cols - col - at);
        } else {
          shape->width[pick].run(c, p->ldc, a, lda, part, p->ldb, p->half, p->pair, p->k,
                                 p->accumulate);
        }
        at += step;
      }
      row += r;
    }
    col += width;
  }
}

// Up to so many columns use both operands as they are; beyond, copies are repaid.
enum { CK_NARROW = 64 };
// Many rows: a panel's block of k and a row tile's stay in L1 while the panel serves all of them.
enum { CK_K_BLOCK = 256 };

/// Rows of one tile as [k][rows]. Stores of 8 lanes run over into what is written next; up to 8
/// floats behind the tile are overwritten.
CK_INLINE void interleave_tile(float *copy, const float *a, int64_t lda, int64_t rows, int64_t k) {
  int64_t i = 0;
  for (; i + 8 <= k; i += 8) {
    u8x low[8], high[8];
    for (int64_t j = 0; j < 8; j++) {
      low[j] = j < rows ? *(const u8_any *)(a + j * lda + i) : (u8x){0};
      high[j] = j + 8 < rows ? *(const u8_any *)(a + (j + 8) * lda + i) : (u8x){0};
    }
    transpose8(low);
    if (rows > 8) transpose8(high);
    for (int64_t j = 0; j < 8; j++) {
      *(u8_any *)(copy + (i + j) * rows) = low[j];
      if (rows > 8) *(u8_any *)(copy + (i + j) * rows + 8) = high[j];
    }
  }
  for (; i < k; i++) {
    for (int64_t j = 0; j < rows; j++) copy[i * rows + j] = a[j * lda + i];
  }
}

/// Rows of a as run_product reads them when interleaved: tile after tile, one stream each.
static void interleave_rows(float *copy, const float *a, int64_t lda, int64_t rows, int64_t k) {
  int64_t count = (rows + CK_ROW_TILE - 1) / CK_ROW_TILE;
  int64_t height = rows / count, taller = rows % count;
  for (int64_t t = 0; t < count; t++) {
    int64_t r = height + (t < taller);
    if (r == CK_ROW_TILE) {
      interleave_tile(copy, a, lda, CK_ROW_TILE, k);
    } else {
      interleave_tile(copy, a, lda, r, k);
    }
    copy += r * k;
    a += r * lda;
  }
}

/// Item = block of k.
static void interleave(const void *arguments, int64_t begin, int64_t end,
                       const ck_scratch *scratch) {
  (void)scratch;
  const ck_interleave_args *g = arguments;
  for (int64_t item = begin; item < end; item++) {
    int64_t at = item * CK_FEW_BLOCK;
    interleave_rows(g->dst + ck_interleaved_offset(at, g->m), g->x + at, g->ldx, g->m,
                    g->k - at < CK_FEW_BLOCK ? g->k - at : CK_FEW_BLOCK);
  }
}

/// Few rows: panel after panel, so that weights from memory are read in sequence.
static void linear_few(const ck_linear_args *g, int64_t row, int64_t rows, int64_t col,
                       int64_t cols) {
  int bf16 = g->w.dtype == CK_BF16;
  int64_t k = g->w.k, panel = bf16 ? (k + 1) / 2 * 32 : k * 32;  // in 4-byte elements
  int one_tile = rows <= CK_ROW_TILE;
  int64_t block = one_tile ? k : CK_FEW_BLOCK, step = one_tile ? cols : 32;
  product p = {.ldc = g->ldy, .lda = g->ldx, .ldb = 32, .half = 16, .pair = panel,
               .interleaved = g->interleaved != 0};
  const tile_shape *by_rows = bf16 ? tiles_bf16 : tiles_row;
  const tile_shape *by_columns = bf16 ? tiles_bf16_col : tiles_col;
  for (int64_t c = 0; c < cols; c += step) {
    p.cols = cols - c < step ? cols - c : step;
    p.c = g->y + row * g->ldy + col + c;
    for (int64_t at = 0; at == 0 || at < k; at += block) {
      p.k = k - at < block ? k - at : block;
      p.a = p.interleaved ? g->interleaved + ck_interleaved_offset(at, rows)
                          : g->x + row * g->ldx + at;
      p.b = (const float *)g->w.panels + (col + c) / 32 * panel + (bf16 ? at / 2 : at) * 32;
      p.accumulate = g->accumulate || at > 0;
      run_product(p.interleaved ? by_columns : by_rows, &p, rows, g->ldx);
    }
  }
}

/// t[2][length][16] in f32: columns [at, at + length) of k of one panel, which is read once and
/// serves many rows.
static void widen_panel(float *t, const void *panel, int bf16, int64_t at, int64_t length) {
  if (!bf16) {
    const float *p = (const float *)panel + at * 32;
    for (int64_t i = 0; i < length; i++, p += 32) {
      vstore(t + i * 16, vload(p));
      vstore(t + (length + i) * 16, vload(p + 16));
    }
    return;
  }
  const uint32_t *p = (const uint32_t *)panel + at / 2 * 32;
  for (int64_t i = 0; i < length; i += 2, p += 32) {
    for (int64_t h = 0; h < 2; h++) {
      u16x words = *(const u16_any *)(p + 16 * h);
      vstore(t + (h * length + i) * 16, (v16)(words << 16));
      if (i + 1 < length) vstore(t + (h * length + i + 1) * 16, (v16)(words & 0xffff0000u));
    }
  }
}

/// Many rows: the same chains from copies.
static void linear_many(const ck_linear_args *g, int64_t row, int64_t rows, int64_t col,
                        int64_t cols, float *copy) {
  int bf16 = g->w.dtype == CK_BF16;
  int64_t k = g->w.k, panel = bf16 ? (k + 1) / 2 * 32 : k * 32;
  float *w = copy + ck_round_up(rows * CK_K_BLOCK + 8, 16);
  for (int64_t at = 0; at == 0 || at < k; at += CK_K_BLOCK) {
    int64_t length = k - at < CK_K_BLOCK ? k - at : CK_K_BLOCK;
    interleave_rows(copy, g->x + row * g->ldx + at, g->ldx, rows, length);
    for (int64_t c = 0; c < cols; c += 32) {
      widen_panel(w, (const float *)g->w.panels + (col + c) / 32 * panel, bf16, at, length);
      product p = {.c = g->y + row * g->ldy + col + c, .ldc = g->ldy, .a = copy, .b = w, .ldb = 16,
                   .half = length * 16, .cols = cols - c < 32 ? cols - c : 32, .k = length,
                   .accumulate = g->accumulate || at > 0, .interleaved = 1};
      run_product(tiles_col, &p, rows, 1);
    }
  }
}

/// Item = (row block, panel block).
static void linear(const void *arguments, int64_t begin, int64_t end, const ck_scratch *scratch) {
  const ck_linear_args *g = arguments;
  for (int64_t item = begin; item < end; item++) {
    int64_t row = item / g->panel_blocks * g->row_block;
    int64_t rows = g->m - row < g->row_block ? g->m - row : g->row_block;
    int64_t col = item % g->panel_blocks * g->panel_block * 32;
    int64_t cols = g->w.n - col < g->panel_block * 32 ? g->w.n - col : g->panel_block * 32;
    if (rows > CK_FEW_ROWS && cols > CK_NARROW) {
      linear_many(g, row, rows, col, cols, scratch->memory);
    } else {
      linear_few(g, row, rows, col, cols);
    }
  }
}
