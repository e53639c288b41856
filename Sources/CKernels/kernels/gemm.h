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
} product;

/// Runs one tile whose last columns lie outside c, through a copy.
static void edge_tile(tile_fn run, int64_t width, const product *p, float *c, const float *a,
                      int64_t rows, const void *b, int64_t valid) {
  float copy[CK_ROW_TILE * 128];
  for (int64_t r = 0; r < rows; r++) {
    for (int64_t j = 0; j < width; j++) {
      copy[r * width + j] = p->accumulate && j < valid ? c[r * p->ldc + j] : 0;
    }
  }
  run(copy, width, a, p->lda, b, p->ldb, p->half, p->pair, p->k, p->accumulate);
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
        const float *a = p->a + row * a_step;
        // The next tile's part of c, which the chains continue from, comes in meanwhile.
        for (int64_t ahead = 0; p->accumulate && ahead < r; ahead++) {
          __builtin_prefetch(c + (r + ahead) * p->ldc);
        }
        if (col + at + step > p->cols) {
          edge_tile(shape->width[pick].run, step, p, c, a, r, part, p->cols - col - at);
        } else {
          shape->width[pick].run(c, p->ldc, a, p->lda, part, p->ldb, p->half, p->pair, p->k,
                                 p->accumulate);
        }
        at += step;
      }
      row += r;
    }
    col += width;
  }
}

// Blocks of k keep a panel's slice and a row tile in L1 while the slice serves every row tile.
enum { CK_K_BLOCK = 256 };

/// Copies a[rows, length] when that pays (rows that several tiles and many columns reuse) and
/// points the product at the copy, else at the original. Copied rows are an odd number of cache
/// lines apart: with the power-of-two strides of a model's matrices they would compete for the
/// same few sets of the cache.
static void place_rows(product *p, float *copy, const float *a, int64_t lda, int64_t rows,
                       int64_t length, int64_t cols) {
  if (rows <= CK_ROW_TILE || cols < 64) {
    p->a = a;
    p->lda = lda;
    return;
  }
  p->a = copy;
  p->lda = ck_round_up(length, 32) + 16;
  for (int64_t r = 0; r < rows; r++) memcpy(copy + r * p->lda, a + r * lda, length * 4);
}

// Rows whose whole width fits here stay in L2 while the weights stream past, panel by panel.
enum { CK_RESIDENT = 1 << 16 };

/// y[row…, col…] of one item. The order of loops is a matter of caches alone: a few rows stream
/// whole panels; resident rows take a panel at a time, so that weights from memory are read in
/// sequence; else blocks of k are outermost.
static void linear_item(const ck_linear_args *g, int64_t row, int64_t rows, int64_t col,
                        int64_t cols, float *copy) {
  int bf16 = g->w.dtype == CK_BF16;
  int64_t k = g->w.k, panel = bf16 ? (k + 1) / 2 * 32 : k * 32;  // in 4-byte elements
  int few = rows <= CK_ROW_TILE, resident = !few && rows * k <= CK_RESIDENT;
  int64_t block = few ? k : CK_K_BLOCK, step = resident ? 32 : cols;
  product p = {.ldc = g->ldy, .ldb = 32, .half = 16, .pair = panel};
  const float *x = g->x + row * g->ldx;
  int64_t ldx = g->ldx;
  if (resident) {
    place_rows(&p, copy, x, ldx, rows, k, cols);
    x = p.a;
    ldx = p.lda;
  }
  for (int64_t c = 0; c < cols; c += step) {
    p.cols = cols - c < step ? cols - c : step;
    p.c = g->y + row * g->ldy + col + c;
    for (int64_t at = 0; at == 0 || at < k; at += block) {
      p.k = k - at < block ? k - at : block;
      p.b = (const float *)g->w.panels + (col + c) / 32 * panel + (bf16 ? at / 2 : at) * 32;
      p.accumulate = g->accumulate || at > 0;
      p.a = x + at;
      p.lda = ldx;
      if (!resident) place_rows(&p, copy, x + at, ldx, rows, p.k, cols);
      run_product(bf16 ? tiles_bf16 : tiles_row, &p, rows, p.lda);
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
    linear_item(g, row, rows, col, cols, scratch->memory);
  }
}
