#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

namespace glint {

// PacedRunner::log(), read: when each token was made.
class StepLog {
 public:
  using Time = std::chrono::steady_clock::time_point;

  static Result<StepLog> read(const std::string& path);
  // Of the sequence with this seed; nothing if no step has made it.
  std::optional<Time> made_at(uint64_t seed, size_t position) const;
  size_t num_steps() const { return steps_.size(); }

 private:
  struct Begin {
    size_t position = 0, step = 0;
  };
  std::vector<Time> steps_;
  std::map<uint64_t, std::vector<Begin>> begins_;  // by seed, in order
};

}  // namespace glint
