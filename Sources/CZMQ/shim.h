#ifndef TINSMITH_CZMQ_SHIM_H
#define TINSMITH_CZMQ_SHIM_H

#include <errno.h>
#include <sys/eventfd.h>
#include <zmq.h>

#endif
