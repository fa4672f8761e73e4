#pragma once

// What Anthropic's messages are made of, as the messages that the template knows.
//
//   system                     a system message in front; its blocks joined by line breaks
//   user: tool_result          a tool message each, before the text of the same turn
//   user: text, document …     one user message
//   assistant: thinking        reasoning_content; redacted_thinking is dropped
//   assistant: text, tool_use  content and tool_calls
//
// What Anthropic's own servers run (server_tool_use and its results) is dropped: the model knows
// neither the call nor the format.

#include <vector>

#include "api/request_fields.h"
#include "base/result.h"
#include "chat/message.h"

namespace glint {

// `system` and `messages` of a body. Images, and documents that are not text, are refused.
Result<std::vector<Message>> parse_anthropic_messages(const RequestFields& fields);

}  // namespace glint
