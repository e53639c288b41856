#include "engine.h"

#include <immintrin.h>
#include <stdio.h>
#include <stdlib.h>

// Below this many values a second thread is not worth its wake-up (measured about 2 us).
enum { PARALLEL_WORK = 1 << 14 };

int ck_isa_available(void) {
  __builtin_cpu_init();
  if (__builtin_cpu_supports("x86-64-v4")) return CK_ISA_V4;
  return __builtin_cpu_supports("x86-64-v3") ? CK_ISA_V3 : 0;
}

static const ck_table *table_of(int isa) {
  int available = ck_isa_available();
  if (isa == CK_ISA_BEST) isa = available;
  if (isa == 0 || isa > available) return NULL;
  return isa == CK_ISA_V4 ? &ck_table_v4 : isa == CK_ISA_V3 ? &ck_table_v3 : NULL;
}

const ck_table *ck_best_table(void) {
  static const ck_table *table;  // every thread writes the same value
  const ck_table *known = __atomic_load_n(&table, __ATOMIC_RELAXED);
  if (!known) {
    known = table_of(CK_ISA_BEST);
    __atomic_store_n(&table, known, __ATOMIC_RELAXED);
  }
  return known;
}

ck_engine *ck_engine_create(int threads, int isa) {
  const ck_table *table = table_of(isa);
  if (!table) return NULL;
  ck_engine *e = calloc(1, sizeof *e);
  if (!e) return NULL;
  e->table = table;
  e->pool = ck_pool_create(threads < 1 ? 1 : threads);
  if (!e->pool) {
    free(e);
    return NULL;
  }
  return e;
}

void ck_engine_destroy(ck_engine *e) {
  if (!e) return;
  ck_pool_destroy(e->pool);
  free(e->shared);
  free(e);
}

int ck_engine_threads(const ck_engine *e) { return ck_pool_threads(e->pool); }
int ck_engine_isa(const ck_engine *e) { return e->table->isa; }

void *ck_engine_shared(ck_engine *e, size_t bytes) {
  if (e->shared_bytes < bytes) {
    free(e->shared);
    e->shared_bytes = bytes + bytes / 2;
    e->shared = malloc(e->shared_bytes);
    if (!e->shared) {
      fprintf(stderr, "kernels: out of memory (%zu bytes)\n", e->shared_bytes);
      abort();
    }
  }
  return e->shared;
}

void ck_run(ck_engine *e, ck_task task, const void *args, int64_t count, int64_t grain,
            int64_t work) {
  ck_pool_run(e->pool, task, args, count, grain, work >= PARALLEL_WORK);
}

// One value at a time: lane 0 of the vector functions, in the same floating-point mode.
static float one(float (*function)(float), float x) {
  unsigned mode = _mm_getcsr();
  _mm_setcsr(0x1f80 | 0x8000 | 0x0040);
  float y = function(x);
  _mm_setcsr(mode);
  return y;
}

float ck_exp(float x) {
  const ck_table *table = ck_best_table();
  return table ? one(table->exp1, x) : __builtin_nanf("");
}
float ck_log(float x) {
  const ck_table *table = ck_best_table();
  return table ? one(table->log1, x) : __builtin_nanf("");
}
float ck_tanh(float x) {
  const ck_table *table = ck_best_table();
  return table ? one(table->tanh1, x) : __builtin_nanf("");
}
