// OpenBLAS, opened at run time. Its kernels are chosen when the library is loaded, from variables
// that a shell may have set for other programs; those are taken away first.
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "include/CKernels.h"

typedef void (*gemm_fn)(int order, int transpose_a, int transpose_b, int m, int n, int k,
                        float alpha, const float *a, int lda, const float *b, int ldb, float beta,
                        float *c, int ldc);

static pthread_once_t once = PTHREAD_ONCE_INIT;
static char failure[256];
static const char *core, *config;
static gemm_fn gemm;

static void open_library(void) {
  unsetenv("OPENBLAS_CORETYPE");
  unsetenv("OPENBLAS_L2_SIZE");
  setenv("OPENBLAS_NUM_THREADS", "1", 1);
  void *library = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    snprintf(failure, sizeof failure, "%s", dlerror());
    return;
  }
  gemm_fn found = (gemm_fn)dlsym(library, "cblas_sgemm");
  void (*set_threads)(int) = (void (*)(int))dlsym(library, "openblas_set_num_threads");
  char *(*get_core)(void) = (char *(*)(void))dlsym(library, "openblas_get_corename");
  char *(*get_config)(void) = (char *(*)(void))dlsym(library, "openblas_get_config");
  if (!found || !set_threads || !get_core || !get_config) {
    snprintf(failure, sizeof failure, "libopenblas.so.0 lacks an expected symbol");
    return;
  }
  set_threads(1);
  core = get_core();
  config = get_config();
  gemm = found;
}

const char *ck_blas_open(void) {
  pthread_once(&once, open_library);
  return gemm ? NULL : failure;
}

const char *ck_blas_core(void) { return core; }
const char *ck_blas_config(void) { return config; }

void ck_blas_gemm(float *c, int64_t ldc, const float *a, int64_t lda, const float *b, int64_t ldb,
                  int transpose_b, int64_t m, int64_t n, int64_t k, float alpha, float beta) {
  enum { ROW_MAJOR = 101, AS_IS = 111, TRANSPOSED = 112 };
  if (ck_blas_open()) return;
  gemm(ROW_MAJOR, AS_IS, transpose_b ? TRANSPOSED : AS_IS, (int)m, (int)n, (int)k, alpha, a,
       (int)lda, b, (int)ldb, beta, c, (int)ldc);
}
