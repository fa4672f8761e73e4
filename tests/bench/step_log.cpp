#include "step_log.h"

#include <fstream>

namespace glint {

Result<StepLog> StepLog::read(const std::string& path) {
  std::ifstream file(path);
  if (!file) return Error{ErrorCode::kStartup, cat(path, ": the server has not written it.")};
  StepLog log;
  for (std::string kind; file >> kind;) {
    if (kind == "step") {
      int64_t nanoseconds = 0;
      file >> nanoseconds;
      log.steps_.push_back(Time(std::chrono::nanoseconds(nanoseconds)));
    } else {
      uint64_t seed = 0;
      Begin begin;
      file >> seed >> begin.position >> begin.step;
      log.begins_[seed].push_back(begin);
    }
  }
  return log;
}

std::optional<StepLog::Time> StepLog::made_at(uint64_t seed, size_t position) const {
  const auto sequence = begins_.find(seed);
  if (sequence == begins_.end()) return std::nullopt;
  std::optional<Time> time;
  for (const Begin& begin : sequence->second) {
    if (begin.position > position) break;
    const size_t step = begin.step + (position - begin.position);
    if (step < steps_.size()) time = steps_[step];
  }
  return time;
}

}  // namespace glint
