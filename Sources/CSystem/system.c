#define _GNU_SOURCE
#include "system.h"

#include <fcntl.h>
#include <malloc.h>
#include <nmmintrin.h>
#include <stdio.h>
#include <string.h>

int system_exchange(const char *first, const char *second) {
  return renameat2(AT_FDCWD, first, AT_FDCWD, second, RENAME_EXCHANGE);
}

__attribute__((target("sse4.2"))) uint32_t system_crc32c(
    uint32_t state, const void *bytes, size_t count) {
  const uint8_t *p = bytes;
  uint64_t crc = state;
  for (; count >= 8; count -= 8, p += 8) {
    uint64_t word;
    memcpy(&word, p, 8);
    crc = _mm_crc32_u64(crc, word);
  }
  for (; count > 0; count--) crc = _mm_crc32_u8((uint32_t)crc, *p++);
  return (uint32_t)crc;
}

void system_trim_heap(void) { malloc_trim(0); }
