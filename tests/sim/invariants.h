#pragma once

// What must hold between two steps, checked from outside on the scheduler's own data.

#include <string>
#include <unordered_map>

#include "scheduler/scheduler.h"
#include "tests/sim/client.h"
#include "tests/sim/fake_model_runner.h"

namespace glint::sim {

using Clients = std::unordered_map<RequestId, ClientRequest>;

// The first violation found, or empty.
std::string check_invariants(const Scheduler& scheduler, const FakeModelRunner& runner,
                             const Clients& clients);

}  // namespace glint::sim
