// Philox4x32-10 (Salmon et al., SC 2011): counter-based random numbers, so that a draw depends on
// its key and not on what was drawn before. Integer arithmetic only.
#ifndef CK_PHILOX_H
#define CK_PHILOX_H

#include <stdint.h>

static inline void ck_philox_block(uint32_t c[4], uint32_t k0, uint32_t k1) {
  for (int round = 0; round < 10; round++) {
    uint64_t a = (uint64_t)0xD2511F53u * c[0], b = (uint64_t)0xCD9E8D57u * c[2];
    uint32_t c1 = c[1], c3 = c[3];
    c[0] = (uint32_t)(b >> 32) ^ c1 ^ k0;
    c[1] = (uint32_t)b;
    c[2] = (uint32_t)(a >> 32) ^ c3 ^ k1;
    c[3] = (uint32_t)a;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
}

/// u in [0, 1), 53 bits. The last counter word keeps draws apart from the streams of ck_uniform.
static inline double ck_draw_uniform(uint64_t seed, uint32_t sample, uint32_t position) {
  uint32_t c[4] = {position, sample, 0, 0x64726177u};
  ck_philox_block(c, (uint32_t)seed, (uint32_t)(seed >> 32));
  uint64_t bits = (uint64_t)(c[0] >> 5) << 26 | c[1] >> 6;
  return (double)bits * 0x1p-53;
}

#endif
