// Calls of the system and instructions of the processor that Swift does not see.
#ifndef TINSMITH_SYSTEM_H
#define TINSMITH_SYSTEM_H

#include <stddef.h>
#include <stdint.h>

#include "network.h"

/// Gives two files or folders of one file system each other's names, in one step.
/// Returns 0, or -1 with errno set.
int system_exchange(const char *first, const char *second);

/// Continues a CRC-32C (Castagnoli polynomial, reflected) over more bytes; starts at and is inverted
/// by the caller. The processor's own instruction (SSE 4.2).
uint32_t system_crc32c(uint32_t state, const void *bytes, size_t count);

/// Gives the pages of the heap in which nothing lies back to the system.
void system_trim_heap(void);

#endif
