#pragma once

// A server around the null model, its engine stepped by whoever holds it: no socket that listens,
// no thread, no time that matters.

#include "api/server_context.h"
#include "engine/engine.h"
#include "tests/support/tiny_checkpoint.h"

namespace glint {

class NullServerParts {
 public:
  NullServerParts();

  ServerContext& context() { return context_; }
  Engine& engine() { return engine_; }

 private:
  SteadyClock clock_;
  Engine engine_;
  ServerContext context_;
};

}  // namespace glint
