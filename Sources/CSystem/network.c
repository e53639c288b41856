#define _GNU_SOURCE
#include "network.h"

#include <linux/sockios.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

int network_accept(int listener) {
  return accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

int network_unsent(int connection) {
  int bytes = 0;
  return ioctl(connection, SIOCOUTQ, &bytes) == 0 ? bytes : 0;
}
