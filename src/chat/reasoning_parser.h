#pragma once

// The glm45 format of reasoning: text up to </think>. The prompt has opened it as a rule, so that
// the answer has no <think> of its own; one that is there all the same is dropped.

#include <string_view>
#include <vector>

#include "chat/output_parser.h"

namespace glint {

enum class ReasoningStep {
  kWaits,     // for more text
  kEnded,     // </think> was taken
  kToolCall,  // stands before a <tool_call>, which may end the reasoning too
};

// Takes reasoning from the front of `text`. A <tool_call> stops it only if `stops_at_tool_call`.
ReasoningStep advance_reasoning(std::string_view& text, bool stops_at_tool_call, bool at_end,
                                std::vector<OutputEvent>& events);

void emit_reasoning(std::string_view text, std::vector<OutputEvent>& events);

}  // namespace glint
