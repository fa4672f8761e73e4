#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "base/token_id.h"

namespace glint {

inline constexpr int kMaxTriggers = 8;       // of one sequence
inline constexpr int kMaxTriggerIds = 2048;  // of all of them: see num_trigger_ids()

// What must act without the one step of delay that the host sees: resolved in the sample op. A
// trigger fires when `on_token` was sampled or `after_tokens` output tokens exist, unless a token
// of `unless_seen` is among the output. Then the next tokens are `forced_ids`, one a step, and
// after them, if `one_of` is not empty, those of one of its sequences: at each step the model
// chooses among the ids that still lead to one. A sequence that begins another one ends the choice.
//
//   thinking budget    after_tokens = budget, unless_seen = forced_ids = </think>
//   forced tool call   on_token = </think>, forced_ids = <tool_call>
//                      on_token = <tool_call>, one_of = the functions' names
struct Trigger {
  std::optional<TokenId> on_token{};
  std::optional<int> after_tokens{};
  std::vector<TokenId> unless_seen{};
  std::vector<TokenId> forced_ids{};
  std::vector<std::vector<TokenId>> one_of{};  // each of at least one id
  bool repeats = false;                        // fires at every on_token, not only the first
  bool holds_stop = false;                     // stop ids are masked until it has fired and is done
};

// `one_of` as a tree. The ids that may come next stand side by side, each with its node.
struct ChoiceTree {
  struct Node {
    int begin = 0;  // of `ids`
    int size = 0;   // 0: the sequence is complete
  };
  std::vector<TokenId> ids{};
  std::vector<Node> after{};  // one for each id
  Node root{};
};
ChoiceTree make_choice_tree(std::vector<std::vector<TokenId>> sequences);

// What `triggers` take of kMaxTriggerIds: unless_seen, forced_ids, and the ids of the tree.
size_t num_trigger_ids(std::span<const Trigger> triggers);

}  // namespace glint
