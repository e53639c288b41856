#ifndef TINSMITH_BENCH_PEERS_H
#define TINSMITH_BENCH_PEERS_H

#include <stddef.h>

// What libzmq alone does on this machine: the simplest C programs that move the same bytes over the
// same number of hops and decide nothing. The RPC layer is measured beside them.

/// Moves requests from the clients' ROUTER to the one worker behind the other ROUTER, and answers
/// back, for ever. The worker's first message is its greeting. Returns -1 if a socket fails.
int bench_broker(const char *clients, const char *workers);

/// A worker that sends back what comes, for ever. Returns -1 if a socket fails.
int bench_echo(const char *workers);

/// Requests per second of a client that keeps `window` requests of `size` bytes outstanding;
/// negative if a socket fails.
double bench_request_rate(const char *clients, int window, int count, int size);

/// Moves messages from a PULL to a PUSH socket, for ever. Returns -1 if a socket fails.
int bench_forward(const char *from, const char *to);

/// Sends `count` messages of `size` bytes one way; returns when the last one was taken by the
/// network. -1 if a socket fails.
int bench_push(const char *to, int count, int size);

/// Messages per second at the end of the way, from the first to the last; negative if a socket
/// fails.
double bench_pull_rate(const char *at, int count);

/// Bytes that this process has allocated from the C heap and not freed.
size_t bench_heap_bytes(void);

#endif
