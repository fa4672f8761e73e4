#pragma once

// What a GPU can do at most with a model of GLM-4.7-Flash's sizes in BF16, and what glint may be
// expected to make of it.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/config.h"

namespace glint {

struct ExpectedSpeed {
  int rows = 0;     // requests that decode in one step
  int context = 0;  // tokens that each attends to
  double limit_step_ms = 0, step_ms = 0;
  double share = 0;           // limit_step_ms / step_ms
  double first_token_ms = 0;  // of a prompt of `context` tokens alone, nothing of it cached
  std::vector<std::string> conditions;  // sentences

  double limit_tokens_per_s() const { return 1e3 * rows / limit_step_ms; }
  double tokens_per_s() const { return 1e3 * rows / step_ms; }
};

// Nothing for a GPU whose rates are not known (model/gpu_table.h).
std::optional<ExpectedSpeed> expected_speed(const ModelConfig& config, std::string_view gpu_name,
                                            int rows, int context);

}  // namespace glint
