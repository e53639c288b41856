// The kernels for x86-64-v4. Contraction stays off: a multiply and an add become one operation
// only where the source says fma, or the two instruction sets would differ in bits.
#include <stdint.h>
#include <string.h>

#include "kernels/args.h"
#include "kernels/philox.h"

#pragma STDC FP_CONTRACT OFF
// Vector helpers are always_inline, so that no vector meets a calling convention.
#pragma clang diagnostic ignored "-Wpsabi"
#pragma clang attribute push(__attribute__((target("arch=x86-64-v4"))), apply_to = function)

#define CK_ISA CK_ISA_V4
#define CK_TABLE ck_table_v4
#define CK_SUFFIX v4
#define CK_PIN(vector) __asm__ volatile("" : "+v"(vector)::"memory")
#define CK_TILES "tiles_v4.h"
#define CK_PREFETCH(words) __builtin_prefetch((words) + 256)  // of a weight panel

#include "kernels/table.h"

#pragma clang attribute pop
