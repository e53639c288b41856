// Entry points of attention and the output head.
#include "engine.h"

static const int64_t EXP = 8;  // cost of an exponential beside an addition

int64_t ck_page_floats(const ck_attention_shape *shape) {
  return (int64_t)shape->kv_heads * (shape->k_dim + shape->v_dim) * CK_PAGE;
}

void ck_kv_write(ck_engine *e, float *base, int64_t page_stride, const ck_attention_shape *shape,
                 const ck_sequence *sequences, int64_t count, const float *k, const float *v) {
  ck_kv_write_args args = {.base = base, .page_stride = page_stride, .shape = *shape,
                           .sequences = sequences, .k = k, .v = v};
  int64_t rows = 0;
  for (int64_t i = 0; i < count; i++) rows += sequences[i].rows;
  ck_run(e, e->table->kv_write, &args, count, 1,
         2 * rows * shape->kv_heads * (shape->k_dim + shape->v_dim));
}

void ck_attention(ck_engine *e, float *o, float *max, float *sum, const float *q,
                  const float *base, int64_t page_stride, const ck_attention_shape *shape,
                  const ck_sequence *sequences, int64_t count) {
  if (count <= 0) return;
  int64_t *first_item = ck_engine_shared(e, (size_t)(count + 1) * sizeof(int64_t));
  int64_t items = 0, longest = 0, work = 0;
  for (int64_t i = 0; i < count; i++) {
    first_item[i] = items;
    items += ck_strips(shape, sequences[i].rows, CK_STRIP) * shape->kv_heads;
    int64_t end = (int64_t)sequences[i].start + sequences[i].rows;
    if (end > longest) longest = end;
    work += sequences[i].rows * end * shape->heads;
  }
  first_item[count] = items;
  int64_t keys = ck_round_up(longest, CK_PAGE) + 16, v_pad = ck_round_up(shape->v_dim, 16);
  int64_t floats = ck_round_up(CK_STRIP * shape->k_dim, 16) + (CK_STRIP + CK_PAGE) * v_pad +
                   CK_STRIP * keys;
  ck_pool_reserve(e->pool, (size_t)floats * 4);
  ck_attention_args args = {.o = o, .max = max, .sum = sum, .q = q, .base = base,
                            .page_stride = page_stride, .shape = *shape, .sequences = sequences,
                            .count = count, .first_item = first_item};
  ck_run(e, e->table->attention, &args, items, 1,
         work * ((shape->k_dim + shape->v_dim) / 16 + EXP));
}

void ck_attention_backward(ck_engine *e, float *dq, float *dk, float *dv, const float *d_o,
                           const float *q, const float *k, const float *v, const float *o,
                           const float *max, const float *sum, const ck_attention_shape *shape,
                           const ck_sequence *sequences, int64_t count) {
  int64_t longest = 0;
  for (int64_t i = 0; i < count; i++) {
    if (sequences[i].rows > longest) longest = sequences[i].rows;
  }
  ck_pool_reserve(e->pool, e->table->attention_backward_bytes(shape, longest));
  ck_attention_backward_args args = {.dq = dq, .dk = dk, .dv = dv, .d_o = d_o, .q = q, .k = k,
                                     .v = v, .o = o, .max = max, .sum = sum, .shape = *shape,
                                     .sequences = sequences};
  ck_run(e, e->table->attention_backward, &args, count * shape->kv_heads, 1,
         count * longest * longest * shape->heads);
}

void ck_softmax_stats(ck_engine *e, float *max, float *sum, const float *logits,
                      const float *temperatures, int64_t rows, int64_t vocab) {
  // The kernel reads logits only; the field is shared with kernels that replace them.
  ck_stats_args args = {.logits = (float *)logits, .max = max, .sum = sum,
                        .temperatures = temperatures, .vocab = vocab};
  ck_run(e, e->table->softmax_stats, &args, rows, 1, rows * vocab * EXP);
}

void ck_logprobs(ck_engine *e, float *logprobs, const float *logits, const float *max,
                 const float *sum, const float *temperatures, const int32_t *targets, int64_t rows,
                 int64_t k, int64_t vocab) {
  ck_logprobs_args args = {.logits = (float *)logits, .logprobs = logprobs, .max = max, .sum = sum,
                           .temperatures = temperatures, .targets = targets, .k = k,
                           .vocab = vocab};
  ck_run(e, e->table->logprobs, &args, rows, 16, rows * (k + EXP));
}

void ck_logprobs_backward(ck_engine *e, float *logits, const float *max, const float *sum,
                          const int32_t *targets, const float *dp, int64_t rows, int64_t k,
                          int64_t vocab) {
  ck_logprobs_args args = {.logits = logits, .max = max, .sum = sum, .targets = targets, .dp = dp,
                           .k = k, .vocab = vocab};
  ck_run(e, e->table->logprobs_backward, &args, rows, 1, rows * vocab * EXP);
}

void ck_topk(ck_engine *e, int32_t *ids, float *logprobs, const float *logits, const float *max,
             const float *sum, const float *temperatures, int64_t rows, int64_t k, int64_t vocab) {
  if (k <= 0) return;
  ck_pool_reserve(e->pool, (size_t)k * 8);
  ck_logprobs_args args = {.logits = (float *)logits, .logprobs = logprobs, .ids = ids, .max = max,
                           .sum = sum, .temperatures = temperatures, .k = k, .vocab = vocab};
  ck_run(e, e->table->topk, &args, rows, 1, rows * vocab);
}

void ck_draw(ck_engine *e, int32_t *tokens, const float *logits, const float *max,
             const ck_draw_params *params, int64_t rows, int64_t vocab) {
  ck_pool_reserve(e->pool, (size_t)vocab * 12);
  ck_draw_args args = {.tokens = tokens, .logits = logits, .max = max, .params = params,
                       .vocab = vocab};
  ck_run(e, e->table->draw, &args, rows, 1, rows * vocab * EXP);
}
