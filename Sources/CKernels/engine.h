// The handle behind ck_engine, and how entry points hand work to it.
#ifndef CK_ENGINE_H
#define CK_ENGINE_H

#include "pool.h"

struct ck_engine {
  ck_pool *pool;
  const ck_table *table;
  void *shared;  // what one call's items share: block sums, item offsets, few rows interleaved
  size_t shared_bytes;
};

/// The table of this CPU's best instruction set, for functions without a handle; NULL without one.
const ck_table *ck_best_table(void);

/// `bytes` of memory shared by the items of the current call.
void *ck_engine_shared(ck_engine *e, size_t bytes);

/// Runs a row-wise kernel; `work` is its cost in elementary operations (about a value each).
void ck_run(ck_engine *e, ck_task task, const void *args, int64_t count, int64_t grain,
            int64_t work);

#endif
