// Entry points of products, packing and gathers: how outputs are cut into items.
#include "engine.h"

// Multiply-adds below which one thread is quicker than waking another (about 4 us of work).
static const int64_t PARALLEL_PRODUCT = 1 << 17;
// Row blocks of ck_linear: 120 rows × 256 of k and 120 × 512 outputs stay in L2 while the weights
// pass. Of ck_linear_backward: 240 rows × 128 outputs, 240 × 192 inputs and the transposed block.
enum { ROWS = 120, PANELS = 16, BACKWARD_ROWS = 240, BACKWARD_COLUMNS = 192 };

ck_dtype ck_packed_dtype(ck_dtype source) { return source == CK_BF16 ? CK_BF16 : CK_F32; }

size_t ck_packed_bytes(ck_dtype source, int64_t n, int64_t k) {
  int64_t panels = (n + 31) / 32;
  int64_t words = ck_packed_dtype(source) == CK_BF16 ? (k + 1) / 2 : k;
  return (size_t)(panels * words * 32 * 4);
}

void ck_pack(ck_engine *e, void *dst, const void *src, ck_dtype source, int64_t n, int64_t k) {
  ck_pack_args args = {.dst = dst, .src = src, .source = source, .n = n, .k = k};
  ck_run(e, e->table->pack, &args, (n + 31) / 32, 1, n * k);
}

void ck_unpack(ck_engine *e, float *dst, const ck_packed *w) {
  ck_pack_args args = {.dst = dst, .src = w->panels, .source = w->dtype, .n = w->n, .k = w->k};
  ck_run(e, e->table->unpack, &args, w->n, 16, w->n * w->k);
}

static int64_t min64(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t max64(int64_t a, int64_t b) { return a > b ? a : b; }

/// Parts of `total`, each a multiple of `unit` and at most `limit`, of nearly equal size.
static int64_t even_block(int64_t total, int64_t limit, int64_t unit) {
  int64_t parts = max64(1, (total + limit - 1) / limit);
  return ck_round_up((total + parts - 1) / parts, unit);
}

void ck_linear(ck_engine *e, float *y, int64_t ldy, const float *x, int64_t ldx, int64_t m,
               const ck_packed *w, int accumulate) {
  if (m <= 0 || w->n <= 0) return;
  int parallel = m * w->n * w->k >= PARALLEL_PRODUCT && ck_engine_threads(e) > 1;
  int64_t panels = (w->n + 31) / 32, tile = e->table->row_tile;
  int64_t row_block = even_block(m, ROWS, tile);
  int64_t panel_block = m > tile ? min64(panels, PANELS) : panels;
  if (parallel) {
    int64_t wanted = 6 * ck_engine_threads(e), row_blocks = (m + row_block - 1) / row_block;
    int64_t parts = max64(1, (wanted + row_blocks - 1) / row_blocks);
    panel_block = max64(1, min64(panel_block, panels / parts));
    if (m <= tile && panel_block > 1) panel_block &= ~(int64_t)1;
    if (panels < parts) row_block = even_block(m, max64(tile, m / wanted), tile);
  }
  ck_linear_args args = {.y = y, .ldy = ldy, .x = x, .ldx = ldx, .m = m, .w = *w,
                         .accumulate = accumulate, .row_block = row_block,
                         .panel_block = panel_block,
                         .panel_blocks = (panels + panel_block - 1) / panel_block};
  int64_t items = (m + row_block - 1) / row_block * args.panel_blocks;
  // Many rows: their interleaved block of k and a panel's, in f32. Few: a copy of the rows.
  int64_t many = (ROWS + tile) * 256 + 256 * 32 + 64, few = (32 + tile) * (w->k + 64);
  ck_pool_reserve(e->pool, (size_t)max64(many, few) * 4);
  ck_pool_run(e->pool, e->table->linear, &args, items, 1, parallel);
}

void ck_linear_backward(ck_engine *e, float *dx, int64_t lddx, const float *dy, int64_t lddy,
                        int64_t m, const ck_packed *w, int accumulate) {
  if (m <= 0 || w->k <= 0) return;
  int parallel = m * w->n * w->k >= PARALLEL_PRODUCT && ck_engine_threads(e) > 1;
  int64_t column_block = even_block(w->k, BACKWARD_COLUMNS, 16), tile = e->table->row_tile;
  int64_t column_blocks = (w->k + column_block - 1) / column_block;
  int64_t row_block = even_block(m, BACKWARD_ROWS, tile);
  if (parallel && column_blocks < 2 * ck_engine_threads(e)) {
    row_block = even_block(m, min64(row_block, max64(tile, m / (2 * ck_engine_threads(e)))), tile);
  }
  ck_linear_backward_args args = {.dx = dx, .lddx = lddx, .dy = dy, .lddy = lddy, .m = m, .w = *w,
                                  .accumulate = accumulate, .row_block = row_block,
                                  .column_block = column_block,
                                  .column_blocks = column_blocks};
  ck_pool_reserve(e->pool, (size_t)(128 * column_block + (BACKWARD_ROWS + tile) * 128 + 64) * 4);
  int64_t items = (m + row_block - 1) / row_block * column_blocks;
  ck_pool_run(e->pool, e->table->linear_backward, &args, items, 1, parallel);
}

void ck_outer_add(ck_engine *e, float *g, int64_t ldg, const float *a, int64_t lda, int64_t ni,
                  const float *b, int64_t ldb, int64_t nj, int64_t rows) {
  if (ni <= 0 || nj <= 0 || rows <= 0) return;
  int parallel = ni * nj * rows >= PARALLEL_PRODUCT && ck_engine_threads(e) > 1;
  int64_t j_block = min64(ck_round_up(nj, 16), 64), j_blocks = (nj + j_block - 1) / j_block;
  int64_t i_block = even_block(ni, 96, e->table->row_tile);
  ck_outer_args args = {.g = g, .ldg = ldg, .a = a, .lda = lda, .ni = ni, .b = b, .ldb = ldb,
                        .nj = nj, .rows = rows, .i_block = i_block, .j_block = j_block,
                        .j_blocks = j_blocks};
  ck_pool_reserve(e->pool, 256 * 64 * 4);
  int64_t items = (ni + i_block - 1) / i_block * j_blocks;
  ck_pool_run(e->pool, e->table->outer_add, &args, items, 1, parallel);
}

void ck_gather_packed(ck_engine *e, float *y, const ck_packed *w, const int32_t *tokens,
                      int64_t rows) {
  ck_gather_args args = {.y = y, .table = w->panels, .dtype = w->dtype, .width = w->k,
                         .index = tokens};
  ck_run(e, e->table->gather_packed, &args, rows, 4, rows * w->k * 4);
}

void ck_gather(ck_engine *e, float *y, const void *table, ck_dtype dtype, int64_t width,
               const int32_t *tokens, int64_t rows) {
  ck_gather_args args = {.y = y, .table = table, .dtype = dtype, .width = width, .index = tokens};
  ck_run(e, e->table->gather, &args, rows, 16, rows * width);
}

void ck_gather_rows(ck_engine *e, float *y, const float *x, int64_t width, const int32_t *index,
                    int64_t rows) {
  ck_gather_args args = {.y = y, .table = x, .width = width, .index = index};
  ck_run(e, e->table->gather_rows, &args, rows, 16, rows * width);
}

void ck_scatter_rows(ck_engine *e, float *y, const float *x, int64_t width, const int32_t *index,
                     int64_t rows) {
  ck_gather_args args = {.y = y, .table = x, .width = width, .index = index};
  ck_run(e, e->table->scatter_rows, &args, rows, 16, rows * width);
}
