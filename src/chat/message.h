#pragma once

// What a conversation is, free of any API's JSON dialect.

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"

namespace glint {

struct ToolCall {
  std::string id;  // not rendered
  std::string name;
  Json arguments;  // an object; render_chat() refuses anything else
};

// `content` is what the template sees: a string, an array of parts, null, or absent (nullopt).
struct Message {
  std::string role;  // system, user, assistant, tool; the template drops any other
  std::optional<Json> content{};
  std::optional<std::string> reasoning_content{};
  std::vector<ToolCall> tool_calls{};
};

// One entry of a request's `tools`, rendered as passed.
using Tool = Json;

}  // namespace glint
