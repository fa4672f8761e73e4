#pragma once

#include <vector>

#include "api/request_fields.h"
#include "base/result.h"
#include "chat/message.h"

namespace glint {

// `tools` and `tool_choice` of a response: flat functions become the nested ones that the template
// knows, in the order of a chat's. Tools of other types, which a server would have to run, are left
// out.
Result<std::vector<Tool>> parse_response_tools(const RequestFields& fields);

}  // namespace glint
