#pragma once

#include <functional>

#include "engine/stats.h"

namespace glint {

// How the engine goes about it; answers do not depend on any of these.
struct EngineOptions {
  // Submits a step before the one before it is collected. False: one after the other, slower.
  bool run_ahead = true;
  // Called on the engine thread after every so many steps that decoded; must not block. 0: never.
  int report_interval = 0;
  std::function<void(const EngineStats&)> report{};
};

}  // namespace glint
