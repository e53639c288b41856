// The compute threads of one engine. Work is a list of items; threads claim runs of items from a
// shared counter, so a slow core takes fewer. Items own their outputs: who runs them moves no bit.
#ifndef CK_POOL_H
#define CK_POOL_H

#include "kernels/args.h"

typedef struct ck_pool ck_pool;

ck_pool *ck_pool_create(int threads);
void ck_pool_destroy(ck_pool *pool);
int ck_pool_threads(const ck_pool *pool);

/// Makes every thread's scratch at least `bytes` long. Its contents are lost.
void ck_pool_reserve(ck_pool *pool, size_t bytes);

/// Runs task over [0, count) in runs of `grain` items. `parallel` == 0 keeps it on the caller:
/// waking a thread costs more than a few microseconds of work.
void ck_pool_run(ck_pool *pool, ck_task task, const void *args, int64_t count, int64_t grain,
                 int parallel);

#endif
