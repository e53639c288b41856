#define _GNU_SOURCE
#include "pool.h"

#include <immintrin.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

// Spins before a worker sleeps (about 50 us: kernels of one pass follow each other closely) and
// before the caller yields to a worker that the system has taken off its core.
enum { SPINS_BEFORE_SLEEP = 2000, SPINS_BEFORE_YIELD = 4000 };

typedef struct {
  ck_pool *pool;
  pthread_t thread;
  ck_scratch scratch;
} worker;

// A job is open while `open` holds its number. A worker first counts itself in `active`, then
// reads `open`; the caller closes the job, then waits for `active` to fall to 0 before it changes
// the fields. So whoever sees an open job sees its fields, and late risers find nothing.
struct ck_pool {
  ck_task task;
  const void *args;
  int64_t count, grain;
  _Alignas(64) _Atomic int64_t next;
  _Alignas(64) _Atomic uint32_t open;
  _Atomic uint32_t number;  // of the last job; the futex that sleepers wait on
  _Atomic int active, sleeping, stop;
  int threads;
  worker *workers;  // [0] is the caller
};

static void set_rounding_mode(void) {
  _mm_setcsr(0x1f80 | 0x8000 | 0x0040);  // no traps, round to nearest, FTZ, DAZ
}

static void claim(ck_pool *pool, const ck_scratch *scratch) {
  int64_t count = pool->count, grain = pool->grain;
  for (;;) {
    int64_t begin = atomic_fetch_add_explicit(&pool->next, grain, memory_order_relaxed);
    if (begin >= count) return;
    pool->task(pool->args, begin, begin + grain < count ? begin + grain : count, scratch);
  }
}

static uint32_t wait_for_job(ck_pool *pool, uint32_t last) {
  for (;;) {
    for (int spin = 0; spin < SPINS_BEFORE_SLEEP; spin++) {
      uint32_t number = atomic_load(&pool->number);
      if (number != last) return number;
      _mm_pause();
    }
    atomic_fetch_add(&pool->sleeping, 1);
    syscall(SYS_futex, &pool->number, FUTEX_WAIT_PRIVATE, last, NULL, NULL, 0);
    atomic_fetch_sub(&pool->sleeping, 1);
  }
}

static void *run_worker(void *argument) {
  worker *self = argument;
  ck_pool *pool = self->pool;
  set_rounding_mode();
  uint32_t last = 0;
  for (;;) {
    last = wait_for_job(pool, last);
    if (atomic_load(&pool->stop)) return NULL;
    atomic_fetch_add(&pool->active, 1);
    if (atomic_load(&pool->open)) claim(pool, &self->scratch);
    atomic_fetch_sub(&pool->active, 1);
  }
}

static void wake(ck_pool *pool) {
  atomic_fetch_add(&pool->number, 1);
  if (atomic_load(&pool->sleeping) > 0) {
    syscall(SYS_futex, &pool->number, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
  }
}

ck_pool *ck_pool_create(int threads) {
  ck_pool *pool = aligned_alloc(64, sizeof *pool);
  if (!pool) return NULL;
  *pool = (ck_pool){.threads = 1};
  pool->workers = calloc((size_t)threads, sizeof *pool->workers);
  if (!pool->workers) {
    free(pool);
    return NULL;
  }
  for (; pool->threads < threads; pool->threads++) {
    worker *w = &pool->workers[pool->threads];
    w->pool = pool;
    if (pthread_create(&w->thread, NULL, run_worker, w) != 0) {
      ck_pool_destroy(pool);
      return NULL;
    }
  }
  return pool;
}

void ck_pool_destroy(ck_pool *pool) {
  atomic_store(&pool->stop, 1);
  wake(pool);
  for (int i = 1; i < pool->threads; i++) pthread_join(pool->workers[i].thread, NULL);
  for (int i = 0; i < pool->threads; i++) free(pool->workers[i].scratch.memory);
  free(pool->workers);
  free(pool);
}

int ck_pool_threads(const ck_pool *pool) { return pool->threads; }

void ck_pool_reserve(ck_pool *pool, size_t bytes) {
  for (int i = 0; i < pool->threads; i++) {
    ck_scratch *scratch = &pool->workers[i].scratch;
    if (scratch->bytes >= bytes) continue;
    free(scratch->memory);
    scratch->bytes = (size_t)ck_round_up((int64_t)(bytes + bytes / 4), 4096);
    scratch->memory = aligned_alloc(4096, scratch->bytes);
    if (!scratch->memory) {  // as Swift does when an allocation fails
      fprintf(stderr, "kernels: out of memory (%zu bytes of scratch)\n", scratch->bytes);
      abort();
    }
  }
}

void ck_pool_run(ck_pool *pool, ck_task task, const void *args, int64_t count, int64_t grain,
                 int parallel) {
  if (count <= 0) return;
  unsigned mode = _mm_getcsr();
  set_rounding_mode();
  if (!parallel || pool->threads == 1 || count <= grain) {
    task(args, 0, count, &pool->workers[0].scratch);
    _mm_setcsr(mode);
    return;
  }
  pool->task = task;
  pool->args = args;
  pool->count = count;
  pool->grain = grain;
  atomic_store(&pool->next, 0);
  atomic_store(&pool->open, 1);
  wake(pool);
  claim(pool, &pool->workers[0].scratch);
  atomic_store(&pool->open, 0);
  for (int spin = 0; atomic_load(&pool->active) > 0; spin++) {
    if (spin < SPINS_BEFORE_YIELD) _mm_pause(); else sched_yield();
  }
  _mm_setcsr(mode);
}
