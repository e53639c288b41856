// Everything that a user of the client needs.
#pragma once

#include "tinsmith/service_client.hpp"
#include "tinsmith/status.hpp"
#include "tinsmith/tensor.hpp"
