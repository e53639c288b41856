// Calls of the system that Swift does not see.
#ifndef TINSMITH_SYSTEM_H
#define TINSMITH_SYSTEM_H

/// Gives two files or folders of one file system each other's names, in one step.
/// Returns 0, or -1 with errno set.
int system_exchange(const char *first, const char *second);

#endif
