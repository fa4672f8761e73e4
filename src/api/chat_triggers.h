#pragma once

// What of a chat's answer is forced: the end of its thinking, and a tool call.

#include <optional>
#include <vector>

#include "api/server_context.h"
#include "api/tool_choice.h"
#include "base/result.h"
#include "chat/message.h"
#include "sampling/trigger.h"

namespace glint {

// How long an answer may think.
struct ThinkingLimits {
  std::optional<int> budget{};  // tokens of thinking; then </think> is forced
  int answer_reserve = 0;       // of max_tokens, what is left to the answer
};

struct ForcedAnswer {
  ThinkingLimits thinking{};
  ToolChoice tool_choice{};  // has passed check_tool_choice()
  bool starts_in_thinking = true;
  int max_tokens = 0;
};

// The Error is kInvalidRequest about `tool_choice`: the names of the tools are too many.
Result<std::vector<Trigger>> chat_triggers(const ForcedAnswer& forced,
                                           const std::vector<Tool>& tools,
                                           const Tokenizer& tokenizer);

}  // namespace glint
