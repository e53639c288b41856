// The kernels for x86-64-v3. Contraction stays off: a multiply and an add become one operation
// only where the source says fma, or the two instruction sets would differ in bits.
#include <stdint.h>
#include <string.h>

#include "kernels/args.h"
#include "kernels/philox.h"

#pragma STDC FP_CONTRACT OFF
// Vector helpers are always_inline, so that no vector meets a calling convention.
#pragma clang diagnostic ignored "-Wpsabi"
#pragma clang attribute push(__attribute__((target("arch=x86-64-v3"))), apply_to = function)

#define CK_ISA CK_ISA_V3
#define CK_TABLE ck_table_v3
#define CK_SUFFIX v3
#define CK_PIN(vector)  // the compiler's own order is fine here
#define CK_TILES "tiles_v3.h"
// Of a weight panel, 8 KB ahead: to L2, because L1 holds what serves every row now.
#define CK_PREFETCH(words) __builtin_prefetch((words) + 2048, 0, 2)

#include "kernels/table.h"

#pragma clang attribute pop
