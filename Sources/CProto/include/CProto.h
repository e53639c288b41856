// All generated headers. Written by Tools/generate-proto.sh.
#pragma once
#include "envelope.pb-c.h"
#include "status.pb-c.h"
