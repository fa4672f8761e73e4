#pragma once

#include <optional>
#include <vector>

#include "base/token_id.h"

namespace glint {

inline constexpr int kMaxTriggers = 8;       // of one sequence
inline constexpr int kMaxTriggerIds = 2048;  // forced and allowed ids of all of them

// What must act without the one step of delay that the host sees: resolved in the sample op. When
// `on_token` was sampled, or `after_tokens` output tokens exist and `unless_seen` was not among
// them, the next tokens are `forced_ids`, one a step, and then, if `allowed_ids` is not empty, one
// token out of those. Each trigger fires once. Thinking budget: after_tokens = budget, unless_seen
// = forced_ids = </think>. Forced tool call: on_token = </think> -> <tool_call>, then a name's
// first id.
struct Trigger {
  std::optional<TokenId> on_token{};
  std::optional<int> after_tokens{};
  std::optional<TokenId> unless_seen{};
  std::vector<TokenId> forced_ids{};
  std::vector<TokenId> allowed_ids{};
};

}  // namespace glint
