// Calls of the network that Swift does not see.
#ifndef TINSMITH_NETWORK_H
#define TINSMITH_NETWORK_H

#include <sys/epoll.h>

/// Takes a waiting connection: non-blocking and closed on exec. Returns its descriptor, or -1 with
/// errno set.
int network_accept(int listener);

/// Bytes that the kernel took for sending and the other end does not have yet; 0 if it cannot tell.
int network_unsent(int connection);

#endif
