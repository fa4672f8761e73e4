#pragma once

#include <vector>

#include "api/request_fields.h"
#include "api/tool_choice.h"
#include "base/result.h"
#include "chat/message.h"

namespace glint {

struct ResponseTools {
  std::vector<Tool> tools;  // none with tool_choice none; of allowed_tools only those
  ToolChoice choice;        // has passed check_tool_choice()
};

// `tools` and `tool_choice` of a response: flat functions become the nested ones that the template
// knows, in the order of a chat's. Tools of other types, which a server would have to run, are left
// out.
Result<ResponseTools> parse_response_tools(const RequestFields& fields);

}  // namespace glint
