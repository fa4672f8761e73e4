#pragma once

// Which tool an answer must call, whatever the dialect that asks for it.

#include <string>
#include <vector>

#include "api/request_fields.h"
#include "base/result.h"
#include "chat/message.h"

namespace glint {

struct ToolChoice {
  enum Mode {
    kAuto,      // the model decides
    kNone,      // no calls: the model does not see the tools
    kRequired,  // at least one call, of any tool
    kNamed,     // exactly one call, of the tool `name`
  };
  Mode mode = kAuto;
  std::string name{};

  bool forces_call() const { return mode == kRequired || mode == kNamed; }
};

// OpenAI's `tool_choice`: "auto", "none", "required", or
// {"type": "function", "function": {"name": …}}.
Result<ToolChoice> parse_tool_choice(const RequestFields& fields);

// kInvalidRequest about `tool_choice` if a call is forced and `tools` cannot give it.
Result<void> check_tool_choice(const ToolChoice& choice, const std::vector<Tool>& tools);

// The name of a tool that parse_tools() has let through.
std::string tool_name(const Tool& tool);

}  // namespace glint
