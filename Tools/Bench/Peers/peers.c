#include "BenchPeers.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

enum { TURN = 64, LARGE_QUEUE = 64 };

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec + 1e-9 * time.tv_nsec;
}

/// A socket whose queues hold `queue` messages, 0 for no limit.
static void *open_socket(void *context, int type, int queue) {
  void *socket = zmq_socket(context, type);
  int none = 0;
  zmq_setsockopt(socket, ZMQ_LINGER, &none, sizeof none);
  zmq_setsockopt(socket, ZMQ_SNDHWM, &queue, sizeof queue);
  zmq_setsockopt(socket, ZMQ_RCVHWM, &queue, sizeof queue);
  return socket;
}

/// Moves the rest of a message whose first part is in `part`.
static int move_rest(zmq_msg_t *part, void *from, void *to) {
  for (;;) {
    int more = zmq_msg_more(part);
    if (zmq_msg_send(part, to, more ? ZMQ_SNDMORE : 0) < 0) zmq_msg_close(part);
    if (!more) return 0;
    zmq_msg_init(part);
    if (zmq_msg_recv(part, from, 0) < 0) return -1;
  }
}

/// Moves one whole message. Returns 0, or -1 if there is none (`flags` says whether to wait).
static int move(void *from, void *to, int flags) {
  zmq_msg_t part;
  zmq_msg_init(&part);
  if (zmq_msg_recv(&part, from, flags) < 0) return -1;
  return move_rest(&part, from, to);
}

static void requests(void *front, void *back, const char *worker, int size) {
  for (int turn = 0; turn < TURN; turn++) {
    zmq_msg_t client;
    zmq_msg_init(&client);
    if (zmq_msg_recv(&client, front, ZMQ_DONTWAIT) < 0) return;
    zmq_send(back, worker, size, ZMQ_SNDMORE);
    if (move_rest(&client, front, back) < 0) return;
  }
}

static void answers(void *back, void *front) {
  for (int turn = 0; turn < TURN; turn++) {
    zmq_msg_t worker;
    zmq_msg_init(&worker);
    if (zmq_msg_recv(&worker, back, ZMQ_DONTWAIT) < 0) return;
    zmq_msg_close(&worker);
    if (move(back, front, 0) < 0) return;
  }
}

int bench_broker(const char *clients, const char *workers) {
  void *context = zmq_ctx_new();
  void *front = open_socket(context, ZMQ_ROUTER, 0);
  void *back = open_socket(context, ZMQ_ROUTER, 0);
  if (zmq_bind(front, clients) < 0 || zmq_bind(back, workers) < 0) return -1;
  char worker[256], greeting[8];
  int size = zmq_recv(back, worker, sizeof worker, 0);
  if (size < 0 || zmq_recv(back, greeting, sizeof greeting, 0) < 0) return -1;
  zmq_pollitem_t items[2] = {{front, 0, ZMQ_POLLIN, 0}, {back, 0, ZMQ_POLLIN, 0}};
  for (;;) {
    if (zmq_poll(items, 2, -1) < 0) return -1;
    if (items[0].revents) requests(front, back, worker, size);
    if (items[1].revents) answers(back, front);
  }
}

int bench_echo(const char *workers) {
  void *socket = open_socket(zmq_ctx_new(), ZMQ_DEALER, 0);
  if (zmq_connect(socket, workers) < 0) return -1;
  zmq_send(socket, "", 0, 0);
  while (move(socket, socket, 0) == 0) {}
  return -1;
}

double bench_request_rate(const char *clients, int window, int count, int size) {
  void *context = zmq_ctx_new();
  void *socket = open_socket(context, ZMQ_DEALER, 0);
  char *body = calloc(1, size);
  double start = 0, rate = -1;
  int warm = count / 5, sent = 0, received = 0;
  if (zmq_connect(socket, clients) < 0) goto done;
  for (; sent < window; sent++) zmq_send(socket, body, size, 0);
  while (received < count + warm) {
    if (zmq_recv(socket, body, size, 0) < 0) goto done;
    if (received == warm) start = now();
    received++;
    if (sent < count + warm) {
      zmq_send(socket, body, size, 0);
      sent++;
    }
  }
  rate = (count - 1) / (now() - start);
done:
  free(body);
  zmq_close(socket);
  zmq_ctx_term(context);
  return rate;
}

int bench_forward(const char *from, const char *to) {
  void *context = zmq_ctx_new();
  void *in = open_socket(context, ZMQ_PULL, LARGE_QUEUE);
  void *out = open_socket(context, ZMQ_PUSH, LARGE_QUEUE);
  if (zmq_bind(in, from) < 0 || zmq_connect(out, to) < 0) return -1;
  while (move(in, out, 0) == 0) {}
  return -1;
}

int bench_push(const char *to, int count, int size) {
  void *context = zmq_ctx_new();
  void *socket = open_socket(context, ZMQ_PUSH, LARGE_QUEUE);
  int forever = -1, failed = 0;
  zmq_setsockopt(socket, ZMQ_LINGER, &forever, sizeof forever);
  if (zmq_connect(socket, to) < 0) return -1;
  char *body = calloc(1, size);
  for (int sent = 0; sent < count && !failed; sent++) failed = zmq_send(socket, body, size, 0) < 0;
  free(body);
  zmq_close(socket);
  zmq_ctx_term(context);
  return failed ? -1 : 0;
}

double bench_pull_rate(const char *at, int count) {
  void *context = zmq_ctx_new();
  void *socket = open_socket(context, ZMQ_PULL, LARGE_QUEUE);
  double start = 0, rate = -1;
  zmq_msg_t message;
  zmq_msg_init(&message);
  if (zmq_bind(socket, at) < 0) goto done;
  for (int received = 0; received < count; received++) {
    if (zmq_msg_recv(&message, socket, 0) < 0) goto done;
    if (received == 0) start = now();
  }
  rate = (count - 1) / (now() - start);
done:
  zmq_msg_close(&message);
  zmq_close(socket);
  zmq_ctx_term(context);
  return rate;
}

size_t bench_heap_bytes(void) {
  struct mallinfo2 info = mallinfo2();
  return info.uordblks + info.hblkhd;
}
