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

typedef struct {
  const ck_pack_job *jobs;
  ck_task task;
} pack_jobs;

/// Item = job: an adapter's matrices are many and small.
static void run_pack_jobs(const void *arguments, int64_t begin, int64_t end,
                          const ck_scratch *scratch) {
  const pack_jobs *g = arguments;
  for (int64_t i = begin; i < end; i++) {
    const ck_pack_job *job = &g->jobs[i];
    ck_pack_args args = {.dst = job->dst, .src = job->src, .source = CK_F32, .n = job->n,
                         .k = job->k};
    g->task(&args, 0, (job->n + 31) / 32, scratch);
  }
}

void ck_pack_group(ck_engine *e, const ck_pack_job *jobs, int64_t count) {
  pack_jobs args = {.jobs = jobs, .task = e->table->pack};
  int64_t work = 0;
  for (int64_t i = 0; i < count; i++) work += jobs[i].n * jobs[i].k;
  ck_run(e, run_pack_jobs, &args, count, 1, work);
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

/// A product cut into items: what its task is told, and what the items need.
typedef struct {
  union {
    ck_linear_args linear;
    ck_linear_backward_args backward;
    ck_outer_args outer;
  } args;
  ck_task task;
  int64_t items;
  size_t scratch;
  int parallel;
} product;

static product plan_linear(ck_engine *e, const ck_linear_product *p, int accumulate) {
  int64_t m = p->m;
  const ck_packed *w = p->w;
  product plan = {.task = e->table->linear};
  if (m <= 0 || w->n <= 0) return plan;
  plan.parallel = m * w->n * w->k >= PARALLEL_PRODUCT && ck_engine_threads(e) > 1;
  int64_t panels = (w->n + 31) / 32, tile = e->table->row_tile;
  int64_t row_block = even_block(m, ROWS, tile);
  int64_t panel_block = m > tile ? min64(panels, PANELS) : panels;
  if (plan.parallel) {
    int64_t wanted = 6 * ck_engine_threads(e), row_blocks = (m + row_block - 1) / row_block;
    int64_t parts = max64(1, (wanted + row_blocks - 1) / row_blocks);
    panel_block = max64(1, min64(panel_block, panels / parts));
    if (m <= tile && panel_block > 1) panel_block &= ~(int64_t)1;
    if (panels < parts) row_block = even_block(m, max64(tile, m / wanted), tile);
  }
  plan.args.linear = (ck_linear_args){.y = p->y, .ldy = p->ldy, .x = p->x, .ldx = p->ldx, .m = m,
                                      .w = *w, .accumulate = accumulate, .row_block = row_block,
                                      .panel_block = panel_block,
                                      .panel_blocks = (panels + panel_block - 1) / panel_block};
  plan.items = (m + row_block - 1) / row_block * plan.args.linear.panel_blocks;
  // Many rows: their interleaved block of k and a panel's, in f32.
  plan.scratch = (size_t)((ROWS + tile) * 256 + 256 * 32 + 64) * 4;
  return plan;
}

/// Hands all items one interleaved copy of x, if several row tiles read it: with the power-of-two
/// strides of a model's matrices its rows would compete for the same few sets of the cache.
static void interleave_few(ck_engine *e, product *plan) {
  ck_linear_args *g = &plan->args.linear;
  int64_t k = g->w.k;
  if (g->m <= e->table->row_tile || g->m > CK_FEW_ROWS || g->row_block < g->m) return;
  float *copy = ck_engine_shared(e, (size_t)ck_interleaved_floats(g->m, k) * 4);
  ck_interleave_args args = {.dst = copy, .x = g->x, .ldx = g->ldx, .m = g->m, .k = k};
  ck_run(e, e->table->interleave, &args, (k + CK_FEW_BLOCK - 1) / CK_FEW_BLOCK, 1, g->m * k);
  g->interleaved = copy;
}

static product plan_backward(ck_engine *e, const ck_linear_product *p, int accumulate) {
  int64_t m = p->m;
  const ck_packed *w = p->w;
  product plan = {.task = e->table->linear_backward};
  if (m <= 0 || w->k <= 0) return plan;
  plan.parallel = m * w->n * w->k >= PARALLEL_PRODUCT && ck_engine_threads(e) > 1;
  int64_t column_block = even_block(w->k, BACKWARD_COLUMNS, 16), tile = e->table->row_tile;
  int64_t column_blocks = (w->k + column_block - 1) / column_block;
  int64_t row_block = even_block(m, BACKWARD_ROWS, tile);
  if (plan.parallel && column_blocks < 2 * ck_engine_threads(e)) {
    row_block = even_block(m, min64(row_block, max64(tile, m / (2 * ck_engine_threads(e)))), tile);
  }
  plan.args.backward = (ck_linear_backward_args){
      .dx = p->y, .lddx = p->ldy, .dy = p->x, .lddy = p->ldx, .m = m, .w = *w,
      .accumulate = accumulate, .row_block = row_block, .column_block = column_block,
      .column_blocks = column_blocks};
  plan.items = (m + row_block - 1) / row_block * column_blocks;
  plan.scratch = (size_t)(128 * column_block + (BACKWARD_ROWS + tile) * 128 + 64) * 4;
  return plan;
}

static product plan_outer(ck_engine *e, const ck_outer_product *p) {
  product plan = {.task = e->table->outer_add};
  if (p->ni <= 0 || p->nj <= 0 || p->rows <= 0) return plan;
  plan.parallel = p->ni * p->nj * p->rows >= PARALLEL_PRODUCT && ck_engine_threads(e) > 1;
  int64_t j_block = min64(ck_round_up(p->nj, 16), 64), j_blocks = (p->nj + j_block - 1) / j_block;
  int64_t i_block = even_block(p->ni, 96, e->table->row_tile);
  plan.args.outer = (ck_outer_args){.g = p->g, .ldg = p->ldg, .a = p->a, .lda = p->lda,
                                    .ni = p->ni, .b = p->b, .ldb = p->ldb, .nj = p->nj,
                                    .rows = p->rows, .accumulate = p->accumulate,
                                    .i_block = i_block, .j_block = j_block,
                                    .j_blocks = j_blocks};
  plan.items = (p->ni + i_block - 1) / i_block * j_blocks;
  plan.scratch = 256 * 64 * 4;
  return plan;
}

static void run_product(ck_engine *e, const product *plan) {
  if (plan->items == 0) return;
  ck_pool_reserve(e->pool, plan->scratch);
  ck_pool_run(e->pool, plan->task, &plan->args, plan->items, 1, plan->parallel);
}

enum { GROUP = 32 };

/// Products that are handed to the threads together: thin ones, of an adapter each, are too small to
/// be worth waking a thread for one by one.
typedef struct {
  product products[GROUP];
  int64_t count, items, work;
} group;

static void run_group_items(const void *arguments, int64_t begin, int64_t end,
                            const ck_scratch *scratch) {
  const group *g = arguments;
  int64_t first = 0;
  for (int64_t i = 0; i < g->count && first < end; i++) {
    const product *p = &g->products[i];
    int64_t from = max64(begin - first, 0), to = min64(end - first, p->items);
    if (from < to) p->task(&p->args, from, to, scratch);
    first += p->items;
  }
}

static void run_group(ck_engine *e, group *g) {
  if (g->items > 0) {
    size_t scratch = 0;
    for (int64_t i = 0; i < g->count; i++) {
      if (g->products[i].scratch > scratch) scratch = g->products[i].scratch;
    }
    ck_pool_reserve(e->pool, scratch);
    int parallel = g->work >= PARALLEL_PRODUCT && ck_engine_threads(e) > 1;
    ck_pool_run(e->pool, run_group_items, g, g->items, 1, parallel);
  }
  g->count = g->items = g->work = 0;
}

static void add_to_group(ck_engine *e, group *g, product plan, int64_t work) {
  if (plan.items == 0) return;
  g->products[g->count++] = plan;
  g->items += plan.items;
  g->work += work;
  if (g->count == GROUP) run_group(e, g);
}

void ck_linear(ck_engine *e, float *y, int64_t ldy, const float *x, int64_t ldx, int64_t m,
               const ck_packed *w, int accumulate) {
  ck_linear_product p = {.y = y, .ldy = ldy, .x = x, .ldx = ldx, .m = m, .w = w};
  product plan = plan_linear(e, &p, accumulate);
  interleave_few(e, &plan);
  run_product(e, &plan);
}

void ck_linear_group(ck_engine *e, const ck_linear_product *p, int64_t count, int accumulate) {
  group g = {.count = 0};
  for (int64_t i = 0; i < count; i++) {
    add_to_group(e, &g, plan_linear(e, &p[i], accumulate), p[i].m * p[i].w->n * p[i].w->k);
  }
  run_group(e, &g);
}

void ck_linear_backward(ck_engine *e, float *dx, int64_t lddx, const float *dy, int64_t lddy,
                        int64_t m, const ck_packed *w, int accumulate) {
  ck_linear_product p = {.y = dx, .ldy = lddx, .x = dy, .ldx = lddy, .m = m, .w = w};
  product plan = plan_backward(e, &p, accumulate);
  run_product(e, &plan);
}

void ck_linear_backward_group(ck_engine *e, const ck_linear_product *p, int64_t count,
                              int accumulate) {
  group g = {.count = 0};
  for (int64_t i = 0; i < count; i++) {
    add_to_group(e, &g, plan_backward(e, &p[i], accumulate), p[i].m * p[i].w->n * p[i].w->k);
  }
  run_group(e, &g);
}

void ck_outer_add(ck_engine *e, float *g, int64_t ldg, const float *a, int64_t lda, int64_t ni,
                  const float *b, int64_t ldb, int64_t nj, int64_t rows) {
  ck_outer_product p = {.g = g, .ldg = ldg, .a = a, .lda = lda, .ni = ni, .b = b, .ldb = ldb,
                        .nj = nj, .rows = rows, .accumulate = 1};
  product plan = plan_outer(e, &p);
  run_product(e, &plan);
}

void ck_outer_add_group(ck_engine *e, const ck_outer_product *p, int64_t count) {
  group g = {.count = 0};
  for (int64_t i = 0; i < count; i++) {
    add_to_group(e, &g, plan_outer(e, &p[i]), p[i].ni * p[i].nj * p[i].rows);
  }
  run_group(e, &g);
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
