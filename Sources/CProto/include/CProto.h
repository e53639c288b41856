// All generated headers. Written by Tools/generate-proto.sh.
#pragma once
#include "admin.pb-c.h"
#include "checkpoints.pb-c.h"
#include "envelope.pb-c.h"
#include "futures.pb-c.h"
#include "sampling.pb-c.h"
#include "sessions.pb-c.h"
#include "status.pb-c.h"
#include "tensor.pb-c.h"
#include "training.pb-c.h"
#include "worker.pb-c.h"
